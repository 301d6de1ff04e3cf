//! E1: one click a body, answered after the topic has it, beside the cost of HTTP alone.

use std::path::Path;

use anyhow::{Result, ensure};
use tests::clickweir::{Place, Process, binary};
use tests::kafka::Kafka;
use tests::usage;

use crate::load::{CONNECTIONS, Load, LoadShape, SINGLE};
use crate::peers::Server;
use crate::table::{Entry, Figure, Table, number};
use crate::terminal::say;
use crate::{cores, topics};

/// The figure that is compared.
const COMPARED: &str = "requests per CPU-second";
const P99_HALF: &str = "ms p99 at half of that rate, from the send";
/// The targets: half of what HTTP alone allows, and four times the peer that acknowledges as we do.
const TARGETS: [f64; 2] = [0.5, 4.0];
/// The target of the p99 at half load, in milliseconds.
const P99: f64 = 5.0;
/// The warm-up before anything is counted, in seconds.
const WARM: u64 = 2;
/// How often the load runs against one edge: warm, full, half.
const LOADS: u64 = 3;

const ALONE: &str = "alone on core 0, wrk on core 1";
const SHARED: &str = "alone on core 0, wrk and Kafka on core 1";

fn entry(
    who: &'static str,
    pinned: &'static str,
    backend: &'static str,
    acknowledged: &'static str,
) -> Entry {
    Entry {
        bench: "E1",
        who,
        counted: "the process, all of it",
        pinned,
        backend,
        acknowledged,
        runs: Vec::new(),
    }
}

fn clickweir(who: &'static str) -> [Entry; 2] {
    let embedded = "202 after a group-committed fsync";
    let on_kafka = "202 after acks=all (one replica)";
    [
        entry(who, ALONE, "embedded", embedded),
        entry(who, SHARED, "Kafka", on_kafka),
    ]
}

/// Loads each server in turn. With `against` that other build of clickweir replaces the peers.
pub(crate) async fn run(
    kafka: &Kafka,
    seconds: u64,
    runs: usize,
    against: Option<&Path>,
    table: &mut Table,
) -> Result<()> {
    match against {
        Some(other) => beside_build(kafka, seconds, runs, other, table).await,
        None => beside_peers(kafka, seconds, runs, table).await,
    }
}

/// This build and another, on both topics.
async fn beside_build(
    kafka: &Kafka,
    seconds: u64,
    runs: usize,
    other: &Path,
    table: &mut Table,
) -> Result<()> {
    let mut load = Load::new()?;
    let mut ours = clickweir("clickweir producer");
    let mut theirs = clickweir("clickweir, the other build");
    for turn in 1..=runs {
        let builds = [
            ("this", &*binary(), &mut ours),
            ("other", other, &mut theirs),
        ];
        for (which, binary, entries) in builds {
            let name = format!("e1-{which}-{turn}-{}", std::process::id());
            let on_kafka = format!("kafka://{}/{name}", kafka.brokers());
            for (entry, url) in entries.iter_mut().zip([None, Some(on_kafka)]) {
                let place = Place::new()?.with_binary(binary);
                entry.note(turn, edge(place, url, &mut load, seconds).await?);
            }
        }
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let ratio = ours.median(COMPARED) / theirs.median(COMPARED);
        let verdict = format!("E1 {}: {ratio:.2} × the other build", ours.backend);
        table.verdicts.push(verdict);
    }
    table.entries.extend(ours.into_iter().chain(theirs));
    Ok(())
}

async fn beside_peers(kafka: &Kafka, seconds: u64, runs: usize, table: &mut Table) -> Result<()> {
    let mut load = Load::new()?;
    let [embedded, on_kafka] = clickweir("clickweir producer");
    let nginx = entry(
        "nginx, one process",
        ALONE,
        "none",
        "204 at once: the floor",
    );
    let acknowledged = "200 after Kafka has acknowledged";
    let mq_bridge = entry("mq-bridge 1.2.0", SHARED, "Kafka", acknowledged);
    let mut entries = [embedded, on_kafka, nginx, mq_bridge];
    for turn in 1..=runs {
        let [embedded, on_kafka, nginx, mq_bridge] = &mut entries;
        let topic = |who: &str| format!("e1-{who}-{turn}-{}", std::process::id());

        embedded.note(turn, edge(Place::new()?, None, &mut load, seconds).await?);

        let server = Server::nginx().await?;
        let address = format!("http://{}/v1/events", server.address);
        nginx.note(turn, measure(server.pid, &address, &mut load, seconds)?.0);
        drop(server);

        let url = format!("kafka://{}/{}", kafka.brokers(), topic("clickweir"));
        on_kafka.note(
            turn,
            edge(Place::new()?, Some(url), &mut load, seconds).await?,
        );

        let name = topic("mq-bridge");
        let theirs = topics::open(&format!("kafka://{}/{name}", kafka.brokers())).await?;
        let server = Server::mq_bridge(kafka.brokers(), &name).await?;
        let address = format!("http://{}/v1/events", server.address);
        let (run, taken) = measure(server.pid, &address, &mut load, seconds)?;
        drop(server);
        held("mq-bridge", topics::records(&*theirs).await?, taken)?;
        mq_bridge.note(turn, run);
    }
    verdicts(&entries, table);
    table.entries.extend(entries);
    Ok(())
}

/// The edge on a topic of its own, an embedded one if `url` is `None`: afterwards the topic holds
/// what was taken.
async fn edge(
    place: Place,
    url: Option<String>,
    load: &mut Load,
    seconds: u64,
) -> Result<Vec<Figure>> {
    let embedded = || format!("file:{}", place.path().join("data/topic").display());
    let url = url.unwrap_or_else(embedded);
    let place = place.with("TOPIC__URL", &url);
    let mut process = Process::start(&place, &["producer"])?;
    cores::pin(process.id(), cores::MEASURED)?;
    let address = process.line_after("edge on ")?;
    let (run, taken) = measure(process.id(), &format!("{address}/v1/events"), load, seconds)?;
    ensure!(process.end()?, "the edge ends in order");
    let topic = topics::open(&url).await?;
    held("clickweir", topics::records(&*topic).await?, taken)?;
    Ok(run)
}

/// A record of the topic was acknowledged, or was in flight when one of the loads ended: at most
/// one request a connection.
fn held(who: &str, held: u64, taken: u64) -> Result<()> {
    let flying = LOADS * CONNECTIONS;
    ensure!(
        (taken..=taken + flying).contains(&held),
        "{who} answered {taken} requests, and the topic holds {held} records"
    );
    say(&format!(
        "e1: {who}: {taken} answers of 2xx, {held} records ({} were in flight when a load ended)",
        held - taken
    ));
    Ok(())
}

/// The figures of a server under full and under half load, and how many requests it took.
fn measure(pid: u32, url: &str, load: &mut Load, seconds: u64) -> Result<(Vec<Figure>, u64)> {
    let warm = load.run(url, WARM, SINGLE)?;
    let before = usage::cpu(pid)?;
    let full = load.run(url, seconds, SINGLE)?;
    let cpu = usage::cpu(pid)? - before;
    let at_half = LoadShape {
        rate: Some(full.rate() / 2.0),
        ..SINGLE
    };
    let half = load.run(url, seconds, at_half)?;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let taken = full.taken() as f64;
    let of = |value, of| Figure { value, of };
    let figures = vec![
        of(taken / cpu, COMPARED),
        of(full.rate(), "requests/s"),
        of(100.0 * cpu * full.rate() / taken, "% of its core"),
        of(full.p50, "ms p50"),
        of(full.p99, "ms p99"),
        of(half.p99, P99_HALF),
        of(100.0 * half.rate() / full.rate(), "% of that rate reached"),
    ];
    Ok((figures, warm.taken() + full.taken() + half.taken()))
}

fn verdicts([embedded, on_kafka, nginx, mq_bridge]: &[Entry; 4], table: &mut Table) {
    for ours in [embedded, on_kafka] {
        for (theirs, target) in [nginx, mq_bridge].into_iter().zip(TARGETS) {
            let ratio = ours.median(COMPARED) / theirs.median(COMPARED);
            table.verdicts.push(format!(
                "E1 {}: {ratio:.2} × {}; the target is {target}",
                ours.backend, theirs.who
            ));
        }
        table.verdicts.push(format!(
            "E1 {}: {} {P99_HALF}; the target is {P99}",
            ours.backend,
            number(ours.median(P99_HALF))
        ));
    }
}
