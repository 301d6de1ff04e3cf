//! The lake's own identity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Which lake this is. It is made at random when the lake is founded and never changes, so two
/// lakes of one topic that were at one URL, one after the other, differ by it. Its text is 32
/// hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LakeId(u128);

/// The length of its text.
const DIGITS: usize = 32;

impl LakeId {
    /// An identity from 128 random bits.
    #[must_use]
    pub const fn new(random: u128) -> Self {
        Self(random)
    }
}

impl fmt::Display for LakeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl FromStr for LakeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let number = u128::from_str_radix(text, 16).ok();
        let number = number.filter(|_| text.len() == DIGITS && text.bytes().all(is_digit));
        number.map(Self).ok_or_else(|| {
            Error::Unfit(format!(
                "{text:?} is not a lake's identity, which has {DIGITS} hexadecimal digits"
            ))
        })
    }
}

impl TryFrom<String> for LakeId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<LakeId> for String {
    fn from(id: LakeId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_as_it_was_written() {
        for number in [0, 7, 1 << 127, u128::MAX] {
            let id = LakeId::new(number);
            assert_eq!(id.to_string().len(), DIGITS, "{id}");
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
