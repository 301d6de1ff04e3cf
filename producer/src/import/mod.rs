//! Files into the topic, in the edge's own envelope, each line once.
//!
//! A line's id is made of the file's digest and the line's number. So equal lines of a
//! file stay apart, and a file that is imported again meets its own ids. Lines are sent in
//! order with a bounded number in flight, so the topic always has a beginning of the file
//! and at most that many lines after it. The resume relies on this: it asks a [`Lookup`]
//! which lines the lake and the topic have, until more lines in a row are unknown than can
//! have been in flight.
//!
//! A line that holds several items is as many records of one id, each known by its item: of a line
//! that arrived in part the rest is sent.
//!
//! A line that became a dead letter is sent again when a [`Judge`] says that it is a row now, as
//! with a mended mapping. It then has another id, so that it is no duplicate of its letter.

mod batch;
mod check;
mod checkpoint;
mod csv;
mod decoded;
mod error;
pub mod follow;
mod guess;
mod id;
mod items;
mod job;
mod judge;
mod known;
mod lines;
mod log;
mod lookup;
mod map;
mod reading;
mod records;
mod report;
mod sending;
mod source;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use check::check;
pub use error::Error;
pub use guess::guess;
pub use job::{Import, ImportFormat};
pub use judge::{Judge, LineDefect};
pub use log::AccessLog;
pub use lookup::{HeldAs, HeldRecord, Lookup, LookupError};
pub use map::{ColumnMap, MapError};
pub use report::{ImportProgress, ImportReport, LetterCount, LetterReason};

use crate::accept::edge::Edge;
use crate::hex::hex_of;
use batch::BatchBuilder;
use checkpoint::Checkpoint;
use id::LineTry;
use sending::Sender;

/// Imports a file: all of its lines that the lake and the topic do not have yet.
/// `progress` is called after each batch that is settled.
///
/// # Errors
/// [`Error`]. Whatever was sent until then is acknowledged and will not be sent again.
pub async fn run(
    import: Import,
    edge: Arc<Edge>,
    judge: Arc<dyn Judge>,
    lookup: &dyn Lookup,
    shutdown: CancellationToken,
    progress: &mut (dyn FnMut(ImportProgress) + Send),
) -> Result<ImportReport, Error> {
    let file = source::open(&import).await?;
    let mapping = import.digest();
    let named = hex_of(&mapping);
    let mut checkpoint = Checkpoint::load(&import.state, &file.digest(), named.clone())?;
    if !checkpoint.is_confirmed(lookup, &file).await? {
        checkpoint = Checkpoint::begin(&import.state, &file.digest(), named);
    }
    let has_namesake = checkpoint.line() == 0 && checkpoint.meets_namesake(file.name());
    let from = checkpoint.line();
    let (batches, received) = tokio::sync::mpsc::channel(reading::AHEAD_BATCHES);
    let reading = tokio::task::spawn_blocking({
        let (file, edge) = (file.clone(), edge.clone());
        move || {
            let builder = BatchBuilder::new(&file, &edge, &*judge, import.max_record, &batches);
            reading::read(&file, &import, from, builder)
        }
    });
    let sender = Sender::new(&edge, lookup, &file, LineTry::again(&mapping), checkpoint);
    let sent = sender.run(received, shutdown, progress).await;
    // The reader ends once its batches are no longer received. Its own error comes first,
    // because the sender saw only an early end of the batches.
    let read = reading.await.expect("reading a file does not panic")?;
    let mut report = sent?;
    report.lines += read.passed;
    report.has_items = read.has_items;
    report.has_namesake = has_namesake && report.sent > 0;
    Ok(report)
}

#[cfg(test)]
mod tests;
