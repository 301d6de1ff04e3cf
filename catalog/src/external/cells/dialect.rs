//! How a CSV file is written: as the configuration says, and for the rest as the whole file shows.

use crate::config::External;
use crate::external::cells::csv::{CsvCell, CsvRecords};
use crate::external::cells::text::{self, FileText, OpenFile};
use crate::external::fit::is_same;

/// The delimiters that are tried, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many records decide about the delimiter.
const TRIED_RECORDS: usize = 1_000;
/// The most columns of a table.
const MAX_COLUMNS: usize = 2_000;

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvDialect {
    delimiter: u8,
    quote: Option<u8>,
    header: bool,
    /// The columns' names.
    pub(super) names: Vec<String>,
    /// What is odd about the file, for people.
    pub(super) notes: Vec<String>,
}

/// A CSV file that can be read again and again.
pub(super) struct CsvFile<'f> {
    pub(super) open: OpenFile<'f>,
    pub(super) external: &'f External,
}

impl CsvFile<'_> {
    fn text(&self) -> Result<FileText, String> {
        text::open(self.open, self.external)
    }

    fn records(&self, delimiter: u8, quote: Option<u8>) -> Result<CsvRecords, String> {
        let mut records = CsvRecords::new(self.text()?, delimiter, quote);
        records.skip_lines(self.external.skip)?;
        Ok(records)
    }

    /// The file's rows, without the header.
    pub(super) fn rows(&self, dialect: &CsvDialect) -> Result<CsvRecords, String> {
        let mut records = self.records(dialect.delimiter, dialect.quote)?;
        if dialect.header {
            records.next_record()?;
        }
        Ok(records)
    }

    /// Reads the whole file for its dialect. The error says what in it must be said.
    pub(super) fn dialect(&self) -> Result<CsvDialect, String> {
        let quote = match self.external.quote.as_str() {
            "" => Some(b'"'),
            "none" => None,
            quote => Some(one_byte("quote", quote)?),
        };
        let delimiter = match self.external.delimiter.as_str() {
            "" => self.delimiter(quote)?,
            delimiter => one_byte("delimiter", delimiter)?,
        };
        let mut records = self.records(delimiter, quote)?;
        let Some((_, first)) = records.next_record()? else {
            return Err("it is empty: there is no header".to_owned());
        };
        let header = self.external.header.unwrap_or_else(|| is_header(&first));
        let (mut longer, mut shorter, mut rows) = ((0, 0), (0, 0), 0_u64);
        let mut width = first.len();
        while let Some((line, record)) = records.next_record()? {
            rows += 1;
            width = width.max(record.len());
            let odd = match record.len().cmp(&first.len()) {
                std::cmp::Ordering::Less => &mut shorter,
                std::cmp::Ordering::Equal => continue,
                std::cmp::Ordering::Greater => &mut longer,
            };
            if odd.0 == 0 {
                odd.1 = line;
            }
            odd.0 += 1_u64;
        }
        if width > MAX_COLUMNS {
            return Err(format!(
                "line {} has {width} cells: a table has at most {MAX_COLUMNS} columns",
                longer.1
            ));
        }
        if first.len() == 1 && longer.0 * 2 > rows {
            return Err(format!(
                "its first line has one cell and {} of {rows} others have more: say with `skip` how many lines come before the header",
                longer.0
            ));
        }
        let mut notes = Vec::new();
        let mut note = |(count, line): (u64, u64), what: &str, then: &str| {
            if count > 0 {
                let first = first.len();
                notes.push(format!(
                    "{count} rows have {what} cells than the first line, which has {first}, from line {line} on: {then}"
                ));
            }
        };
        note(shorter, "fewer", "the rest is NULL");
        note(longer, "more", "they are in columns of their own");
        if !header {
            notes
                .push("there is no header: `header = true` says that the first line is one".into());
        }
        Ok(CsvDialect {
            delimiter,
            quote,
            header,
            names: names(if header { first } else { Vec::new() }, width),
            notes,
        })
    }

    /// The delimiter under which most records have as many cells as the first.
    fn delimiter(&self, quote: Option<u8>) -> Result<u8, String> {
        if self.external.path.to_ascii_lowercase().contains(".tsv") {
            return Ok(b'\t');
        }
        let mut best = (0, 0, DELIMITERS[0]);
        for delimiter in DELIMITERS {
            // What fails under a wrong delimiter may do so under none.
            let Ok((records, width)) = self.tried(delimiter, quote) else {
                continue;
            };
            if (records, width) > (best.0, best.1) {
                best = (records, width, delimiter);
            }
        }
        Ok(best.2)
    }

    /// How many records have as many cells as the first, which has more than one, and how many.
    fn tried(&self, delimiter: u8, quote: Option<u8>) -> Result<(usize, usize), String> {
        let mut records = self.records(delimiter, quote)?;
        let Some((_, first)) = records.next_record()? else {
            return Ok((0, 0));
        };
        let mut alike = 1;
        for _ in 0..TRIED_RECORDS {
            match records.next_record()? {
                Some((_, record)) => alike += usize::from(record.len() == first.len()),
                None => break,
            }
        }
        Ok(match first.len() {
            1 => (0, 0),
            width => (alike, width),
        })
    }
}

/// A key of one letter that takes one byte.
fn one_byte(key: &str, text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
        _ => Err(format!("`{key}` is {text:?}: write one letter of ASCII")),
    }
}

/// Returns true if no cell is a number.
fn is_header(first: &[CsvCell]) -> bool {
    let number = |text: &str| text.trim().replace(',', ".").parse::<f64>().is_ok();
    !first.iter().flatten().any(|cell| number(cell))
}

/// A name for each column, none twice.
fn names(header: Vec<CsvCell>, width: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(width);
    let mut header = header.into_iter();
    for place in 0..width {
        let given = header.next().flatten().unwrap_or_default();
        let given = match given.trim() {
            "" => format!("column{place}"),
            given => given.to_owned(),
        };
        let taken = |name: &str| names.iter().any(|known| is_same(known, name));
        let mut name = given.clone();
        let mut number = 1;
        while taken(&name) {
            name = format!("{given}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_of_its_own() {
        let header = ["a", " b ", "", "A"];
        let header: Vec<CsvCell> = header.iter().map(|cell| Some((*cell).to_owned())).collect();
        assert_eq!(names(header, 5), ["a", "b", "column2", "A_1", "column4"]);
    }

    #[test]
    fn a_line_with_a_number_is_no_header() {
        let cells = |texts: &[&str]| -> Vec<CsvCell> {
            texts.iter().map(|text| Some((*text).to_owned())).collect()
        };
        assert!(is_header(&cells(&["sku", "stock"])));
        assert!(!is_header(&cells(&["p1", "5"])));
        assert!(!is_header(&cells(&["p1", "0,5"])));
    }
}
