//! A file's bytes as UTF-8 without a mark, whatever its encoding.

use std::io::{self, BufRead, Cursor, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How many bytes are decoded at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// As many bytes as tell one kind of file from another.
const HEAD_BYTES: u64 = 6;

/// Returns the text of a file. Its first bytes say whether it is UTF-8 with a mark or UTF-16;
/// else it is `said`, or UTF-8. Bytes that are not UTF-8 are left as they are then, because only
/// the line that has them is torn.
pub(super) fn decoded<'r>(
    mut reader: Box<dyn BufRead + 'r>,
    said: Option<&'static Encoding>,
) -> io::Result<Box<dyn BufRead + 'r>> {
    let mut head = Vec::new();
    Read::take(&mut reader, HEAD_BYTES).read_to_end(&mut head)?;
    if let Some(why) = other_kind(&head) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let (encoding, mark) = match Encoding::for_bom(&head) {
        Some(found) => found,
        None => (without_mark(&head).or(said).unwrap_or(UTF_8), 0),
    };
    let kept = head.split_off(mark);
    let whole = Cursor::new(kept).chain(reader);
    if encoding == UTF_8 {
        return Ok(Box::new(whole));
    }
    Ok(Box::new(DecodingReader {
        inner: whole,
        decoder: encoding.new_decoder_without_bom_handling(),
        text: vec![0; CHUNK_BYTES],
        at: 0,
        end: 0,
        is_done: false,
    }))
}

/// Returns what a file is that has no lines of text, and what to do with it.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("it is UTF-32: write it as UTF-8"),
        [b'P', b'K', 3, 4, ..] => {
            Some("it is a ZIP archive or a workbook: unpack it, or save it as CSV")
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some("it is compressed with bzip2: inflate it"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("it is compressed with xz: inflate it"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some("it is a 7z archive: unpack it"),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Some("it is compressed twice: inflate it once")
        }
        [b'P', b'A', b'R', b'1', 0x15, ..] => {
            Some("it is a Parquet file, which SQL reads: name it as an external table")
        }
        _ => None,
    }
}

/// UTF-16 of ASCII letters has a zero in each pair.
fn without_mark(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [1..=255, 0, 1..=255, 0, ..] => Some(UTF_16LE),
        [0, 1..=255, 0, 1..=255, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// Decodes what it reads. What cannot be decoded becomes U+FFFD.
struct DecodingReader<R> {
    inner: R,
    decoder: Decoder,
    text: Vec<u8>,
    at: usize,
    end: usize,
    is_done: bool,
}

impl<R: BufRead> BufRead for DecodingReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && !self.is_done {
            let raw = self.inner.fill_buf()?;
            let is_last = raw.is_empty();
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(raw, &mut self.text, is_last);
            self.inner.consume(read);
            (self.at, self.end) = (0, written);
            self.is_done = is_last && result == CoderResult::InputEmpty;
        }
        Ok(&self.text[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl<R: BufRead> Read for DecodingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::WINDOWS_1252;

    use super::*;

    /// Hands out one byte at a time, as a slow pipe.
    struct Slow<'b>(&'b [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = self.0.len().min(1).min(buffer.len());
            self.0.read(&mut buffer[..one])
        }
    }

    fn text(bytes: &[u8], said: Option<&'static Encoding>) -> io::Result<String> {
        let mut text = Vec::new();
        let slow = io::BufReader::with_capacity(1, Slow(bytes));
        decoded(Box::new(slow), said)?.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn b96_a_mark_is_no_text_and_utf_16_is_read() {
        let check = |bytes: &[u8], expect: &str| {
            assert_eq!(text(bytes, None).unwrap(), expect, "{bytes:?}");
        };
        check(b"\xef\xbb\xbf{}", "{}");
        check(b"{}", "{}");
        check(b"", "");
        check(b"\xef\xbb\xbf", "");
        check(b"a", "a");
        let line = "{\"p\":\"café 🎉\"}\n";
        check(&utf_16(&format!("\u{feff}{line}"), u16::to_le_bytes), line);
        check(&utf_16(&format!("\u{feff}{line}"), u16::to_be_bytes), line);
        check(&utf_16(line, u16::to_le_bytes), line);
        check(&utf_16(line, u16::to_be_bytes), line);
        let long = "é,".repeat(3 * CHUNK_BYTES);
        check(&utf_16(&format!("\u{feff}{long}"), u16::to_le_bytes), &long);
        // A half of a pair, and half a letter.
        check(b"\xff\xfea\0\x3d\xd8", "a\u{fffd}");
        check(b"\xff\xfea\0b", "a\u{fffd}");
        check(&[0; 8], "\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn an_encoding_that_the_mapping_says_is_read() {
        let latin = text(b"caf\xe9", Some(WINDOWS_1252)).unwrap();
        assert_eq!(latin, "café");
        // The mark knows better.
        let marked = text(b"\xef\xbb\xbfcaf\xc3\xa9", Some(WINDOWS_1252)).unwrap();
        assert_eq!(marked, "café");
        assert_eq!(text(b"caf\xe9", None).unwrap(), "caf\u{fffd}");
    }

    #[test]
    fn a_file_of_another_kind_is_named() {
        let check = |bytes: &[u8], expect: &str| {
            let refused = text(bytes, None).unwrap_err().to_string();
            assert!(refused.contains(expect), "{refused}");
        };
        check(b"\xff\xfe\0\0a\0\0\0", "UTF-32");
        check(b"PK\x03\x04rest", "workbook");
        check(b"BZh91AY", "bzip2");
        check(b"\xfd7zXZ\0", "xz");
        check(b"\x1f\x8b\x08", "twice");
        check(b"PAR1\x15\0", "Parquet");
        assert_eq!(text(b"PAR1,b\n", None).unwrap(), "PAR1,b\n");
    }
}
