//! The one way by which a swap is made: objects named by their content are written, then the
//! ledger's next number is taken. Who loses that number looks whether what came between touches
//! what was read.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};
use topic::{Backoff, Timestamp};

use super::entry::Entry;
use super::fold::Ledger;
use super::forget::ErasedShare;
use super::replayed::Promotion;
use super::swap::{CoveredRange, ReplacedObject, Swap, SwapLetters, SwapMaker, SwapObject};
use crate::object::sort::object_file::SortedFile;
use crate::{Error, Lake};

/// A maker gives up after this long: what no entry names is swept when it is twice as old.
pub(crate) const MAKING_TIMEOUT: Duration = Duration::from_hours(12);
/// The first wait between two tries, and the longest.
const SWAP_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What became of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It is the ledger's entry of this number.
    Written(u64),
    /// It is not in the ledger, and why. Its objects are swept.
    Discarded(String),
}

/// A swap that is being made.
#[derive(Debug)]
pub struct Making {
    lake: Lake,
    begun: Instant,
    swap: Swap,
}

impl Making {
    /// Begins a swap of what this ledger says. `made_at` tells the objects of two makers apart.
    #[must_use]
    pub fn begin(lake: &Lake, ledger: &Ledger, by: SwapMaker, made_at: Timestamp) -> Self {
        Self {
            lake: lake.clone(),
            begun: Instant::now(),
            swap: Swap {
                by,
                made_at,
                read: ledger.next,
                promotion: None,
                erased: None,
                replaced: Vec::new(),
                objects: Vec::new(),
                letters: Vec::new(),
                ranges: Vec::new(),
            },
        }
    }

    /// When it was begun, by the maker's clock.
    #[must_use]
    pub const fn made_at(&self) -> Timestamp {
        self.swap.made_at
    }

    /// The swap so far.
    #[must_use]
    pub const fn swap(&self) -> &Swap {
        &self.swap
    }

    /// Says which replay it puts in the live rows' place, or takes out again.
    pub fn promote(&mut self, promotion: Promotion) {
        self.swap.promotion = Some(promotion);
    }

    /// Says for which request it took out so many rows and dead letters.
    pub fn erase(&mut self, erased: ErasedShare) {
        self.swap.erased = Some(erased);
    }

    /// Takes an object out of the lake's list.
    pub fn replace(&mut self, replaced: ReplacedObject) {
        self.swap.replaced.push(replaced);
    }

    /// Covers ranges, of which these objects of dead letters hold the letters.
    pub fn cover(&mut self, ranges: Vec<CoveredRange>, letters: Vec<SwapLetters>) {
        self.swap.ranges.extend(ranges);
        self.swap.letters.extend(letters);
    }

    /// Writes an object that takes the place of others. It counts once the entry is written.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(
        &mut self,
        object: Bytes,
        rows: u64,
        occurred: Option<(Timestamp, Timestamp)>,
    ) -> Result<(), Error> {
        let object = self.lake.put_swapped(object, rows, occurred).await?;
        self.swap.objects.push(object);
        Ok(())
    }

    /// Writes an object of dead letters. Returns its path. It counts once the entry names it.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_letters(&self, object: Bytes) -> Result<String, Error> {
        let object = self.lake.put_swapped(object, 0, None).await?;
        Ok(object.path().to_string())
    }

    /// As [`Making::put`], from a file.
    pub(crate) async fn put_file(&mut self, file: SortedFile) -> Result<(), Error> {
        let object = self.lake.put_sorted(file).await?;
        self.swap.objects.push(object);
        Ok(())
    }

    /// Takes the ledger's next number.
    ///
    /// # Errors
    /// The store's, if it does not pass within the time that a maker has.
    pub async fn finish(mut self) -> Result<Made, Error> {
        let place = |range: &CoveredRange| (range.partition, range.first);
        self.swap.ranges.sort_by_key(place);
        let (mut number, entry) = (self.swap.read, Entry::Swap(self.swap.clone()));
        // A machine that was suspended counts no time, and what it wrote may have been swept.
        let written = self.swap.objects.iter().map(SwapObject::path);
        for path in written.collect::<Vec<_>>() {
            if !self.lake.is_there(&path).await? {
                return Ok(Made::Discarded(format!("{path} was swept meanwhile")));
            }
        }
        let mut backoff = Backoff::new(SWAP_BACKOFF.0, SWAP_BACKOFF.1);
        loop {
            if self.begun.elapsed() > MAKING_TIMEOUT {
                let limit = humantime::format_duration(MAKING_TIMEOUT);
                return Ok(Made::Discarded(format!("it took longer than {limit}")));
            }
            match self.attempt(number, &entry).await {
                Ok(NumberAttempt::Made(made)) => return Ok(made),
                Ok(NumberAttempt::Next) => {
                    number += 1;
                    continue;
                }
                Ok(NumberAttempt::Again) => tracing::debug!(number, "no entry is there yet"),
                Err(Error::Unavailable(why)) => tracing::warn!(number, "a swap waits: {why}"),
                Err(error) => return Err(error),
            }
            sleep(backoff.jittered(0.5)).await;
        }
    }

    async fn attempt(&self, number: u64, entry: &Entry) -> Result<NumberAttempt, Error> {
        if self.lake.write_entry(number, entry).await? {
            return Ok(NumberAttempt::Made(Made::Written(number)));
        }
        Ok(match self.lake.entry(number).await? {
            // The store reported a conflict.
            None => NumberAttempt::Again,
            // The reply was lost, not the entry.
            Some(there) if there == *entry => NumberAttempt::Made(Made::Written(number)),
            Some(there) => match there.touches(&self.swap) {
                Some(what) => NumberAttempt::Made(Made::Discarded(format!(
                    "entry {number} of the ledger {what} meanwhile"
                ))),
                None => NumberAttempt::Next,
            },
        })
    }
}

/// What a try to take a number came to.
enum NumberAttempt {
    Made(Made),
    /// The number belongs to an entry that touches nothing.
    Next,
    Again,
}

impl Entry {
    /// What this entry does to what a swap was made of. `None` if it does nothing to it.
    fn touches(&self, swap: &Swap) -> Option<&'static str> {
        let within = |of, range| swap.ranges.iter().any(|covered| covered.meets(of, range));
        match self {
            Self::Origin { .. } => Some("founded the lake anew"),
            Self::Gap {
                partition,
                first,
                end,
                ..
            } => within(*partition, (*first, *end)).then_some("gave some of it up"),
            Self::Settle { name, .. } => {
                let settled = |promotion: &Promotion| promotion.name == *name;
                let touched = swap.promotion.as_ref().is_some_and(settled);
                touched.then_some("settled the promotion")
            }
            // What was read may hold the subject.
            Self::Forget(_) => Some("asked for an erasure"),
            // It may have been read before it was rewritten.
            Self::Erased(_) => Some("completed an erasure"),
            Self::Swap(other) => {
                let replaced = |path: &String| swap.replaced.iter().any(|one| one.path == *path);
                let shared = other.replaced.iter().any(|one| replaced(&one.path));
                let mut ranges = other.ranges.iter();
                let meets = ranges.any(|range| within(range.partition, (range.first, range.end)));
                (shared || meets).then_some("replaced some of it")
            }
        }
    }
}

impl Lake {
    async fn put_swapped(
        &self,
        object: Bytes,
        rows: u64,
        occurred: Option<(Timestamp, Timestamp)>,
    ) -> Result<SwapObject, Error> {
        let hashed = object.clone();
        let hashing = self
            .pool()
            .run(move || format!("{:x}", Sha256::digest(&hashed)));
        let hash = hashing
            .await
            .map_err(|error| Error::Unfit(format!("hashing an object failed: {error}")))?;
        let swapped = SwapObject {
            hash,
            bytes: object.len() as u64,
            rows,
            occurred,
        };
        self.create_swapped(&swapped.path(), object).await?;
        Ok(swapped)
    }

    pub(crate) async fn create_swapped(&self, path: &Path, object: Bytes) -> Result<(), Error> {
        // Its name holds the hash of its content, so an object of that name is the same. But after
        // a conflict there may be none.
        if !self.create(path, object).await? && !self.is_there(path).await? {
            return Err(Error::Unavailable(format!(
                "the store says that {path} is taken, and has no object of it"
            )));
        }
        Ok(())
    }
}
