//! Rows on their way: the objects of a source are read, and what stays of their rows is sorted in
//! memory of a bounded size, written, and read back.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use topic::{Identity, Timestamp};

use super::choice::Choice;
use super::part::RewriteParts;
use super::source::RewriteSource;
use crate::lake::sorted::SortedWriting;
use crate::object::decode::ObjectRows;
use crate::object::footer;
use crate::object::read::NOT_PROVED;
use crate::object::sort::limits::SortLimits;
use crate::object::sort::object_run::{RowFilter, SortedObject};
use crate::object::sort::sorter::RowSorter;
use crate::object::swapped::{RangeSums, SwappedFooter};
use crate::{CoveredRange, Error, Lake, Making, ReplacedObject};

/// Objects are read and decoded together, up to so many bytes and so many of them: each alone is
/// small, and waking a thread for it costs as much as its rows.
const GROUP_BYTES: u64 = 1 << 20;
const GROUP_OBJECTS: usize = 32;
/// How many groups are read ahead.
const READ_AHEAD_GROUPS: usize = 2;
/// A larger object is looked at before it is read whole.
const TRUSTED_BYTES: u64 = 64 << 20;
/// What says which record a row is.
const KEY_COLUMNS: &[&str] = &["event_id", "item", "partition", "offset"];

/// An object that is read, or only hashed if nothing of it stays: it may be damaged.
struct Input {
    stays: bool,
    path: String,
    bytes: u64,
    /// The hash of a sorted object, which it is named by.
    hash: Option<String>,
    /// It is read in this order, so that what is written follows one another in time.
    moment: Timestamp,
}

/// Rows that wait to be written, and the sums of what was written.
pub(super) struct SortedRows {
    sorter: RowSorter,
    written: RangeSums,
    topic: Identity,
    limits: SortLimits,
}

impl SortedRows {
    /// For rows of these ranges, of which `limits` says how many are sorted at once.
    pub(super) fn new(
        lake: &Lake,
        topic: &Identity,
        ranges: &[CoveredRange],
        limits: SortLimits,
    ) -> Self {
        let ranges = ranges.iter();
        Self {
            sorter: RowSorter::new(lake.spill().clone(), limits),
            written: RangeSums::of(ranges.map(|range| ((range.partition, range.first), range.end))),
            topic: topic.clone(),
            limits,
        }
    }

    /// Writes all rows, and reads them back. Returns what was written, range by range.
    pub(super) async fn finish(self, lake: &Lake, making: &mut Making) -> Result<RangeSums, Error> {
        let said = SwappedFooter::new(self.topic, making.made_at());
        let (merge, folder) = (self.sorter.merge(), lake.spill().clone());
        let writing = SortedWriting::new(merge, said, self.limits, self.written, folder);
        lake.write_sorted(making, writing).await
    }
}

impl RewriteSource<'_> {
    pub(super) fn parts(&self) -> RewriteParts {
        let mut parts = RewriteParts::new(self.scope.ranges(self.ledger), &self.choice);
        if !self.choice.chooses() {
            for number in &self.scope.swaps {
                let of = self.ledger.coverage.parts(*number);
                of.ranges.into_iter().for_each(|range| parts.trust(range));
            }
        }
        parts
    }

    /// Reads the rows of all objects; those that stay go to `rows`. Returns what was read, as a swap
    /// names it.
    pub(super) async fn read_rows(
        &self,
        lake: &Lake,
        mut parts: RewriteParts,
        mut rows: SortedRows,
    ) -> Result<(Vec<ReplacedObject>, RewriteParts, SortedRows), Error> {
        let mut replaced = Vec::new();
        let (swapped, commits): (Vec<Input>, Vec<Input>) = self
            .inputs()
            .into_iter()
            .partition(|input| input.hash.is_some());
        let reading = stream::iter(grouped(commits)).map(|group| async move {
            let objects = group.into_iter().map(|input| async move {
                let object = match input.stays {
                    true => self.input(&input).await?,
                    false => self.lake.bytes(&input.path).await?.unwrap_or_default(),
                };
                Ok::<_, Error>((input, object))
            });
            try_join_all(objects).await
        });
        let mut reading = reading.buffered(READ_AHEAD_GROUPS);
        while let Some(group) = reading.try_next().await? {
            let choice = self.choice.clone();
            let work = move || {
                let mut hashed = Vec::new();
                for (input, object) in group {
                    hashed.push(ReplacedObject {
                        hash: format!("{:x}", Sha256::digest(&object)),
                        bytes: object.len() as u64,
                        path: input.path.clone(),
                    });
                    if input.stays {
                        take(&object, &choice, &mut parts, &mut rows)
                            .map_err(|why| input.blamed(why))?;
                    }
                }
                Ok::<_, Error>((parts, rows, hashed))
            };
            let worked = lake.pool().run(work).await;
            let worked =
                worked.map_err(|error| Error::Unfit(format!("rewriting failed: {error}")))?;
            let hashed;
            (parts, rows, hashed) = worked?;
            replaced.extend(hashed);
        }
        drop(reading);
        for input in swapped {
            if input.stays {
                let proven = self.lake.proven(&input.path).await?;
                let proven = proven.ok_or_else(|| input.damaged(NOT_PROVED))?;
                let mut object = SortedObject {
                    lake: self.lake.clone(),
                    path: input.path.clone(),
                    least: input.moment,
                    proven,
                    columns: None,
                    filter: None,
                };
                if self.choice.chooses() {
                    let groups;
                    (parts, groups) = self.read_sorted(object.clone(), parts).await?;
                    object.filter = Some(self.filter(groups));
                }
                rows.sorter.take_object(object);
            }
            replaced.push(ReplacedObject {
                hash: input.hash.unwrap_or_default(),
                bytes: input.bytes,
                path: input.path,
            });
        }
        Ok((replaced, parts, rows))
    }

    /// Lets those rows of a sorted object stay that are chosen; only these row groups have others.
    fn filter(&self, groups: BTreeSet<usize>) -> RowFilter {
        let choice = self.choice.clone();
        RowFilter {
            keep: Arc::new(move |rows| {
                let mask = choice.rows(&rows)?;
                kept(rows, mask.as_ref())
            }),
            groups: Arc::new(groups),
        }
    }

    /// Looks at all rows of a sorted object. Returns the row groups of which not all stay. The merge
    /// reads it again, when its time comes; what it writes is held against what was read here.
    async fn read_sorted(
        &self,
        mut object: SortedObject,
        parts: RewriteParts,
    ) -> Result<(RewriteParts, BTreeSet<usize>), Error> {
        object.columns = Some([KEY_COLUMNS, self.choice.columns()].concat().into());
        let choice = self.choice.clone();
        type Looked = (RewriteParts, BTreeSet<usize>);
        let take = move |(parts, groups): &mut Looked, batch: &RecordBatch, group: usize| {
            let mask = choice.rows(batch)?;
            if mask.is_some() {
                groups.insert(group);
            }
            parts.take_rows(batch, mask.as_ref())
        };
        let looked = (parts, BTreeSet::new());
        self.lake.scan_sorted(object, looked, take).await
    }

    /// All objects of rows.
    fn inputs(&self) -> Vec<Input> {
        let commits = self.scope.commits.iter().map(|commit| Input {
            stays: !self.choice.drops(&commit.range()),
            path: commit.name.to_string(),
            bytes: commit.bytes,
            hash: None,
            moment: commit.footer.appended_at,
        });
        let mut inputs: Vec<Input> = commits.collect();
        for number in &self.scope.swaps {
            let parts = self.ledger.coverage.parts(*number);
            let stays = !parts.ranges.iter().all(|range| self.choice.drops(range));
            inputs.extend(parts.objects.into_iter().map(|object| {
                Input {
                    stays,
                    path: object.path().to_string(),
                    bytes: object.bytes,
                    hash: Some(object.hash.clone()),
                    moment: object
                        .occurred
                        .map_or(Timestamp::from_micros(0), |(least, _)| least),
                }
            }));
        }
        inputs.sort_by(|a, b| (a.moment, &a.path).cmp(&(b.moment, &b.path)));
        inputs
    }

    /// An object whole.
    async fn input(&self, input: &Input) -> Result<Bytes, Error> {
        let path = input.path.as_str().into();
        let object = match input.bytes <= TRUSTED_BYTES {
            true => self.lake.read_if_there(&path, TRUSTED_BYTES).await?,
            false => self.lake.whole(&path).await?,
        };
        let object = object.ok_or_else(|| input.damaged("it is not there"))?;
        match object.len() as u64 == input.bytes {
            true => Ok(object),
            false => Err(input.damaged("it has another size than it was listed with")),
        }
    }
}

/// Why the rows of an object were not taken.
enum NotTaken {
    /// There is something wrong with the object.
    Damaged(String),
    Failed(Error),
}

/// Takes the rows of an object that stay.
fn take(
    object: &Bytes,
    choice: &Choice,
    parts: &mut RewriteParts,
    rows: &mut SortedRows,
) -> Result<(), NotTaken> {
    if !footer::intact(object) {
        return Err(NotTaken::Damaged(NOT_PROVED.to_owned()));
    }
    for batch in ObjectRows::of(object).map_err(NotTaken::Damaged)? {
        let batch = batch.map_err(NotTaken::Damaged)?;
        let mask = choice.rows(&batch).map_err(NotTaken::Damaged)?;
        let taken = parts.take_rows(&batch, mask.as_ref());
        taken.map_err(NotTaken::Damaged)?;
        let kept = kept(batch, mask.as_ref()).map_err(NotTaken::Damaged)?;
        rows.sorter.push(kept).map_err(NotTaken::Failed)?;
    }
    Ok(())
}

impl Input {
    fn damaged(&self, detail: &str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            detail: detail.to_owned(),
        }
    }

    fn blamed(&self, why: NotTaken) -> Error {
        match why {
            NotTaken::Damaged(detail) => self.damaged(&detail),
            NotTaken::Failed(error) => error,
        }
    }
}

/// Inputs in their order, some small ones together.
fn grouped(inputs: Vec<Input>) -> Vec<Vec<Input>> {
    let mut groups: Vec<Vec<Input>> = Vec::new();
    let mut bytes = 0;
    for input in inputs {
        bytes += input.bytes;
        match groups.last_mut() {
            Some(group) if bytes <= GROUP_BYTES && group.len() < GROUP_OBJECTS => group.push(input),
            _ => {
                bytes = input.bytes;
                groups.push(vec![input]);
            }
        }
    }
    groups
}

impl Lake {
    /// An object's bytes, whatever they are; `None` if it is not there.
    pub(super) async fn bytes(&self, path: &str) -> Result<Option<Bytes>, Error> {
        self.read_if_there(&path.into(), u64::MAX).await
    }

    /// What a swap says of an object that it replaces, whatever its bytes are.
    pub(crate) async fn replaced(&self, path: &str) -> Result<ReplacedObject, Error> {
        let bytes = self.bytes(path).await?.unwrap_or_default();
        Ok(ReplacedObject {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            hash: format!("{:x}", Sha256::digest(&bytes)),
        })
    }

    /// Runs work on an object off the event loop.
    pub(crate) async fn heavy<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, Error> {
        let worked = self.pool().run(work).await;
        let worked = worked.map_err(|error| Error::Unfit(format!("rewriting failed: {error}")))?;
        worked.map_err(|detail| Error::Damaged {
            path: path.to_owned(),
            detail,
        })
    }
}

/// The rows that stay.
pub(super) fn kept(rows: RecordBatch, mask: Option<&BooleanArray>) -> Result<RecordBatch, String> {
    match mask {
        None => Ok(rows),
        Some(mask) => filter_record_batch(&rows, mask).map_err(|error| error.to_string()),
    }
}
