//! The ids of a file's lines.
//!
//! A line's id is a UUIDv8: 60 bits of the file's digest, 38 bits of the line's number, and 24
//! bits that are zero when the line is first sent, and of the mapping's digest when it is sent
//! again because it became a dead letter. So equal lines stay apart, a file that is imported
//! again meets its own ids, no line is a duplicate of its dead letter, and all ids of some lines
//! that follow each other are in one range.

use std::ops::RangeInclusive;

use uuid::Uuid;

const TRY_BITS: u32 = 24;
const TRY_MASK: u128 = (1 << TRY_BITS) - 1;
const LINE_BITS: u32 = 38;
const LINE_MASK: u128 = (1 << LINE_BITS) - 1;
/// Version 8 and the variant of all these versions, at their places.
const FIXED: u128 = (0x8 << 76) | (0b10 << 62);

/// Which try of a line an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineTry(u32);

impl LineTry {
    /// The try of a line that nobody knows.
    pub(super) const FIRST: Self = Self(0);

    /// The try with a mapping of this digest, of a line that became a dead letter.
    pub(super) fn again(digest: &[u8; 32]) -> Self {
        let [a, b, c, ..] = *digest;
        // Zero is the first try's.
        Self(u32::from_be_bytes([0, a, b, c]).max(1))
    }
}

/// The ids of one file's lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineIds {
    /// The bits that all of them have.
    file: u128,
}

impl LineIds {
    pub(super) fn new(digest: &[u8; 32]) -> Self {
        let (head, _) = digest.split_first_chunk().expect("32 bytes hold 8");
        let bits = u128::from(u64::from_be_bytes(*head) >> 4);
        let (high, low) = (bits >> 12, bits & 0xfff);
        Self {
            file: (high << 80) | (low << 64) | FIXED,
        }
    }

    /// Returns the id of a line.
    pub(super) fn id(self, line: u64, with: LineTry) -> Uuid {
        let line = (u128::from(line) & LINE_MASK) << TRY_BITS;
        Uuid::from_u128(self.file | line | u128::from(with.0))
    }

    /// Returns the ids that the lines from `first` to `last` can have.
    pub(super) fn range(self, first: u64, last: u64) -> RangeInclusive<[u8; 16]> {
        let end = self.id(last, LineTry::FIRST).as_u128() | TRY_MASK;
        self.id(first, LineTry::FIRST).into_bytes()..=end.to_be_bytes()
    }

    /// Returns the line and the try of an id of this file's.
    pub(super) fn line(self, id: [u8; 16]) -> (u64, LineTry) {
        let bits = u128::from_be_bytes(id);
        let line = (bits >> TRY_BITS) & LINE_MASK;
        let with = bits & TRY_MASK;
        (
            u64::try_from(line).expect("38 bits fit"),
            LineTry(u32::try_from(with).expect("24 bits fit")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_s_ids_are_a_range_of_its_own() {
        let ids = LineIds::new(&[0xab; 32]);
        let first = ids.id(7, LineTry::FIRST);
        assert_eq!(first.to_string(), "abababab-abab-8aba-8000-000007000000");
        assert_eq!(first.get_version_num(), 8);
        let again = ids.id(7, LineTry::again(&[0xcd; 32]));
        assert_eq!(again.to_string(), "abababab-abab-8aba-8000-000007cdcdcd");
        assert_eq!(ids.line(again.into_bytes()), (7, LineTry(0x00cd_cdcd)));
        assert_eq!(LineTry::again(&[0; 32]), LineTry(1));
        let range = ids.range(7, 8);
        let holds = |id: Uuid| range.contains(id.as_bytes());
        assert!(holds(first) && holds(again));
        assert!(holds(ids.id(8, LineTry::again(&[0xff; 32]))));
        assert!(!holds(ids.id(9, LineTry::FIRST)));
        assert!(!holds(ids.id(6, LineTry::again(&[0xff; 32]))));
        assert!(!holds(LineIds::new(&[0xac; 32]).id(7, LineTry::FIRST)));
    }
}
