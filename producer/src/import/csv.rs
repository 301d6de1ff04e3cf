//! The records of a CSV file, which may span lines inside quotes.

use std::io::{self, BufRead};

use csv_core::ReadRecordResult;

use super::lines::{LineReader, MAX_RECORD_BYTES, NOT_UTF_8, Numbered, SourceLine, Torn};

/// Reads records of CSV.
pub(super) struct CsvReader<R> {
    lines: LineReader<R>,
    parser: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// The number of fields in the header; 0 before it is read.
    width: usize,
}

impl<R: BufRead> CsvReader<R> {
    pub(super) fn new(lines: LineReader<R>, delimiter: u8) -> Self {
        let terminator = csv_core::Terminator::Any(b'\n');
        let parser = csv_core::ReaderBuilder::new()
            .terminator(terminator)
            .delimiter(delimiter)
            .build();
        Self {
            lines,
            parser,
            output: vec![0; 4_096],
            ends: vec![0; 64],
            width: 0,
        }
    }

    pub(super) fn lines(&self) -> &LineReader<R> {
        &self.lines
    }

    /// Returns the names of the header, an empty one as `column_N`; `None` if the file is
    /// empty.
    pub(super) fn header(&mut self) -> io::Result<Option<Vec<String>>> {
        let Some((_, header)) = self.next()? else {
            return Ok(None);
        };
        let header =
            header.map_err(|torn| io::Error::new(io::ErrorKind::InvalidData, torn.reason))?;
        self.width = header.len();
        let name = |(n, name): (usize, String)| {
            if name.is_empty() {
                format!("column_{}", n + 1)
            } else {
                name
            }
        };
        Ok(Some(header.into_iter().enumerate().map(name).collect()))
    }

    /// Returns the next record; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<Vec<String>>>> {
        let mut taken: Vec<SourceLine> = Vec::new();
        let mut size = 0;
        let (mut written, mut ended) = (0, 0);
        self.parser.reset();
        loop {
            let Some(line) = self.lines.next()? else {
                return Ok(match taken.is_empty() {
                    true => None,
                    false => Some(self.unclosed(taken)),
                });
            };
            if taken.is_empty() && line.bytes.trim_ascii().is_empty() {
                continue;
            }
            size += line.bytes.len();
            let mut input = line.bytes.clone();
            // The last line of a file may lack its break.
            if input.last() != Some(&b'\n') {
                input.push(b'\n');
            }
            taken.push(line);
            if size > MAX_RECORD_BYTES {
                return Ok(Some(self.unclosed(taken)));
            }
            if self.feed(&input, &mut written, &mut ended) {
                return Ok(Some((taken[0].number, self.fields(written, ended, &taken))));
            }
        }
    }

    /// Gives the parser a line. Returns true if the line ends a record.
    fn feed(&mut self, mut input: &[u8], written: &mut usize, ended: &mut usize) -> bool {
        loop {
            let (result, read, wrote, fields) = self.parser.read_record(
                input,
                &mut self.output[*written..],
                &mut self.ends[*ended..],
            );
            input = &input[read..];
            *written += wrote;
            *ended += fields;
            match result {
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return true,
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return false,
            }
        }
    }

    fn fields(
        &self,
        written: usize,
        ended: usize,
        taken: &[SourceLine],
    ) -> Result<Vec<String>, Torn> {
        let torn = |reason: String| {
            let raw: Vec<u8> = taken
                .iter()
                .flat_map(|line| line.bytes.iter().copied())
                .collect();
            Torn::new(reason, raw.trim_ascii_end())
        };
        let text =
            std::str::from_utf8(&self.output[..written]).map_err(|_| torn(NOT_UTF_8.into()))?;
        if self.width > 0 && ended != self.width {
            return Err(torn(format!(
                "the line has {ended} fields, the header {}",
                self.width
            )));
        }
        let mut start = 0;
        let mut fields = Vec::with_capacity(ended);
        for (n, end) in self.ends[..ended].iter().enumerate() {
            // A field can end inside a character only if the text was not UTF-8.
            let field = text
                .get(start..*end)
                .ok_or_else(|| torn(NOT_UTF_8.into()))?;
            let last = n + 1 == ended;
            let field = if last {
                field.strip_suffix('\r').unwrap_or(field)
            } else {
                field
            };
            fields.push(field.to_owned());
            start = *end;
        }
        Ok(fields)
    }

    /// Returns the first line of a quote that is never closed as torn, and gives the others
    /// back.
    fn unclosed(&mut self, taken: Vec<SourceLine>) -> Numbered<Vec<String>> {
        let mut taken = taken.into_iter();
        let first = taken.next().expect("a record has a first line");
        self.lines.give_back(taken);
        let reason = match first.bytes.len() >= MAX_RECORD_BYTES {
            true => "the line is too long",
            false => "a quote is not closed",
        };
        (
            first.number,
            Err(Torn::new(reason, first.bytes.trim_ascii_end())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_lines_are_returned_and_the_others_read() {
        let check = |text: &[u8], expect: &[(u64, Result<&[&str], &str>)]| {
            let mut csv = CsvReader::new(LineReader::new(text), b',');
            assert_eq!(csv.header().unwrap().unwrap(), ["a", "column_2"]);
            for (number, expected) in expect {
                let (found, record) = csv.next().unwrap().unwrap();
                assert_eq!(found, *number);
                match (record, expected) {
                    (Ok(fields), Ok(expected)) => assert_eq!(fields, *expected),
                    (Err(torn), Err(raw)) => assert_eq!(torn.raw, *raw, "{}", torn.reason),
                    (record, _) => panic!("line {number}: {record:?}"),
                }
            }
            assert!(csv.next().unwrap().is_none());
            assert_eq!(csv.lines().consumed(), text.len() as u64);
        };
        check(b"a,\n1,2\n", &[(2, Ok(&["1", "2"]))]);
        check(
            b"a,\r\n1,2\r\n\r\n3,\"4\"\r\n",
            &[(2, Ok(&["1", "2"])), (4, Ok(&["3", "4"]))],
        );
        check(
            b"a,\n\"x\ny\",2\n3,4",
            &[(2, Ok(&["x\ny", "2"])), (4, Ok(&["3", "4"]))],
        );
        check(
            b"a,\n\"say \"\"hi\"\"\",\n",
            &[(2, Ok(&["say \"hi\"", ""]))],
        );
        check(
            b"a,\n1,2,3\n4\n5,6\n",
            &[(2, Err("1,2,3")), (3, Err("4")), (4, Ok(&["5", "6"]))],
        );
        check(
            b"a,\n\"1,2\n3,4\n5,6\n",
            &[
                (2, Err("\"1,2")),
                (3, Ok(&["3", "4"])),
                (4, Ok(&["5", "6"])),
            ],
        );
        check(
            b"a,\n\xff,2\n3,4\n",
            &[(2, Err("\u{fffd},2")), (3, Ok(&["3", "4"]))],
        );
    }

    #[test]
    fn an_overlong_line_is_bounded() {
        let mut text = b"a,b\n".to_vec();
        text.extend(vec![b'x'; 3 * MAX_RECORD_BYTES]);
        text.extend_from_slice(b"\n1,2\n");
        let mut csv = CsvReader::new(LineReader::new(&*text), b',');
        csv.header().unwrap();
        let (number, record) = csv.next().unwrap().unwrap();
        let torn = record.unwrap_err();
        assert!(
            number == 2 && torn.raw.len() <= MAX_RECORD_BYTES,
            "{}",
            torn.reason
        );
        let (number, record) = csv.next().unwrap().unwrap();
        assert_eq!(
            (number, record.unwrap()),
            (3, vec!["1".to_owned(), "2".into()])
        );
    }
}
