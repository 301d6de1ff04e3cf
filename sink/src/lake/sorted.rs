//! Sorted rows on their way into the lake: a merge of runs is driven to its end, and what it writes
//! to files goes to the store. What was written is read back before it counts.

use std::fs::File;
use std::io::{Read, Seek};

use arrow::array::RecordBatch;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};

use crate::object::sort::limits::SortLimits;
use crate::object::sort::merge::{MergeStep, RunMerge};
use crate::object::sort::object_file::{ObjectFile, SortedFile};
use crate::object::sort::object_run::{ObjectRun, Pulled, SortedObject};
use crate::object::sort::spill::SpillFolder;
use crate::object::swapped::{RangeSums, SwappedFooter};
use crate::{Error, Lake, Making, SwapObject};

/// An object goes to the store in parts of this size; a smaller one goes whole.
const PART_BYTES: u64 = 8 << 20;

/// Objects that are being written.
pub(crate) struct SortedWriting {
    pub(crate) merge: RunMerge,
    pub(crate) said: SwappedFooter,
    pub(crate) limits: SortLimits,
    /// The sums over what was written, as it was read back.
    pub(crate) written: RangeSums,
    folder: SpillFolder,
    file: Option<ObjectFile>,
    ended: bool,
}

/// What a piece of work came to.
enum Written {
    /// The merge wants something.
    Wants(MergeStep),
    /// A piece of an object.
    Piece,
    /// An object.
    Object(SortedFile),
    End,
}

impl SortedWriting {
    pub(crate) const fn new(
        merge: RunMerge,
        said: SwappedFooter,
        limits: SortLimits,
        written: RangeSums,
        folder: SpillFolder,
    ) -> Self {
        Self {
            merge,
            said,
            limits,
            written,
            folder,
            file: None,
            ended: false,
        }
    }

    fn step(&mut self) -> Result<Written, Error> {
        if self.ended {
            return self.close();
        }
        match self.merge.advance()? {
            MergeStep::Rows(rows) => self.write(|file| file.write(&rows)),
            MergeStep::Group(group) => self.write(|file| file.copy(&group)),
            MergeStep::End => {
                self.ended = true;
                self.close()
            }
            wants => Ok(Written::Wants(wants)),
        }
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut ObjectFile) -> Result<(), Error>,
    ) -> Result<Written, Error> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(ObjectFile::begin(&self.folder, &self.said, self.limits)?),
        };
        write(file)?;
        match file.is_full() {
            true => self.close(),
            false => Ok(Written::Piece),
        }
    }

    /// Closes the object that is written, if there is one, and reads it back.
    fn close(&mut self) -> Result<Written, Error> {
        let Some(file) = self.file.take() else {
            return Ok(Written::End);
        };
        let file = file.finish()?;
        let read = file.file.try_clone().map_err(|error| error.to_string());
        let added = read.and_then(|read| self.written.add_object(read));
        added.map_err(|detail| Error::Damaged {
            path: format!("the object {} that was just written", file.hash),
            detail,
        })?;
        Ok(Written::Object(file))
    }
}

impl Lake {
    /// Writes all rows of a merge as objects of a swap. Returns the sums over them.
    ///
    /// # Errors
    /// [`Error::Damaged`] for an object that cannot be read, [`Error::Unfit`] for a folder that
    /// cannot hold the rows, else the store's.
    pub(crate) async fn write_sorted(
        &self,
        making: &mut Making,
        mut writing: SortedWriting,
    ) -> Result<RangeSums, Error> {
        loop {
            let work = move || {
                let written = writing.step();
                (writing, written)
            };
            let worked = self.pool().run(work).await;
            let (back, written) =
                worked.map_err(|error| Error::Unfit(format!("merging failed: {error}")))?;
            writing = back;
            match written? {
                Written::Piece
                | Written::Wants(MergeStep::Rows(_) | MergeStep::Group(_) | MergeStep::End) => {}
                Written::Wants(MergeStep::Open(object)) => {
                    let metadata = object.lake.sorted_metadata(&object.path, object.proven);
                    let metadata = metadata.await?;
                    writing.merge.open(metadata.into())?;
                }
                Written::Wants(MergeStep::Read(object, range)) => {
                    let path = Path::from(object.path.as_str());
                    let bytes = object.lake.store().get_range(&path, range).await?;
                    writing.merge.give(bytes)?;
                }
                Written::Object(file) => making.put_file(file).await?,
                Written::End => return Ok(writing.written),
            }
        }
    }

    /// Reads a sorted object one row group at a time, and gives its rows to `take`, with the number of
    /// their row group. Its hash must be known to fit.
    ///
    /// # Errors
    /// [`Error::Damaged`], also with what `take` finds wrong, else the store's.
    pub(crate) async fn scan_sorted<T: Send + 'static>(
        &self,
        object: SortedObject,
        mut state: T,
        take: impl Fn(&mut T, &RecordBatch, usize) -> Result<(), String> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        let path = Path::from(object.path.as_str());
        let metadata = self.sorted_metadata(&object.path, object.proven).await?;
        let mut run = ObjectRun::new(object);
        run.open(metadata.into())?;
        loop {
            let take = take.clone();
            let work = move || {
                let wanted = loop {
                    match run.pull()? {
                        Pulled::Rows(rows) => {
                            let taken = take(&mut state, &rows, run.last_group());
                            taken.map_err(|why| run.damaged(&why))?;
                        }
                        Pulled::Wants(range) => break Some(range),
                        Pulled::End => break None,
                    }
                };
                Ok::<_, Error>((run, state, wanted))
            };
            let worked = self.pool().run(work).await;
            let worked =
                worked.map_err(|error| Error::Unfit(format!("reading failed: {error}")))?;
            let wanted;
            (run, state, wanted) = worked?;
            match wanted {
                Some(range) => run.give(self.store().get_range(&path, range).await?)?,
                None => return Ok(state),
            }
        }
    }

    /// Writes an object of a swap under the hash of its content.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn put_sorted(&self, sorted: SortedFile) -> Result<SwapObject, Error> {
        let SortedFile {
            mut file,
            hash,
            bytes,
            rows,
            occurred,
        } = sorted;
        let object = SwapObject {
            hash,
            bytes,
            rows,
            occurred,
        };
        let path = object.path();
        let changed = || Error::Unfit(format!("{path} changed on its way"));
        // Who read it back left it anywhere.
        file.rewind().map_err(|_| changed())?;
        if bytes <= PART_BYTES {
            let (_, whole) = self.part(file).await?;
            if whole.len() as u64 != bytes {
                return Err(changed());
            }
            self.create_swapped(&path, whole).await?;
            return Ok(object);
        }
        // Its name holds the hash of its content, so an object of that name is the same.
        if self.is_there(&path).await? {
            return Ok(object);
        }
        let mut upload = self.store().put_multipart(&path).await?;
        let mut sent = 0;
        let failed = loop {
            let (back, part) = self.part(file).await?;
            file = back;
            if part.is_empty() {
                break None;
            }
            sent += part.len() as u64;
            if let Err(error) = upload.put_part(part.into()).await {
                break Some(error);
            }
        };
        let completed = match failed {
            None if sent == bytes => upload.complete().await.map(|_| ()),
            None => return Err(changed()),
            Some(error) => Err(error),
        };
        if let Err(error) = completed {
            // What was sent is of no use. The store drops it by itself if it does not answer now.
            if let Err(also) = upload.abort().await {
                tracing::debug!("parts of {path} were left in the store: {also}");
            }
            return Err(error.into());
        }
        Ok(object)
    }

    /// The next part of a file.
    async fn part(&self, mut file: File) -> Result<(File, Bytes), Error> {
        let reading = move || {
            let mut part = Vec::new();
            let mut next = Read::by_ref(&mut file).take(PART_BYTES);
            next.read_to_end(&mut part).map(|_| (file, part.into()))
        };
        let read = self.pool().run(reading).await;
        let read = read.map_err(|error| Error::Unfit(format!("reading a file failed: {error}")))?;
        read.map_err(|error| Error::Unfit(format!("a sorted file cannot be read: {error}")))
    }
}
