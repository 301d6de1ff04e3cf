//! The footer of an object: what its range holds, and a hash of the whole object.
//!
//! It is one JSON value among Parquet's key-value metadata, so that any Parquet reader
//! can show it. The hash covers the object with the hash's own digits as zeros.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use object_store::path::Path;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use topic::{Identity, Offset, Partition, Timestamp};

use super::names::named_digits;
use crate::Error;

/// The version of the lake's format that this code writes and reads. Version 1 was never released.
pub(crate) const FORMAT: u32 = 2;
/// Parquet's metadata key of the footer.
const FOOTER_KEY: &str = "clickweir";
/// Parquet's metadata key of the object's hash.
const HASH_KEY: &str = "clickweir.sha256";
/// A hash's place before it is known.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What became of a range's offsets: `end - first` is their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Offsets that are rows of this object.
    pub rows: u64,
    /// Offsets that are dead letters of the object's letters.
    pub dead_letters: u64,
    /// Offsets whose id was seen shortly before.
    pub duplicates: u64,
    /// Offsets whose records somebody asked to be erased.
    pub dropped: u64,
    /// Offsets that hold no record.
    pub absent: u64,
}

impl Counts {
    /// All offsets of the range.
    #[must_use]
    pub const fn total(&self) -> u64 {
        // A footer that somebody else wrote may count anything.
        self.rows
            .saturating_add(self.dead_letters)
            .saturating_add(self.duplicates)
            .saturating_add(self.dropped)
            .saturating_add(self.absent)
    }
}

/// What an object says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// The format's version.
    pub format: u32,
    /// Whose clicks these are.
    pub topic: Identity,
    /// The topic's partition.
    pub partition: Partition,
    /// Where the range begins.
    pub first: Offset,
    /// Where it ends (exclusive).
    pub end: Offset,
    /// The append time of the record at `end - 1`.
    pub appended_at: Timestamp,
    /// What became of the range's offsets.
    #[serde(flatten)]
    pub counts: Counts,
    /// The duplicates among [`Counts::duplicates`] whose content differs from their twin's.
    #[serde(default)]
    pub differing: u64,
    /// The object that holds the range's dead letters; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters: Option<String>,
    /// The least and the greatest `occurred_at` of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred: Option<(Timestamp, Timestamp)>,
    /// True if retention had cut the range in which duplicates are looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub window_cut: bool,
    /// The hash of the configuration that decided the rows; after a dot, that of the rule that said which
    /// records are duplicates.
    pub configuration: String,
    /// The versions of what the rows were enriched from, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
    /// How many entries of the ledger its maker had read. The first objects did not say it,
    /// and none of them was made beside a gap.
    #[serde(default = "all_entries")]
    pub ledger: u64,
}

const fn all_entries() -> u64 {
    u64::MAX
}

impl Footer {
    /// Parquet's metadata for an object that is about to be written: the footer, and
    /// zeros where the hash will be.
    pub(crate) fn metadata(&self) -> Vec<KeyValue> {
        let json = serde_json::to_string(self).expect("a footer is plain text and numbers");
        vec![KeyValue::new(FOOTER_KEY.to_owned(), json), hash_place()]
    }

    /// The hash of the rule that said which records are duplicates.
    #[must_use]
    pub fn window_hash(&self) -> &str {
        let hash = self.configuration.rsplit_once('.');
        hash.map_or(&self.configuration, |(_, window)| window)
    }

    /// Reads the footer out of an object's Parquet metadata; its counts make up its range.
    pub(crate) fn read(path: &Path, metadata: &ParquetMetaData) -> Result<Self, Error> {
        let footer = Self::parse(path, metadata)?;
        if !footer.adds_up() {
            return Err(Error::Damaged {
                path: path.to_string(),
                detail: "its counts do not add up to its range".into(),
            });
        }
        Ok(footer)
    }

    /// Returns true if the counts make up the range.
    pub(crate) const fn adds_up(&self) -> bool {
        self.first.distance(self.end) == self.counts.total()
    }

    /// Reads the footer, whatever it says.
    pub(crate) fn parse(path: &Path, metadata: &ParquetMetaData) -> Result<Self, Error> {
        let damaged = |detail: String| Error::Damaged {
            path: path.to_string(),
            detail,
        };
        let json = value(metadata, FOOTER_KEY)
            .ok_or_else(|| damaged("it has no clickweir footer".into()))?;
        let footer: Self =
            serde_json::from_str(json).map_err(|error| damaged(format!("its footer: {error}")))?;
        check_format(path.as_ref(), footer.format)?;
        Ok(footer)
    }
}

/// The metadata in which an object's hash is written: zeros before it is known.
pub(crate) fn hash_place() -> KeyValue {
    KeyValue::new(HASH_KEY.to_owned(), ZEROS.to_owned())
}

/// Refuses what is of another format than this program's, with what to do.
pub(crate) fn check_format(what: &str, format: u32) -> Result<(), Error> {
    let remedy = match format.cmp(&FORMAT) {
        Ordering::Equal => return Ok(()),
        Ordering::Greater => "use a newer clickweir",
        Ordering::Less => {
            "nothing was changed in it; set lake.url to a new folder or prefix, which the topic \
             fills with all that it still holds"
        }
    };
    Err(Error::Unfit(format!(
        "{what} is of format {format}, and this program reads format {FORMAT}: {remedy}"
    )))
}

fn value<'m>(metadata: &'m ParquetMetaData, key: &str) -> Option<&'m str> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
}

/// Where the hash's digits are: the last place where the key is followed by 64 digits
/// (Parquet writes its metadata at the end of the file).
fn digits(object: &[u8]) -> Option<Range<usize>> {
    let at = object
        .windows(HASH_KEY.len())
        .rposition(|window| window == HASH_KEY.as_bytes())?;
    let tail = at + HASH_KEY.len();
    // Thrift's compact protocol puts a field header and a length between key and value.
    (tail..tail + 8)
        .map(|start| start..start + ZEROS.len())
        .find(|range| {
            object
                .get(range.clone())
                .is_some_and(|text| text.iter().all(u8::is_ascii_hexdigit))
        })
}

/// Hashes the object and writes the digits into their place.
pub(crate) fn stamp(object: &mut [u8]) {
    let place = digits(object).expect("the metadata was written with a place for the hash");
    let digest = format!("{:x}", Sha256::digest(&*object));
    object[place].copy_from_slice(digest.as_bytes());
}

/// Writes the hash's digits into the end of a file, of which `before` has taken all bytes before it.
/// Returns the SHA-256 of the whole file, its digits included.
pub(crate) fn stamp_after(before: Sha256, tail: &mut [u8]) -> String {
    let place = digits(tail).expect("the metadata was written with a place for the hash");
    let digest = format!("{:x}", before.clone().chain_update(&*tail).finalize());
    tail[place].copy_from_slice(digest.as_bytes());
    format!("{:x}", before.chain_update(tail).finalize())
}

/// Returns true if the object's bytes are those that were written, by the hash in its footer.
pub(crate) fn intact(object: &[u8]) -> bool {
    let hash = ObjectHash::in_footer(object.len() as u64, object);
    hash.is_some_and(|hash| hash.take(object).fits())
}

/// The hash of an object that is read piece by piece, beside the one that it was written with.
pub(crate) struct ObjectHash {
    hasher: Sha256,
    /// How many bytes were taken.
    at: u64,
    /// Where the object's own hash is, which counts as zeros; empty if it is in its name.
    place: Range<u64>,
    /// The first digits of the hash that it was written with.
    digits: Vec<u8>,
}

impl ObjectHash {
    fn in_footer(size: u64, tail: &[u8]) -> Option<Self> {
        let place = digits(tail)?;
        let before = size.checked_sub(tail.len() as u64)?;
        Some(Self {
            hasher: Sha256::new(),
            at: 0,
            digits: tail[place.clone()].to_vec(),
            place: before + place.start as u64..before + place.end as u64,
        })
    }

    /// The hash of an object that is named by it, else of one that has it in its footer; `None` if
    /// there is none.
    pub(crate) fn of(path: &Path, size: u64, tail: &[u8]) -> Option<Self> {
        match named_digits(path.as_ref()) {
            Some(digits) => Some(Self {
                hasher: Sha256::new(),
                at: 0,
                place: 0..0,
                digits: digits.as_bytes().to_vec(),
            }),
            None => Self::in_footer(size, tail),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn take(mut self, piece: &[u8]) -> Self {
        let within = |at: u64| {
            let at = usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX);
            at.min(piece.len())
        };
        let (start, end) = (within(self.place.start), within(self.place.end));
        self.hasher.update(&piece[..start]);
        self.hasher.update(&ZEROS.as_bytes()[..end - start]);
        self.hasher.update(&piece[end..]);
        self.at += piece.len() as u64;
        self
    }

    /// Returns true if all that was taken is what was written.
    pub(crate) fn fits(self) -> bool {
        format!("{:x}", self.hasher.finalize())
            .as_bytes()
            .starts_with(&self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, Hour};

    /// An object of one duplicate and no rows, encoded.
    fn object() -> Vec<u8> {
        let topic = Identity {
            cluster: "c".into(),
            topic: "t".into(),
        };
        let mut batch = Batch::new(
            topic,
            "conf".into(),
            Partition(0),
            Offset(5),
            Hour(0),
            false,
        );
        batch.duplicate(Offset(7), Timestamp::from_micros(1), true);
        batch.seal().encode(1).object.to_vec()
    }

    #[test]
    fn fault_28_every_flipped_bit_is_seen() {
        let object = object();
        assert!(intact(&object));
        for at in (0..object.len()).step_by(7) {
            let mut flipped = object.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(!intact(&flipped), "byte {at} of {}", object.len());
        }
        assert!(!intact(&object[..object.len() - 1]), "truncated");
        // In pieces of any size it is the same.
        for piece in [1, 7, 64, 100, object.len()] {
            let tail = &object[object.len() / 4..];
            let hash = ObjectHash::in_footer(object.len() as u64, tail).unwrap();
            let hash = object.chunks(piece).fold(hash, ObjectHash::take);
            assert!(hash.fits(), "{piece}");
        }
    }

    #[test]
    fn invariant_5_the_same_batch_is_the_same_bytes() {
        assert_eq!(object(), object());
    }
}
