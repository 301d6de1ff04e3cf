//! A stored batch: what one append leaves in one partition, as one value.
//!
//! Little-endian: version `u8`, crc32 `u32` over all that follows, count `u32`,
//! append time `i64`, greatest append time of the segment so far `i64`, bytes of the
//! segment before this batch `u64`, then per record the key's length `u32`, the
//! value's length `u32`, key, value. The offset of the first record is the key under
//! which the batch is stored.

use bytes::Bytes;

use crate::{Draft, Offset, Record, Timestamp};

/// The version of this layout.
const VERSION: u8 = 1;
/// Version and crc, which the crc does not cover.
const PREFIX: usize = 5;
/// Everything before the first record.
const HEADER: usize = PREFIX + 4 + 8 + 8 + 8;
/// The lengths before each record.
const LENGTHS: usize = 8;

/// What a stored batch says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// How many records it holds, at least 1.
    pub(super) count: u32,
    /// When its records were appended.
    pub(super) appended_at: Timestamp,
    /// The greatest append time of the segment up to here. It never steps back, so a
    /// search by time may halve.
    pub(super) latest: Timestamp,
    /// How many bytes of batches the segment holds before this one.
    pub(super) before: u64,
}

/// What one record takes in a batch, in bytes.
pub(super) fn weight(draft: &Draft) -> usize {
    LENGTHS + draft.size()
}

/// The batch's value.
pub(super) fn encode(header: &Header, drafts: &[Draft]) -> Vec<u8> {
    let size = HEADER + drafts.iter().map(weight).sum::<usize>();
    let mut buffer = Vec::with_capacity(size);
    buffer.push(VERSION);
    buffer.extend([0; 4]);
    buffer.extend(header.count.to_le_bytes());
    buffer.extend(header.appended_at.micros().to_le_bytes());
    buffer.extend(header.latest.micros().to_le_bytes());
    buffer.extend(header.before.to_le_bytes());
    for draft in drafts {
        buffer.extend(length(&draft.key).to_le_bytes());
        buffer.extend(length(&draft.value).to_le_bytes());
        buffer.extend_from_slice(&draft.key);
        buffer.extend_from_slice(&draft.value);
    }
    let crc = crc32fast::hash(&buffer[PREFIX..]);
    buffer[1..PREFIX].copy_from_slice(&crc.to_le_bytes());
    buffer
}

fn length(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).expect("the writer refuses records over topic.max_record")
}

/// A stored batch that was checked. The error is a sentence about what is wrong.
pub(super) struct Stored {
    pub(super) header: Header,
    records: Bytes,
}

impl Stored {
    /// Checks version and crc and reads the header.
    pub(super) fn open(value: &Bytes) -> Result<Self, String> {
        if value.len() < HEADER {
            return Err(format!("a batch of {} bytes is too short", value.len()));
        }
        let mut fields = Fields(value);
        let version = fields.take::<1>()[0];
        if version != VERSION {
            return Err(format!(
                "a batch of version {version}; this program reads {VERSION}"
            ));
        }
        let crc = u32::from_le_bytes(fields.take());
        if crc32fast::hash(&value[PREFIX..]) != crc {
            return Err("the batch's checksum does not match its bytes".into());
        }
        let header = Header {
            count: u32::from_le_bytes(fields.take()),
            appended_at: Timestamp::from_micros(i64::from_le_bytes(fields.take())),
            latest: Timestamp::from_micros(i64::from_le_bytes(fields.take())),
            before: u64::from_le_bytes(fields.take()),
        };
        Ok(Self {
            header,
            records: value.slice(HEADER..),
        })
    }

    /// The records from `from` on, of a batch whose first record is at `first`; they
    /// share the batch's memory.
    pub(super) fn records(&self, first: Offset, from: Offset) -> Result<Vec<Record>, String> {
        let short = || String::from("the batch ends within a record");
        let mut rest = self.records.clone();
        let mut records = Vec::new();
        for index in 0..u64::from(self.header.count) {
            if rest.len() < LENGTHS {
                return Err(short());
            }
            let lengths = rest.split_to(LENGTHS);
            let mut fields = Fields(&lengths);
            let key = u32::from_le_bytes(fields.take()) as usize;
            let value = u32::from_le_bytes(fields.take()) as usize;
            if rest.len() < key + value {
                return Err(short());
            }
            let (key, value) = (rest.split_to(key), rest.split_to(value));
            let offset = Offset(first.0 + index);
            if offset >= from {
                records.push(Record {
                    offset,
                    appended_at: self.header.appended_at,
                    key: (!key.is_empty()).then_some(key),
                    value: Some(value),
                    headers: Vec::new(),
                });
            }
        }
        Ok(records)
    }
}

/// Takes fixed-size fields off the front of bytes whose length was checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .expect("the length was checked before");
        self.0 = rest;
        *field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> (Header, Vec<Draft>) {
        let drafts = [("", "keyless"), ("k", ""), ("key", "value")].map(|(key, value)| Draft {
            key: key.into(),
            value: value.into(),
        });
        let header = Header {
            count: 3,
            appended_at: Timestamp::from_micros(-7),
            latest: Timestamp::from_micros(9),
            before: 11,
        };
        (header, drafts.to_vec())
    }

    #[test]
    fn a_batch_reads_as_it_was_written() {
        let (header, drafts) = batch();
        let stored = Stored::open(&encode(&header, &drafts).into()).unwrap();
        assert_eq!(stored.header, header);
        let records = stored.records(Offset(5), Offset(6)).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].offset, Offset(6));
        assert_eq!(records[1].key.as_deref(), Some(b"key".as_slice()));
        let all = stored.records(Offset(5), Offset(0)).unwrap();
        assert_eq!((all.len(), &all[0].key), (3, &None));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (header, drafts) = batch();
        let whole = encode(&header, &drafts);
        for bit in 0..whole.len() * 8 {
            let mut garbled = whole.clone();
            garbled[bit / 8] ^= 1 << (bit % 8);
            assert!(Stored::open(&garbled.into()).is_err(), "bit {bit}");
        }
        for end in 0..whole.len() {
            assert!(
                Stored::open(&Bytes::copy_from_slice(&whole[..end])).is_err(),
                "cut at {end}"
            );
        }
    }
}
