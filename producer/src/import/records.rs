//! The records of a file, whatever its layout.

use std::io::{self, BufRead, Cursor, Read};

use super::csv::CsvReader;
use super::error::Error;
use super::items::{self, ItemReader};
use super::job::{Import, ImportFormat};
use super::lines::{LineReader, MAX_RECORD_BYTES, Numbered};
use super::map::{ColumnMap, MapError};
use super::source::SourceFile;

/// Reads records.
pub(super) enum RecordReader<'f> {
    Csv {
        csv: Box<CsvReader<Box<dyn BufRead + 'f>>>,
        /// The names of the columns, as the file has them; none if it is empty.
        header: Vec<String>,
    },
    Lines(LineReader<Box<dyn BufRead + 'f>>),
    Items(ItemReader<Box<dyn BufRead + 'f>>),
}

/// A record's text.
pub(super) enum RecordText {
    Fields(Vec<String>),
    Json(String),
}

impl<'f> RecordReader<'f> {
    /// Opens the file at its first record.
    pub(super) fn open(file: &'f SourceFile, import: &Import) -> Result<Self, Error> {
        let map = import.map.as_ref();
        let text = file.text(map.and_then(ColumnMap::encoding))?;
        let unreadable = |error| file.unreadable(error);
        match (import.format, map) {
            (ImportFormat::Csv, None) => Err(MapError::needed().into()),
            (ImportFormat::Csv, Some(map)) => {
                let opened = CsvReader::open(LineReader::new(text), map.dialect());
                let (csv, header) = opened.map_err(unreadable)?;
                Ok(Self::Csv {
                    csv: Box::new(csv),
                    header: header.unwrap_or_default(),
                })
            }
            (ImportFormat::Ndjson, _) => {
                let mut text = text;
                let mut beginning = Vec::new();
                let limit = MAX_RECORD_BYTES as u64;
                let read = Read::take(&mut text, limit).read_to_end(&mut beginning);
                read.map_err(unreadable)?;
                let has_items = items::has_items(&beginning);
                let whole: Box<dyn BufRead + 'f> = Box::new(Cursor::new(beginning).chain(text));
                Ok(match has_items {
                    true => Self::Items(ItemReader::new(whole)),
                    false => Self::Lines(LineReader::new(whole)),
                })
            }
        }
    }

    /// Returns the next record; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<RecordText>>> {
        match self {
            Self::Csv { csv, header } => match header.is_empty() {
                true => Ok(None),
                false => Ok(csv.next()?.map(of(RecordText::Fields))),
            },
            Self::Lines(lines) => Ok(lines.next_text()?.map(of(RecordText::Json))),
            Self::Items(items) => Ok(items.next()?.map(of(RecordText::Json))),
        }
    }

    /// Returns how many bytes of the records have been read.
    pub(super) fn consumed(&self) -> u64 {
        match self {
            Self::Csv { csv, .. } => csv.lines().consumed(),
            Self::Lines(lines) => lines.consumed(),
            Self::Items(items) => items.consumed(),
        }
    }
}

fn of<T>(text: impl FnOnce(T) -> RecordText) -> impl FnOnce(Numbered<T>) -> Numbered<RecordText> {
    |(number, record)| (number, record.map(text))
}
