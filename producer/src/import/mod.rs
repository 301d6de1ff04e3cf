//! Files into the topic, through the edge's own envelope, each line once.
//!
//! A line's id is made of the file's digest and the line's number, so exact twins in
//! a file stay two, and the same file again meets itself. Lines are sent in order with
//! a bounded number in flight, so what a topic holds of a file is a beginning of it
//! and at most that many lines beyond. On this rests the resume: what the lake and the
//! topic know is asked through a [`Lookup`] until more lines in a row are unknown than
//! can have been in flight.

mod line;
mod map;
mod position;
mod reading;
mod sending;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::Edge;

pub use map::{Map, MapError};

/// What to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Where the bytes are: plain, gzip or zstd, told by their first bytes.
    pub source: Source,
    /// How they are laid out.
    pub format: Format,
    /// Which column becomes what; without one, each NDJSON line is a native click.
    pub map: Option<Map>,
    /// The folder that keeps how far each file is acknowledged; made where it is not.
    pub state: PathBuf,
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input; it is kept in a temporary file, since it is read twice.
    Stdin,
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// Whether the lake or the topic already has these ids, as rows, dead letters or
/// records still to come; one answer per id, in their order.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Asks both. At most some tens of thousands of ids at once.
    async fn known(&self, ids: &[String]) -> Result<Vec<bool>, LookupError>;
}

/// Why a [`Lookup`] has no answer, in its own words.
pub type LookupError = Box<dyn std::error::Error + Send + Sync>;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Lines that are settled: sent, skipped or rejected.
    pub lines: u64,
    /// Bytes that they took in the file, inflated.
    pub bytes: u64,
    /// The file's bytes, inflated.
    pub total: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The SHA-256 of the inflated file, in hexadecimal digits.
    pub digest: String,
    /// Lines read, without the header and empty lines; a quoted line break makes no new one.
    pub lines: u64,
    /// Lines sent and acknowledged now, the rejected ones among them.
    pub sent: u64,
    /// Lines that the lake or the topic had already, those up to the kept position
    /// among them.
    pub skipped: u64,
    /// Lines sent now that are no row: they will be dead letters.
    pub rejected: u64,
    /// The first of these: the line's number in the file, from 1, and why.
    pub first_rejected: Vec<(u64, String)>,
    /// False where the import was told to stop before the end; it goes on from there.
    pub complete: bool,
}

/// Why an import stopped. What was acknowledged stays; the same command goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or inflated.
    #[error("{path} cannot be read: {error}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file and its mapping do not fit each other.
    #[error("{0}")]
    Map(#[from] MapError),
    /// The acknowledged position cannot be kept.
    #[error("the position cannot be kept in {path}: {error}; give a folder that can be written")]
    State {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The lake or the topic cannot be asked what they have.
    #[error("what the lake and the topic have cannot be asked: {0}")]
    Lookup(LookupError),
    /// The topic did not take the lines.
    #[error("{0}; run the same import again, it goes on where this one stopped")]
    Topic(topic::AppendError),
}

/// Imports a file: all of its lines that the lake and the topic do not have yet.
/// `progress` is told after each batch that is settled.
///
/// # Errors
/// [`Error`]; whatever was sent until then is acknowledged and will not be sent again.
pub async fn run(
    import: Import,
    edge: Arc<Edge>,
    lookup: &dyn Lookup,
    shutdown: CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, Error> {
    let opening = import.clone();
    let opened = tokio::task::spawn_blocking(move || reading::File::open(&opening.source));
    let file = Arc::new(opened.await.expect("opening a file does not panic")?);
    let mut position = position::Position::load(&import.state, file.digest())?;
    if !position.is_confirmed(lookup, &file).await? {
        position = position::Position::begin(&import.state, file.digest());
    }
    let from = position.line();
    let (sender, batches) = tokio::sync::mpsc::channel(reading::AHEAD);
    let reading = tokio::task::spawn_blocking({
        let (file, edge) = (file.clone(), edge.clone());
        move || reading::read(&file, &import, from, &edge, &sender)
    });
    let sending = sending::Sending::new(&edge, lookup, &file, position);
    let sent = sending.run(batches, shutdown, progress).await;
    // The reader ends when nobody takes its batches; its own error comes first, for
    // the sender then saw nothing but an early end.
    let passed = reading.await.expect("reading a file does not panic")?;
    let mut report = sent?;
    report.lines += passed;
    report.skipped += passed;
    Ok(report)
}

#[cfg(test)]
mod tests;
