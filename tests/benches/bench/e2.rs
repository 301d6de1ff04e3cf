//! E2: several clicks a body; and what one click a body costs and takes while a fifth of the bodies
//! are none, and while thousands of other connections say nothing or trickle.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::clickweir::{Place, Process, binary};
use tests::usage;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cores;
use crate::load::{Load, LoadShape, SINGLE};
use crate::table::{Entry, Figure, Table};

/// The figures that are compared with another build, and how many clicks a body has for each.
const BATCHES: [(u32, &str); 2] = [
    (10, "clicks per CPU-second, 10 a body"),
    (100, "clicks per CPU-second, 100 a body"),
];
/// The share of bad bodies, in percent.
const BAD: u32 = 20;
/// Connections that say nothing, and that send a byte a second of a body.
const IDLE: usize = 5_000;
const TRICKLING: usize = 500;
const TRICKLE_PERIOD: Duration = Duration::from_secs(1);
/// How soon one that was closed comes again.
const REOPEN_PERIOD: Duration = Duration::from_millis(10);
/// How many of them must be open at the end, in percent: the edge closes those that say nothing,
/// and they come again.
const LEAST_OPEN: usize = 90;
/// The rate at which good traffic comes beside such connections, requests a second.
const GOOD_RATE: f64 = 2_000.0;
/// The warm-up before anything is counted, in seconds.
const WARM: u64 = 2;

/// Loads the edge, and in turn that of another build if there is one.
pub(crate) async fn run(
    seconds: u64,
    runs: usize,
    against: Option<&Path>,
    table: &mut Table,
) -> Result<()> {
    let mut load = Load::new()?;
    let entry = |who| Entry {
        bench: "E2",
        who,
        counted: "the process, all of it",
        pinned: "alone on core 0, wrk on core 1",
        backend: "embedded",
        acknowledged: "202 after a group-committed fsync",
        runs: Vec::new(),
    };
    let mut ours = entry("clickweir producer");
    let mut theirs = entry("clickweir, the other build");
    for turn in 1..=runs {
        ours.note(turn, edge(&binary(), &mut load, seconds).await?);
        if let Some(other) = against {
            theirs.note(turn, edge(other, &mut load, seconds).await?);
        }
    }
    if against.is_some() {
        for (_, compared) in BATCHES {
            let ratio = ours.median(compared) / theirs.median(compared);
            let verdict = format!("E2 {compared}: {ratio:.2} × the other build");
            table.verdicts.push(verdict);
        }
    }
    table.entries.push(ours);
    table.entries.extend(against.map(|_| theirs));
    Ok(())
}

async fn edge(binary: &Path, load: &mut Load, seconds: u64) -> Result<Vec<Figure>> {
    let place = Place::new()?.with_binary(binary);
    let mut process = Process::start(&place, &["producer"])?;
    cores::pin(process.id(), cores::MEASURED)?;
    let address = process.line_after("edge on ")?;
    let (url, pid) = (format!("{address}/v1/events"), process.id());
    load.run(&url, WARM, SINGLE)?;
    let of = |value, of| Figure { value, of };
    let mut figures = Vec::new();
    for (batch, name) in BATCHES {
        let shape = LoadShape { batch, ..SINGLE };
        let (taken, cpu, _) = measured(pid, &url, load, seconds, shape)?;
        figures.push(of(taken * f64::from(batch) / cpu, name));
    }
    let (taken, cpu, rate) = measured(pid, &url, load, seconds, SINGLE)?;
    let clean = usage::memory(pid)?;
    let bad = LoadShape { bad: BAD, ..SINGLE };
    let (good, bad_cpu, good_rate) = measured(pid, &url, load, seconds, bad)?;
    // Of what is sent, so much may be acknowledged.
    let share = 1.0 - f64::from(BAD) / 100.0;
    figures.extend([
        of(taken / cpu, "requests per CPU-second, all good"),
        of(
            good / share / bad_cpu,
            "requests per CPU-second, a fifth bad",
        ),
        of(
            100.0 * good_rate / share / rate,
            "% of the clean throughput with a fifth bad",
        ),
        of(
            100.0 * usage::memory(pid)? / clean,
            "% of the memory before",
        ),
    ]);
    let steady = LoadShape {
        rate: Some(GOOD_RATE),
        ..SINGLE
    };
    let alone = load.run(&url, seconds, steady)?;
    let peer: SocketAddr = address
        .strip_prefix("http://")
        .context("an address of HTTP")?
        .parse()?;
    let crowd = Crowd::gather(peer).await;
    let crowded = load.run(&url, seconds, steady)?;
    let open = crowd.open.load(Ordering::Relaxed);
    ensure!(
        open * 100 >= (IDLE + TRICKLING) * LEAST_OPEN,
        "only {open} connections are open; ulimit -n must allow 12,000"
    );
    figures.extend([
        of(alone.p99, "ms p99 of good traffic alone"),
        of(
            crowded.p99,
            "ms p99 beside 5,000 idle and 500 trickling connections",
        ),
        of(usage::memory(pid)?, "MB resident beside them"),
    ]);
    drop(crowd);
    ensure!(process.end()?, "the edge ends in order");
    Ok(figures)
}

/// What was acknowledged, the CPU time in seconds, and how many a second.
fn measured(
    pid: u32,
    url: &str,
    load: &mut Load,
    seconds: u64,
    shape: LoadShape,
) -> Result<(f64, f64, f64)> {
    let before = usage::cpu(pid)?;
    let answers = load.run(url, seconds, shape)?;
    let cpu = usage::cpu(pid)? - before;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let taken = answers.taken() as f64;
    Ok((taken, cpu, answers.rate()))
}

/// Connections that say nothing or little. One that the edge closes is opened again.
struct Crowd {
    tasks: Vec<JoinHandle<()>>,
    open: Arc<AtomicUsize>,
}

impl Crowd {
    async fn gather(peer: SocketAddr) -> Self {
        let open = Arc::<AtomicUsize>::default();
        let mut tasks = Vec::new();
        for place in 0..IDLE + TRICKLING {
            let (is_idle, open) = (place < IDLE, open.clone());
            tasks.push(tokio::spawn(async move {
                loop {
                    if let Ok(connection) = TcpStream::connect(peer).await {
                        open.fetch_add(1, Ordering::Relaxed);
                        // It is open until the edge ends it.
                        let _ = hold(connection, is_idle).await;
                        open.fetch_sub(1, Ordering::Relaxed);
                    }
                    sleep(REOPEN_PERIOD).await;
                }
            }));
            if place % 100 == 99 {
                sleep(REOPEN_PERIOD).await;
            }
        }
        Self { tasks, open }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Holds one connection until the edge ends it.
async fn hold(mut connection: TcpStream, is_idle: bool) -> Result<()> {
    if is_idle {
        connection.readable().await?;
        return Ok(());
    }
    let head = b"POST /v1/events HTTP/1.1\r\nHost: edge\r\nContent-Length: 1000\r\n\r\n";
    connection.write_all(head).await?;
    loop {
        connection.write_all(b" ").await?;
        tokio::select! {
            ready = connection.readable() => return Ok(ready?),
            () = sleep(TRICKLE_PERIOD) => {}
        }
    }
}
