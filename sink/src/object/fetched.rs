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
use tokio::sync::{Semaphore, SemaphorePermit};

use super::footer::ObjectHash;
use super::proven::PIECE_BYTES;
use super::read::{NOT_PROVED, plain, refused};
use crate::{Error, Lake};

/// A larger object is in a file.
const MEMORY_BYTES: u64 = 16 << 20;
/// So many larger ones are on the disk at once: each may have half a gigabyte.
static LARGE_OBJECTS: Semaphore = Semaphore::const_new(2);

/// An object that was fetched whole.
pub(crate) enum FetchedObject {
    Memory(Bytes),
    File {
        file: File,
        _room: SemaphorePermit<'static>,
    },
}

impl FetchedObject {
    /// The SHA-256 of its bytes, in hexadecimal digits. Heavy: call it off the event loop.
    pub(crate) fn sha256(&self) -> io::Result<String> {
        let mut hasher = Sha256::new();
        match self {
            Self::Memory(bytes) => hasher.update(bytes),
            Self::File { file, .. } => {
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
            Self::File { file, .. } => file.len(),
        }
    }
}

impl ChunkReader for FetchedObject {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(bytes.get_read(start)?),
            Self::File { file, .. } => Box::new(file.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            Self::Memory(bytes) => bytes.get_bytes(start, length),
            Self::File { file, .. } => file.get_bytes(start, length),
        }
    }
}

impl Lake {
    /// An object whole, whose bytes are proved to be those that were written, by the hash in its name
    /// or in its footer; `None` if it is not there. What no writer of ours made is refused by its end
    /// before anything else is read.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Unfit`] if no file can be made for a large one; else the store's.
    pub(crate) async fn fetched(&self, path: &str) -> Result<Option<FetchedObject>, Error> {
        let path = Path::from(path);
        let Some(ending) = self.ending(&path, plain()).await? else {
            return Ok(None);
        };
        let hash = ObjectHash::of(&path, ending.size, &ending.tail);
        let hash = hash.ok_or_else(|| refused(&path, &NOT_PROVED))?;
        if ending.size > MEMORY_BYTES {
            return self.spilled(&path, ending.size, hash).await;
        }
        let bytes = match ending.tail.len() as u64 == ending.size {
            true => Some(ending.tail),
            false => self.read_if_there(&path, MEMORY_BYTES).await?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let proving = move || match hash.take(&bytes).fits() {
            true => Ok(Some(FetchedObject::Memory(bytes))),
            false => Err(NOT_PROVED.to_owned()),
        };
        self.heavy(path.as_ref(), proving).await
    }

    /// As [`Lake::fetched`], for an object that must be there.
    ///
    /// # Errors
    /// [`Error::Damaged`], also if it is not there; else as [`Lake::fetched`].
    pub(crate) async fn present(&self, path: &str) -> Result<FetchedObject, Error> {
        let fetched = self.fetched(path).await?;
        fetched.ok_or_else(|| refused(&Path::from(path), &"it is not there"))
    }

    /// A large object, in a file.
    async fn spilled(
        &self,
        path: &Path,
        size: u64,
        mut hash: ObjectHash,
    ) -> Result<Option<FetchedObject>, Error> {
        let room = LARGE_OBJECTS.acquire().await;
        let room = room.map_err(|error| Error::Unfit(error.to_string()))?;
        let mut file = self.spill().file()?;
        let mut at = 0;
        while at < size {
            let end = size.min(at + PIECE_BYTES);
            let piece = match self.store().get_range(path, at..end).await {
                Ok(piece) => piece,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            at += piece.len() as u64;
            if piece.is_empty() {
                return Err(refused(path, &"it is shorter than it was"));
            }
            let write = move || {
                file.write_all(&piece)?;
                Ok((file, hash.take(&piece)))
            };
            let written = self.pool().run(write).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            (file, hash) = written.map_err(|error| self.spill().failed(&error))?;
        }
        match hash.fits() {
            true => Ok(Some(FetchedObject::File { file, _room: room })),
            false => Err(refused(path, &NOT_PROVED)),
        }
    }
}
