//! One object on its way from store to store, piece by piece: its hash is taken on the way, and
//! nothing is there under its new name unless it fits.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};
use sha2::{Digest, Sha256};

use crate::{Error, Lake};

/// A larger object goes in parts of this size.
const PART_BYTES: usize = 8 << 20;

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transferred {
    /// It is there, and has the bytes that it should have.
    Whole,
    /// The place that it comes from does not have it.
    Gone,
    /// Its bytes are not those that it should have.
    Damaged(String),
}

/// Which of both failed.
#[derive(Debug)]
pub(super) enum TransferError {
    From(Error),
    To(Error),
}

/// An object of a known size and hash that is read here and written there.
pub(super) struct Transfer<'a> {
    pub(super) from: (&'a Lake, Path),
    pub(super) to: (&'a Lake, Path),
    pub(super) bytes: u64,
    pub(super) hash: &'a str,
}

impl Transfer<'_> {
    /// Carries the object over.
    pub(super) async fn run(self) -> Result<Transferred, TransferError> {
        let (from, at) = &self.from;
        let object = match from.store().get(at).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => return Ok(Transferred::Gone),
            Err(error) => return Err(TransferError::From(error.into())),
        };
        if object.meta.size != self.bytes {
            let why = format!("it has {} bytes, not {}", object.meta.size, self.bytes);
            return Ok(Transferred::Damaged(why));
        }
        let mut pieces = object.into_stream();
        let mut writing = Writing::new(&self.to);
        let mut part = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    writing.abort().await;
                    return Err(TransferError::From(error.into()));
                }
            };
            part.extend_from_slice(&piece);
            while part.len() >= PART_BYTES {
                let full = part.split_to(PART_BYTES).freeze();
                writing.put(full).await.map_err(TransferError::To)?;
            }
        }
        let ended = writing.end(part.freeze(), self.hash).await;
        ended.map_err(TransferError::To)
    }
}

/// Writes an object that is in memory whole, under its hash.
pub(super) async fn write(to: (&Lake, Path), object: &Bytes, hash: &str) -> Result<(), Error> {
    let mut writing = Writing::new(&to);
    let mut rest = object.clone();
    while rest.len() > PART_BYTES {
        writing.put(rest.split_to(PART_BYTES)).await?;
    }
    match writing.end(rest, hash).await? {
        Transferred::Whole => Ok(()),
        Transferred::Gone | Transferred::Damaged(_) => {
            Err(Error::Unfit(format!("{} changed on its way", to.1)))
        }
    }
}

/// The object that is being written.
struct Writing<'a> {
    to: &'a (&'a Lake, Path),
    hasher: Sha256,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl<'a> Writing<'a> {
    fn new(to: &'a (&'a Lake, Path)) -> Self {
        Self {
            to,
            hasher: Sha256::new(),
            upload: None,
        }
    }

    async fn hash(&mut self, part: &Bytes) -> Result<(), Error> {
        let (hasher, part) = (std::mem::take(&mut self.hasher), part.clone());
        let hashed = self.to.0.pool().run(move || hasher.chain_update(&part));
        self.hasher = hashed
            .await
            .map_err(|error| Error::Unfit(format!("hashing an object failed: {error}")))?;
        Ok(())
    }

    /// Writes a part that others follow.
    async fn put(&mut self, part: Bytes) -> Result<(), Error> {
        self.hash(&part).await?;
        let (lake, path) = self.to;
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(lake.store().put_multipart(path).await?),
        };
        if let Err(error) = upload.put_part(part.into()).await {
            self.abort().await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Writes the last part, and makes the object if its hash fits.
    async fn end(&mut self, last: Bytes, expected: &str) -> Result<Transferred, Error> {
        self.hash(&last).await?;
        let (lake, path) = self.to;
        let hash = format!("{:x}", self.hasher.clone().finalize());
        if hash != expected {
            self.abort().await;
            let why = "its bytes are not those that were written".to_owned();
            return Ok(Transferred::Damaged(why));
        }
        let Some(mut upload) = self.upload.take() else {
            // What has this name already has this content.
            lake.create(path, last).await?;
            return Ok(Transferred::Whole);
        };
        let sent = match last.is_empty() {
            true => Ok(()),
            false => upload.put_part(last.into()).await,
        };
        let completed = match sent {
            Ok(()) => upload.complete().await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = completed {
            self.upload = Some(upload);
            self.abort().await;
            return Err(error.into());
        }
        Ok(Transferred::Whole)
    }

    /// Drops the parts that were sent. The store drops them by itself if it does not answer now.
    async fn abort(&mut self) {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::debug!("parts of {} were left in the store: {error}", self.to.1);
        }
    }
}
