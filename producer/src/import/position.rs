//! How far a file is acknowledged, kept beside nothing else in a small JSON file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reading::File;
use super::{Error, Lookup};

/// How many acknowledged lines are remembered to ask for.
const MARKS: usize = 32;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// All lines up to this one are acknowledged; 0 for none.
    line: u64,
    /// Some of them, spread over the file.
    marks: Vec<u64>,
}

/// The acknowledged position of one file.
#[derive(Debug)]
pub(super) struct Position {
    path: PathBuf,
    kept: Kept,
}

impl Position {
    /// Nothing is acknowledged.
    pub(super) fn begin(folder: &Path, digest: String) -> Self {
        Self {
            path: folder.join(digest + ".json"),
            kept: Kept::default(),
        }
    }

    /// What an earlier import kept. A file that cannot be understood is as good as
    /// none: the lake and the topic are asked anyway.
    pub(super) fn load(folder: &Path, digest: String) -> Result<Self, Error> {
        let mut position = Self::begin(folder, digest);
        match fs::read(&position.path) {
            Ok(bytes) => position.kept = serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(position.unkept(error)),
        }
        Ok(position)
    }

    /// All lines up to this one are acknowledged.
    pub(super) fn line(&self) -> u64 {
        self.kept.line
    }

    /// Whether the lake and the topic know the lines that the position remembers. If
    /// they know none, the position tells of another lake.
    pub(super) async fn is_confirmed(
        &self,
        lookup: &dyn Lookup,
        file: &File,
    ) -> Result<bool, Error> {
        let ids: Vec<_> = self
            .kept
            .marks
            .iter()
            .map(|line| file.id(*line).to_string())
            .collect();
        if ids.is_empty() {
            return Ok(self.kept.line == 0);
        }
        let known = lookup.known(&ids).await.map_err(Error::Lookup)?;
        Ok(known.into_iter().any(|known| known))
    }

    /// All lines up to `line` are acknowledged now.
    pub(super) fn advance(&mut self, line: u64) {
        self.kept.line = line;
        self.kept.marks.push(line);
        if self.kept.marks.len() > MARKS {
            let mut nth = 0;
            self.kept.marks.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
    }

    /// Writes the position beside its place and renames it there.
    pub(super) fn store(&self) -> Result<(), Error> {
        let write = || {
            let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, &self.kept)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error| self.unkept(error))
    }

    fn unkept(&self, error: io::Error) -> Error {
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
    fn marks_stay_few_and_the_position_survives() {
        let folder = tempfile::tempdir().unwrap();
        let mut position = Position::begin(folder.path(), "d".into());
        for line in 1..=1_000 {
            position.advance(line);
        }
        position.store().unwrap();
        let position = Position::load(folder.path(), "d".into()).unwrap();
        assert_eq!(position.line(), 1_000);
        assert!((8..=MARKS).contains(&position.kept.marks.len()));
        fs::write(folder.path().join("d.json"), "torn").unwrap();
        assert_eq!(Position::load(folder.path(), "d".into()).unwrap().line(), 0);
    }
}
