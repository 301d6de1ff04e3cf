//! What a process was writing into a folder when it was killed: `object_store` gives a file its name
//! once it is whole, and leaves it as `NAME#1` if it never is. A bucket keeps such parts to itself.

use std::fs;
use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::folder::is_staged;
use super::location::Location;
use crate::{Error, Lake};

/// A file that was begun.
pub(crate) struct StagedFile {
    pub(crate) path: PathBuf,
    /// When it was written last.
    pub(crate) written: DateTime<Utc>,
}

impl Lake {
    /// The files of that folder of the lake that are not whole yet.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(crate) async fn staged(&self, folder: &str) -> Result<Vec<StagedFile>, Error> {
        let Location::Folder(lake) = self.location() else {
            return Ok(Vec::new());
        };
        let folder = lake.join(folder);
        let reading = move || {
            let mut staged = Vec::new();
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(staged),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                // One that is gone was finished meanwhile.
                if let (true, Ok(metadata)) = (is_staged(&entry.file_name()), entry.metadata())
                    && metadata.is_file()
                {
                    staged.push(StagedFile {
                        path: entry.path(),
                        written: metadata.modified()?.into(),
                    });
                }
            }
            Ok::<_, io::Error>(staged)
        };
        let read = self.pool().run(reading).await;
        let read = read.map_err(|error| Error::Unfit(format!("a folder: {error}")))?;
        read.map_err(|error| Error::Unavailable(format!("the lake's folder: {error}")))
    }

    /// Deletes one of them.
    ///
    /// # Errors
    /// If it cannot be deleted.
    pub(crate) async fn delete_staged(&self, file: StagedFile) -> Result<(), Error> {
        let path = file.path.clone();
        let deleted = self.pool().run(move || fs::remove_file(path)).await;
        let deleted = deleted.map_err(|error| Error::Unfit(format!("a file: {error}")))?;
        match deleted {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Unavailable(
                format!("{} cannot be deleted: {error}", file.path.display()),
            )),
            _ => Ok(()),
        }
    }
}
