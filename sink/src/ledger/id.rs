//! The lake's own identity.

use serde::{Deserialize, Serialize};

use super::hex_text::hex_text;

/// Which lake this is. It is made at random when the lake is founded and never changes, so two
/// lakes of one topic that were at one URL, one after the other, differ by it. Its text is 32
/// hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LakeId(u128);

impl LakeId {
    /// An identity from 128 random bits.
    #[must_use]
    pub const fn new(random: u128) -> Self {
        Self(random)
    }
}

hex_text!(LakeId, "not a lake's identity");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_as_it_was_written() {
        for number in [0, 7, 1 << 127, u128::MAX] {
            let id = LakeId::new(number);
            assert_eq!(id.to_string().len(), 32, "{id}");
            assert_eq!(id.to_string().parse::<LakeId>().unwrap(), id);
        }
        let short = "7";
        let signed = "+0000000000000000000000000000007";
        let capital = "A0000000000000000000000000000007";
        let long = "000000000000000000000000000000007";
        for text in ["", short, signed, capital, long] {
            assert!(text.parse::<LakeId>().is_err(), "{text}");
        }
    }
}
