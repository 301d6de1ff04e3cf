//! An object that was fetched whole: a small one is in memory, a large one in a file without a name,
//! so that looking through a lake takes little memory however large its objects are.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest, Sha256};

use super::read::{PIECE_BYTES, refused};
use crate::{Error, Lake};

/// A larger object is in a file.
const MEMORY_BYTES: u64 = 16 << 20;

/// An object that was fetched whole.
pub(crate) enum FetchedObject {
    Memory(Bytes),
    File(File),
}

impl FetchedObject {
    /// The SHA-256 of its bytes, in hexadecimal digits. Heavy: call it off the event loop.
    pub(crate) fn sha256(&self) -> io::Result<String> {
        let mut hasher = Sha256::new();
        match self {
            Self::Memory(bytes) => hasher.update(bytes),
            Self::File(file) => {
                let mut file = file;
                file.rewind()?;
                io::copy(&mut file, &mut hasher)?;
            }
        }
        Ok(format!("{:x}", hasher.finalize()))
    }
}

impl Length for FetchedObject {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.len(),
        }
    }
}

impl ChunkReader for FetchedObject {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(bytes.get_read(start)?),
            Self::File(file) => Box::new(file.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            Self::Memory(bytes) => bytes.get_bytes(start, length),
            Self::File(file) => file.get_bytes(start, length),
        }
    }
}

impl Lake {
    /// An object whole; `None` if it is not there. What no writer of ours made is refused by its end
    /// before anything else is read, and a large one by its hash.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Unfit`] if no file can be made for a large one; else the store's.
    pub(crate) async fn fetched(&self, path: &str) -> Result<Option<FetchedObject>, Error> {
        let path = Path::from(path);
        let Some(size) = self.sound_size(&path).await? else {
            return Ok(None);
        };
        if size <= MEMORY_BYTES {
            let bytes = self.read_if_there(&path, MEMORY_BYTES).await?;
            return Ok(bytes.map(FetchedObject::Memory));
        }
        let mut file = self.spill().file()?;
        let mut at = 0;
        while at < size {
            let end = size.min(at + PIECE_BYTES);
            let piece = match self.store().get_range(&path, at..end).await {
                Ok(piece) => piece,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            at += piece.len() as u64;
            if piece.is_empty() {
                return Err(refused(&path, &"it is shorter than it was"));
            }
            let write = move || file.write_all(&piece).map(|()| file);
            let written = self.pool().run(write).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            file = written.map_err(|error| self.spill().failed(&error))?;
        }
        Ok(Some(FetchedObject::File(file)))
    }
}
