//! A file that is imported: inflated, with a digest that its lines' ids are made of.

use std::fs;
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::decoded::decoded;
use super::error::Error;
use super::id::LineIds;
use super::job::Import;
use crate::hex::hex_of;

/// The buffer between the file and its decoder.
const BUFFER_BYTES: usize = 64 << 10;

/// What the `source` of a file's lines begins with.
const ORIGIN: &str = "import:";

/// A file that can be read from its beginning as often as needed.
pub(super) struct SourceFile {
    handle: fs::File,
    path: String,
    /// The `source` of the lines' envelopes.
    origin: String,
    digest: [u8; 32],
    total: u64,
}

/// Opens a file and computes its digest, beside the runtime's tasks.
pub(super) async fn open(import: &Import) -> Result<Arc<SourceFile>, Error> {
    let import = import.clone();
    let opened = tokio::task::spawn_blocking(move || SourceFile::open(&import));
    let opened = opened.await.expect("opening a file does not panic");
    opened.map(Arc::new)
}

impl SourceFile {
    fn open(import: &Import) -> Result<Self, Error> {
        let shown = import.file.display().to_string();
        let file_name = import.file.file_name().unwrap_or_default();
        let name = import.name.clone();
        let path = name.clone().unwrap_or(shown);
        let unreadable = |error| Error::Read {
            path: path.clone(),
            error,
        };
        let mut file = Self {
            handle: open_regular(&import.file).map_err(&unreadable)?,
            origin: format!(
                "{ORIGIN}{}",
                name.unwrap_or_else(|| file_name.to_string_lossy().into_owned())
            ),
            path: path.clone(),
            digest: [0; 32],
            total: 0,
        };
        let mut hasher = Sha256::new();
        let total = io::copy(&mut file.inflated()?, &mut hasher).map_err(unreadable)?;
        file.total = total;
        file.digest = hasher.finalize().into();
        Ok(file)
    }

    /// Returns the SHA-256 of the inflated file, in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        hex_of(&self.digest)
    }

    /// Returns the ids of the file's lines.
    pub(super) fn ids(&self) -> LineIds {
        LineIds::new(&self.digest)
    }

    /// Returns the size of the inflated file, in bytes.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Returns the file's name, without its folder.
    pub(super) fn name(&self) -> &str {
        self.origin.strip_prefix(ORIGIN).unwrap_or(&self.origin)
    }

    /// Returns the `source` of the lines' envelopes.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Opens the text from the beginning, as UTF-8. It is of the encoding `said` if its first bytes
    /// do not say so themselves.
    pub(super) fn text(
        &self,
        said: Option<&'static encoding_rs::Encoding>,
    ) -> Result<Box<dyn BufRead + '_>, Error> {
        decoded(self.inflated()?, said).map_err(|error| self.unreadable(error))
    }

    /// Opens the inflated bytes from the beginning.
    fn inflated(&self) -> Result<Box<dyn BufRead + '_>, Error> {
        inflated(&self.handle).map_err(|error| self.unreadable(error))
    }

    /// Names the file in an error of reading it.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        Error::Read {
            path: self.path.clone(),
            error,
        }
    }
}

/// Opens a file's bytes from the beginning, inflated if they are compressed.
pub(super) fn inflated(mut handle: &fs::File) -> io::Result<Box<dyn BufRead + '_>> {
    handle.rewind()?;
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, handle);
    Ok(match raw.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(raw))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            zstd::Decoder::with_buffer(raw)?,
        )),
        _ => Box::new(raw),
    })
}

/// Opens what can be read twice. Anything else would block, or be consumed by the first reading.
pub(super) fn open_regular(path: &Path) -> io::Result<fs::File> {
    let kind = fs::metadata(path)?.file_type();
    let why = match kind {
        _ if kind.is_file() => return fs::File::open(path),
        _ if kind.is_dir() => "it is a folder: give one of its files",
        _ if kind.is_fifo() => "it is a pipe, and it is read twice: copy it to a file",
        _ => "it is neither a file nor a pipe",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
