//! The audits, timed: the arithmetic over a lake of many rows that the real sink wrote, a batch
//! every ten seconds of append time; the deep one, as the command makes it, over an embedded
//! topic.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use catalog::Catalog;
use futures::future::try_join_all;
use serde_json::Value;
use sink::audit::{self, Reference, Survey};
use sink::{Batch, Hour, Lake, LakeId, S3};
use tests::clickweir::{Place, Process};
use tests::defaults::section;
use tests::usage;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use topic::{Identity, Offset, Partition, Record, Timestamp, Watermarks, clock};
use transformer::{Enrichment, transform};

use crate::clicks::Clicks;
use crate::table::{Entry, Figure, Table, number};
use crate::terminal::say;
use crate::topics;

const PARTITIONS: u32 = 4;
/// Clicks a second, by their append times.
const RATE: u64 = 20_000;
/// A batch is sealed at this age, the default of `sink.max_age`.
const AGE: u64 = 10;
/// 2026-11-22T00:00:00Z: a new hour, in microseconds.
const BEGIN: i64 = 1_795_305_600_000_000;
const SILENCE: Duration = Duration::from_secs(60);
/// How often a process's memory is read.
const LOOK: Duration = Duration::from_millis(20);
/// Ten million rows may take ten seconds.
const TARGET: f64 = 1_000_000.0;

/// Builds a lake of `rows` rows and a topic of `records` records, and audits each `runs` times.
pub(crate) async fn run(rows: u64, records: u64, runs: usize, table: &mut Table) -> Result<()> {
    let mut entry = Entry {
        bench: "audit",
        who: "clickweir audit: catalog's list, lake, ids",
        counted: "the process",
        pinned: "nothing",
        backend: "a folder, 4 partitions, an object every 10 s",
        acknowledged: "-",
        runs: Vec::new(),
    };
    arithmetic(rows, runs, &mut entry).await?;
    let rate = entry.median(ROWS);
    table.verdicts.push(format!(
        "audit: {:.1} s for ten million rows, by the median of {}; the target is 10 s",
        10.0 * TARGET / rate,
        number(rate)
    ));
    table.entries.push(entry);
    let mut entry = Entry {
        bench: "audit",
        who: "clickweir audit --deep, topic against lake",
        counted: "the command's process, arithmetic included",
        pinned: "nothing",
        backend: "embedded topic and a folder",
        acknowledged: "-",
        runs: Vec::new(),
    };
    deep(records, runs, &mut entry).await?;
    table.entries.push(entry);
    Ok(())
}

const ROWS: &str = "rows a second";

async fn arithmetic(rows: u64, runs: usize, entry: &mut Entry) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let s3 = lake_in(&folder.path().join("lake"))?;
    let lake = Lake::open(&s3)?;
    let identity = Identity {
        cluster: "bench".to_owned(),
        topic: "clicks".to_owned(),
    };
    let new = LakeId::new(7);
    let ledger = lake.found(&identity, BTreeMap::new(), new).await?;
    build(&lake, &identity, rows).await?;
    let database = folder.path().join("catalog.duckdb");
    let path = database.to_string_lossy();
    let config = section("catalog", &[("path", &path)])?;
    let catalog = Catalog::open(config, lake.clone(), &s3, clock::system()).await?;
    let crawl = catalog.crawl(true).await?;
    let transformer: transformer::Config = section("transformer", &[])?;
    let marks: BTreeMap<Partition, Watermarks> = (0..PARTITIONS)
        .map(|partition| {
            let high = Offset(held(rows, partition));
            let low = Offset(0);
            (Partition(partition), Watermarks { low, high })
        })
        .collect();
    say(&format!(
        "audit: a lake of {} rows in {} objects, {} MB",
        number(rows as f64),
        crawl.registered,
        size(&lake).await?.div_ceil(1_000_000)
    ));
    for turn in 1..=runs {
        let weigher = Weigher::start(std::process::id())?;
        let (begun, cpu) = (Instant::now(), usage::cpu(std::process::id())?);
        let listing = catalog.listing(None).await?;
        let survey = Survey::of(&lake).await?;
        let against = Reference {
            ledger: &ledger,
            watermarks: &marks,
            catalog: Some(&listing),
            window: Some(transformer.audited()),
        };
        let audit = audit::audit(&lake, &survey, &against, &|_, _| {}).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = usage::cpu(std::process::id())? - cpu;
        let grown = weigher.end();
        ensure!(audit.clean(), "{:?}", audit.findings);
        ensure!(
            (audit.rows, audit.pending, audit.other_windows) == (rows, 0, 0),
            "{audit:?}"
        );
        let of = |value, of| Figure { value, of };
        entry.note(
            turn,
            vec![
                of(rows as f64 / seconds, ROWS),
                of(seconds, "s"),
                of(cpu, "CPU-seconds"),
                of(grown, "MB at most beyond what it held before"),
            ],
        );
    }
    Ok(())
}

pub(crate) fn lake_in(folder: &Path) -> Result<S3> {
    section("lake", &[("url", &format!("file:{}", folder.display()))])
}

async fn size(lake: &Lake) -> Result<u64> {
    Ok(lake.files(None).await?.iter().map(|(_, bytes)| bytes).sum())
}

/// How many of `rows` a partition has.
fn held(rows: u64, partition: u32) -> u64 {
    (rows + u64::from(PARTITIONS - 1 - partition)) / u64::from(PARTITIONS)
}

/// Commits `rows` unique clicks, each partition by a thread of its own.
async fn build(lake: &Lake, identity: &Identity, rows: u64) -> Result<()> {
    say(&format!(
        "audit: a lake of {} rows is written",
        number(rows as f64)
    ));
    let configuration =
        section::<transformer::Config>("transformer", &[])?.configuration(&Enrichment::default());
    let partitions = (0..PARTITIONS).map(|partition| {
        let (lake, identity, configuration) =
            (lake.clone(), identity.clone(), configuration.clone());
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let writer = PartitionWriter {
                lake: &lake,
                runtime: &runtime,
                clicks: Clicks::new(rows, Timestamp::from_micros(BEGIN)),
                partition: Partition(partition),
            };
            writer.write(&identity, &configuration, held(rows, partition))
        })
    });
    for written in try_join_all(partitions).await? {
        written?;
    }
    Ok(())
}

struct PartitionWriter<'a> {
    lake: &'a Lake,
    runtime: &'a Handle,
    clicks: Clicks,
    partition: Partition,
}

impl PartitionWriter<'_> {
    fn write(&self, identity: &Identity, configuration: &str, rows: u64) -> Result<()> {
        let enrichment = Enrichment::default();
        let mut open: Option<(Batch, u64)> = None;
        for offset in 0..rows {
            let record = self.record(offset);
            let share = offset * u64::from(PARTITIONS) / (RATE * AGE);
            let hour = Hour::of(record.appended_at);
            if let Some((batch, _)) =
                open.take_if(|(batch, its)| *its != share || batch.hour() != hour)
            {
                self.commit(batch)?;
            }
            let (batch, _) = open.get_or_insert_with(|| {
                let (identity, configuration) = (identity.clone(), configuration.to_owned());
                let first = Offset(offset);
                let batch = Batch::new(identity, configuration, self.partition, first, hour, false);
                (batch, share)
            });
            match transform(self.partition, &record, &enrichment) {
                Ok(row) => batch.push(&row),
                Err(defect) => batch.reject(defect.letter(&record)),
            }
        }
        open.map_or(Ok(()), |(batch, _)| self.commit(batch))
    }

    fn commit(&self, batch: Batch) -> Result<()> {
        let commit = self.lake.commit(batch.seal(), 1, SILENCE);
        self.runtime.block_on(commit)?;
        Ok(())
    }

    /// The record at an offset, as the edge would have written it.
    fn record(&self, offset: u64) -> Record {
        let number = offset * u64::from(PARTITIONS) + u64::from(self.partition.0);
        let micros = i64::try_from(number * 1_000_000 / RATE).unwrap_or(i64::MAX);
        let at = Timestamp::from_micros(BEGIN + micros);
        self.clicks.record(number, Offset(offset), at)
    }
}

async fn deep(records: u64, runs: usize, entry: &mut Entry) -> Result<()> {
    say(&format!(
        "audit: a topic of {} records is written and landed",
        number(records as f64)
    ));
    let place = Place::new()?.with("SINK__MAX_AGE", "10s");
    let topic = topics::open(&format!(
        "file:{}",
        place.path().join("data/topic").display()
    ))
    .await?;
    topics::fill(topic.as_ref(), records, &place.path().join("clicks.ndjson")).await?;
    drop(topic);
    let up = place.up(&[])?;
    place.settled().await?;
    ensure!(up.process.end()?, "up ends well");
    for turn in 1..=runs {
        let process = Process::start(&place, &["audit", "--deep", "--json"])?;
        let weigher = Weigher::start(process.id())?;
        let ended = tokio::task::spawn_blocking(move || process.done()).await?;
        let most = weigher.end();
        let (said, cpu) = ended?;
        let verdict: Value = serde_json::from_str(&said)?;
        ensure!(verdict["deep"]["records"] == records, "{verdict}");
        let seconds = |verdict: &Value| verdict["seconds"].as_f64().unwrap_or(f64::NAN);
        let of = |value, of| Figure { value, of };
        entry.note(
            turn,
            vec![
                of(
                    records as f64 / seconds(&verdict["deep"]),
                    "records a second",
                ),
                of(seconds(&verdict["deep"]), "s"),
                of(seconds(&verdict), "s for its arithmetic"),
                of(cpu, "CPU-seconds"),
                of(most, "MB at most"),
            ],
        );
    }
    Ok(())
}

/// Reads a process's memory at intervals.
struct Weigher {
    watching: JoinHandle<()>,
    most: watch::Receiver<f64>,
}

impl Weigher {
    fn start(pid: u32) -> Result<Self> {
        let own = pid == std::process::id();
        let before = if own { usage::memory(pid)? } else { 0.0 };
        let (tell, most) = watch::channel(0.0_f64);
        let watching = tokio::spawn(async move {
            while let Ok(now) = usage::memory(pid) {
                tell.send_modify(|most| *most = most.max(now - before));
                sleep(LOOK).await;
            }
        });
        Ok(Self { watching, most })
    }

    /// The peak memory in megabytes; for this process, beyond its memory before.
    fn end(self) -> f64 {
        self.watching.abort();
        *self.most.borrow()
    }
}
