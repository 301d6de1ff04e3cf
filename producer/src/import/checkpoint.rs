//! How far a file is acknowledged, in a small JSON file of its own.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::lookup::Lookup;
use super::source::SourceFile;

/// The most acknowledged lines that are kept to be looked up.
const MAX_MARKS: usize = 32;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCheckpoint {
    /// All lines up to this one are acknowledged; 0 if none is.
    line: u64,
    /// Some of these lines, spread over the file.
    marks: Vec<u64>,
}

/// The acknowledged position of one file.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    stored: StoredCheckpoint,
}

impl Checkpoint {
    /// Makes the checkpoint of a file of which nothing is acknowledged.
    pub(super) fn begin(folder: &Path, digest: String) -> Self {
        Self {
            path: folder.join(digest + ".json"),
            stored: StoredCheckpoint::default(),
        }
    }

    /// Loads what an earlier import stored. A file that cannot be parsed counts as absent:
    /// the lake and the topic are asked anyway.
    pub(super) fn load(folder: &Path, digest: String) -> Result<Self, Error> {
        let mut checkpoint = Self::begin(folder, digest);
        match fs::read(&checkpoint.path) {
            Ok(bytes) => checkpoint.stored = serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(checkpoint.state_error(error)),
        }
        Ok(checkpoint)
    }

    /// Returns the line up to which all are acknowledged.
    pub(super) fn line(&self) -> u64 {
        self.stored.line
    }

    /// Returns true if the lake or the topic knows a line that was kept. If they know none,
    /// the checkpoint is of another lake.
    pub(super) async fn is_confirmed(
        &self,
        lookup: &dyn Lookup,
        file: &SourceFile,
    ) -> Result<bool, Error> {
        let ids: Vec<_> = self
            .stored
            .marks
            .iter()
            .map(|line| file.id(*line).to_string())
            .collect();
        if ids.is_empty() {
            return Ok(self.stored.line == 0);
        }
        let known = lookup.known(&ids).await.map_err(Error::Lookup)?;
        Ok(known.into_iter().any(|known| known))
    }

    /// Records that all lines up to `line` are acknowledged.
    pub(super) fn advance(&mut self, line: u64) {
        self.stored.line = line;
        self.stored.marks.push(line);
        if self.stored.marks.len() > MAX_MARKS {
            let mut nth = 0;
            self.stored.marks.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
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
        let mut checkpoint = Checkpoint::begin(folder.path(), "d".into());
        for line in 1..=1_000 {
            checkpoint.advance(line);
        }
        checkpoint.store().unwrap();
        let checkpoint = Checkpoint::load(folder.path(), "d".into()).unwrap();
        assert_eq!(checkpoint.line(), 1_000);
        assert!((8..=MAX_MARKS).contains(&checkpoint.stored.marks.len()));
        fs::write(folder.path().join("d.json"), "torn").unwrap();
        assert_eq!(
            Checkpoint::load(folder.path(), "d".into()).unwrap().line(),
            0
        );
    }
}
