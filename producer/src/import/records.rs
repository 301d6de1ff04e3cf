//! The records of a file, whatever its layout.

use std::io::{self, BufRead, Cursor, Read};

use super::batch::LineClick;
use super::csv::CsvReader;
use super::error::Error;
use super::items::{self, ItemReader};
use super::job::{Import, ImportFormat};
use super::lines::{LineReader, MAX_RECORD_BYTES, Numbered, Torn};
use super::log::LogParser;
use super::map::{ColumnMap, MapError};
use super::source::SourceFile;
use crate::address::IpPolicy;

/// Reads records.
pub(super) enum RecordReader<'f> {
    Csv {
        csv: Box<CsvReader<Box<dyn BufRead + 'f>>>,
        /// The names of the columns, as the file has them; none if it is empty.
        header: Vec<String>,
    },
    Lines(LineReader<Box<dyn BufRead + 'f>>),
    Items(ItemReader<Box<dyn BufRead + 'f>>),
    Log {
        lines: LineReader<Box<dyn BufRead + 'f>>,
        parser: LogParser,
    },
}

/// A record's text.
pub(super) enum RecordText {
    Fields(Vec<String>),
    Json(String),
    /// The click itself, of a line of an access log.
    Click(Box<LineClick>),
}

impl<'f> RecordReader<'f> {
    /// Opens the file at its first record.
    pub(super) fn open(file: &'f SourceFile, import: &Import, ip: IpPolicy) -> Result<Self, Error> {
        let map = import.map.as_ref();
        let text = file.text(map.and_then(ColumnMap::encoding))?;
        let unreadable = |error| file.unreadable(error);
        match (import.format, map) {
            (ImportFormat::Csv, None) => Err(MapError::needed().into()),
            (ImportFormat::Log(_), Some(_)) => Err(MapError::unwanted().into()),
            (ImportFormat::Log(log), None) => Ok(Self::Log {
                lines: LineReader::new(text),
                parser: LogParser::new(log, &import.realtime_fields, ip),
            }),
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
            Self::Log { lines, parser } => next_entry(lines, parser),
        }
    }

    /// Returns how many bytes of the records have been read.
    pub(super) fn consumed(&self) -> u64 {
        match self {
            Self::Csv { csv, .. } => csv.lines().consumed(),
            Self::Lines(lines) | Self::Log { lines, .. } => lines.consumed(),
            Self::Items(items) => items.consumed(),
        }
    }
}

fn of<T>(text: impl FnOnce(T) -> RecordText) -> impl FnOnce(Numbered<T>) -> Numbered<RecordText> {
    |(number, record)| (number, record.map(text))
}

/// Returns the next line of an access log that is a request.
fn next_entry(
    lines: &mut LineReader<impl BufRead>,
    parser: &mut LogParser,
) -> io::Result<Option<Numbered<RecordText>>> {
    while let Some(line) = lines.next()? {
        let entry = log_line(parser, &line.bytes).transpose();
        if let Some(entry) = entry {
            let click = entry.map(|click| RecordText::Click(Box::new(click)));
            return Ok(Some((line.number, click)));
        }
    }
    Ok(None)
}

/// Reads a line of an access log with its break; `None` if it is empty, or only describes the log.
pub(super) fn log_line(parser: &mut LogParser, bytes: &[u8]) -> Result<Option<LineClick>, Torn> {
    let mut kept = bytes;
    while let [head @ .., b'\n' | b'\r'] = kept {
        kept = head;
    }
    if kept.trim_ascii().is_empty() {
        return Ok(None);
    }
    if bytes.len() >= MAX_RECORD_BYTES {
        return Err(Torn::new("the line is too long", kept));
    }
    parser.line(kept).map_err(|reason| Torn::new(reason, kept))
}
