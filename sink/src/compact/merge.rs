//! Merging: the rows of an hour's objects are read once, sorted by `occurred_at` in memory of a
//! bounded size, and written. What was written is read back before it counts.

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};
use topic::Timestamp;

use super::plan::{HourPlan, Input};
use super::scene::CompactionLimits;
use crate::object::footer;
use crate::object::swapped::{RangeSums, SortBuffer, SortedObject};
use crate::{CoveredRange, Error, Footer, Lake, Making, ReplacedObject, SwapLetters};

/// How many objects are read ahead.
const READ_AHEAD_OBJECTS: usize = 2;
/// How many rows are decoded at once.
const DECODE_ROWS: usize = 8_192;

/// The merge of an hour: what was read, and what was read back.
struct Merge {
    sums: RangeSums,
    written: RangeSums,
    buffer: SortBuffer,
}

impl Lake {
    /// Writes the objects that take the place of an hour's, and says all that the swap says.
    pub(super) async fn merge(
        &self,
        making: &mut Making,
        plan: HourPlan,
        limits: CompactionLimits,
    ) -> Result<(), Error> {
        let mut ranges = plan.ranges();
        let mut letters = Vec::new();
        let mut merge = Merge {
            sums: RangeSums::of(&ranges),
            written: RangeSums::of(&ranges),
            buffer: SortBuffer::default(),
        };
        // In the order of their times, so that objects hold times that follow one another.
        let mut inputs = plan.inputs;
        inputs.sort_by_key(|input| (input.footer.appended_at, input.name));
        let topic = inputs.first().map(|input| input.footer.topic.clone());
        let reading = stream::iter(inputs).map(|input| async move {
            let object = self.input(&input).await?;
            Ok::<_, Error>((input, object))
        });
        let mut reading = reading.buffered(READ_AHEAD_OBJECTS);
        while let Some((input, object)) = reading.try_next().await? {
            letters.extend(self.letters_kept(&input.footer).await?);
            let (path, footer) = (input.name.to_string(), input.footer);
            let (taken, replaced) = self
                .heavy(&path, move || {
                    let replaced = merge.take(&object, &footer)?;
                    Ok((merge, replaced))
                })
                .await?;
            merge = taken;
            making.replace(ReplacedObject {
                path,
                bytes: input.bytes,
                hash: replaced,
            });
            if merge.buffer.size() >= limits.sort_bytes {
                merge = self.flush(making, merge, topic.as_ref()).await?;
            }
        }
        if !merge.buffer.is_empty() {
            merge = self.flush(making, merge, topic.as_ref()).await?;
        }
        prove(&merge, &mut ranges)?;
        making.cover(ranges, letters);
        Ok(())
    }

    /// An object whole.
    async fn input(&self, input: &Input) -> Result<Bytes, Error> {
        let damaged = |detail: &str| Error::Damaged {
            path: input.name.to_string(),
            detail: detail.to_owned(),
        };
        let object = self.whole(&input.name.path()).await?;
        let object = object.ok_or_else(|| damaged("it is not there"))?;
        match object.len() as u64 == input.bytes {
            true => Ok(object),
            false => Err(damaged("it has another size than it was listed with")),
        }
    }

    /// The letters of a range stay in their object, which the swap names from now on.
    async fn letters_kept(&self, footer: &Footer) -> Result<Option<SwapLetters>, Error> {
        let Some(path) = footer.letters.clone() else {
            return Ok(None);
        };
        if !self.is_there(&path.as_str().into()).await? {
            let detail = "it is not there".to_owned();
            return Err(Error::Damaged { path, detail });
        }
        Ok(Some(SwapLetters {
            path,
            dead_letters: footer.counts.dead_letters,
            appended_at: footer.appended_at,
        }))
    }

    /// Writes the rows that are in memory, and reads them back.
    async fn flush(
        &self,
        making: &mut Making,
        mut merge: Merge,
        topic: Option<&topic::Identity>,
    ) -> Result<Merge, Error> {
        let (buffer, made_at) = (std::mem::take(&mut merge.buffer), making.made_at());
        let Some(topic) = topic.cloned() else {
            return Ok(merge);
        };
        let work = move || sort(buffer, merge, &topic, made_at);
        let (merge, sorted) = self.heavy("a merged object", work).await?;
        let SortedObject {
            object,
            rows,
            occurred,
        } = sorted;
        making.put(object, rows, occurred).await?;
        Ok(merge)
    }

    /// Runs work on an object off the event loop.
    async fn heavy<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, Error> {
        let worked = self.pool().run(work).await;
        let worked = worked.map_err(|error| Error::Unfit(format!("merging failed: {error}")))?;
        worked.map_err(|detail| Error::Damaged {
            path: path.to_owned(),
            detail,
        })
    }
}

fn sort(
    buffer: SortBuffer,
    mut merge: Merge,
    topic: &topic::Identity,
    made_at: Timestamp,
) -> Result<(Merge, SortedObject), String> {
    let sorted = buffer.sorted(topic, made_at)?;
    merge.written.add_object(sorted.object.clone())?;
    Ok((merge, sorted))
}

impl Merge {
    /// Takes an object's rows. Returns the hash of its bytes.
    fn take(&mut self, object: &Bytes, footer: &Footer) -> Result<String, String> {
        if !footer::intact(object) {
            return Err("its hash does not fit".to_owned());
        }
        let mut rows = 0;
        for batch in decoded(object)? {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            self.sums.add(&batch)?;
            self.buffer.push(batch)?;
        }
        let counted = footer.counts.rows;
        match rows == counted {
            true => Ok(format!("{:x}", Sha256::digest(object))),
            false => Err(format!("its footer counts {counted} rows, it holds {rows}")),
        }
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

/// What was written is what was read, range by range; the ranges get their sums.
fn prove(merge: &Merge, ranges: &mut [CoveredRange]) -> Result<(), Error> {
    let wrong = |detail: String| Error::Damaged {
        path: "a merged object".to_owned(),
        detail,
    };
    if let Some((partition, offset)) = merge.sums.stray().or(merge.written.stray()) {
        return Err(wrong(format!(
            "a row of partition {partition}, offset {offset}, is out of every range"
        )));
    }
    for range in ranges {
        let (of, first) = (range.partition, range.first);
        let (read, written) = (merge.sums.sum(of, first), merge.written.sum(of, first));
        if read != written || read.1 != range.counts.counts.rows {
            return Err(wrong(format!(
                "the rows of partition {of} from {first} on are not those that were read"
            )));
        }
        range.digest = read.0;
    }
    Ok(())
}
