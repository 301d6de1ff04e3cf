//! An object of a swap that is written to a file: sorted rows as Parquet, hashed while they are
//! written.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};
use topic::Timestamp;

use super::limits::SortLimits;
use super::order::unfit_rows;
use super::row_group::RowGroupCopy;
use super::spill::SpillFolder;
use crate::object::batch::writer_options;
use crate::object::footer;
use crate::object::swapped::SwappedFooter;
use crate::{COLUMNS, Error};

/// The most memory of a row group that is being written, in sizes of a row group.
const GROUP_MEMORY: usize = 3;

/// An object that is being written.
pub(crate) struct ObjectFile {
    writer: SerializedFileWriter<HashedFile>,
    columns: ArrowRowGroupWriterFactory,
    /// The row group that is being written.
    group: Option<OpenGroup>,
    folder: SpillFolder,
    limits: SortLimits,
    rows: u64,
    occurred: Option<(i64, i64)>,
}

/// A row group that is being written: each of its columns is encoded in memory.
struct OpenGroup {
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl OpenGroup {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let schema = rows.schema();
        let mut columns = self.columns.iter_mut();
        for (field, values) in schema.fields().iter().zip(rows.columns()) {
            for leaf in compute_leaves(field, values)? {
                let column = columns.next().expect("each column has a writer");
                column.write(&leaf)?;
            }
        }
        self.rows += rows.num_rows();
        Ok(())
    }

    /// What it will take in the file, about.
    fn encoded(&self) -> usize {
        let columns = self.columns.iter();
        columns
            .map(ArrowColumnWriter::get_estimated_total_bytes)
            .sum()
    }

    fn memory(&self) -> usize {
        let columns = self.columns.iter();
        columns.map(ArrowColumnWriter::memory_size).sum()
    }
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
        let parts = writer.and_then(ArrowWriter::into_serialized_writer);
        let (writer, columns) = parts.map_err(|error| folder.failed(&error))?;
        Ok(Self {
            writer,
            columns,
            group: None,
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
            self.reaches(first, last);
        }
        self.rows += rows.num_rows() as u64;
        let written = self.encode(rows);
        written.map_err(|error| self.folder.failed(&error))
    }

    fn encode(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let number = self.writer.flushed_row_groups().len();
        let group = match &mut self.group {
            Some(group) => group,
            none => none.insert(OpenGroup {
                columns: self.columns.create_column_writers(number)?,
                rows: 0,
            }),
        };
        group.write(rows)?;
        let is_full = group.rows >= self.limits.group_rows
            || group.encoded() >= self.limits.group_bytes
            || group.memory() >= GROUP_MEMORY * self.limits.group_bytes;
        match is_full {
            true => self.end_group(),
            false => Ok(()),
        }
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let mut written = self.writer.next_row_group()?;
        for column in group.columns {
            column.close()?.append_to_row_group(&mut written)?;
        }
        written.close()?;
        Ok(())
    }

    /// Takes a row group as it is in another object. Heavy, as [`ObjectFile::write`].
    pub(crate) fn copy(&mut self, group: &RowGroupCopy) -> Result<(), Error> {
        self.reaches(group.occurred.0, group.occurred.1);
        self.rows += group.rows();
        let copied = self.end_group().and_then(|()| {
            let mut written = self.writer.next_row_group()?;
            for column in group.columns() {
                written.append_column(&group.bytes, column)?;
            }
            written.close()
        });
        copied
            .map(|_| ())
            .map_err(|error| self.folder.failed(&error))
    }

    fn reaches(&mut self, first: i64, last: i64) {
        let least = self.occurred.map_or(first, |(least, _)| least);
        self.occurred = Some((least, last));
    }

    /// Returns true if the next rows belong to another object.
    pub(crate) fn is_full(&self) -> bool {
        let open = self.group.as_ref().map_or(0, OpenGroup::encoded);
        let written = self.writer.bytes_written() + open;
        written as u64 >= self.limits.object_bytes
    }

    /// Closes it.
    pub(crate) fn finish(mut self) -> Result<SortedFile, Error> {
        let ended = self.end_group();
        let folder = self.folder;
        ended.map_err(|error| folder.failed(&error))?;
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
fn closed(mut writer: SerializedFileWriter<HashedFile>) -> Result<(File, String, u64), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    writer.flush().map_err(|error| said(&error))?;
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
