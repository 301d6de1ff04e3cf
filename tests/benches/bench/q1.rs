//! Q1: ten questions that the dashboard asks, over lakes of more and more rows, beside DuckDB on
//! ideal files: the same rows sorted by `occurred_at`, a file a day, nothing to list and no
//! catalog. Both give the same numbers, or the bench fails.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use catalog::{Catalog, Dimension, Filter, Metric, Step};
use duckdb::Connection;
use sink::Lake;
use tests::defaults::section;
use tests::season::{self, BEGIN, DAYS, Season};
use tokio::time::Instant;
use topic::{Offset, Timestamp, clock};

use crate::audit::lake_in;
use crate::clicks::Clicks;
use crate::table::{Entry, Figure, Table, number};
use crate::terminal::say;

const DAY: i64 = 86_400_000_000;
/// How often each query runs; the figures are the medians.
const ASKED: usize = 5;

/// A question of the dashboard, and the SQL that asks the same of files (`t`).
struct Question {
    said: &'static str,
    /// True if the rollups alone answer it.
    rolled: bool,
    sql: String,
}

/// Queries lakes of each number of rows.
pub(crate) async fn run(sizes: &[u64], table: &mut Table) -> Result<()> {
    for &rows in sizes {
        of(rows, table).await?;
    }
    Ok(())
}

/// Writes a season of the clicks that all benches have.
pub(crate) async fn write(lake: &Lake, of: Season) -> Result<()> {
    let begin = Timestamp::from_micros(BEGIN);
    let record = Clicks::new(1, begin).record(0, Offset(0), begin);
    let progress = |day, of: Season| say(&format!("  … {day} of {} days", of.days));
    season::write(lake, of, &record, progress).await
}

async fn of(rows: u64, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let s3 = lake_in(&folder.path().join("lake"))?;
    let lake = Lake::open(&s3)?;
    let size = format!("{} rows", number(rows as f64));
    let size: &'static str = size.leak();
    say(&format!("Q1: a lake of {size} is written"));
    let of = Season {
        days: DAYS,
        rows,
        hourly: 1,
    };
    write(&lake, of).await?;
    let database = folder.path().join("catalog.duckdb");
    let path = database.to_string_lossy();
    let config = section("catalog", &[("path", &path), ("query_timeout", "10m")])?;
    let catalog = Catalog::open(config, lake.clone(), &s3, clock::system()).await?;
    say("Q1: it is crawled");
    let begun = Instant::now();
    let crawl = catalog.crawl(true).await?;
    let registered = begun.elapsed().as_secs_f64();
    while catalog.fold().await? > 0 {}
    let crawled = begun.elapsed().as_secs_f64();
    ensure!(crawl.held + crawl.refused == 0, "{crawl:?}");
    let mut entry = of_size("the crawl of all of it (a rebuild)", size);
    entry.note(
        1,
        vec![
            figure(crawled, "s"),
            figure(registered, "s of it to register"),
            figure(rows as f64 / crawled, "rows a second"),
            figure(crawl.registered as f64, "objects"),
            figure(
                std::fs::metadata(&database)?.len() as f64 / 1e6,
                "MB catalog",
            ),
        ],
    );
    table.entries.push(entry);
    say("Q1: the ideal files are written");
    let peer = ideal(folder.path(), DAYS)?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    let mut slowest: f64 = 0.0;
    for (place, question) in questions().into_iter().enumerate() {
        let mut times = (Vec::new(), Vec::new());
        for _turn in 0..ASKED {
            let begun = Instant::now();
            let said = ask(&catalog, place).await?;
            times.0.push(begun.elapsed());
            let begun = Instant::now();
            let expect = sum(&peer, &question.sql)?;
            times.1.push(begun.elapsed());
            ensure!(
                (said - expect).abs() <= 1e-6 * expect.abs(),
                "{}: the catalog says {said}, the files say {expect}",
                question.said
            );
        }
        let [mine, files] = [times.0, times.1].map(median);
        let mut entry = of_size(question.said, size);
        entry.note(
            1,
            vec![
                figure(mine, "ms"),
                figure(files, "ms, DuckDB on ideal files"),
            ],
        );
        table.entries.push(entry);
        ours += mine;
        theirs += files;
        if question.rolled {
            slowest = slowest.max(mine);
        }
    }
    table.verdicts.push(format!(
        "Q1 over {size}: ten questions take {:.0} ms, DuckDB on ideal files {:.0}: {:.2} of it \
         (target 1.1); the slowest panel from rollups {slowest:.1} ms (target 10)",
        ours,
        theirs,
        ours / theirs
    ));
    Ok(())
}

/// All of it, the last 30 days, and the last 30 days as of half past an hour.
fn ranges() -> [Filter; 3] {
    let end = BEGIN + i64::from(DAYS) * DAY;
    let between = |from, to| Filter {
        from: Timestamp::from_micros(from),
        to: Timestamp::from_micros(to),
        ..Filter::default()
    };
    let half = DAY / 48;
    [
        between(BEGIN, end),
        between(end - 30 * DAY, end),
        between(end - 31 * DAY - half, end - DAY - half),
    ]
}

fn only(mut filter: Filter, dimension: Dimension, value: &str) -> Filter {
    filter.only.insert(dimension, Some(value.to_owned()));
    filter
}

fn funnel() -> Vec<String> {
    ["view", "details", "buy"].map(String::from).to_vec()
}

/// A question's answer, added up.
async fn ask(catalog: &Catalog, place: usize) -> Result<f64> {
    let [all, month, ragged] = ranges();
    let day = Filter {
        from: Timestamp::from_micros(all.to.micros() - DAY),
        ..all.clone()
    };
    let points = async |filter: &Filter, step, metric| -> Result<f64> {
        let points = catalog.series(filter, step, metric).await?;
        Ok(points.iter().map(|point| point.value).sum())
    };
    let slices = async |filter: &Filter, by| -> Result<f64> {
        let found = catalog.breakdown(filter, by, Metric::Clicks, 10).await?;
        Ok(found.slices.iter().map(|slice| slice.clicks as f64).sum())
    };
    let totals = async |filter: &Filter| -> Result<f64> {
        let totals = catalog.totals(filter).await?;
        let counts = [totals.clicks, totals.visitors, totals.buyers, totals.orders];
        Ok(counts.iter().sum::<u64>() as f64 + totals.revenue)
    };
    let product = only(all.clone(), Dimension::Product, season::PRODUCT);
    let german = only(month.clone(), Dimension::Country, "DE");
    match place {
        0 => totals(&all).await,
        1 => totals(&ragged).await,
        2 => points(&all, Step::Day, Metric::Clicks).await,
        3 => points(&all, Step::Day, Metric::Visitors).await,
        4 => points(&product, Step::Day, Metric::Revenue).await,
        5 => slices(&all, Dimension::Product).await,
        6 => slices(&month, Dimension::Page).await,
        7 => slices(&all, Dimension::Country).await,
        8 => slices(&german, Dimension::Product).await,
        _ => {
            let window = Duration::from_secs(86_400);
            let reached = catalog.funnel(&day, &funnel(), window).await?;
            Ok(reached.iter().map(|step| step.visitors as f64).sum())
        }
    }
}

/// The same in SQL over `t`; the sum of all of an answer's numbers is what is compared.
fn questions() -> Vec<Question> {
    let [all, month, ragged] = ranges().map(|filter| {
        format!(
            "occurred_at >= make_timestamptz({}) AND occurred_at < make_timestamptz({})",
            filter.from.micros(),
            filter.to.micros()
        )
    });
    let last = format!(
        "occurred_at >= make_timestamptz({}) AND occurred_at < make_timestamptz({})",
        BEGIN + i64::from(DAYS - 1) * DAY,
        BEGIN + i64::from(DAYS) * DAY
    );
    let trade = "action IN ('buy', 'cancel')";
    let worth = "price * coalesce(quantity, 1)";
    let totals = |range: &str| {
        format!(
            "SELECT count(*) + count(DISTINCT visitor_id)
                + count(DISTINCT visitor_id) FILTER (action = 'buy')
                + count(DISTINCT order_id) FILTER ({trade})
                + coalesce(sum({worth}) FILTER ({trade}), 0) AS n FROM t WHERE {range}"
        )
    };
    let days = |what: &str, rest: &str| {
        format!(
            "SELECT date_trunc('day', occurred_at), {what} AS n FROM t WHERE {rest} GROUP BY ALL"
        )
    };
    let top = |by: &str, rest: &str| {
        format!(
            "SELECT {by}, count(*) AS n, count(*) FILTER (action = 'buy'),
                sum({worth}) FILTER ({trade})
             FROM t WHERE {rest} AND {by} IS NOT NULL GROUP BY ALL ORDER BY n DESC LIMIT 10"
        )
    };
    // Each of these three is the earliest that can follow the one before.
    let steps = format!(
        "WITH seen AS (SELECT visitor_id, action, occurred_at AS moment FROM t
            WHERE {last} AND visitor_id IS NOT NULL AND action IN ('view', 'details', 'buy')),
         one AS (SELECT visitor_id, min(moment) AS moment FROM seen
            WHERE action = 'view' GROUP BY ALL),
         two AS (SELECT visitor_id, min(seen.moment) AS moment
            FROM seen JOIN one USING (visitor_id)
            WHERE action = 'details' AND seen.moment > one.moment GROUP BY ALL),
         three AS (SELECT visitor_id, min(seen.moment) AS moment
            FROM seen JOIN two USING (visitor_id)
            WHERE action = 'buy' AND seen.moment > two.moment GROUP BY ALL)
         SELECT (SELECT count(*) FROM one) + (SELECT count(*) FROM two)
            + (SELECT count(*) FROM three) AS n"
    );
    let of = |said, rolled, sql| Question { said, rolled, sql };
    vec![
        of("totals of everything", true, totals(&all)),
        of(
            "totals of 30 days, ends within hours",
            false,
            totals(&ragged),
        ),
        of("clicks by day, everything", true, days("count(*)", &all)),
        of(
            "visitors by day, everything",
            true,
            days("count(DISTINCT visitor_id)", &all),
        ),
        of(
            "revenue of a product by day, everything",
            true,
            days(
                &format!("sum({worth}) FILTER ({trade})"),
                &format!("{all} AND product_id = '{}'", season::PRODUCT),
            ),
        ),
        of("products, everything", true, top("product_id", &all)),
        of("pages, 30 days", true, top("path", &month)),
        of("countries, everything", true, top("country", &all)),
        of(
            "products of one country, 30 days",
            false,
            top("product_id", &format!("{month} AND country = 'DE'")),
        ),
        of("funnel of a day", false, steps),
    ]
}

/// The rows sorted, a file a day, and the view `t` of them.
pub(crate) fn ideal(folder: &Path, days: u32) -> Result<Connection> {
    let connection = Connection::open_in_memory()?;
    let (from, to) = (folder.join("lake/clicks"), folder.join("ideal"));
    std::fs::create_dir(&to)?;
    connection.execute_batch("SET TimeZone = 'UTC'; SET threads = 2")?;
    for day in 0..i64::from(days) {
        let begin = Timestamp::from_micros(BEGIN + day * DAY).datetime();
        connection.execute_batch(&format!(
            "COPY (FROM read_parquet('{}/year={}/**/*.parquet', hive_partitioning = false)
                ORDER BY occurred_at)
             TO '{}/{day:03}.parquet' (FORMAT parquet, COMPRESSION zstd)",
            from.display(),
            begin.format("%Y/month=%m/day=%d"),
            to.display(),
        ))?;
    }
    connection.execute_batch(&format!(
        "CREATE VIEW t AS FROM read_parquet('{}/*.parquet')",
        to.display()
    ))?;
    Ok(connection)
}

fn sum(connection: &Connection, sql: &str) -> Result<f64> {
    let sql = format!("SELECT sum(n)::DOUBLE FROM ({sql})");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

fn of_size(who: &'static str, rows: &'static str) -> Entry {
    Entry {
        bench: "Q1",
        who,
        counted: "wall time",
        pinned: "nothing",
        backend: rows,
        acknowledged: "-",
        runs: Vec::new(),
    }
}

fn figure(value: f64, of: &'static str) -> Figure {
    Figure { value, of }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}
