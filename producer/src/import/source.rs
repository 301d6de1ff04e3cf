//! A file that is imported: inflated, with a digest that its lines' ids are made of.

use std::fs;
use std::io::{self, BufRead, BufReader, Seek};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::Error;
use super::job::Input;

/// The buffer between the file and its decoder.
const BUFFER_BYTES: usize = 64 << 10;

/// A file that can be read from its beginning as often as needed.
pub(super) struct SourceFile {
    handle: fs::File,
    path: String,
    /// The `source` of the lines' envelopes.
    origin: String,
    digest: [u8; 32],
    total: u64,
}

impl SourceFile {
    /// Opens a file and computes its digest. Standard input is copied to a temporary file
    /// first.
    pub(super) fn open(input: &Input) -> Result<Self, Error> {
        let (handle, path, origin) = match input {
            Input::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (
                    fs::File::open(path),
                    path.display().to_string(),
                    format!("import:{name}"),
                )
            }
            Input::Stdin => (copy_stdin(), "standard input".into(), "import:stdin".into()),
        };
        let at = path.clone();
        let unreadable = move |error| Error::Read {
            path: at.clone(),
            error,
        };
        let handle = handle.map_err(&unreadable)?;
        let mut file = Self {
            handle,
            path,
            origin,
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
        self.digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Returns the size of the inflated file, in bytes.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Returns the `source` of the lines' envelopes.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the id of a line: a UUIDv8 of the file's digest and the line's number.
    pub(super) fn id(&self, line: u64) -> Uuid {
        let digest = Sha256::new()
            .chain_update(self.digest)
            .chain_update(line.to_be_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let (head, _) = digest.split_first_chunk().expect("32 bytes hold 16");
        uuid::Builder::from_custom_bytes(*head).into_uuid()
    }

    /// Opens the inflated bytes from the beginning.
    pub(super) fn inflated(&self) -> Result<Box<dyn BufRead + '_>, Error> {
        let open = || -> io::Result<Box<dyn BufRead + '_>> {
            let mut handle = &self.handle;
            handle.rewind()?;
            let mut raw = BufReader::with_capacity(BUFFER_BYTES, handle);
            Ok(match raw.fill_buf()? {
                [0x1f, 0x8b, ..] => {
                    Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(raw)))
                }
                [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(BufReader::with_capacity(
                    BUFFER_BYTES,
                    zstd::Decoder::with_buffer(raw)?,
                )),
                _ => Box::new(raw),
            })
        };
        open().map_err(|error| self.unreadable(error))
    }

    /// Names the file in an error of reading it.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        Error::Read {
            path: self.path.clone(),
            error,
        }
    }
}

fn copy_stdin() -> io::Result<fs::File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    Ok(file)
}
