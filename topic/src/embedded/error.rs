//! What fjall's errors mean.

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

/// The error that means "try again": the disk does not answer.
pub(super) fn unavailable(error: &fjall::Error) -> ReadError {
    ReadError::Unavailable(sentence(error))
}
