//! The records of a CSV file.

use std::io::BufRead;

use crate::external::cells::text::{FileText, no_text, unread};

/// The most bytes of a cell. A quote that is never closed would take the rest of the file.
const MAX_CELL_BYTES: usize = 16 << 20;

/// A cell, as it is between the delimiters. `None` if it is empty and not in quotes.
pub(super) type CsvCell = Option<String>;

/// A file's records, one after the other. Empty lines are none.
pub(super) struct CsvRecords {
    text: FileText,
    delimiter: u8,
    quote: Option<u8>,
    /// The line that is read next, from 1 on.
    line: u64,
}

impl CsvRecords {
    pub(super) fn new(text: FileText, delimiter: u8, quote: Option<u8>) -> Self {
        Self {
            text,
            delimiter,
            quote,
            line: 1,
        }
    }

    /// Skips lines, whatever is in them.
    pub(super) fn skip_lines(&mut self, lines: u64) -> Result<(), String> {
        let mut skipped = Vec::new();
        for _ in 0..lines {
            skipped.clear();
            self.text
                .read_until(b'\n', &mut skipped)
                .map_err(|error| unread(&error))?;
            self.line += 1;
        }
        Ok(())
    }

    /// The next record, and the line where it begins. `None` at the end.
    pub(super) fn next_record(&mut self) -> Result<Option<(u64, Vec<CsvCell>)>, String> {
        loop {
            let begin = self.line;
            let Some(cells) = self.record()? else {
                return Ok(None);
            };
            if cells != [None] {
                return Ok(Some((begin, cells)));
            }
        }
    }

    fn record(&mut self) -> Result<Option<Vec<CsvCell>>, String> {
        let (mut cells, mut cell) = (Vec::new(), Vec::new());
        let (mut quoted, mut within, mut any) = (false, false, false);
        let begin = self.line;
        loop {
            let Some(byte) = self.byte()? else {
                if within {
                    return Err(format!(
                        "a quote in the record that begins in line {begin} is never closed: say another `quote`, or none"
                    ));
                }
                if any {
                    cells.push(self.cell(cell, quoted)?);
                }
                return Ok(any.then_some(cells));
            };
            any = true;
            if cell.len() > MAX_CELL_BYTES {
                return Err(format!(
                    "a cell in the record that begins in line {begin} is larger than {} MiB",
                    MAX_CELL_BYTES >> 20
                ));
            }
            self.line += u64::from(byte == b'\n');
            if within {
                if Some(byte) != self.quote {
                    cell.push(byte);
                } else if self.peek()? == self.quote {
                    self.byte()?;
                    cell.push(byte);
                } else {
                    within = false;
                }
            } else if Some(byte) == self.quote && cell.is_empty() && !quoted {
                (quoted, within) = (true, true);
            } else if byte == self.delimiter {
                cells.push(self.cell(std::mem::take(&mut cell), quoted)?);
                quoted = false;
            } else if byte == b'\n' || byte == b'\r' {
                if byte == b'\r' && self.peek()? == Some(b'\n') {
                    self.byte()?;
                }
                self.line += u64::from(byte == b'\r');
                cells.push(self.cell(cell, quoted)?);
                return Ok(Some(cells));
            } else {
                cell.push(byte);
            }
        }
    }

    fn cell(&self, bytes: Vec<u8>, quoted: bool) -> Result<CsvCell, String> {
        let text = String::from_utf8(bytes).map_err(|_| no_text(self.line))?;
        if text.contains('\0') {
            return Err(format!(
                "line {} has a NUL byte: the file is no text, or its `encoding` is utf-16le",
                self.line
            ));
        }
        Ok((quoted || !text.is_empty()).then_some(text))
    }

    fn peek(&mut self) -> Result<Option<u8>, String> {
        let rest = self.text.fill_buf().map_err(|error| unread(&error))?;
        Ok(rest.first().copied())
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        let byte = self.peek()?;
        self.text.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    fn records(text: &str) -> Result<Vec<Vec<CsvCell>>, String> {
        let read: Box<dyn Read> = Box::new(Cursor::new(text.to_owned().into_bytes()));
        let mut records = CsvRecords::new(BufReader::new(read), b',', Some(b'"'));
        let mut all = Vec::new();
        while let Some((_, record)) = records.next_record()? {
            all.push(record);
        }
        Ok(all)
    }

    #[test]
    fn records_are_read_with_their_quotes() {
        let check = |text: &str, expect: &[&[Option<&str>]]| {
            let expect: Vec<Vec<CsvCell>> = expect
                .iter()
                .map(|cells| cells.iter().map(|cell| cell.map(str::to_owned)).collect())
                .collect();
            assert_eq!(records(text), Ok(expect), "{text:?}");
        };
        check(
            "a,b\n1,2",
            &[&[Some("a"), Some("b")], &[Some("1"), Some("2")]],
        );
        check(
            "a,\r\n\r\n\"\",x\r\n",
            &[&[Some("a"), None], &[Some(""), Some("x")]],
        );
        check("\"a,\"\"b\nc\",d\n", &[&[Some("a,\"b\nc"), Some("d")]]);
        check("5\" disk,x\n", &[&[Some("5\" disk"), Some("x")]]);
        check("\"a\"b,c\n", &[&[Some("ab"), Some("c")]]);
        check("", &[]);
        check("a\rb", &[&[Some("a")], &[Some("b")]]);
    }

    #[test]
    fn rows_do_not_vanish_in_a_quote_that_is_never_closed() {
        let why = records("a,b\n1,\"2\n3,4\n").unwrap_err();
        assert!(why.contains("line 2") && why.contains("`quote`"), "{why}");
        let why = records("a\nx\0y\n").unwrap_err();
        assert!(why.contains("utf-16le"), "{why}");
    }
}
