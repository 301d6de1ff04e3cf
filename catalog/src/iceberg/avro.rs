//! Avro's object container files, as far as Iceberg's manifests need them.
//!
//! Numbers are zig-zag varints; texts and bytes have their length before them; a list is one block
//! with its count before it, and an empty one after it. The source is the Avro specification 1.11,
//! "Binary Encoding" and "Object Container Files".

use serde_json::Value;
use sha2::{Digest, Sha256};

const MAGIC: [u8; 4] = *b"Obj\x01";

/// The fields of one record, encoded one after the other.
#[derive(Debug, Default)]
pub(super) struct AvroRecord(Vec<u8>);

impl AvroRecord {
    pub(super) fn long(&mut self, number: i64) -> &mut Self {
        // The sign is the lowest bit.
        let mut rest = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
        while rest > 0x7f {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.long(i64::try_from(bytes.len()).expect("lengths fit"));
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A value of a union of null and another type, which comes next.
    pub(super) fn some(&mut self) -> &mut Self {
        self.long(1)
    }

    /// A list, of which `write` encodes each item.
    pub(super) fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) -> &mut Self {
        if !items.is_empty() {
            self.long(i64::try_from(items.len()).expect("lengths fit"));
            for item in items {
                write(self, item);
            }
        }
        self.long(0)
    }
}

/// A container file of these records, and its metadata besides schema and codec. Equal content has
/// equal bytes.
pub(super) fn container(
    schema: &Value,
    metadata: &[(&str, String)],
    records: &[AvroRecord],
) -> Vec<u8> {
    let mut head = AvroRecord::default();
    let own = [
        ("avro.schema", schema.to_string()),
        ("avro.codec", "null".to_owned()),
    ];
    let entries: Vec<_> = own.iter().chain(metadata).collect();
    head.list(&entries, |head, (key, value)| {
        head.text(key).text(value);
    });
    let mut body = Vec::new();
    for record in records {
        body.extend_from_slice(&record.0);
    }
    // The mark between blocks is random in the specification, so that it is not met in a block.
    let mut digest = Sha256::new();
    digest.update(&head.0);
    digest.update(&body);
    let mark = &digest.finalize()[..16];
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&head.0);
    file.extend_from_slice(mark);
    if !records.is_empty() {
        let mut block = AvroRecord::default();
        block.long(i64::try_from(records.len()).expect("lengths fit"));
        block.bytes(&body);
        file.extend_from_slice(&block.0);
        file.extend_from_slice(mark);
    }
    file
}

/// Reads a container file that [`container`] wrote.
pub(super) struct AvroReader<'f>(&'f [u8]);

impl<'f> AvroReader<'f> {
    /// Returns how many records the file has, and a reader that is at the first one; `None` if the
    /// file is none of ours.
    pub(super) fn open(file: &'f [u8]) -> Option<(i64, Self)> {
        let mut reader = Self(file.strip_prefix(&MAGIC)?);
        let entries = reader.long()?;
        for _ in 0..2 * entries {
            reader.bytes()?;
        }
        // The end of the list, and the mark.
        reader.long()?;
        reader.0 = reader.0.get(16..)?;
        let count = match reader.0.is_empty() {
            true => 0,
            false => reader.long()?,
        };
        if count > 0 {
            reader.long()?;
        }
        Some((count, reader))
    }

    pub(super) fn long(&mut self) -> Option<i64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()));
            }
        }
        None
    }

    pub(super) fn bytes(&mut self) -> Option<&'f [u8]> {
        let len = usize::try_from(self.long()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_zig_zag_varints() {
        let check = |number: i64, expect: &[u8]| {
            let mut record = AvroRecord::default();
            record.long(number);
            assert_eq!(record.0, expect, "{number}");
            assert_eq!(AvroReader(expect).long(), Some(number));
        };
        // The first five are the specification's own examples.
        check(0, &[0x00]);
        check(-1, &[0x01]);
        check(1, &[0x02]);
        check(-64, &[0x7f]);
        check(64, &[0x80, 0x01]);
        check(
            i64::MAX,
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        );
        check(
            i64::MIN,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        );
    }

    #[test]
    fn a_container_has_its_head_and_one_block() {
        let mut record = AvroRecord::default();
        record.text("foo").some().long(3);
        let schema = json!("string");
        let file = container(&schema, &[("k", "v".to_owned())], &[record]);
        assert!(file.starts_with(
            b"Obj\x01\x06\x16avro.schema\x10\"string\"\x14avro.codec\x08null\x02k\x02v\x00"
        ));
        let block = b"\x02\x0c\x06foo\x02\x06";
        let mark = &file[file.len() - 16..];
        let expect = [mark, block, mark].concat();
        assert!(file.ends_with(&expect));
        let (count, mut reader) = AvroReader::open(&file).unwrap();
        assert_eq!((count, reader.bytes()), (1, Some(&b"foo"[..])));
        let empty = container(&schema, &[], &[]);
        assert_eq!(AvroReader::open(&empty).unwrap().0, 0);
        for cut in 0..empty.len() {
            assert!(AvroReader::open(&empty[..cut]).is_none(), "{cut}");
        }
    }
}
