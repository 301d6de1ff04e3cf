//! Files into the topic, in the edge's own envelope, each line once.
//!
//! A line's id is made of the file's digest and the line's number. So equal lines of a
//! file stay apart, and a file that is imported again meets its own ids. Lines are sent in
//! order with a bounded number in flight, so the topic always has a beginning of the file
//! and at most that many lines after it. The resume relies on this: it asks a [`Lookup`]
//! which lines the lake and the topic have, until more lines in a row are unknown than can
//! have been in flight.

mod batch;
mod checkpoint;
mod csv;
mod error;
mod job;
mod lines;
mod lookup;
mod map;
mod reading;
mod report;
mod sending;
mod source;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use job::{Import, ImportFormat, Input};
pub use lookup::{Lookup, LookupError};
pub use map::{ColumnMap, MapError};
pub use report::{ImportProgress, ImportReport};

use crate::accept::edge::Edge;
use checkpoint::Checkpoint;
use sending::Sender;
use source::SourceFile;

/// Imports a file: all of its lines that the lake and the topic do not have yet.
/// `progress` is called after each batch that is settled.
///
/// # Errors
/// [`Error`]. Whatever was sent until then is acknowledged and will not be sent again.
pub async fn run(
    import: Import,
    edge: Arc<Edge>,
    lookup: &dyn Lookup,
    shutdown: CancellationToken,
    progress: &mut (dyn FnMut(ImportProgress) + Send),
) -> Result<ImportReport, Error> {
    let opening = import.clone();
    let opened = tokio::task::spawn_blocking(move || SourceFile::open(&opening.input));
    let file = Arc::new(opened.await.expect("opening a file does not panic")?);
    let mut checkpoint = Checkpoint::load(&import.state, file.digest())?;
    if !checkpoint.is_confirmed(lookup, &file).await? {
        checkpoint = Checkpoint::begin(&import.state, file.digest());
    }
    let from = checkpoint.line();
    let (batches, received) = tokio::sync::mpsc::channel(reading::AHEAD_BATCHES);
    let reading = tokio::task::spawn_blocking({
        let (file, edge) = (file.clone(), edge.clone());
        move || reading::read(&file, &import, from, &edge, &batches)
    });
    let sender = Sender::new(&edge, lookup, &file, checkpoint);
    let sent = sender.run(received, shutdown, progress).await;
    // The reader ends once its batches are no longer received. Its own error comes first,
    // because the sender saw only an early end of the batches.
    let passed = reading.await.expect("reading a file does not panic")?;
    let mut report = sent?;
    report.lines += passed;
    report.skipped += passed;
    Ok(report)
}

#[cfg(test)]
mod tests;
