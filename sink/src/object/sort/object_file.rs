//! An object of a swap that is written to a file: sorted rows as Parquet, hashed while they are
//! written.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use parquet::arrow::ArrowWriter;
use sha2::{Digest, Sha256};
use topic::Timestamp;

use super::limits::SortLimits;
use super::order::unfit_rows;
use super::spill::SpillFolder;
use crate::object::batch::writer_options;
use crate::object::footer;
use crate::object::swapped::SwappedFooter;
use crate::{COLUMNS, Error};

/// The most rows of a row group: what engines read at once, and skip by its least and greatest
/// times.
const GROUP_ROWS: usize = 128 << 10;
/// The most memory of a row group that is being written, in sizes of a row group.
const GROUP_MEMORY: usize = 3;

/// An object that is being written.
pub(crate) struct ObjectFile {
    writer: ArrowWriter<HashedFile>,
    folder: SpillFolder,
    limits: SortLimits,
    rows: u64,
    occurred: Option<(i64, i64)>,
}

/// An object in a file, before it is in the store.
#[derive(Debug)]
pub(crate) struct SortedFile {
    pub(crate) file: File,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) occurred: Option<(Timestamp, Timestamp)>,
}

impl ObjectFile {
    pub(crate) fn begin(
        folder: &SpillFolder,
        said: &SwappedFooter,
        limits: SortLimits,
    ) -> Result<Self, Error> {
        let file = HashedFile {
            file: folder.file()?,
            hasher: Sha256::new(),
            bytes: 0,
            tail: None,
        };
        let options = writer_options(COLUMNS, said.metadata());
        let writer = ArrowWriter::try_new_with_options(file, crate::schema(), options);
        Ok(Self {
            writer: writer.map_err(|error| folder.failed(&error))?,
            folder: folder.clone(),
            limits,
            rows: 0,
            occurred: None,
        })
    }

    /// Takes the next rows. Heavy: call it off the event loop.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let occurred = rows
            .column_by_name("occurred_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| unfit_rows("their times are no microseconds"))?;
        if let (Some(&first), Some(&last)) = (occurred.values().first(), occurred.values().last()) {
            let least = self.occurred.map_or(first, |(least, _)| least);
            self.occurred = Some((least, last));
        }
        self.rows += rows.num_rows() as u64;
        let mut written = self.writer.write(rows);
        let writer = &self.writer;
        let is_full = writer.in_progress_rows() >= GROUP_ROWS
            || writer.in_progress_size() >= self.limits.group_bytes
            || writer.memory_size() >= GROUP_MEMORY * self.limits.group_bytes;
        if written.is_ok() && is_full {
            written = self.writer.flush();
        }
        written.map_err(|error| self.folder.failed(&error))
    }

    /// Returns true if the next rows belong to another object.
    pub(crate) fn is_full(&self) -> bool {
        let written = self.writer.bytes_written() + self.writer.in_progress_size();
        written as u64 >= self.limits.object_bytes
    }

    /// Closes it.
    pub(crate) fn finish(self) -> Result<SortedFile, Error> {
        let folder = self.folder;
        let hashed = closed(self.writer).map_err(|why| folder.failed(&why))?;
        let moment = Timestamp::from_micros;
        let (file, hash, bytes) = hashed;
        Ok(SortedFile {
            file,
            hash,
            bytes,
            rows: self.rows,
            occurred: self
                .occurred
                .map(|(least, most)| (moment(least), moment(most))),
        })
    }
}

/// Writes the footer, with the object's hash in its place. Returns the file, the hash of all its
/// bytes, and their number.
fn closed(mut writer: ArrowWriter<HashedFile>) -> Result<(File, String, u64), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    writer.flush().map_err(|error| said(&error))?;
    writer.sync().map_err(|error| said(&error))?;
    // What comes now ends the file, and is changed before it is written.
    writer.inner_mut().tail = Some(Vec::new());
    let hashed = writer.into_inner().map_err(|error| said(&error))?;
    let HashedFile {
        mut file,
        hasher,
        bytes,
        tail,
    } = hashed;
    let mut tail = tail.unwrap_or_default();
    let hash = footer::stamp_after(hasher, &mut tail);
    file.write_all(&tail).map_err(|error| said(&error))?;
    file.seek(SeekFrom::Start(0))
        .map_err(|error| said(&error))?;
    Ok((file, hash, bytes + tail.len() as u64))
}

/// A file whose bytes are hashed on their way.
struct HashedFile {
    file: File,
    hasher: Sha256,
    bytes: u64,
    /// The file's end, held back.
    tail: Option<Vec<u8>>,
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tail) = &mut self.tail {
            tail.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
