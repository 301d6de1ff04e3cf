//! Proving objects by the hash that they were written with, piece by piece; and hashes of their parts, by which
//! what is read of them again later is known to be what was proved.

use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::footer::ObjectHash;
use super::read::{ObjectEnd, decoded, plain, refused};
use crate::{Error, Lake};

/// How much of an object is hashed at a time.
pub(super) const PIECE_BYTES: u64 = 8 << 20;

/// The XXH3 of an object's parts when its own hash was proved: they are read again one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProvenHashes {
    pub(crate) columns: u128,
    /// Of all that follows the columns: the indexes of the pages, and the metadata.
    pub(crate) ending: u128,
}

/// What is wrong with an object whose parts are others than those that were proved.
pub(crate) const CHANGED: &str = "it changed after its hash was proved";

impl Lake {
    /// Returns true if the object's bytes are those that were written, by the hash in its name
    /// or in its footer. It is read piece by piece, so one of any size takes little memory.
    ///
    /// # Errors
    /// The store's; an object that is not there is [`Error::Damaged`].
    pub async fn intact(&self, path: &str) -> Result<bool, Error> {
        Ok(self.proven(path).await?.is_some())
    }

    /// As [`Lake::intact`]. Returns hashes of what a later reader reads again; `None` if the object's
    /// own hash does not fit.
    pub(crate) async fn proven(&self, path: &str) -> Result<Option<ProvenHashes>, Error> {
        let path = Path::from(path);
        match self.ending(&path, plain()).await {
            Ok(Some(ending)) => self.hashes(&path, &ending).await,
            Ok(None) => Err(refused(&path, &"it is not there")),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hashes an object piece by piece, as [`Lake::proven`] says.
    pub(super) async fn hashes(
        &self,
        path: &Path,
        ending: &ObjectEnd,
    ) -> Result<Option<ProvenHashes>, Error> {
        let Some(proof) = ObjectHash::of(path, ending.size, &ending.tail) else {
            return Ok(None);
        };
        let (columns, mut at) = (ending.columns(), 0);
        let mut hashes = (proof, Xxh3::new(), Xxh3::new());
        while at < ending.size {
            let end = ending.size.min(at + PIECE_BYTES);
            let piece = self.store().get_range(path, at..end).await?;
            if piece.is_empty() {
                return Ok(None);
            }
            let within = |place: u64| {
                let place = usize::try_from(place.saturating_sub(at)).unwrap_or(usize::MAX);
                place.min(piece.len())
            };
            let (first, last) = (within(columns.start), within(columns.end));
            at += piece.len() as u64;
            let work = move || {
                let (proof, mut columns, mut ending) = hashes;
                columns.update(&piece[first..last]);
                ending.update(&piece[last..]);
                (proof.take(&piece), columns, ending)
            };
            let hashed = self.pool().run(work).await;
            hashes = hashed.map_err(|error| Error::Unfit(format!("hashing failed: {error}")))?;
        }
        let (proof, columns, ending) = hashes;
        Ok(proof.fits().then(|| ProvenHashes {
            columns: columns.digest128(),
            ending: ending.digest128(),
        }))
    }

    /// All metadata of an object of a swap, with the indexes of its pages, if they are those that were
    /// proved.
    pub(crate) async fn sorted_metadata(
        &self,
        path: &str,
        proven: ProvenHashes,
    ) -> Result<ParquetMetaData, Error> {
        let path = Path::from(path);
        let all = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let ending = self.ending(&path, all).await?;
        let ending = ending.ok_or_else(|| refused(&path, &"it is not there"))?;
        let (size, indexed) = (ending.size, ending.columns().end);
        let before = size - ending.tail.len() as u64;
        let tail = match indexed.checked_sub(before) {
            Some(at) => ending
                .tail
                .slice(usize::try_from(at).unwrap_or(usize::MAX)..),
            None => {
                let tail = self.store().get_range(&path, indexed..size).await?;
                // The metadata were decoded of what came first.
                if !tail.ends_with(&ending.tail) {
                    return Err(refused(&path, &CHANGED));
                }
                tail
            }
        };
        let reading = move || {
            if xxh3_128(&tail) != proven.ending {
                return Err(refused(&path, &CHANGED));
            }
            let mut reader = ParquetMetaDataReader::new_with_metadata(ending.metadata)
                .with_page_index_policy(PageIndexPolicy::Optional);
            decoded(&path, || {
                reader.read_page_indexes_sized(&tail, size)?;
                reader.finish()
            })
        };
        let read = self.pool().run(reading).await;
        read.map_err(|error| Error::Unfit(format!("reading failed: {error}")))?
    }
}
