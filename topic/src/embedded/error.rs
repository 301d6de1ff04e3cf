//! What fjall's errors mean.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::ReadError;

/// A fjall error as a sentence.
pub(super) fn sentence(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) => io.to_string(),
        fjall::Error::Poisoned => "a write or an fsync failed before".into(),
        fjall::Error::Locked => "another clickweir has it open".into(),
        fjall::Error::JournalRecovery(_) => {
            "its journal is damaged before its end; restore the folder from a copy".into()
        }
        other => other.to_string(),
    }
}

/// The error of opening a folder: one that cannot be a topic's says what to do.
pub(super) fn of_opening(at: impl fmt::Display, error: &fjall::Error) -> ReadError {
    match error {
        fjall::Error::Locked => ReadError::Unfit(format!(
            "another clickweir has the topic in {at} open: stop it, or give this one a topic.url of its own"
        )),
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) => of_folder(at, io),
        error => ReadError::Unavailable(format!("{at}: {}", sentence(error))),
    }
}

/// The same of what the system says.
pub(super) fn of_folder(at: impl fmt::Display, error: &io::Error) -> ReadError {
    let why = match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "a file is where a folder should be".to_owned()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound => {
            error.to_string()
        }
        _ => return ReadError::Unavailable(format!("{at}: {error}")),
    };
    ReadError::Unfit(format!(
        "the folder {at} cannot be made or used: {why}; set topic.url to file:FOLDER, a folder in \
         which this user may write"
    ))
}

/// The error that means "try again": the disk does not answer.
pub(super) fn unavailable(error: &fjall::Error) -> ReadError {
    ReadError::Unavailable(sentence(error))
}
