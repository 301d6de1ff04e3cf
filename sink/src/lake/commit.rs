//! The commit: one conditional create, repeated until the store answers. If it answers "already
//! there", the object that is there decides.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};
use topic::{Backoff, Identity};

use crate::object::batch::Encoded;
use crate::{Error, Footer, Knowledge, Lake, ObjectName, SealedBatch};

/// What a commit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The range is committed; this is its object.
    Committed(Box<Footer>),
    /// A range that begins here was committed before, by this object: drop what was read
    /// after it, and continue at its end.
    AlreadyCommitted(Box<Footer>),
    /// The ledger gives something of this partition up, or a swap covers where the batch begins,
    /// and the batch's maker does not know; nothing was created. Drop what was read, and start from the tips.
    GivenUp,
}

/// The first wait between two tries, and the longest.
const COMMIT_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A batch on its way: encoded once, when the ledger was first read.
struct PendingCommit {
    name: ObjectName,
    known: Knowledge,
    sealed: Option<SealedBatch>,
    encoded: Option<Encoded>,
}

impl Lake {
    /// Creates the batch's object, its dead letters first, trying the same names and bytes
    /// until the lake answers. `known` is what its maker knows of the ledger: what a worker still
    /// holds that was cut off for long may have been given up by an operator, or replaced. The
    /// object's footer says how many entries were read before it was encoded.
    ///
    /// # Errors
    /// [`Error::Denied`] and [`Error::Unfit`] stop the partition; [`Error::AnotherTopic`]
    /// if the name is taken by another topic's object; [`Error::Unavailable`] after
    /// `max_silence` without an answer: drop all and start from the tips. Nothing was
    /// skipped in any of them.
    pub async fn commit(
        &self,
        sealed: SealedBatch,
        known: impl Into<Knowledge>,
        max_silence: Duration,
    ) -> Result<Outcome, Error> {
        let name = sealed.name();
        let mut pending = PendingCommit {
            name,
            known: known.into(),
            sealed: Some(sealed),
            encoded: None,
        };
        let mut silent_since = Instant::now();
        let mut backoff = Backoff::new(COMMIT_BACKOFF.0, COMMIT_BACKOFF.1);
        let mut attempt = 0;
        loop {
            // A worker that slept too long must not create: what it holds may have been
            // committed, compacted and deleted meanwhile.
            let silent = Duration::from_secs(silent_since.elapsed().as_secs());
            if silent_since.elapsed() > max_silence {
                return Err(Error::Unavailable(format!(
                    "no answer for {}",
                    humantime::format_duration(silent)
                )));
            }
            match self.attempt(&mut pending).await {
                Ok(Some(outcome)) => return Ok(outcome),
                // A conflict without an object is an answer too: try again, soon.
                Ok(None) => {
                    silent_since = Instant::now();
                    let why = "the store says that the name is taken, and has no object of it";
                    tracing::warn!(object = %name, attempt, "commit delayed: {why}");
                }
                Err(Error::Unavailable(why)) => {
                    tracing::warn!(object = %name, attempt, "commit delayed: {why}");
                }
                Err(error) => return Err(error),
            }
            sleep(backoff.jittered(jitter(&name, attempt))).await;
            attempt += 1;
        }
    }

    /// One try; `None` if the store reported a conflict and no object is there.
    async fn attempt(&self, pending: &mut PendingCommit) -> Result<Option<Outcome>, Error> {
        let place = (pending.name.partition, pending.name.first);
        if self.gave_up(place, &mut pending.known).await? {
            return Ok(Some(Outcome::GivenUp));
        }
        if let Some(sealed) = pending.sealed.take() {
            let entries = pending.known.entries;
            let encoding = self.pool().run(move || sealed.encode(entries));
            let encoded = encoding
                .await
                .map_err(|error| Error::Unfit(format!("encoding a batch failed: {error}")))?;
            pending.encoded = Some(encoded);
        }
        let encoded = pending
            .encoded
            .as_ref()
            .expect("what is not sealed any more is encoded");
        if let Some((path, bytes)) = &encoded.letters {
            // Their name holds the hash of their content, so an object of that name is the same.
            // But after a conflict there may be none.
            if !self.create(path, bytes.clone()).await? && !self.is_there(path).await? {
                return Ok(None);
            }
        }
        if self
            .create(&encoded.name.path(), encoded.object.clone())
            .await?
        {
            return Ok(Some(Outcome::Committed(Box::new(encoded.footer.clone()))));
        }
        let there = self.committed(&encoded.name, &encoded.footer.topic).await?;
        Ok(there.map(|footer| Outcome::AlreadyCommitted(Box::new(footer))))
    }

    /// The footer of the object of that name; `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::AnotherTopic`] if it is another topic's, else the store's.
    pub async fn committed(
        &self,
        name: &ObjectName,
        topic: &Identity,
    ) -> Result<Option<Footer>, Error> {
        match self.footer(name).await? {
            None => Ok(None),
            Some(footer) if footer.topic == *topic => Ok(Some(footer)),
            Some(footer) => Err(Error::AnotherTopic {
                lake: self.location().to_string(),
                theirs: footer.topic,
                ours: topic.clone(),
            }),
        }
    }
}

/// Differs by object and try, and needs no randomness: it is between 0 and 1.
fn jitter(name: &ObjectName, attempt: u32) -> f64 {
    let digest = Sha256::digest(format!("{name}#{attempt}"));
    f64::from(digest[0]) / 256.0
}
