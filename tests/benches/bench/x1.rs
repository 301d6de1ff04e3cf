//! X1, the tax of exactly once: the transformer in this process over one topic, into a folder
//! and into SeaweedFS, once with conditional creates and once over a decorator that makes each a
//! plain put; in turn, A B A B.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use sink::audit::Survey;
use sink::{Lake, Location};
use tempfile::TempDir;
use tests::faulty::Faulty;
use tests::landing::land;
use tests::s3::{self, S3Server};
use tests::usage;
use tokio::time::Instant;
use topic::Topic;

use crate::table::{Entry, Figure, Table};
use crate::terminal::say;
use crate::topics;

const RUN_TIMEOUT: Duration = Duration::from_secs(300);
const COMPARED: &str = "rows per CPU-second";
/// The target: how much exactly once may cost.
const TARGET: f64 = 0.05;

/// The size of the objects, and its name.
const SIZES: [(&str, &str, &str); 2] = [
    (
        "1000000",
        "a folder, objects of the default size",
        "SeaweedFS, objects of the default size",
    ),
    (
        "10000",
        "a folder, objects of 10,000 rows",
        "SeaweedFS, objects of 10,000 rows",
    ),
];

/// Lands the same records again and again.
pub(crate) async fn run(records: u64, runs: usize, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    say(&format!("X1: a topic of {records} records is written"));
    let url = format!("file:{}", folder.path().join("topic").display());
    let topic = topics::open(&url).await?;
    topics::fill(
        topic.as_ref(),
        records,
        &folder.path().join("clicks.ndjson"),
    )
    .await?;
    let s3 = s3::start().await.context("X1 needs SeaweedFS")?;
    for (rows, in_folder, in_bucket) in SIZES {
        for (backend, s3) in [(in_folder, None), (in_bucket, Some(&s3))] {
            let work = Work {
                topic: &topic,
                records,
                s3,
                rows,
            };
            work.compare(backend, runs, table).await?;
        }
    }
    Ok(())
}

struct Work<'a> {
    topic: &'a Arc<dyn Topic>,
    records: u64,
    /// `None` for a folder.
    s3: Option<&'a S3Server>,
    /// `sink.max_rows`.
    rows: &'a str,
}

impl Work<'_> {
    async fn compare(&self, backend: &'static str, runs: usize, table: &mut Table) -> Result<()> {
        let entry = |who, acknowledged| Entry {
            bench: "X1",
            who,
            counted: "this process: embedded topic and transformer",
            pinned: "nothing",
            backend,
            acknowledged,
            runs: Vec::new(),
        };
        let mut create = entry("conditional create", "exactly once");
        let mut put = entry("plain put", "at least once");
        for turn in 1..=runs {
            create.note(turn, self.turn(true).await?);
            put.note(turn, self.turn(false).await?);
        }
        table.verdicts.push(format!(
            "X1, {backend}: exactly once costs {:.1} % of CPU; the target is at most {:.0} %",
            100.0 * (1.0 - create.median(COMPARED) / put.median(COMPARED)),
            100.0 * TARGET
        ));
        table.entries.extend([create, put]);
        Ok(())
    }

    /// Lands the topic in a lake that is new.
    async fn turn(&self, conditional: bool) -> Result<Vec<Figure>> {
        let folder = tempfile::tempdir()?;
        let lake = self.lake(&folder, conditional)?;
        let group = format!("x1-{}", folder.path().display());
        let (begun, cpu) = (Instant::now(), usage::cpu(std::process::id())?);
        // So old that a slow moment changes no object; the last ones wait for it.
        let sink = [("max_rows", self.rows), ("max_age", "5s")];
        land(self.topic, &lake, &group, &sink, RUN_TIMEOUT).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = usage::cpu(std::process::id())? - cpu;
        let (mut rows, mut objects) = (0, 0);
        for name in Survey::of(&lake).await?.names() {
            let footer = lake.footer(&name).await?.context("it was listed")?;
            rows += footer.counts.rows;
            objects += 1;
        }
        ensure!(rows == self.records, "{rows} rows of {}", self.records);
        let rows = self.records as f64;
        let of = |value, of| Figure { value, of };
        Ok(vec![
            of(rows / cpu, COMPARED),
            of(seconds, "s, the last batch's five included"),
            of(f64::from(objects), "objects"),
        ])
    }

    fn lake(&self, folder: &TempDir, conditional: bool) -> Result<Lake> {
        let store: Arc<dyn ObjectStore> = match self.s3 {
            None => Arc::new(LocalFileSystem::new_with_prefix(folder.path())?.with_fsync(true)),
            Some(s3) => {
                let name = folder.path().file_name().context("a folder has a name")?;
                Arc::new(s3.store(&name.to_string_lossy())?)
            }
        };
        // Both go through the decorator, which causes no fault.
        let store = Faulty::new(store, 0, 0);
        let store = if conditional {
            store
        } else {
            store.unconditional()
        };
        let location = Location::Folder(PathBuf::from("/x1"));
        Ok(Lake::new(Arc::new(store), location))
    }
}
