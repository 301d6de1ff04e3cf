//! Reads a file as an import would, and sends nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use topic::clock::SharedClock;
use topic::{AppendError, Delivery, Draft, Writer};

use super::batch::BatchBuilder;
use super::error::Error;
use super::job::Import;
use super::judge::Judge;
use super::report::{ImportProgress, ImportReport};
use super::{reading, source};
use crate::accept::edge::Edge;
use crate::config::Config;

/// Says what an import of the file would come to, if the lake and the topic had none of its lines.
/// Neither is asked, and nothing is sent or kept.
///
/// # Errors
/// [`Error`] if the file cannot be read, or if its mapping does not fit it.
pub async fn check(
    import: Import,
    config: &Config,
    clock: SharedClock,
    judge: Arc<dyn Judge>,
    progress: &mut (dyn FnMut(ImportProgress) + Send),
) -> Result<ImportReport, Error> {
    let file = source::open(&import).await?;
    let edge = Edge::new(config, Arc::new(Nowhere), clock);
    let (batches, mut received) = tokio::sync::mpsc::channel(reading::AHEAD_BATCHES);
    let reading = tokio::task::spawn_blocking({
        let file = file.clone();
        move || {
            let builder = BatchBuilder::new(&file, &edge, &*judge, import.max_record, &batches);
            reading::read(&file, &import, 0, builder)
        }
    });
    let mut report = ImportReport {
        digest: file.digest(),
        ..ImportReport::default()
    };
    while let Some(batch) = received.recv().await {
        report.lines += batch.lines;
        report.records += batch.records.len() as u64;
        for record in &batch.records {
            if let Some(letter) = &record.letter {
                report.rejected += 1;
                report.letters.add(record.line, letter);
            }
        }
        progress(ImportProgress {
            lines: report.lines,
            bytes: batch.end,
            total: file.total(),
        });
    }
    let read = reading.await.expect("reading a file does not panic")?;
    report.has_items = read.has_items;
    report.complete = true;
    Ok(report)
}

/// The topic of an edge that only makes drafts.
struct Nowhere;

impl Writer for Nowhere {
    fn append(&self, _: Vec<Draft>) -> Result<Delivery, AppendError> {
        Err(AppendError::Closed("a check sends nothing".into()))
    }

    fn flush(&self, _: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }

    fn ready(&self) -> Result<(), AppendError> {
        Ok(())
    }
}
