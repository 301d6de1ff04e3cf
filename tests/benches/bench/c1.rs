//! C1: an hour's panels over a lake of few and of many objects, beside free SQL and beside DuckDB
//! on the bare files; and how long the crawl of the lake takes, which is the cost of a rebuild.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use catalog::{Catalog, Dimension, Filter, Metric, Step};
use duckdb::Connection;
use sink::{Batch, Hour, Lake, LakeId};
use tests::defaults::section;
use tokio::time::Instant;
use topic::{Identity, Offset, Partition, Timestamp, Unit, clock};
use transformer::{Enrichment, transform};

use crate::audit::lake_in;
use crate::clicks::Clicks;
use crate::table::{Entry, Figure, Table, number};
use crate::terminal::say;

/// 2025-01-01T00:00:00Z, in microseconds.
const BEGIN: i64 = 1_735_689_600_000_000;
const HOUR: i64 = Unit::Hour.micros();
/// Objects that arrive in an hour, whatever the lake holds.
const HOURLY: u64 = 10;
/// Rows of an object.
const ROWS: u64 = 200;
/// How often each query runs.
const ASKED: u64 = 100;
/// The lakes' sizes, in objects; the largest one is an argument.
const SMALLER: [u64; 2] = [10, 1_000];
const COMMIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Queries lakes of more and more objects, the last of `objects`.
pub(crate) async fn run(objects: u64, table: &mut Table) -> Result<()> {
    let mut medians = Vec::new();
    for count in SMALLER
        .into_iter()
        .filter(|less| *less < objects)
        .chain([objects])
    {
        medians.push((count, of(count, table).await?));
    }
    let told: Vec<String> = medians
        .iter()
        .map(|(count, (totals, series))| {
            let count = number(*count as f64);
            format!("totals {totals:.1} ms and series {series:.1} over {count} objects")
        })
        .collect();
    table.verdicts.push(format!(
        "C1: an hour that is no whole one, through the catalog's own list, by the median: {}; the \
         target is 20 ms, whatever the number",
        told.join(", ")
    ));
    Ok(())
}

/// The medians of an hour's totals and of its series, in milliseconds.
async fn of(objects: u64, table: &mut Table) -> Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let s3 = lake_in(&folder.path().join("lake"))?;
    let lake = Lake::open(&s3)?;
    say(&format!(
        "C1: a lake of {} objects is written",
        number(objects as f64)
    ));
    build(&lake, objects).await?;
    let database = folder.path().join("catalog.duckdb");
    let path = database.to_string_lossy();
    let config = section("catalog", &[("path", &path), ("query_timeout", "10m")])?;
    let catalog = Catalog::open(config, lake.clone(), &s3, clock::system()).await?;
    let begun = Instant::now();
    let crawl = catalog.crawl(true).await?;
    let crawled = begun.elapsed().as_secs_f64();
    ensure!(crawl.registered == objects, "{crawl:?}");
    let begun = Instant::now();
    let waited = catalog.backlog().await?;
    while catalog.fold().await? > 0 {}
    let folded = begun.elapsed().as_secs_f64();
    let again = Instant::now();
    catalog.crawl(false).await?;
    let again = again.elapsed().as_secs_f64();
    let mut crawling = entry("the crawl of all of it (a rebuild)", "clickweir's catalog");
    let said = |value, of| Figure { value, of };
    crawling.note(
        1,
        vec![
            said(crawled, "s"),
            said(folded, "s to fold it, behind it"),
            said(waited as f64, "objects waited for that"),
            said(again * 1_000.0, "ms when nothing is new"),
        ],
    );
    table.entries.push(crawling);

    let hours = objects.div_ceil(HOURLY);
    let list = "the catalog's list";
    let mut totals = entry("an hour that is no whole one: totals", list);
    let mut series = entry("an hour that is no whole one: series by action", list);
    let mut whole = entry("a whole hour: series and products (rollup)", list);
    let mut times = (Vec::new(), Vec::new(), Vec::new());
    for asked in 0..ASKED {
        let from = BEGIN + i64::try_from(asked * 7_919 % hours)? * HOUR;
        let filter = hour(from + HOUR / 4);
        let begun = Instant::now();
        let found = catalog.totals(&filter).await?;
        times.0.push(begun.elapsed());
        ensure!(found.clicks > 0, "{found:?}");
        let begun = Instant::now();
        catalog.actions_by(&filter, Step::Hour).await?;
        times.1.push(begun.elapsed());
        let begun = Instant::now();
        let filter = hour(from);
        catalog.actions_by(&filter, Step::Hour).await?;
        let (by, metric) = (Dimension::Product, Metric::Clicks);
        catalog.breakdown(&filter, by, metric, 10).await?;
        times.2.push(begun.elapsed());
    }
    let medians = (
        percentiles(&mut totals, times.0),
        percentiles(&mut series, times.1),
    );
    percentiles(&mut whole, times.2);
    table.entries.extend([totals, series, whole]);

    // Free SQL binds the whole view; the bare files are opened anew by each query.
    let from = BEGIN + i64::try_from(hours / 2)? * HOUR;
    let within = format!(
        "occurred_at >= make_timestamptz({from}) AND occurred_at < make_timestamptz({})",
        from + HOUR
    );
    let mut free = entry("an hour in free SQL, all objects bound", "the view clicks");
    let mut bare = entry("the same hour, DuckDB on the files by glob", "no catalog");
    let files = folder.path().join("lake/clicks/**/*.parquet");
    for turn in 1..=3 {
        let begun = Instant::now();
        let sql = format!("SELECT count(*) FROM clicks WHERE {within}");
        let rows = catalog.query(&sql).await?;
        let took = begun.elapsed();
        let begun = Instant::now();
        let (counted, expect) = (rows.csv(), glob(&files, &within)?);
        let globbed = begun.elapsed();
        ensure!(counted.contains(&expect.to_string()), "{counted} {expect}");
        let ms = |time: Duration| said(time.as_secs_f64() * 1_000.0, "ms");
        free.note(turn, vec![ms(took)]);
        bare.note(turn, vec![ms(globbed)]);
    }
    table.entries.extend([free, bare]);
    Ok(medians)
}

fn entry(who: &'static str, backend: &'static str) -> Entry {
    Entry {
        bench: "C1",
        who,
        counted: "wall time",
        pinned: "nothing",
        backend,
        acknowledged: "-",
        runs: Vec::new(),
    }
}

fn hour(from: i64) -> Filter {
    Filter {
        from: Timestamp::from_micros(from),
        to: Timestamp::from_micros(from + HOUR),
        ..Filter::default()
    }
}

/// Notes the times, and gives their median in milliseconds.
fn percentiles(entry: &mut Entry, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = |part: f64| {
        let place = ((times.len() - 1) as f64 * part) as usize;
        times[place].as_secs_f64() * 1_000.0
    };
    let of = |value, of| Figure { value, of };
    entry.note(1, vec![of(at(0.5), "ms p50"), of(at(0.99), "ms p99")]);
    at(0.5)
}

fn glob(files: &Path, within: &str) -> Result<u64> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("SET TimeZone = 'UTC'; SET threads = 2")?;
    let sql = format!(
        "SELECT count(*)::UBIGINT FROM read_parquet('{}', hive_partitioning = false) WHERE {within}",
        files.display()
    );
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

/// So many small objects of one partition, ten an hour.
async fn build(lake: &Lake, objects: u64) -> Result<()> {
    let identity = Identity {
        cluster: "bench".to_owned(),
        topic: "clicks".to_owned(),
    };
    lake.found(&identity, BTreeMap::new(), LakeId::new(7))
        .await?;
    let configuration =
        section::<transformer::Config>("transformer", &[])?.configuration(&Enrichment::default());
    let clicks = Clicks::new(ROWS, Timestamp::from_micros(BEGIN));
    let enrichment = Enrichment::default();
    let records: Vec<_> = (0..ROWS)
        .map(|number| clicks.record(number, Offset(number), Timestamp::from_micros(BEGIN)))
        .collect();
    for object in 0..objects {
        let first = object * ROWS;
        let begin = BEGIN + i64::try_from(object)? * (HOUR / i64::try_from(HOURLY)?);
        let hour = Hour::of(Timestamp::from_micros(begin));
        let partition = Partition(0);
        let (topic, conf) = (identity.clone(), configuration.clone());
        let mut batch = Batch::new(topic, conf, partition, Offset(first), hour, false);
        for (place, record) in (0..).zip(&records) {
            let mut row = transform(partition, record, &enrichment)
                .map_err(|defect| anyhow::anyhow!("{}", defect.detail))?;
            row.offset = first + place;
            row.event_id = sink::uuid_text(u128::from(row.offset).to_be_bytes()).into();
            let at = begin + i64::try_from(place)? * (HOUR / i64::try_from(HOURLY * ROWS)?);
            row.occurred_at = Timestamp::from_micros(at);
            row.appended_at = row.occurred_at;
            batch.push(&row);
        }
        lake.commit(batch.seal(), 1, COMMIT_TIMEOUT).await?;
    }
    Ok(())
}
