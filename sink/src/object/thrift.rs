//! Looks at a Parquet file's footer before any reader does. Readers take as much memory as the
//! footer declares, and follow its nesting as deep as it goes; a footer of a hundred bytes can
//! declare gigabytes. So what it declares is held against what there is.

use std::ops::Range;

/// What every Parquet file begins and ends with.
pub(crate) const MAGIC: &[u8] = b"PAR1";
/// What it ends with if its footer is encrypted.
const ENCRYPTED_MAGIC: &[u8] = b"PARE";
/// The footer's length and the magic, at the end.
pub(crate) const END_BYTES: u64 = 8;
/// The longest footer that is read: far more than [`MAX_STRUCTURES`] structures take.
const MAX_FOOTER_BYTES: u64 = 64 << 20;
/// How deep a footer's structures nest. The format itself needs six levels.
const MAX_DEPTH: u32 = 32;
/// How deep the columns of a file may nest.
const MAX_COLUMN_DEPTH: usize = 64;
/// How many structures a footer may have: a thousand columns in five hundred row groups. DuckDB
/// takes some hundred bytes for each.
const MAX_STRUCTURES: usize = 500_000;

/// Why a Parquet file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitParquet {
    /// It does not end as a Parquet file does.
    #[error("it is no Parquet file")]
    NoParquet,
    /// Its footer is damaged or asks for too much.
    #[error("{0}")]
    Damaged(String),
    /// It cannot be read now.
    #[error("{0}")]
    Unreadable(String),
}

/// Checks the footer of a file of so many bytes.
///
/// # Errors
/// Fails if a reader must not be given the file.
pub fn check_parquet<T: AsRef<[u8]>>(
    bytes: u64,
    read: impl Fn(Range<u64>) -> Result<T, String>,
) -> Result<(), UnfitParquet> {
    let end = bytes
        .checked_sub(END_BYTES)
        .ok_or(UnfitParquet::NoParquet)?;
    let tail = read(end..bytes).map_err(UnfitParquet::Unreadable)?;
    let length = footer_length(bytes, tail.as_ref())?;
    let footer = read(end - length..end).map_err(UnfitParquet::Unreadable)?;
    check_footer(footer.as_ref())
}

/// How long the footer of a file of so many bytes is, by the last bytes of the file.
pub(crate) fn footer_length(bytes: u64, tail: &[u8]) -> Result<u64, UnfitParquet> {
    let damaged = |why: &str| Err(UnfitParquet::Damaged(why.to_owned()));
    let least = MAGIC.len() as u64 + END_BYTES;
    let end = tail.split_last_chunk::<8>().filter(|_| bytes >= least);
    let (length, magic) = end.ok_or(UnfitParquet::NoParquet)?.1.split_at(4);
    if magic == ENCRYPTED_MAGIC {
        return damaged("it is encrypted: write it without encryption");
    }
    if magic != MAGIC {
        return Err(UnfitParquet::NoParquet);
    }
    let length = length.try_into().map(u32::from_le_bytes).unwrap_or(0);
    let length = u64::from(length);
    if length == 0 || length > bytes - least {
        return damaged("its footer is longer than the file: the file is damaged");
    }
    if length > MAX_FOOTER_BYTES {
        return damaged(
            "its footer is longer than 64 MiB: write it with fewer columns or row groups",
        );
    }
    Ok(length)
}

/// The footer of that length, if the last bytes of a file hold it.
pub(crate) fn footer_in(tail: &[u8], length: u64) -> Option<&[u8]> {
    let (before, _) = tail.split_last_chunk::<8>()?;
    let begin = before.len().checked_sub(usize::try_from(length).ok()?)?;
    before.get(begin..)
}

/// Checks what a footer declares.
pub(crate) fn check_footer(footer: &[u8]) -> Result<(), UnfitParquet> {
    let mut walk = FooterWalk {
        rest: footer,
        structures: 0,
    };
    walk.file()
        .map_err(|why| UnfitParquet::Damaged(format!("its footer {why}: the file is damaged")))
}

/// The types of Thrift's compact protocol.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

/// The field of a file's structure that lists its columns, as a tree in depth-first order.
const SCHEMA_FIELD: i16 = 2;
/// The field of a column that says how many of the next ones are its children.
const CHILDREN_FIELD: i16 = 5;

const CUT: &str = "ends within a value";

type Walked<T> = Result<T, &'static str>;

/// A walk over a footer, in Thrift's compact protocol. Nothing is kept of it.
struct FooterWalk<'f> {
    rest: &'f [u8],
    structures: usize,
}

impl FooterWalk<'_> {
    /// The structure of the file.
    fn file(&mut self) -> Walked<()> {
        let mut last = 0;
        while let Some((kind, id)) = self.field(last)? {
            last = id;
            if kind == kind::LIST && id == SCHEMA_FIELD {
                self.schema()?;
            } else {
                self.value(kind, 1)?;
            }
        }
        Ok(())
    }

    fn schema(&mut self) -> Walked<()> {
        let (count, kind) = self.list()?;
        if kind != kind::STRUCT {
            return Err("has a schema of another kind");
        }
        // How many children are still to come on each level.
        let mut open: Vec<u64> = Vec::new();
        for _ in 0..count {
            while open.last() == Some(&0) {
                open.pop();
            }
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            let children = self.column()?;
            if children > 0 {
                open.push(children);
            }
            if open.len() > MAX_COLUMN_DEPTH {
                return Err("nests columns too deep");
            }
        }
        match open.iter().all(|left| *left == 0) {
            true => Ok(()),
            false => Err("lacks columns that it declares"),
        }
    }

    /// A column of the schema. Returns how many children it has.
    fn column(&mut self) -> Walked<u64> {
        self.count()?;
        let (mut last, mut children) = (0, 0);
        while let Some((kind, id)) = self.field(last)? {
            last = id;
            if kind == kind::I32 && id == CHILDREN_FIELD {
                let zigzag = self.varint()?;
                if zigzag % 2 == 1 {
                    return Err("declares less than no columns");
                }
                children = zigzag / 2;
            } else {
                self.value(kind, 2)?;
            }
        }
        Ok(children)
    }

    /// Counts a structure.
    fn count(&mut self) -> Walked<()> {
        self.structures += 1;
        match self.structures > MAX_STRUCTURES {
            true => Err("has too many parts"),
            false => Ok(()),
        }
    }

    /// The next field's type and number. `None` at the end of the structure.
    fn field(&mut self, last: i16) -> Walked<Option<(u8, i16)>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = match head >> 4 {
            0 => {
                let zigzag = self.varint()?;
                i16::try_from(zigzag >> 1).map_err(|_| "has a field of no number")?
            }
            step => last.checked_add(i16::from(step)).ok_or(CUT)?,
        };
        Ok(Some((head & 0x0f, id)))
    }

    fn structure(&mut self, depth: u32) -> Walked<()> {
        self.count()?;
        let mut last = 0;
        while let Some((kind, id)) = self.field(last)? {
            last = id;
            self.value(kind, depth)?;
        }
        Ok(())
    }

    fn value(&mut self, kind: u8, depth: u32) -> Walked<()> {
        if depth > MAX_DEPTH {
            return Err("nests too deep");
        }
        match kind {
            kind::TRUE | kind::FALSE => Ok(()),
            kind::BYTE => self.skip(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(|_| ()),
            kind::DOUBLE => self.skip(8),
            kind::UUID => self.skip(16),
            kind::BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            kind::LIST | kind::SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.item(kind, depth + 1))
            }
            kind::MAP => {
                let count = self.varint()?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                self.holds(count)?;
                (0..count).try_for_each(|_| {
                    self.item(kinds >> 4, depth + 1)?;
                    self.item(kinds & 0x0f, depth + 1)
                })
            }
            kind::STRUCT => self.structure(depth + 1),
            _ => Err("has a value of no kind"),
        }
    }

    /// An element of a list. Booleans take a byte there.
    fn item(&mut self, kind: u8, depth: u32) -> Walked<()> {
        match kind {
            kind::TRUE | kind::FALSE => self.skip(1),
            kind => self.value(kind, depth),
        }
    }

    /// A list's head: how many elements it has, and of which type.
    fn list(&mut self) -> Walked<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        self.holds(count)?;
        Ok((count, head & 0x0f))
    }

    /// Every element takes a byte at least.
    fn holds(&self, count: u64) -> Walked<()> {
        match count > self.rest.len() as u64 {
            true => Err("declares more than it holds"),
            false => Ok(()),
        }
    }

    fn varint(&mut self) -> Walked<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("has a number without an end")
    }

    fn byte(&mut self) -> Walked<u8> {
        let (first, rest) = self.rest.split_first().ok_or(CUT)?;
        self.rest = rest;
        Ok(*first)
    }

    fn skip(&mut self, bytes: u64) -> Walked<()> {
        let bytes = usize::try_from(bytes).map_err(|_| CUT)?;
        self.rest = self.rest.get(bytes..).ok_or(CUT)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that ends with this footer.
    fn file(footer: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(footer);
        bytes.extend(u32::try_from(footer.len()).unwrap().to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    fn checked(bytes: &[u8]) -> Result<(), UnfitParquet> {
        check_parquet(bytes.len() as u64, |range| {
            let range = range.start as usize..range.end as usize;
            Ok(bytes[range].to_vec())
        })
    }

    fn refused(bytes: &[u8]) -> String {
        match checked(bytes) {
            Err(UnfitParquet::Damaged(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attack_5_a_footer_that_declares_more_than_it_holds_is_refused() {
        // 100,000,000 elements, as a number of Thrift's.
        let many = [0x80, 0xc2, 0xd7, 0x2f];
        for head in [
            // The version, then a list as the schema, the row groups or the key-values.
            [0x15, 0x02, 0x19, 0xfc].as_slice(),
            &[0x15, 0x02, 0x29, 0xfc],
            &[0x15, 0x02, 0x39, 0xfc],
            // A list of texts, of numbers, of booleans; a set; a map.
            &[0x15, 0x02, 0x49, 0xf8],
            &[0x15, 0x02, 0x49, 0xf5],
            &[0x15, 0x02, 0x49, 0xf1],
            &[0x15, 0x02, 0x4a, 0xf5],
            &[0x15, 0x02, 0x4b],
        ] {
            let mut footer = head.to_vec();
            footer.extend(many);
            footer.resize(118, 0x55);
            let why = refused(&file(&footer));
            assert!(why.contains("declares more than it holds"), "{why}");
        }
        // A text that is longer than the file.
        let why = refused(&file(&[0x18, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]));
        assert!(why.contains("ends within a value"), "{why}");
    }

    #[test]
    fn attack_5_depth_and_number_of_parts_are_bounded() {
        let why = refused(&file(&[0x1c; 100_000]));
        assert!(why.contains("nests too deep"), "{why}");
        let why = refused(&file(&[0x19; 100_000]));
        assert!(why.contains("too deep") || why.contains("kind"), "{why}");
        // A chain of columns, each the only child of the one before.
        let link = [0x48, 1, b'a', 0x15, 2, 0];
        let mut footer = vec![0x15, 0x02, 0x19, 0xfc, 0xa0, 0x8d, 0x06];
        footer.extend(link.repeat(100_000));
        footer.push(0);
        let why = refused(&file(&footer));
        assert!(why.contains("nests columns too deep"), "{why}");
        // A million structures without fields, of one byte each.
        let mut footer = vec![0x15, 0x02, 0x29, 0xfc, 0xc0, 0x84, 0x3d];
        footer.resize(1_100_000, 0);
        let why = refused(&file(&footer));
        assert!(why.contains("too many parts"), "{why}");
    }

    #[test]
    fn what_is_no_parquet_file_is_told_from_what_is_damaged() {
        assert_eq!(checked(b"a,b\n1,2\nand more"), Err(UnfitParquet::NoParquet));
        assert_eq!(checked(b"PAR1"), Err(UnfitParquet::NoParquet));
        let why = refused(b"PAR1 this is none PAR1");
        assert!(why.contains("longer than the file"), "{why}");
        let why = refused(b"PARE12345678PARE");
        assert!(why.contains("encrypted"), "{why}");
        // Noise never ends the walk otherwise than with an answer.
        let mut seed: u32 = 7;
        for _ in 0..2_000 {
            let noise: Vec<u8> = (0..64)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            let _ = checked(&file(&noise));
        }
    }
}
