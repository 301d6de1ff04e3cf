//! The objects of a JSON array, or objects one after the other, however their lines are broken.
//!
//! No more than one item and one chunk are in memory. An item that is broken is returned as torn
//! up to the next line that begins an object with the same indent, and the reading goes on there.

use std::io::{self, BufRead};

use super::lines::{MAX_RECORD_BYTES, NOT_UTF_8, Numbered, Torn};

/// How many bytes are consumed before they are removed from the buffer.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads items, and counts them from 1.
pub(super) struct ItemReader<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The first byte of the buffer that is not consumed.
    at: usize,
    consumed: u64,
    number: u64,
    in_array: bool,
    is_done: bool,
}

/// How an item ends.
enum ItemEnd {
    /// Before this byte, counted from its first.
    Before(usize),
    /// It is too long, or the file ends first.
    Never(&'static str),
}

/// What is between the bytes that were looked at.
#[derive(Default)]
struct Nesting {
    open: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Nesting {
    /// Takes a byte. Returns true if it closes what was opened first.
    fn closes(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.open += 1,
            b'}' | b']' => {
                self.open = self.open.saturating_sub(1);
                return self.open == 0;
            }
            _ => {}
        }
        false
    }
}

impl<R: BufRead> ItemReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            at: 0,
            consumed: 0,
            number: 0,
            in_array: false,
            is_done: false,
        }
    }

    /// Returns how many bytes of the items have been read.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Returns the next item; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Numbered<String>>> {
        while let Some(byte) = self.peek()? {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b'\x1e' => self.consume(1),
                b'[' if !self.in_array => {
                    self.in_array = true;
                    self.consume(1);
                }
                b']' if self.in_array => {
                    self.in_array = false;
                    self.consume(1);
                }
                _ => {
                    self.number += 1;
                    return Ok(Some((self.number, self.item(byte)?)));
                }
            }
        }
        if std::mem::take(&mut self.in_array) {
            self.number += 1;
            let why = "the array is not closed: the file may be cut off";
            return Ok(Some((self.number, Err(Torn::new(why, b"")))));
        }
        Ok(None)
    }

    fn item(&mut self, first: u8) -> io::Result<Result<String, Torn>> {
        let is_nested = matches!(first, b'{' | b'[');
        let end = match is_nested {
            true => self.closing()?,
            false => self.token()?,
        };
        let (len, reason) = match end {
            ItemEnd::Never(reason) => {
                let held = self.buffer.len() - self.at;
                (held.min(MAX_RECORD_BYTES), reason)
            }
            ItemEnd::Before(len) => match self.whole(len) {
                Ok(text) => {
                    self.consume(len);
                    return Ok(Ok(text));
                }
                Err(reason) => (len, reason),
            },
        };
        let sibling = self.sibling(len);
        let torn = sibling.unwrap_or(len);
        let raw = self.buffer[self.at..self.at + torn].trim_ascii_end();
        let torn_item = Torn::new(reason, raw.strip_suffix(b",").unwrap_or(raw));
        self.consume(torn);
        if sibling.is_none() && matches!(end, ItemEnd::Never(_)) {
            self.skip_long(&torn_item, is_nested)?;
        }
        Ok(Err(torn_item))
    }

    /// Returns the text of an item, or why the next `len` bytes are none. What is wrong within a
    /// single item the mapping says, in the parser's words.
    fn whole(&self, len: usize) -> Result<String, &'static str> {
        let raw = &self.buffer[self.at..self.at + len];
        let text = std::str::from_utf8(raw).map_err(|_| NOT_UTF_8)?;
        match is_json(raw) || self.sibling(len).is_none() {
            true => Ok(text.to_owned()),
            false => Err("the item is not JSON"),
        }
    }

    /// Looks for the end of an object or array that begins here.
    fn closing(&mut self) -> io::Result<ItemEnd> {
        let mut nesting = Nesting::default();
        let mut looked = 0;
        loop {
            while let Some(byte) = self.buffer.get(self.at + looked) {
                looked += 1;
                if nesting.closes(*byte) {
                    return Ok(ItemEnd::Before(looked));
                }
                if looked >= MAX_RECORD_BYTES {
                    return Ok(ItemEnd::Never("the item is too long"));
                }
            }
            if !self.fill()? {
                return Ok(ItemEnd::Never("the item is not closed"));
            }
        }
    }

    /// Looks for the end of anything else: a comma, a bracket or the line's end.
    fn token(&mut self) -> io::Result<ItemEnd> {
        let mut nesting = Nesting::default();
        let mut looked = 0;
        loop {
            while let Some(byte) = self.buffer.get(self.at + looked) {
                let ends =
                    *byte == b'\n' || (!nesting.in_text && matches!(byte, b',' | b']' | b'{'));
                // A bracket that closes nothing is an item of its own.
                if ends && looked > 0 {
                    return Ok(ItemEnd::Before(looked));
                }
                nesting.closes(*byte);
                looked += 1;
                if looked >= MAX_RECORD_BYTES {
                    return Ok(ItemEnd::Never("the item is too long"));
                }
            }
            if !self.fill()? {
                return Ok(ItemEnd::Before(looked));
            }
        }
    }

    /// Looks in the next `len` bytes for a line that begins an object with the indent of the line
    /// that is read.
    fn sibling(&self, len: usize) -> Option<usize> {
        let raw = &self.buffer[self.at..self.at + len];
        let line = self.buffer[..self.at].rsplit(|byte| *byte == b'\n').next();
        let indent = line.map_or(0, <[u8]>::len);
        let is_indent = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let mut breaks = raw.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        breaks.find_map(|(at, _)| {
            let rest = &raw[at + 1..];
            let spaces = rest.iter().take_while(is_indent).count();
            let begins = rest.get(spaces) == Some(&b'{') && spaces <= indent;
            begins.then_some(at + 1 + spaces)
        })
    }

    /// Skips the rest of an item of which `torn` was read, without keeping it.
    fn skip_long(&mut self, torn: &Torn, is_nested: bool) -> io::Result<()> {
        let mut nesting = Nesting::default();
        for byte in torn.raw.bytes() {
            nesting.closes(byte);
        }
        while let Some(byte) = self.peek()? {
            if !is_nested && matches!(byte, b'\n' | b',' | b']' | b'{') {
                break;
            }
            self.consume(1);
            if nesting.closes(byte) && is_nested {
                break;
            }
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        while self.at == self.buffer.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[self.at]))
    }

    /// Reads more into the buffer. Returns false at the file's end.
    fn fill(&mut self) -> io::Result<bool> {
        let more = self.reader.fill_buf()?;
        let read = more.len();
        self.buffer.extend_from_slice(more);
        self.reader.consume(read);
        self.is_done = read == 0;
        Ok(!self.is_done)
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        self.consumed += bytes as u64;
        if self.at >= CHUNK_BYTES {
            // The line's indent is looked at.
            let line = self.buffer[..self.at]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let gone = if self.at - line < CHUNK_BYTES / 2 {
                line
            } else {
                self.at
            };
            self.buffer.drain(..gone);
            self.at -= gone;
        }
    }
}

fn is_json(raw: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(raw).is_ok()
}

/// Returns true if the text that begins so is to be read as items: an array, or an object that
/// does not end with its line.
pub(super) fn has_items(beginning: &[u8]) -> bool {
    let text = beginning.trim_ascii_start();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
    match text.first() {
        Some(b'[') => true,
        Some(b'{') if is_json(line) => false,
        Some(b'{') => {
            let mut nesting = Nesting::default();
            let end = text.iter().position(|byte| nesting.closes(*byte));
            end.is_some_and(|end| is_json(&text[..=end]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let mut items = ItemReader::new(io::BufReader::with_capacity(7, text));
        let mut read = Vec::new();
        while let Some((number, item)) = items.next().unwrap() {
            read.push((number, item.map_err(|torn| torn.raw)));
        }
        assert_eq!(items.consumed(), text.len() as u64);
        read
    }

    fn check(text: &str, expect: &[Result<&str, &str>]) {
        let expect = (1..).zip(expect).map(|(number, item)| {
            let item = item.map(str::to_owned).map_err(str::to_owned);
            (number, item)
        });
        assert_eq!(items(text.as_bytes()), expect.collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn b104_arrays_are_read_however_they_are_broken() {
        let pretty = "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": [{}]\n  }\n]\n";
        check(
            pretty,
            &[Ok("{\n    \"a\": 1\n  }"), Ok("{\n    \"b\": [{}]\n  }")],
        );
        check("[{\"a\":1},{\"b\":2}]", &[Ok("{\"a\":1}"), Ok("{\"b\":2}")]);
        check("[]", &[]);
        check(" [ ] \n", &[]);
        check("", &[]);
        check("[{\"a\":\"]},{\\\"\"}]", &[Ok("{\"a\":\"]},{\\\"\"}")]);
        // Objects over several lines, several arrays, and one array per line.
        check(
            "{\n\"a\":1\n}\n{\n\"b\":2}\n",
            &[Ok("{\n\"a\":1\n}"), Ok("{\n\"b\":2}")],
        );
        check("[{}]\n[{},{}]", &[Ok("{}"), Ok("{}"), Ok("{}")]);
        check("{\"a\":1}{\"b\":2}", &[Ok("{\"a\":1}"), Ok("{\"b\":2}")]);
        check("\u{1e}{}\n\u{1e}{}\n", &[Ok("{}"), Ok("{}")]);
    }

    #[test]
    fn what_is_no_object_is_an_item_of_its_own() {
        check("[1, \"x, y\",null]", &[Ok("1"), Ok("\"x, y\""), Ok("null")]);
        check("[[{}],{}]", &[Ok("[{}]"), Ok("{}")]);
        check("[{}] tail\n", &[Ok("{}"), Ok("tail")]);
        check("[{\"a\":nope},{}]", &[Ok("{\"a\":nope}"), Ok("{}")]);
        check("[{},", &[Ok("{}"), Err("")]);
        check("]", &[Ok("]")]);
    }

    #[test]
    fn a_broken_item_costs_itself() {
        check(
            "[\n{\"a\":1,\n{\"b\":2},\n{}]",
            &[Err("{\"a\":1"), Ok("{\"b\":2}"), Ok("{}")],
        );
        check(
            "[{\"a\":\"x},\n {\"b\":2}\n]",
            &[Err("{\"a\":\"x}"), Ok("{\"b\":2}")],
        );
        check(
            "[\n  {\n    \"a\": {\n  },\n  {\n    \"b\": 2\n  }\n]",
            &[Err("{\n    \"a\": {\n  }"), Ok("{\n    \"b\": 2\n  }")],
        );
        check("[{}, {\"a\":", &[Ok("{}"), Err("{\"a\":"), Err("")]);
        let not_text = items(b"[{\"a\":\"\xff\"},{}]");
        assert_eq!(not_text[0].1, Err("{\"a\":\"\u{fffd}\"}".into()));
        assert_eq!(not_text[1].1, Ok("{}".into()));
    }

    #[test]
    fn an_item_that_is_too_long_is_cut_and_the_next_is_read() {
        for filling in ["x", "{\"y\":1},"] {
            let long = filling.repeat(3 * MAX_RECORD_BYTES / filling.len());
            let text = match filling {
                "x" => format!("[{{\"a\":\"{long}\"}},{{\"b\":2}}]"),
                _ => format!("[{{\"a\":[{long}{{}}]}},{{\"b\":2}}]"),
            };
            let mut items = ItemReader::new(io::BufReader::new(text.as_bytes()));
            let (number, first) = items.next().unwrap().unwrap();
            let torn = first.unwrap_err();
            assert_eq!((number, &*torn.reason), (1, "the item is too long"));
            assert!(torn.raw.len() <= MAX_RECORD_BYTES);
            assert_eq!(items.next().unwrap(), Some((2, Ok("{\"b\":2}".into()))));
            assert!(items.buffer.capacity() < text.len());
        }
    }

    #[test]
    fn the_beginning_decides_between_lines_and_items() {
        let check = |text: &str, expect: bool| {
            assert_eq!(has_items(text.as_bytes()), expect, "{text}");
        };
        check("{\"a\":1}\n{\"b\":2}\n", false);
        check("{\"a\":1}\n[{\"b\":2}]", false);
        check("{\"a\":\n{\"b\":2}\n{\"c\":3}", false);
        check("nope\n{\"b\":2}", false);
        check("", false);
        check(" \n[{\"a\":1}]", true);
        check("[", true);
        check("{\n  \"a\": 1\n}\n", true);
        check("{\"a\":1},\n{\"b\":2},\n", true);
        check("{\"a\":1}{\"b\":2}", true);
    }
}
