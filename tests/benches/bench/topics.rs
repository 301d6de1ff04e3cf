//! The topics that the benches fill, and the settings that they share with the product.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use producer::{Edge, EdgeFacts, PrivacyPolicy};
use tests::defaults::section;
use topic::{Open, Topic, clock};

use crate::clicks::Clicks;

/// How many deliveries may be in flight: less than half of `topic.queue`.
const AHEAD: usize = 30_000;

/// Opens a topic with the default settings, and makes it if it is missing.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Topic>> {
    let config: topic::Config = section("topic", &[("url", url)])?;
    let with = Open {
        clock: clock::system(),
        create: true,
    };
    Ok(topic::open(&config, with).await?)
}

/// How many records a topic holds.
pub(crate) async fn records(topic: &dyn Topic) -> Result<u64> {
    let marks = topic.watermarks().await?;
    Ok(marks
        .values()
        .map(|marks| marks.low.distance(marks.high))
        .sum())
}

/// Fills a topic with so many clicks, as the edge does for one click a body, and writes the same
/// clicks into a file, one a line.
pub(crate) async fn fill(topic: &dyn Topic, rows: u64, file: &Path) -> Result<()> {
    let clock = clock::system();
    let clicks = Clicks::new(rows, clock.now());
    let edge = Edge::new(&section("producer", &[])?, topic.writer()?, clock);
    let mut lines = BufWriter::new(File::create(file)?);
    let mut waiting = VecDeque::with_capacity(AHEAD);
    for number in 0..rows {
        let click = clicks.click(number);
        lines.write_all(click.json.as_bytes())?;
        lines.write_all(b"\n")?;
        // The user agent is in the click, as a shop's own server sends it, so the file and the
        // topic hold the same.
        let facts = EdgeFacts {
            format: "native",
            source: "http",
            ip: Some(click.ip),
            user_agent: None,
            content_encoding: None,
            request: None,
            shares: Vec::new(),
            privacy: PrivacyPolicy::Ignore,
            redacted: false,
        };
        waiting.push_back(edge.accept(&facts, Bytes::from(click.json))?.delivery);
        if waiting.len() == AHEAD {
            waiting.pop_front().context("one is waiting")?.await?;
        }
    }
    for delivery in waiting {
        delivery.await?;
    }
    lines.flush()?;
    let held = records(topic).await?;
    ensure!(held == rows, "the topic holds {held} records of {rows}");
    Ok(())
}
