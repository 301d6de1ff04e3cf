//! The text of a file, whatever it is packed and encoded in.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;

use crate::config::External;

/// How much of a file is read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// What a gzip file begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file's text as UTF-8, without a byte order mark.
pub(super) type FileText = BufReader<Box<dyn Read>>;

/// Opens a file from its begin, each time it is called.
pub(super) type OpenFile<'f> = &'f dyn Fn() -> Box<dyn Read>;

/// Opens a file's text. The error says why it cannot be had.
pub(super) fn open(file: OpenFile<'_>, external: &External) -> Result<FileText, String> {
    let mut packed = BufReader::with_capacity(BUFFER_BYTES, file());
    let head = packed
        .fill_buf()
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let plain: Box<dyn Read> = match head.starts_with(&GZIP_MAGIC) {
        true => Box::new(MultiGzDecoder::new(packed)),
        false => Box::new(packed),
    };
    let mut decoder = DecodeReaderBytesBuilder::new();
    // A byte order mark says more than the configuration.
    decoder.bom_override(true).strip_bom(true);
    match external.encoding.as_str() {
        // What is not UTF-8 is found where it is read.
        "" => decoder.utf8_passthru(true),
        label => decoder.encoding(Some(encoding(label)?)),
    };
    let text: Box<dyn Read> = Box::new(decoder.build(plain));
    Ok(BufReader::with_capacity(BUFFER_BYTES, text))
}

/// The encoding of that name.
pub(crate) fn encoding(label: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        format!(
            "{label:?} is no encoding: write utf-8, utf-16le, windows-1252, iso-8859-2 or another of the web's names"
        )
    })
}

/// What a failed read says.
pub(super) fn unread(error: &io::Error) -> String {
    format!("it cannot be read to its end: {error}")
}

/// What is said of bytes that are no text.
pub(super) fn no_text(line: u64) -> String {
    format!("line {line} is not UTF-8: say the file's `encoding`, such as windows-1252")
}
