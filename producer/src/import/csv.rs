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
    /// The first record, if it was read to count its fields.
    first: Option<Numbered<Vec<String>>>,
}

/// What a CSV file is like, as a mapping says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CsvLayout {
    /// The sign between fields. `None` for a comma, unless the file begins with a line `sep=;`.
    pub(super) delimiter: Option<u8>,
    /// False if the first record is data: its columns are then `column_1`, `column_2` and so on.
    pub(super) header: bool,
}

impl<R: BufRead> CsvReader<R> {
    /// Opens a file, and reads over the line by which Excel says what separates fields.
    pub(super) fn open(
        mut lines: LineReader<R>,
        dialect: CsvLayout,
    ) -> io::Result<(Self, Option<Vec<String>>)> {
        let mut said = None;
        if let Some(line) = lines.next()? {
            said = separator(&line.bytes);
            if said.is_none() {
                lines.give_back([line].into_iter());
            }
        }
        let delimiter = dialect.delimiter.or(said).unwrap_or(b',');
        let mut csv = Self::new(lines, delimiter);
        let names = match dialect.header {
            true => csv.header()?,
            false => csv.numbered()?,
        };
        Ok((csv, names))
    }

    fn new(lines: LineReader<R>, delimiter: u8) -> Self {
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
            first: None,
        }
    }

    pub(super) fn lines(&self) -> &LineReader<R> {
        &self.lines
    }

    /// Returns the names of the header, an empty one as `column_N`; `None` if the file is
    /// empty.
    fn header(&mut self) -> io::Result<Option<Vec<String>>> {
        let Some((_, header)) = self.next()? else {
            return Ok(None);
        };
        let header =
            header.map_err(|torn| io::Error::new(io::ErrorKind::InvalidData, torn.reason))?;
        self.width = header.len();
        let name = |(n, name): (usize, String)| {
            if name.is_empty() { numbered(n) } else { name }
        };
        Ok(Some(header.into_iter().enumerate().map(name).collect()))
    }

    /// Returns the names of the columns of a file without a header, by the fields of its first
    /// record that can be read; `None` if it is empty.
    fn numbered(&mut self) -> io::Result<Option<Vec<String>>> {
        self.first = self.next()?;
        match &self.first {
            None => Ok(None),
            Some((_, Ok(fields))) => {
                self.width = fields.len();
                Ok(Some((0..self.width).map(numbered).collect()))
            }
            Some((_, Err(torn))) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                torn.reason.clone(),
            )),
        }
    }

    /// Returns the next record; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<Vec<String>>>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
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

/// The name of a column that has none.
fn numbered(place: usize) -> String {
    format!("column_{}", place + 1)
}

/// The sign in a line `sep=;`.
fn separator(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let quoted = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""));
    match quoted.unwrap_or(line) {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', sign]
            if sign.is_ascii() && !sign.is_ascii_alphanumeric() && *sign != b'"' =>
        {
            Some(*sign)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_lack_its_header_and_say_its_separator() {
        let check = |text: &str, delimiter: Option<u8>, header: bool, expect: &[&[&str]]| {
            let dialect = CsvLayout { delimiter, header };
            let lines = LineReader::new(text.as_bytes());
            let (mut csv, names) = CsvReader::open(lines, dialect).unwrap();
            let mut found = vec![names.unwrap_or_default()];
            while let Some((_, record)) = csv.next().unwrap() {
                found.push(record.unwrap());
            }
            assert_eq!(found, expect, "{text:?}");
            assert_eq!(csv.lines().consumed(), text.len() as u64);
        };
        let named: &[&[&str]] = &[&["a", "b"], &["1", "2"]];
        for first in ["sep=;\n", "sep=;\r\n", "\"sep=;\"\n", "SEP=;\n", ""] {
            check(&format!("{first}a;b\n1;2\n"), Some(b';'), true, named);
            if !first.is_empty() {
                check(&format!("{first}a;b\n1;2\n"), None, true, named);
            }
        }
        check("sep=\t\na\tb\n1\t2\n", None, true, named);
        check("sep=;\na|b\n1|2\n", Some(b'|'), true, named);
        check("sep=x\n1\n", None, true, &[&["sep=x"], &["1"]]);
        let numbered: &[&[&str]] = &[&["column_1", "column_2"], &["1", "2"], &["3", "4"]];
        check("1,2\n3,4\n", None, false, numbered);
        check(
            "\nsep=,\n",
            None,
            false,
            &[&["column_1", "column_2"], &["sep=", ""]],
        );
        check("sep=;\n1;2\n3;4", None, false, numbered);
        check("", None, false, &[&[]]);
        check("", None, true, &[&[]]);
    }

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
