//! The benches, each beside its peers, in turn and in the same run:
//! `make bench`, or `make bench BENCH="s1 --rows 200000 --runs 1"`.
//!
//! The subject and, in its turn, each peer has core 0; everything else (this process, Kafka, the
//! load) has core 1. CPU time is counted, since a machine may be shared. A figure is kept only if
//! the counts, and for the lake the distinct ids, are right.

mod arrival;
mod audit;
mod c1;
mod clicks;
mod cores;
mod e1;
mod e2;
mod erasure;
mod l2;
mod load;
mod m1;
mod month;
mod others;
mod past;
mod peers;
mod q1;
mod s1;
mod table;
mod terminal;
mod topics;
mod x1;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use tests::kafka;
use tikv_jemallocator::Jemalloc;
use tokio::time::Instant;

use terminal::say;

/// What the product has: some of it is measured in this process.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Clickweir's benches and their peers.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Bench {
    /// Which ones [default: all]
    which: Vec<Which>,
    /// How many clicks S1 carries
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// How often each is run; the figures are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// How long E1 loads an edge, full and again at half of that rate
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// How many rows the audited lake has
    #[arg(long, default_value_t = 10_000_000)]
    audited: u64,
    /// How many records the deep audit and X1 read
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// How many objects C1's largest lake has
    #[arg(long, default_value_t = 10_000)]
    objects: u64,
    /// How many rows Q1's lakes have, one after the other; 100,000,000 take 20 minutes more and 12 GB
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    sizes: Vec<u64>,
    /// How many days and rows Month's lake has; a day is 1,440 objects
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=31))]
    days: u32,
    #[arg(long, default_value_t = 8_640_000)]
    month_rows: u64,
    /// How many rows Erasure's lake has
    #[arg(long, default_value_t = 10_000_000)]
    erasure_rows: u64,
    /// How many clicks are followed to their rows
    #[arg(long, default_value_t = 300)]
    clicks: u32,
    /// How many other clicks come a second during L1 and M1
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// Another build of clickweir to compare with, in the place of S1's and E1's peers
    #[arg(long)]
    against: Option<PathBuf>,
    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Topic (a real Kafka) to Parquet
    S1,
    /// One click a body, answered after the topic has it
    E1,
    /// Ten and a hundred clicks a body; bad input, and connections that say little
    E2,
    /// From a click to its row in SQL; with it L1, while others come
    Arrival,
    /// L1 while closed hours are compacted, and while nothing is
    Beside,
    /// From a click to the dashboard's pixel, and how soon its pages paint
    L2,
    /// The memory of one process while clicks come
    M1,
    /// How long the audits take
    Audit,
    /// The tax of exactly once
    X1,
    /// An hour's panels over few and many objects, and the crawl of them
    C1,
    /// A month of small objects, compacted, and free SQL over it beside DuckDB on ideal files
    Month,
    /// One visitor taken out of a thousand objects, and another out of the same rows compacted
    Erasure,
    /// Ten questions of the dashboard over many rows, beside DuckDB on ideal files
    Q1,
}

impl Bench {
    fn asked(&self, which: Which) -> bool {
        self.which.is_empty() || self.which.contains(&which)
    }

    /// About how long it takes, by what a machine of two cores took.
    fn minutes(&self) -> u64 {
        let runs = u64::from(self.runs);
        let s1 = 15 + self.rows / 60_000 + runs * (25 + self.rows / 20_000);
        let e1 = 10 + runs * (7 * self.seconds + 25);
        let e2 = 10 + runs * (10 * self.seconds + 20);
        let arrival = runs * (20 + u64::from(self.clicks) / 5);
        let m1 = runs * m1::PARTITIONS.len() as u64 * (6 + (m1::LOADED + m1::AFTER).as_secs());
        let audit = 30 + self.audited / 60_000 + self.records / 20_000 + runs * 20;
        let x1 = 20 + self.records / 50_000 + runs * (8 * self.records / 100_000);
        let c1 = 10 + self.objects / 150;
        let q1 = self.sizes.iter().map(|rows| 30 + rows / 100_000).sum();
        let of = [
            (Which::C1, c1),
            (Which::Q1, q1),
            (Which::Month, 60 + self.month_rows / 40_000),
            (Which::Erasure, 30 + self.erasure_rows / 50_000),
            (Which::S1, s1),
            (Which::E1, e1),
            (Which::E2, e2),
            (Which::Arrival, arrival),
            (Which::Beside, runs * (90 + 2 * u64::from(self.clicks) / 10)),
            (Which::L2, runs * 60),
            (Which::M1, m1),
            (Which::Audit, audit),
            (Which::X1, x1),
        ];
        let asked = of.into_iter().filter(|(which, _)| self.asked(*which));
        let seconds: u64 = asked.map(|(_, seconds)| seconds).sum();
        seconds.div_ceil(60)
    }

    async fn beside_peers(&self, table: &mut table::Table) -> Result<()> {
        // Processes that are started from here on begin on that core too.
        cores::pin(std::process::id(), cores::REST)?;
        let kafka = kafka::start().await.context("these benches need Kafka")?;
        ensure!(
            kafka.is_own(),
            "these benches pin Kafka to a core: unset CLICKWEIR_TEST_KAFKA"
        );
        let against = self.against.as_deref();
        if self.asked(Which::S1) {
            s1::run(&kafka, self.rows, self.runs.into(), against, table).await?;
        }
        if self.asked(Which::E1) {
            e1::run(&kafka, self.seconds, self.runs.into(), against, table).await?;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let bench = Bench::parse();
    let begun = Instant::now();
    say(&format!(
        "bench: clickweir and its peers in turn, {} run(s), about {} minutes; core {}: who is measured, core {}: all else",
        bench.runs,
        bench.minutes(),
        cores::MEASURED,
        cores::REST,
    ));
    let mut table = table::Table::default();
    if bench.asked(Which::E2) {
        let against = bench.against.as_deref();
        e2::run(bench.seconds, bench.runs.into(), against, &mut table).await?;
    }
    if bench.asked(Which::Arrival) {
        arrival::run(bench.clicks, bench.rate, bench.runs.into(), &mut table).await?;
    }
    if bench.asked(Which::Beside) {
        arrival::beside(bench.clicks, bench.rate, bench.runs.into(), &mut table).await?;
    }
    if bench.asked(Which::L2) {
        l2::run(bench.runs.into(), &mut table).await?;
    }
    if bench.asked(Which::M1) {
        m1::run(bench.rate, bench.runs.into(), &mut table).await?;
    }
    if bench.asked(Which::Audit) {
        audit::run(bench.audited, bench.records, bench.runs.into(), &mut table).await?;
    }
    if bench.asked(Which::C1) {
        c1::run(bench.objects, &mut table).await?;
    }
    if bench.asked(Which::Q1) {
        q1::run(&bench.sizes, &mut table).await?;
    }
    if bench.asked(Which::Month) {
        month::run(bench.days, bench.month_rows, &mut table).await?;
    }
    if bench.asked(Which::Erasure) {
        erasure::run(bench.erasure_rows, &mut table).await?;
    }
    if bench.asked(Which::X1) {
        x1::run(bench.records, bench.runs.into(), &mut table).await?;
    }
    if bench.asked(Which::S1) || bench.asked(Which::E1) {
        bench.beside_peers(&mut table).await?;
    }
    say(&format!("\n{table}"));
    say(&format!("bench: took {} s", begun.elapsed().as_secs()));
    Ok(ExitCode::SUCCESS)
}
