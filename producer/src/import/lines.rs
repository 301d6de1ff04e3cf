//! The lines of a stream of bytes. A line that cannot be a record is returned with the
//! reason and its raw text, and the reading goes on.

use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The largest record. A quote that is never closed ends here, and the lines after its
/// first are read again.
pub(super) const MAX_RECORD_BYTES: usize = 256 << 10;

/// Why a line is torn whose encoding is another.
pub(super) const NOT_UTF_8: &str =
    "the line is not UTF-8; a mapping can name the file's encoding, as encoding = \"windows-1252\"";

/// A physical line with its line break.
#[derive(Debug, Clone)]
pub(super) struct SourceLine {
    pub(super) bytes: Vec<u8>,
    /// Its place in the file, from 1.
    pub(super) number: u64,
}

/// Reads lines, counts them from 1, and takes lines back that have to be read again.
pub(super) struct LineReader<R> {
    reader: R,
    returned: VecDeque<SourceLine>,
    number: u64,
    consumed: u64,
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            returned: VecDeque::new(),
            number: 0,
            consumed: 0,
        }
    }

    /// Returns how many bytes of the stream have been read and not given back.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
            - self
                .returned
                .iter()
                .map(|line| line.bytes.len() as u64)
                .sum::<u64>()
    }

    /// Returns the next line that is not empty, without its break; `None` at the end.
    pub(super) fn next_text(&mut self) -> io::Result<Option<Numbered<String>>> {
        loop {
            let Some(line) = self.next()? else {
                return Ok(None);
            };
            let kept = line.bytes.trim_ascii();
            // The mark that begins a record in a JSON text sequence.
            let kept = kept.strip_prefix(b"\x1e").unwrap_or(kept).trim_ascii();
            if kept.is_empty() {
                continue;
            }
            let text = match line.bytes.len() >= MAX_RECORD_BYTES {
                true => Err(Torn::new("the line is too long", kept)),
                false => std::str::from_utf8(kept)
                    .map(str::to_owned)
                    .map_err(|_| Torn::new(NOT_UTF_8, kept)),
            };
            return Ok(Some((line.number, text)));
        }
    }

    /// Returns the next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<SourceLine>> {
        if let Some(line) = self.returned.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let limit = MAX_RECORD_BYTES as u64;
        let mut read = io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        // The rest of an overlong line belongs to it and is skipped.
        while bytes.len() >= MAX_RECORD_BYTES && bytes.last() != Some(&b'\n') {
            self.consumed += read as u64;
            let mut rest = Vec::new();
            read = io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut rest)?;
            if read == 0 || rest.last() == Some(&b'\n') {
                break;
            }
        }
        self.consumed += read as u64;
        self.number += 1;
        Ok(Some(SourceLine {
            bytes,
            number: self.number,
        }))
    }

    /// Takes lines back, so that they are read again.
    pub(super) fn give_back(&mut self, lines: impl DoubleEndedIterator<Item = SourceLine>) {
        for line in lines.rev() {
            self.returned.push_front(line);
        }
    }
}

/// The number of a record's first line, and the record or why there is none.
pub(super) type Numbered<T> = (u64, Result<T, Torn>);

/// A text that should be a record and is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) reason: String,
    /// The raw text. Bytes that are not UTF-8 are replaced by U+FFFD.
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
