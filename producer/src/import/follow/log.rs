//! A log by its name, through its generations.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::time::Instant;
use topic::Timestamp;

use super::super::error::Error;
use super::generation::{Generation, LineChunk, LineLayout};
use super::rotated::{self, RotatedFile, rotated};
use super::sent::SentRecord;
use super::stored::{PositionFile, StoredGeneration, StoredLog};

/// Makes the layout of a generation's lines.
pub(super) type NewLayout = Box<dyn Fn() -> LineLayout + Send>;

/// A log that is followed.
pub(super) struct FollowedLog {
    path: PathBuf,
    layout: NewLayout,
    positions: PositionFile,
    stored: StoredLog,
    /// The oldest first.
    generations: Vec<Generation>,
    must_store: bool,
}

impl FollowedLog {
    /// Opens a log where an earlier process left it.
    pub(super) fn open(path: PathBuf, state: &Path, layout: NewLayout) -> Result<Self, Error> {
        let (positions, stored) = PositionFile::open(state, &path)?;
        let stored = stored.unwrap_or_else(|| PositionFile::begin(&path));
        let mut log = Self {
            path,
            layout,
            positions,
            stored,
            generations: Vec::new(),
            must_store: true,
        };
        log.restore().map_err(|error| log.unreadable(error))?;
        Ok(log)
    }

    /// Since when lines after the positions may have been sent, and which ids they can have; `None`
    /// if none was.
    pub(super) fn unsettled(&self) -> Option<(Timestamp, Vec<RangeInclusive<[u8; 16]>>)> {
        let ranges: Vec<_> = self
            .generations
            .iter()
            .map(|generation| generation.ids.range(generation.position, u64::MAX))
            .collect();
        let is_open = self.stored.is_sending && !ranges.is_empty();
        is_open.then(|| (Timestamp::from_micros(self.stored.at), ranges))
    }

    /// Takes the records of lines after the positions that the topic has.
    pub(super) fn set_known(&mut self, sent: &HashSet<SentRecord>) {
        for generation in &mut self.generations {
            let range = generation.ids.range(generation.position, u64::MAX);
            let mine = sent.iter().filter(|(id, _)| range.contains(id));
            let known = mine.map(|(id, item)| (generation.ids.line(*id).0, *item));
            generation.known = known.collect();
        }
    }

    /// Reads the next lines; `None` if nothing came.
    pub(super) fn read(&mut self) -> io::Result<Option<LineChunk>> {
        self.look()?;
        for generation in &mut self.generations {
            if let Some(chunk) = generation.read()? {
                return Ok(Some(chunk));
            }
        }
        self.generations
            .retain(|generation| !generation.is_finished());
        Ok(None)
    }

    /// Records that the lines of a chunk are acknowledged.
    pub(super) fn advance(&mut self, chunk: &LineChunk) {
        let mut generations = self.generations.iter_mut();
        if let Some(read) = generations.find(|generation| generation.number == chunk.number) {
            read.advance(chunk);
        }
    }

    /// Returns true if a generation was begun whose number is not stored yet: nothing of it may be
    /// sent, or another file could get its ids.
    pub(super) fn must_store(&self) -> bool {
        self.must_store
    }

    /// Stores the positions, and whether lines after them are about to be sent.
    pub(super) fn store(&mut self, now: Timestamp, is_sending: bool) -> Result<(), Error> {
        let is_settled = |generation: &Generation| generation.known.is_empty();
        // Lines that are known were sent after the moment that is stored.
        if self.generations.iter().all(is_settled) {
            self.stored.at = now.micros();
            self.stored.is_sending = is_sending;
        }
        self.stored.generations = self.generations.iter().map(Generation::stored).collect();
        self.must_store = false;
        self.positions.store(&self.stored)
    }

    /// Returns how many bytes are not read yet.
    pub(super) fn behind(&self) -> u64 {
        let left = |generation: &Generation| {
            let size = generation.file.metadata().map_or(0, |found| found.len());
            size.saturating_sub(generation.position)
        };
        self.generations.iter().map(left).sum()
    }

    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        Error::Read {
            path: self.path.display().to_string(),
            error,
        }
    }

    /// Looks which file has the log's name now.
    fn look(&mut self) -> io::Result<()> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // It may come.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let mut was_renamed = false;
        for generation in &mut self.generations {
            let is_named = generation.is(found.dev(), found.ino());
            if !is_named && generation.quiet_since.is_none() {
                generation.quiet_since = Some(Instant::now());
                was_renamed = true;
            }
        }
        let named = |generation: &Generation| generation.is(found.dev(), found.ino());
        match self.generations.iter().position(named) {
            Some(at) if self.generations[at].is_intact()? => return Ok(()),
            Some(at) => self.emptied(at)?,
            None if was_renamed => self.take_missed()?,
            None => {}
        }
        self.begin(file)
    }

    /// Begins a generation with a file.
    fn begin(&mut self, file: File) -> io::Result<()> {
        let number = self.stored.next;
        self.stored.next += 1;
        self.must_store = true;
        let ids = self.stored.ids(number);
        let generation = Generation::begin(number, ids, file, (self.layout)())?;
        self.generations.push(generation);
        Ok(())
    }

    /// The file was emptied: what was not read of it is in its copy, if there is one.
    fn emptied(&mut self, at: usize) -> io::Result<()> {
        let mut generation = self.generations.remove(at);
        let stored = generation.stored();
        let copy = self.copy_of(&stored)?;
        let (path, position) = (self.path.display(), stored.position);
        let Some((file, copy)) = copy.filter(|_| position > 0) else {
            tracing::info!("{path} was emptied when it was read up to byte {position}");
            return Ok(());
        };
        tracing::info!("{path} was emptied: its copy is {}", copy.path.display());
        (generation.device, generation.inode) = (copy.device, copy.inode);
        generation.file = file;
        generation.quiet_since = Some(Instant::now());
        self.generations.insert(at, generation);
        Ok(())
    }

    /// The file beside the log that has what was read of a generation.
    fn copy_of(&self, stored: &StoredGeneration) -> io::Result<Option<(File, RotatedFile)>> {
        for candidate in rotated(&self.path)?.into_iter().rev() {
            let is_taken = self
                .generations
                .iter()
                .any(|generation| generation.is(candidate.device, candidate.inode));
            if is_taken {
                continue;
            }
            let Ok(file) = rotated::open(&candidate) else {
                continue;
            };
            if stored.is_in(&file)? {
                return Ok(Some((file, candidate)));
            }
        }
        Ok(None)
    }

    /// Takes the files that had the log's name and lost it before anybody looked.
    fn take_missed(&mut self) -> io::Result<()> {
        let beside = rotated(&self.path)?;
        let is_ours = |file: &&RotatedFile| {
            let mut ours = self.generations.iter();
            ours.any(|generation| generation.is(file.device, file.inode))
        };
        let Some(youngest) = beside.iter().filter(is_ours).map(|file| file.age).max() else {
            return Ok(());
        };
        let missed: Vec<_> = beside
            .iter()
            .filter(|file| file.age > youngest && !is_ours(file))
            .cloned()
            .collect();
        for file in missed {
            tracing::info!("{} was rotated before it was read", file.path.display());
            self.begin(rotated::open(&file)?)?;
            let generation = self.generations.last_mut().expect("it was begun");
            (generation.device, generation.inode) = (file.device, file.inode);
            generation.quiet_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Finds the files of the stored generations again.
    fn restore(&mut self) -> io::Result<()> {
        for stored in self.stored.generations.clone() {
            let found = match self.same_file(&stored)? {
                Some(found) => Some(found),
                None => self.copy_of(&stored)?,
            };
            let Some((file, place)) = found else {
                tracing::warn!(
                    "{}: what came behind byte {} of an earlier file is gone: it was rotated away \
                     while nobody followed it",
                    self.path.display(),
                    stored.position
                );
                continue;
            };
            let ids = self.stored.ids(stored.number);
            let mut generation = Generation::begin(stored.number, ids, file, (self.layout)())?;
            (generation.device, generation.inode) = (place.device, place.inode);
            generation.go_on(&stored)?;
            self.generations.push(generation);
        }
        Ok(())
    }

    /// The file of a stored generation, under the log's name or a rotated one.
    fn same_file(&self, stored: &StoredGeneration) -> io::Result<Option<(File, RotatedFile)>> {
        let mut candidates = rotated(&self.path)?;
        let named =
            File::open(&self.path).and_then(|file| Ok((RotatedFile::of(&self.path, &file)?, file)));
        candidates.extend(named.iter().map(|(place, _)| place.clone()));
        for candidate in candidates {
            if (candidate.device, candidate.inode) != (stored.device, stored.inode) {
                continue;
            }
            let file = File::open(&candidate.path)?;
            if stored.is_in(&file)? {
                return Ok(Some((file, candidate)));
            }
        }
        // The same content as another file, as after a restore from a backup.
        let Ok((place, file)) = named else {
            return Ok(None);
        };
        let is_other = place.inode != stored.inode && stored.position > 0;
        let is_same = is_other && stored.is_in(&file)?;
        Ok(is_same.then_some((file, place)))
    }
}
