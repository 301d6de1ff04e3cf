//! S1: a topic on a real Kafka to Parquet with ZSTD(3), exactly once, beside peers that do the
//! same.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use parquet::file::metadata::ParquetMetaDataReader;
use sink::Lake;
use tests::clickweir::{Place, Process, binary};
use tests::kafka::Kafka;
use tests::usage;
use tokio::time::{Instant, sleep};

use crate::peers::{self, Told};
use crate::table::{Entry, Figure, Table, number};
use crate::terminal::say;
use crate::{cores, topics};

/// The figure that is compared.
const COMPARED: &str = "rows per CPU-second";
/// The target: three times the best peer that reads Kafka, on a machine like CI's.
const TARGET: f64 = 280_000.0;
/// How often the lake's progress is read.
const LOOK: Duration = Duration::from_millis(250);
/// How long a run may take.
const RUN_TIMEOUT: Duration = Duration::from_secs(600);
const PINNED: &str = "alone on core 0, Kafka on core 1";

/// A filled topic, the same clicks in a file, and their number.
struct Work<'k> {
    kafka: &'k Kafka,
    name: String,
    folder: tempfile::TempDir,
    rows: u64,
}

/// A peer's script, and its description.
struct Peer {
    script: &'static str,
    who: &'static str,
    counted: &'static str,
    pinned: &'static str,
    backend: &'static str,
    acknowledged: &'static str,
}

const PEERS: [Peer; 3] = [
    Peer {
        script: "duckdb_file.py",
        who: "DuckDB 1.5.5, one thread",
        counted: "its process, imports left out",
        pinned: "alone on core 0",
        backend: "no broker: NDJSON file of the clicks",
        acknowledged: "none",
    },
    Peer {
        script: "pyarrow_kafka.py",
        who: "confluent-kafka + pyarrow script",
        counted: "its process, imports left out",
        pinned: PINNED,
        backend: "Kafka → folder",
        acknowledged: "offsets committed at the end: at least once",
    },
    Peer {
        script: "mq_bridge_kafka.py",
        who: "mq-bridge 1.2.0, ZSTD at its default level",
        counted: "its process, imports left out",
        pinned: PINNED,
        backend: "Kafka → folder",
        acknowledged: "offsets committed after each object: at least once",
    },
];

/// Fills a topic, and lets each subject in turn carry it into Parquet. With `against` that other
/// build of clickweir replaces the peers.
pub(crate) async fn run(
    kafka: &Kafka,
    rows: u64,
    runs: usize,
    against: Option<&Path>,
    table: &mut Table,
) -> Result<()> {
    let work = Work::new(kafka, rows).await?;
    let clickweir = |who| Entry {
        bench: "S1",
        who,
        counted: "the process, all of it",
        pinned: PINNED,
        backend: "Kafka → folder",
        acknowledged: "exactly once: a conditional create of each object, after fsync",
        runs: Vec::new(),
    };
    let mut ours = clickweir("clickweir transformer");
    if let Some(other) = against {
        let mut theirs = clickweir("clickweir, the other build");
        for turn in 1..=runs {
            ours.note(turn, work.clickweir(&binary()).await?);
            theirs.note(turn, work.clickweir(other).await?);
        }
        let by = ratio(ours.median(COMPARED) / theirs.median(COMPARED));
        table.verdicts.push(format!("S1: {by} × the other build"));
        table.entries.extend([ours, theirs]);
        return Ok(());
    }
    let mut theirs = PEERS.map(|peer| Entry {
        bench: "S1",
        who: peer.who,
        counted: peer.counted,
        pinned: peer.pinned,
        backend: peer.backend,
        acknowledged: peer.acknowledged,
        runs: Vec::new(),
    });
    for turn in 1..=runs {
        ours.note(turn, work.clickweir(&binary()).await?);
        for (peer, entry) in PEERS.iter().zip(&mut theirs) {
            let told = work.peer(peer, turn)?;
            entry.note(turn, told);
        }
    }
    let median = ours.median(COMPARED);
    table.verdicts.push(format!(
        "S1: {} × the target of {} {COMPARED}",
        ratio(median / TARGET),
        number(TARGET)
    ));
    for peer in &theirs {
        let by = ratio(median / peer.median(COMPARED));
        let aim = if peer.backend.starts_with("Kafka") {
            "3 (the best of these)"
        } else {
            "1 (stretch)"
        };
        table
            .verdicts
            .push(format!("S1: {by} × {}; the target is {aim}", peer.who));
    }
    table.entries.push(ours);
    table.entries.extend(theirs);
    Ok(())
}

fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

impl<'k> Work<'k> {
    async fn new(kafka: &'k Kafka, rows: u64) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("clickweir-bench-")
            .tempdir()?;
        let name = format!("s1-{}", std::process::id());
        let topic = topics::open(&format!("kafka://{}/{name}", kafka.brokers())).await?;
        say(&format!(
            "s1: fills a topic of 4 partitions with {rows} clicks"
        ));
        let begun = Instant::now();
        topics::fill(&*topic, rows, &folder.path().join("clicks.ndjson")).await?;
        say(&format!("s1: filled in {} s", begun.elapsed().as_secs()));
        Ok(Self {
            kafka,
            name,
            folder,
            rows,
        })
    }

    /// The transformer as it is, with its default settings, into a new lake.
    async fn clickweir(&self, binary: &Path) -> Result<Vec<Figure>> {
        let place = Place::new()?
            .with_binary(binary)
            .with(
                "TOPIC__URL",
                &format!("kafka://{}/{}", self.kafka.brokers(), self.name),
            )
            // The default again: a test's place has a shorter one.
            .with("SINK__MAX_AGE", "10s");
        let mut at: sink::S3 = tests::defaults::section("lake", &[])?;
        at.url = format!("file:{}", place.path().join("data/lake").display());
        let lake = Lake::open(&at)?;
        let begun = Instant::now();
        let mut process = Process::start(&place, &["transformer"])?;
        let pid = process.id();
        cores::pin(pid, cores::MEASURED)?;
        process.line_after("from ")?;
        let (mut cpu, mut busy, mut looked) = (0.0, Duration::ZERO, begun);
        while self.committed(&place, &lake).await? < self.rows {
            ensure!(
                begun.elapsed() < RUN_TIMEOUT,
                "the lake is not there in time"
            );
            sleep(LOOK).await;
            let (before, now) = (cpu, Instant::now());
            cpu = usage::cpu(pid)?;
            // The process is idle while it waits for the age of the last batches.
            if cpu - before > 0.1 * LOOK.as_secs_f64() {
                busy += now - looked;
            }
            looked = now;
        }
        let (wall, cpu) = (begun.elapsed(), usage::cpu(pid)?);
        ensure!(process.end()?, "the transformer ends in order");
        let files = lake.files(None).await?;
        let bytes = files.iter().map(|(_, size)| size).sum();
        self.check(&place)?;
        let mut figures = figures(
            self.rows,
            cpu,
            (busy.as_secs_f64(), "rows/s while at work"),
            bytes,
        );
        figures.push(Figure {
            value: wall.as_secs_f64(),
            of: "s to the last commit, of which up to 10 by sink.max_age",
        });
        Ok(figures)
    }

    /// How many rows the lake's objects hold, which another build may have written.
    async fn committed(&self, place: &Place, lake: &Lake) -> Result<u64> {
        let mut rows = 0;
        for (path, _) in lake.files(None).await? {
            let file = File::open(place.path().join("data/lake").join(path))?;
            let footer = ParquetMetaDataReader::new().parse_and_finish(&file)?;
            rows += u64::try_from(footer.file_metadata().num_rows())?;
        }
        Ok(rows)
    }

    /// Every click is there once, by the product's own proof and by SQL.
    fn check(&self, place: &Place) -> Result<()> {
        let audit = place.run(&["audit"])?;
        let said = String::from_utf8_lossy(&audit.stdout);
        ensure!(audit.status.success(), "the audit is not clean: {said}");
        for what in ["count(*)", "count(DISTINCT event_id)"] {
            let found = place.ask(&format!("SELECT {what} FROM clicks"))?;
            ensure!(found == self.rows, "{what} is {found}, not {}", self.rows);
        }
        Ok(())
    }

    fn peer(&self, peer: &Peer, turn: usize) -> Result<Vec<Figure>> {
        let out = self.folder.path().join("out");
        std::fs::create_dir_all(&out)?;
        let (file, rows) = (
            self.folder.path().join("clicks.ndjson"),
            self.rows.to_string(),
        );
        let group = format!("{}-{turn}", peer.script);
        let text = |path: &Path| path.display().to_string();
        let told = match peer.backend.starts_with("Kafka") {
            true => {
                let arguments = [self.kafka.brokers(), &self.name, &group, &text(&out), &rows];
                peers::run(peer.script, &arguments)?
            }
            false => peers::run(peer.script, &[&text(&file), &text(&out)])?,
        };
        std::fs::remove_dir_all(&out)?;
        let Told {
            rows,
            cpu,
            wall,
            bytes,
        } = told;
        ensure!(
            rows == self.rows,
            "{} wrote {rows} rows of {}",
            peer.who,
            self.rows
        );
        Ok(figures(
            rows,
            cpu,
            (wall, "rows/s from its first line to its last"),
            bytes,
        ))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and bytes")]
fn figures(rows: u64, cpu: f64, (wall, of): (f64, &'static str), bytes: u64) -> Vec<Figure> {
    let (rows, bytes) = (rows as f64, bytes as f64);
    vec![
        Figure {
            value: rows / cpu,
            of: COMPARED,
        },
        Figure {
            value: rows / wall,
            of,
        },
        Figure {
            value: bytes / rows,
            of: "bytes a row",
        },
    ]
}
