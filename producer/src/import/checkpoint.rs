//! How far a file is acknowledged, in a small JSON file of its own.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::lookup::Lookup;
use super::report::LetterCount;
use super::source::SourceFile;

/// The most acknowledged lines that are kept to be looked up.
const MAX_MARKS: usize = 32;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCheckpoint {
    /// All lines up to this one are acknowledged; 0 if none is.
    line: u64,
    /// How many records these lines are.
    records: u64,
    /// Some of these lines, spread over the file.
    marks: Vec<u64>,
    /// The digest of the mapping that they were sent with, in hexadecimal digits. With another one
    /// dead letters may become rows, so each line is asked for again.
    mapping: String,
    /// Those of these lines that are dead letters.
    letters: LetterCount,
    /// The file's name, without its folder.
    #[serde(default)]
    name: String,
}

/// The acknowledged position of one file.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    stored: StoredCheckpoint,
}

impl Checkpoint {
    /// Makes the checkpoint of a file of which nothing is acknowledged.
    pub(super) fn begin(folder: &Path, digest: &str, mapping: String) -> Self {
        Self {
            path: folder.join(format!("{digest}.json")),
            stored: StoredCheckpoint {
                mapping,
                ..StoredCheckpoint::default()
            },
        }
    }

    /// Loads what an earlier import stored. A file that cannot be parsed counts as absent:
    /// the lake and the topic are asked anyway.
    pub(super) fn load(folder: &Path, digest: &str, mapping: String) -> Result<Self, Error> {
        let mut checkpoint = Self::begin(folder, digest, mapping);
        match fs::read(&checkpoint.path) {
            Ok(bytes) => {
                let stored: Option<StoredCheckpoint> = serde_json::from_slice(&bytes).ok();
                let same = stored.filter(|stored| stored.mapping == checkpoint.stored.mapping);
                checkpoint.stored = same.unwrap_or(checkpoint.stored);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(checkpoint.state_error(error)),
        }
        Ok(checkpoint)
    }

    /// Returns true if lines of a file of the same name and other bytes are acknowledged, and
    /// remembers the name.
    pub(super) fn meets_namesake(&mut self, name: &str) -> bool {
        name.clone_into(&mut self.stored.name);
        let folder = self
            .path
            .parent()
            .and_then(|folder| fs::read_dir(folder).ok());
        let entries = folder.into_iter().flatten().flatten();
        let mut paths = entries.map(|entry| entry.path());
        paths.any(|path| {
            let is_other = path != self.path && path.extension().is_some_and(|end| end == "json");
            let stored = is_other.then(|| fs::read(path).ok()).flatten();
            let stored = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            stored.is_some_and(|stored: StoredCheckpoint| stored.line > 0 && stored.name == name)
        })
    }

    /// Returns the line up to which all are acknowledged.
    pub(super) fn line(&self) -> u64 {
        self.stored.line
    }

    /// Returns how many records the acknowledged lines are.
    pub(super) fn records(&self) -> u64 {
        self.stored.records
    }

    /// Returns those of the acknowledged lines that are dead letters.
    pub(super) fn letters(&self) -> &LetterCount {
        &self.stored.letters
    }

    /// Returns true if the lake or the topic knows a line that was kept. If they know none,
    /// the checkpoint is of another lake.
    pub(super) async fn is_confirmed(
        &self,
        lookup: &dyn Lookup,
        file: &SourceFile,
    ) -> Result<bool, Error> {
        let marks = self.stored.marks.iter();
        let ranges: Vec<_> = marks.map(|line| file.ids().range(*line, *line)).collect();
        if ranges.is_empty() {
            return Ok(self.stored.line == 0);
        }
        let held = lookup.held(&ranges).await.map_err(Error::Lookup)?;
        Ok(!held.is_empty())
    }

    /// Notes that all lines up to `line` are acknowledged, which are so many records.
    pub(super) fn advance(&mut self, line: u64, records: u64) {
        (self.stored.line, self.stored.records) = (line, records);
        self.stored.marks.push(line);
        if self.stored.marks.len() > MAX_MARKS {
            let mut nth = 0;
            self.stored.marks.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
    }

    /// Records which of the acknowledged lines are dead letters.
    pub(super) fn set_letters(&mut self, letters: &LetterCount) {
        self.stored.letters.clone_from(letters);
    }

    /// Writes the checkpoint to a temporary file and renames it to its place.
    pub(super) fn store(&self) -> Result<(), Error> {
        let write = || {
            let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, &self.stored)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error| self.state_error(error))
    }

    fn state_error(&self, error: io::Error) -> Error {
        Error::State {
            path: self.path.display().to_string(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_few_and_the_checkpoint_survives() {
        let folder = tempfile::tempdir().unwrap();
        let load = |mapping: &str| {
            let checkpoint = Checkpoint::load(folder.path(), "d", mapping.into()).unwrap();
            checkpoint.line()
        };
        let mut checkpoint = Checkpoint::begin(folder.path(), "d", "m".into());
        for line in 1..=1_000 {
            checkpoint.advance(line, 2 * line);
        }
        checkpoint.store().unwrap();
        assert_eq!(load("m"), 1_000);
        assert!((8..=MAX_MARKS).contains(&checkpoint.stored.marks.len()));
        assert_eq!(load("another mapping"), 0);
        // Another file of the same name is met, and the same file is none.
        assert!(!checkpoint.meets_namesake("a.csv"));
        checkpoint.store().unwrap();
        assert!(!checkpoint.meets_namesake("a.csv"));
        let mut other = Checkpoint::begin(folder.path(), "e", "m".into());
        assert!(other.meets_namesake("a.csv"));
        assert!(!other.meets_namesake("b.csv"));
        fs::write(folder.path().join("d.json"), "torn").unwrap();
        assert_eq!(load("m"), 0);
    }
}
