//! One object, read whole: its bytes against their hash, its footer against its name, and its
//! rows and letters against its footer.

use bytes::Bytes;
use object_store::path::Path;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use sha2::{Digest, Sha256};
use topic::{Identity, Offset, Timestamp};

use crate::object::contents::{Contents, LetterRecord, RowRecords};
use crate::object::footer;
use crate::{Error, Footer, Hour, Lake, ObjectName};

/// The largest object of dead letters that is read.
const MAX_LETTERS_BYTES: u64 = 256 << 20;

/// What is wrong with an object, within itself.
#[derive(Debug)]
pub(super) struct Flaw {
    /// The path of its letters, if they are at fault; `None` for the object itself.
    pub(super) object: Option<String>,
    /// Which offsets; `None` for the whole range.
    pub(super) offsets: Option<(Offset, Offset)>,
    pub(super) what: String,
    /// What to do about it; `None` if its records must come back.
    pub(super) mend: Option<String>,
}

/// An object as it was found.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    /// Its footer; `None` if it cannot be believed.
    pub(super) footer: Option<Footer>,
    /// Its rows and letters; empty if they cannot be read.
    pub(super) rows: RowRecords,
    pub(super) letters: Vec<LetterRecord>,
    pub(super) faults: Vec<Flaw>,
}

impl Inspected {
    /// An object that is in the catalog and not in the lake.
    pub(super) fn missing() -> Self {
        let mut found = Self::default();
        found.fault("it is registered and is not there");
        found
    }

    fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(Flaw {
            object: None,
            offsets: None,
            what: what.into(),
            mend: None,
        });
    }

    fn fault_at(&mut self, offset: Offset, what: impl Into<String>) {
        self.fault(what);
        if let Some(fault) = self.faults.last_mut() {
            fault.offsets = Some((offset, offset.next()));
        }
    }

    fn fault_of(&mut self, object: &str, what: impl Into<String>) {
        self.fault(what);
        if let Some(fault) = self.faults.last_mut() {
            fault.object = Some(object.to_owned());
        }
    }

    fn fault_mended(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.fault(what);
        if let Some(fault) = self.faults.last_mut() {
            fault.mend = Some(mend.into());
        }
    }
}

impl Lake {
    /// An object and its letters, read whole and found sound by themselves; `None` if there
    /// is no such object.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first thing that is wrong, else the store's.
    pub async fn contents(
        &self,
        name: &ObjectName,
        topic: &Identity,
    ) -> Result<Option<Contents>, Error> {
        let Some(mut found) = self.inspect(*name, topic).await? else {
            return Ok(None);
        };
        let damaged = |detail: String| Error::Damaged {
            path: name.to_string(),
            detail,
        };
        if !found.faults.is_empty() {
            return Err(damaged(found.faults.swap_remove(0).what));
        }
        let footer = found
            .footer
            .ok_or_else(|| damaged("it has no footer".into()))?;
        Ok(Some(Contents {
            footer,
            rows: found.rows,
            letters: found.letters,
        }))
    }

    /// Reads an object and its letters whole; `None` if there is no such object.
    pub(super) async fn inspect(
        &self,
        name: ObjectName,
        topic: &Identity,
    ) -> Result<Option<Inspected>, Error> {
        let object = match self.whole(&name.path()).await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(None),
            Err(Error::Damaged { detail, .. }) => {
                let mut found = Inspected::default();
                found.fault(format!("it is damaged: {detail}"));
                return Ok(Some(found));
            }
            Err(error) => return Err(error),
        };
        let (topic, bytes) = (topic.clone(), object.clone());
        let (mut found, metadata) = heavy(move || open(name, &topic, &bytes)).await??;
        let sound = found.faults.is_empty();
        let (Some(footer), Some(metadata), true) = (found.footer.clone(), metadata, sound) else {
            return Ok(Some(found));
        };
        let letters = match &footer.letters {
            Some(path) => Some((path.clone(), self.letters_of(path).await?)),
            None => None,
        };
        found = heavy(move || {
            rows(&mut found, &footer, name, object, &metadata);
            self::letters(&mut found, &footer, name, letters);
            end(&mut found, &footer);
            found
        })
        .await?;
        Ok(Some(found))
    }
}

/// Letters as they were found; `Err` says what is wrong with them.
type FoundLetters = Result<Option<Bytes>, String>;

impl Lake {
    /// An object of dead letters whole. What is larger than all records of an object together is
    /// not read.
    async fn letters_of(&self, path: &str) -> Result<FoundLetters, Error> {
        match self
            .read_if_there(&Path::from(path), MAX_LETTERS_BYTES)
            .await
        {
            Err(Error::Damaged { detail, .. }) => Ok(Err(detail)),
            read => Ok(Ok(read?)),
        }
    }
}

/// Runs heavy work off the event loop.
pub(super) async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Unfit(format!("reading an object failed: {error}")))
}

/// Reads the footer, and sees whether it can be believed.
fn open(
    name: ObjectName,
    topic: &Identity,
    object: &Bytes,
) -> Result<(Inspected, Option<ParquetMetaData>), Error> {
    let mut found = Inspected::default();
    let metadata = match ParquetMetaDataReader::new().parse_and_finish(object) {
        Ok(metadata) => metadata,
        Err(error) => {
            found.fault(format!("it is damaged: no whole Parquet file ({error})"));
            return Ok((found, None));
        }
    };
    let footer = match Footer::parse(&name.path(), &metadata) {
        Ok(footer) => footer,
        Err(Error::Damaged { detail, .. }) => {
            found.fault(format!("it is damaged: {detail}"));
            return Ok((found, None));
        }
        Err(error) => return Err(error),
    };
    let named = (footer.partition, footer.first) == (name.partition, name.first);
    if !footer::intact(object) {
        found.fault("it is damaged: its hash does not fit");
        found.footer = (named && footer.topic == *topic).then_some(footer);
    } else if footer.topic != *topic {
        found.fault_mended(
            format!("it is of another topic, {}", footer.topic),
            "move it to a lake of that topic's own, or delete it",
        );
    } else if !named || Hour::of(footer.appended_at) != name.hour {
        // Under this name it counts for nothing; its own name is missed.
        let own = ObjectName {
            hour: Hour::of(footer.appended_at),
            partition: footer.partition,
            first: footer.first,
        };
        found.fault_mended(
            "its name and its footer disagree: it was renamed",
            format!("rename it to {own}"),
        );
    } else {
        if !footer.adds_up() {
            found.fault("its counts do not add up to its range");
        }
        if footer.differing > footer.counts.duplicates {
            found.fault("more of its duplicates differ than there are");
        }
        found.footer = Some(footer);
    }
    Ok((found, Some(metadata)))
}

/// Reads the rows, and sees whether they are those that the footer counts.
fn rows(
    found: &mut Inspected,
    footer: &Footer,
    name: ObjectName,
    object: Bytes,
    metadata: &ParquetMetaData,
) {
    let rows = match RowRecords::read(object) {
        Ok(rows) => rows,
        Err(error) => return found.fault(format!("its rows cannot be read: {error}")),
    };
    let (counted, there) = (footer.counts.rows, rows.offsets.len() as u64);
    if counted != there {
        found.fault(format!(
            "its footer counts {counted} rows, it holds {there}"
        ));
    }
    if let Some(stray) = stray(&rows.offsets, footer) {
        found.fault_at(stray, "a row is out of its range or out of order");
    }
    let astray = rows
        .appended
        .iter()
        .position(|at| Hour::of(*at) != name.hour);
    if let Some(astray) = astray {
        found.fault_at(
            rows.offsets[astray],
            format!(
                "a row was appended at {}, in another hour",
                rows.appended[astray]
            ),
        );
    }
    let partition = i64::from(footer.partition.0);
    if span(metadata, "partition").is_some_and(|span| span != (partition, partition)) {
        found.fault("its rows are another partition's");
    }
    if let Some((least, greatest)) = span(metadata, "occurred_at") {
        let held = (
            Timestamp::from_micros(least),
            Timestamp::from_micros(greatest),
        );
        if footer.occurred != Some(held) {
            found.fault("its footer tells another span of occurred_at than its rows");
        }
    }
    found.rows = rows;
}

/// Reads the letters, and sees whether they are those that the footer counts.
fn letters(
    found: &mut Inspected,
    footer: &Footer,
    name: ObjectName,
    letters: Option<(String, FoundLetters)>,
) {
    let counted = footer.counts.dead_letters;
    let Some((path, bytes)) = letters else {
        if counted > 0 {
            found.fault(format!("it counts {counted} dead letters and names none"));
        }
        return;
    };
    let bytes = match bytes {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return found.fault_of(&path, format!("it is not there, and {name} names it"));
        }
        Err(why) => return found.fault_of(&path, format!("it is damaged: {why}")),
    };
    let digest = format!("{:x}", Sha256::digest(&bytes));
    if path != name.letters(&digest[..32]).to_string() {
        return found.fault_of(
            &path,
            format!("it is damaged: its hash does not fit its name in {name}"),
        );
    }
    let letters = match LetterRecord::read_all(bytes) {
        Ok(letters) => letters,
        Err(error) => return found.fault_of(&path, format!("it cannot be read: {error}")),
    };
    let there = letters.len() as u64;
    if counted != there {
        found.fault(format!(
            "its footer counts {counted} dead letters, {path} holds {there}"
        ));
    }
    let offsets: Vec<Offset> = letters.iter().map(|letter| letter.offset).collect();
    if let Some(stray) = stray(&offsets, footer) {
        found.fault_at(stray, "a dead letter is out of its range or out of order");
    }
    let both = offsets
        .iter()
        .find(|offset| found.rows.offsets.binary_search(offset).is_ok());
    if let Some(both) = both {
        found.fault_at(*both, "a record is a row and a dead letter");
    }
    if letters
        .iter()
        .any(|letter| letter.partition != footer.partition)
    {
        found.fault_of(&path, "its letters are another partition's");
    }
    found.letters = letters;
}

/// The record before the end, if it is a row, has the append time that the footer gives.
fn end(found: &mut Inspected, footer: &Footer) {
    let last = found.rows.offsets.last().zip(found.rows.appended.last());
    if let Some((offset, at)) = last
        && offset.next() == footer.end
        && *at != footer.appended_at
    {
        found.fault_at(
            *offset,
            format!(
                "its last row was appended at {at}, its footer says {}",
                footer.appended_at
            ),
        );
    }
}

/// The first offset that is not within the footer's range or not greater than the one before.
fn stray(offsets: &[Offset], footer: &Footer) -> Option<Offset> {
    let beyond = |offset: &&Offset| **offset < footer.first || **offset >= footer.end;
    let back = offsets.windows(2).find(|pair| pair[0] >= pair[1]);
    let ends = [offsets.first(), offsets.last()];
    let beyond = ends.into_iter().flatten().find(beyond);
    back.map(|pair| pair[1]).or(beyond.copied())
}

/// The least and the greatest value of a column of whole numbers, by Parquet's own statistics;
/// `None` if it has no rows or the writer left them out.
fn span(metadata: &ParquetMetaData, name: &str) -> Option<(i64, i64)> {
    let mut whole: Option<(i64, i64)> = None;
    for group in metadata.row_groups() {
        let columns = group.columns();
        let column = columns
            .iter()
            .find(|column| column.column_path().string() == name)?;
        let (least, greatest) = match column.statistics()? {
            Statistics::Int32(of) => (i64::from(*of.min_opt()?), i64::from(*of.max_opt()?)),
            Statistics::Int64(of) => (*of.min_opt()?, *of.max_opt()?),
            _ => return None,
        };
        let (low, high) = whole.unwrap_or((least, greatest));
        whole = Some((low.min(least), high.max(greatest)));
    }
    whole
}
