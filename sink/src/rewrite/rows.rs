//! Rows on their way: the objects of a source are read, and what stays of their rows is sorted in
//! memory of a bounded size, written, and read back.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};
use topic::{Identity, Timestamp};

use super::part::RewriteParts;
use super::source::RewriteSource;
use crate::object::footer;
use crate::object::swapped::{RangeSums, SortBuffer, SortedObject};
use crate::{CoveredRange, Error, Lake, Making, ReplacedObject};

/// How many objects are read ahead.
const READ_AHEAD_OBJECTS: usize = 2;
/// How many rows are decoded at once.
const DECODE_ROWS: usize = 8_192;

/// An object that is read, or only hashed if nothing of it stays: it may be damaged.
struct Input {
    stays: bool,
    path: String,
    bytes: u64,
    /// It is read in this order, so that what is written follows one another in time.
    moment: Timestamp,
}

/// Rows that wait to be written, and what was written.
pub(super) struct SortedRows {
    buffer: SortBuffer,
    written: RangeSums,
    topic: Identity,
    sort_bytes: usize,
}

impl SortedRows {
    /// For rows of these ranges, of which so many bytes are sorted at once.
    pub(super) fn new(topic: &Identity, ranges: &[CoveredRange], sort_bytes: usize) -> Self {
        let ranges = ranges.iter();
        Self {
            buffer: SortBuffer::default(),
            written: RangeSums::of(ranges.map(|range| ((range.partition, range.first), range.end))),
            topic: topic.clone(),
            sort_bytes,
        }
    }

    /// Writes what waits. Returns what was written, range by range.
    pub(super) async fn finish(self, lake: &Lake, making: &mut Making) -> Result<RangeSums, Error> {
        Ok(self.flushed(lake, making).await?.written)
    }

    /// Writes what waits, and reads it back.
    async fn flushed(mut self, lake: &Lake, making: &mut Making) -> Result<Self, Error> {
        if self.buffer.is_empty() {
            return Ok(self);
        }
        let made_at = making.made_at();
        let work = move || {
            let sorted = std::mem::take(&mut self.buffer).sorted(&self.topic, made_at)?;
            self.written.add_object(sorted.object.clone())?;
            Ok((self, sorted))
        };
        let (rows, sorted) = lake.heavy("a rewritten object", work).await?;
        let SortedObject {
            object,
            rows: count,
            occurred,
        } = sorted;
        making.put(object, count, occurred).await?;
        Ok(rows)
    }
}

impl RewriteSource<'_> {
    pub(super) fn parts(&self) -> RewriteParts {
        RewriteParts::new(self.scope.ranges(self.ledger), &self.choice)
    }

    /// Reads the rows of all objects; those that stay go to `rows`. Returns what was read, as a swap
    /// names it.
    pub(super) async fn read_rows(
        &self,
        lake: &Lake,
        making: &mut Making,
        mut parts: RewriteParts,
        mut rows: SortedRows,
    ) -> Result<(Vec<ReplacedObject>, RewriteParts, SortedRows), Error> {
        let mut replaced = Vec::new();
        let reading = stream::iter(self.inputs()).map(|input| async move {
            let object = match input.stays {
                true => self.input(&input).await?,
                false => self.lake.bytes(&input.path).await?.unwrap_or_default(),
            };
            Ok::<_, Error>((input, object))
        });
        let mut reading = reading.buffered(READ_AHEAD_OBJECTS);
        while let Some((input, object)) = reading.try_next().await? {
            let (choice, stays) = (self.choice.clone(), input.stays);
            let bytes = object.len() as u64;
            let work = move || {
                let hash = format!("{:x}", Sha256::digest(&object));
                if !stays {
                    return Ok((parts, rows, hash));
                }
                if !footer::intact(&object) {
                    return Err("its hash does not fit".to_owned());
                }
                for batch in decoded(&object)? {
                    let batch = batch?;
                    let mask = choice.rows(&batch)?;
                    parts.take_rows(&batch, mask.as_ref())?;
                    rows.buffer.push(kept(batch, mask.as_ref())?)?;
                }
                Ok((parts, rows, hash))
            };
            let hash;
            (parts, rows, hash) = lake.heavy(&input.path, work).await?;
            replaced.push(ReplacedObject {
                path: input.path,
                bytes,
                hash,
            });
            if rows.buffer.size() >= rows.sort_bytes {
                rows = rows.flushed(lake, making).await?;
            }
        }
        Ok((replaced, parts, rows))
    }

    /// All objects of rows.
    fn inputs(&self) -> Vec<Input> {
        let commits = self.scope.commits.iter().map(|commit| Input {
            stays: !self.choice.drops(&commit.range()),
            path: commit.name.to_string(),
            bytes: commit.bytes,
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
        let damaged = |detail: &str| Error::Damaged {
            path: input.path.clone(),
            detail: detail.to_owned(),
        };
        let object = self.lake.whole(&input.path.as_str().into()).await?;
        let object = object.ok_or_else(|| damaged("it is not there"))?;
        match object.len() as u64 == input.bytes {
            true => Ok(object),
            false => Err(damaged("it has another size than it was listed with")),
        }
    }
}

impl Lake {
    /// An object's bytes, whatever they are; `None` if it is not there.
    pub(super) async fn bytes(&self, path: &str) -> Result<Option<Bytes>, Error> {
        self.read_if_there(&path.into(), u64::MAX).await
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

/// An object's rows with this program's columns.
fn decoded(object: &Bytes) -> Result<impl Iterator<Item = Result<RecordBatch, String>>, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let reader = ParquetRecordBatchReaderBuilder::try_new(object.clone());
    let reader = reader.map_err(|error| said(&error))?;
    let reader = reader.with_batch_size(DECODE_ROWS).build();
    let reader = reader.map_err(|error| said(&error))?;
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|error| error.to_string())?;
        let schema = crate::schema();
        let columns = schema.fields().iter().map(|field| {
            let column = batch.column_by_name(field.name());
            column
                .cloned()
                .ok_or_else(|| format!("it has no column {}", field.name()))
        });
        let columns = columns.collect::<Result<_, _>>()?;
        RecordBatch::try_new(schema, columns).map_err(|error| error.to_string())
    }))
}
