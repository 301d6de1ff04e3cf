//! Records out of a stream of bytes: lines, and in CSV the lines that a quoted field
//! spans. What cannot be a record is told with its raw text, and the reading goes on.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use csv_core::ReadRecordResult;

/// How long a record may be, in bytes. A quote that nobody closes ends here, and the
/// lines behind it are read again.
const MAX_RECORD: usize = 256 << 10;

/// A physical line with its line break, and where it stands.
#[derive(Debug, Clone)]
struct Line {
    bytes: Vec<u8>,
    number: u64,
}

/// The lines of a stream, counted from 1; lines can be given back.
pub(super) struct Lines<R> {
    reader: R,
    returned: VecDeque<Line>,
    number: u64,
    consumed: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            returned: VecDeque::new(),
            number: 0,
            consumed: 0,
        }
    }

    /// How many bytes of the stream have been taken.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
            - self
                .returned
                .iter()
                .map(|line| line.bytes.len() as u64)
                .sum::<u64>()
    }

    /// The next line that is not empty, without its break: its number, and its text
    /// or why it is none.
    pub(super) fn next_text(&mut self) -> io::Result<Option<Numbered<String>>> {
        loop {
            let Some(line) = self.next()? else {
                return Ok(None);
            };
            let kept = line.bytes.trim_ascii();
            if kept.is_empty() {
                continue;
            }
            let text = match line.bytes.len() >= MAX_RECORD {
                true => Err(Torn::new("the line is too long", kept)),
                false => std::str::from_utf8(kept)
                    .map(str::to_owned)
                    .map_err(|_| Torn::new("the line is not UTF-8", kept)),
            };
            return Ok(Some((line.number, text)));
        }
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.returned.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let limit = MAX_RECORD as u64;
        let mut read = io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        // The rest of an overlong line belongs to it, and is let go.
        while bytes.len() >= MAX_RECORD && bytes.last() != Some(&b'\n') {
            self.consumed += read as u64;
            let mut rest = Vec::new();
            read = io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut rest)?;
            if read == 0 || rest.last() == Some(&b'\n') {
                break;
            }
        }
        self.consumed += read as u64;
        self.number += 1;
        Ok(Some(Line {
            bytes,
            number: self.number,
        }))
    }

    fn give_back(&mut self, lines: impl DoubleEndedIterator<Item = Line>) {
        for line in lines.rev() {
            self.returned.push_front(line);
        }
    }
}

/// The number of a record's first line, and what stands there.
pub(super) type Numbered<T> = (u64, Result<T, Torn>);

/// What stood where a record was to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) reason: String,
    /// The raw text; bytes that are no UTF-8 are shown as U+FFFD.
    pub(super) raw: String,
}

impl Torn {
    pub(super) fn new(reason: impl Into<String>, raw: &[u8]) -> Self {
        Self {
            reason: reason.into(),
            raw: String::from_utf8_lossy(raw).into_owned(),
        }
    }
}

/// Records of CSV.
pub(super) struct Csv<R> {
    lines: Lines<R>,
    parser: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// How many fields the header has; 0 before it is read.
    width: usize,
}

impl<R: BufRead> Csv<R> {
    pub(super) fn new(lines: Lines<R>) -> Self {
        let terminator = csv_core::Terminator::Any(b'\n');
        let parser = csv_core::ReaderBuilder::new()
            .terminator(terminator)
            .build();
        Self {
            lines,
            parser,
            output: vec![0; 4_096],
            ends: vec![0; 64],
            width: 0,
        }
    }

    pub(super) fn lines(&self) -> &Lines<R> {
        &self.lines
    }

    /// The header's names; a name that is empty becomes `column_N`.
    pub(super) fn header(&mut self) -> io::Result<Option<Vec<String>>> {
        let Some((_, header)) = self.next()? else {
            return Ok(None);
        };
        let header =
            header.map_err(|torn| io::Error::new(io::ErrorKind::InvalidData, torn.reason))?;
        self.width = header.len();
        let name = |(n, name): (usize, String)| {
            let name = name.trim_start_matches('\u{feff}').to_owned();
            if name.is_empty() {
                format!("column_{}", n + 1)
            } else {
                name
            }
        };
        Ok(Some(header.into_iter().enumerate().map(name).collect()))
    }

    /// The next record: the number of its first line, and its fields or why it is none.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<Vec<String>>>> {
        let mut taken: Vec<Line> = Vec::new();
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
            if size > MAX_RECORD {
                return Ok(Some(self.unclosed(taken)));
            }
            if self.feed(&input, &mut written, &mut ended) {
                return Ok(Some((taken[0].number, self.fields(written, ended, &taken))));
            }
        }
    }

    /// Gives the parser a line; true when it ends a record.
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

    fn fields(&self, written: usize, ended: usize, taken: &[Line]) -> Result<Vec<String>, Torn> {
        let torn = |reason: String| {
            let raw: Vec<u8> = taken
                .iter()
                .flat_map(|line| line.bytes.iter().copied())
                .collect();
            Torn::new(reason, raw.trim_ascii_end())
        };
        let text = std::str::from_utf8(&self.output[..written])
            .map_err(|_| torn("the line is not UTF-8".into()))?;
        if self.width > 0 && ended != self.width {
            return Err(torn(format!(
                "the line has {ended} fields, the header {}",
                self.width
            )));
        }
        let mut start = 0;
        let mut fields = Vec::with_capacity(ended);
        for (n, end) in self.ends[..ended].iter().enumerate() {
            // A field's end may split a character only where the text was not UTF-8.
            let field = text
                .get(start..*end)
                .ok_or_else(|| torn("the line is not UTF-8".into()))?;
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

    /// A quote that nobody closed: its first line is torn, the others are read again.
    fn unclosed(&mut self, taken: Vec<Line>) -> Numbered<Vec<String>> {
        let mut taken = taken.into_iter();
        let first = taken.next().expect("a record has a first line");
        self.lines.give_back(taken);
        let reason = match first.bytes.len() >= MAX_RECORD {
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
    fn torn_lines_are_told_and_the_others_read() {
        let check = |text: &[u8], expect: &[(u64, Result<&[&str], &str>)]| {
            let mut csv = Csv::new(Lines::new(text));
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
            b"\xef\xbb\xbfa,\r\n1,2\r\n\r\n3,\"4\"\r\n",
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
        text.extend(vec![b'x'; 3 * MAX_RECORD]);
        text.extend_from_slice(b"\n1,2\n");
        let mut csv = Csv::new(Lines::new(&*text));
        csv.header().unwrap();
        let (number, record) = csv.next().unwrap().unwrap();
        let torn = record.unwrap_err();
        assert!(
            number == 2 && torn.raw.len() <= MAX_RECORD,
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
