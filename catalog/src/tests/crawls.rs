//! What is registered, held and refused, and that it is a fold.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use sink::{Entry, Offset, Partition};

use super::{ARRIVAL, Shore, VIEW, lines, moment};
use crate::db::database::digest;
use crate::db::engine::{Mode, STATEMENT_TIMEOUT};
use crate::{Catalog, Crawl};

/// Hashes of all that is a fold of the lake; the runs are not.
pub(super) async fn digests(catalog: &Catalog) -> Vec<String> {
    let work = |session: &mut crate::db::engine::Session| {
        [
            "partitions",
            "objects",
            "replays",
            "shown",
            "rollup",
            "returns",
            "visits",
            "products",
        ]
        .iter()
        .map(|table| Ok(digest(&session.connection, table)?))
        .collect()
    };
    catalog
        .inner
        .engine
        .run(Mode::Read, STATEMENT_TIMEOUT, work)
        .await
        .unwrap()
}

async fn count(catalog: &Catalog, table: &str) -> String {
    lines(
        &catalog
            .query(&format!("SELECT count(*) FROM {table}"))
            .await
            .unwrap(),
    )
    .remove(0)
}

#[tokio::test]
async fn fault_33_the_same_crawl_again_changes_nothing() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    assert_eq!(
        catalog.crawl(false).await.unwrap(),
        Crawl::default(),
        "an empty lake"
    );
    shore.commit(0, 0, &[VIEW, VIEW]).await;
    shore.commit(0, 2, &[VIEW]).await;
    shore.commit_at(ARRIVAL, 1, 0, &[VIEW], 2).await;
    let first = catalog.crawl(false).await.unwrap();
    assert_eq!(
        (first.found, first.registered, first.held),
        (3, 3, 0),
        "{first:?}"
    );
    assert_eq!(count(&catalog, "clicks").await, "4");
    assert_eq!(count(&catalog, "dead_letters").await, "2");
    let before = digests(&catalog).await;
    for full in [false, true] {
        assert_eq!(catalog.crawl(full).await.unwrap(), Crawl::default());
        assert_eq!(digests(&catalog).await, before);
    }
    let runs = catalog.crawls(10).await.unwrap();
    assert_eq!(runs.len(), 4, "{runs:?}");
    assert_eq!(runs[2].registered, 3, "{runs:?}");
    // A process that starts again knows what the last one registered.
    drop(catalog);
    let catalog = shore.catalog().await;
    shore.commit(0, 3, &[VIEW]).await;
    assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
    assert_eq!(count(&catalog, "clicks").await, "5");
}

#[tokio::test]
async fn invariant_6_a_catalog_that_grew_equals_one_that_was_built_at_once() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    for first in 0..6 {
        let arrival = if first < 3 {
            "2026-11-22T21:59:00Z"
        } else {
            "2026-11-22T22:01:00Z"
        };
        let late = super::Click {
            occurred_at: "2026-11-20T08:30:00Z",
            product: "p2",
            ..VIEW
        };
        shore
            .commit_at(arrival, 0, first * 2, &[VIEW, late], 0)
            .await;
        assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
    }
    catalog.crawl(true).await.unwrap();
    let config = crate::Config {
        path: shore.folder.path().join("other.duckdb"),
        ..shore.config()
    };
    let other = shore.open(config).await.unwrap();
    assert_eq!(other.crawl(false).await.unwrap().registered, 6);
    assert_eq!(digests(&other).await, digests(&catalog).await);
}

#[tokio::test]
async fn a_batch_of_many_pieces_is_one_object_and_one_range() {
    const ROWS: u64 = 20_000;
    let shore = Shore::new().await;
    let clicks = vec![VIEW; ROWS as usize];
    shore.commit(0, 0, &clicks).await;
    let catalog = shore.catalog().await;
    assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
    let sql = "SELECT count(*) || ' ' || count(DISTINCT event_id) || ' ' ||
        count(*) FILTER (\"offset\" = place) FROM (
            SELECT *, row_number() OVER () - 1 AS place FROM clicks)";
    let said = lines(&catalog.query(sql).await.unwrap());
    assert_eq!(said, ["20000 20000 20000"]);
    let range = super::batch(ARRIVAL, 0, 0, &clicks).seal().pending_rows();
    let offsets = range.rows.column_by_name("offset").unwrap();
    let offsets = offsets.as_primitive::<Int64Type>().values();
    assert!(offsets.iter().copied().eq(0..ROWS.cast_signed()));
    assert_eq!((range.first.0, range.end.0), (0, ROWS));
}

#[tokio::test]
async fn what_does_not_chain_is_held_until_it_does() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore
        .commit_at("2026-11-22T21:00:00Z", 0, 0, &[VIEW], 0)
        .await;
    catalog.crawl(false).await.unwrap();
    // The clock stepped back: the object in the middle is three hours before the others.
    shore
        .commit_at("2026-11-22T23:30:00Z", 0, 2, &[VIEW], 0)
        .await;
    let run = catalog.crawl(false).await.unwrap();
    assert_eq!((run.registered, run.held), (0, 1), "{run:?}");
    assert!(run.detail.contains("held clicks/year=2026"), "{run:?}");
    assert_eq!(count(&catalog, "clicks").await, "1");
    shore
        .commit_at("2026-11-22T20:30:00Z", 0, 1, &[VIEW], 0)
        .await;
    let run = catalog.crawl(false).await.unwrap();
    assert_eq!((run.registered, run.held), (2, 0), "{run:?}");
    assert_eq!(count(&catalog, "clicks").await, "3");
}

#[tokio::test]
async fn an_accepted_gap_moves_the_registered_end() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit(0, 0, &[VIEW]).await;
    shore.commit(0, 9, &[VIEW]).await;
    assert_eq!(catalog.crawl(false).await.unwrap().held, 1);
    let gap = Entry::Gap {
        partition: Partition(0),
        first: Offset(1),
        end: Offset(9),
        accepted_at: moment(ARRIVAL),
    };
    assert!(shore.lake.write_entry(1, &gap).await.unwrap());
    assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
    let freshness = catalog.freshness().await.unwrap();
    assert_eq!(
        (freshness[0].registered_end, freshness[0].objects),
        (Offset(10), 2)
    );
    let total = catalog.accounting().await.unwrap().total;
    assert_eq!((total.rows, total.gap), (2, 8));
    // All of it is younger than a century, and nothing is younger than a moment.
    let century = Duration::from_secs(3_000_000_000);
    for (time, end, since) in [(century, 1, (1, 1)), (Duration::ZERO, 10, (0, 0))] {
        let rates = catalog.rates(time).await.unwrap();
        let rate = &rates[0];
        assert_eq!(
            (rates.len(), rate.end, rate.since),
            (1, Offset(end), moment(ARRIVAL))
        );
        assert_eq!(
            (rate.rows, rate.objects, rate.bytes > 0),
            (since.0, since.1, since.1 > 0)
        );
    }

    // Another partition was lost from its origin on, before anything of it was committed.
    let gap = Entry::Gap {
        partition: Partition(1),
        first: Offset(0),
        end: Offset(5),
        accepted_at: moment(ARRIVAL),
    };
    assert!(shore.lake.write_entry(2, &gap).await.unwrap());
    shore.commit(1, 5, &[VIEW]).await;
    assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
    let accounting = catalog.accounting().await.unwrap();
    assert_eq!((accounting.total.rows, accounting.total.gap), (3, 13));
    let freshness = catalog.freshness().await.unwrap();
    let range = (freshness[1].registered_first, freshness[1].registered_end);
    assert_eq!(range, (Offset(0), Offset(6)));
}

#[tokio::test]
async fn fault_47_corrupt_objects_are_named_and_left_out() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let name = shore.commit(0, 0, &[VIEW]).await;
    let folder = shore.path(&name);
    let folder = folder.parent().unwrap();
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/badinput/bad_parquet");
    let mut bad = 0;
    for (number, entry) in fs::read_dir(&corpus).into_iter().flatten().enumerate() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        fs::copy(
            entry.path(),
            folder.join(format!("00000-{:020}.parquet", 1 + number)),
        )
        .unwrap();
        bad += 1;
    }
    fs::write(
        folder.join("00007-00000000000000000000.parquet"),
        b"PAR1 and no more",
    )
    .unwrap();
    fs::write(folder.join("notes.txt"), b"hello").unwrap();
    let run = catalog.crawl(false).await.unwrap();
    assert_eq!(
        (run.registered, run.refused, run.foreign),
        (1, bad + 1, bad + 1),
        "{run:?}"
    );
    assert!(run.detail.contains("refused clicks/"), "{run:?}");
    assert!(run.detail.contains("foreign clicks/"), "{run:?}");
    assert_eq!(catalog.crawls(1).await.unwrap()[0].refused, bad + 1);
    assert_eq!(count(&catalog, "clicks").await, "1");
}

/// Overwrites all of an object's pages, but not its footer. What it held.
fn flip(path: &Path) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    let mut bytes = whole.clone();
    let end = bytes.len() - 8;
    let metadata = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    bytes[4..end - metadata as usize].fill(0xff);
    fs::write(path, bytes).unwrap();
    whole
}

#[tokio::test]
async fn fault_28_a_flipped_object_of_the_backlog_is_taken_out_again() {
    let shore = Shore::new().await;
    let config = crate::Config {
        fold_rows: 50,
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    shore.commit(0, 0, &[VIEW; 50]).await;
    let name = shore.commit(0, 50, &[VIEW; 50]).await;
    shore.commit(0, 100, &[VIEW; 50]).await;
    shore.commit(1, 0, &[VIEW; 50]).await;
    let whole = flip(&shore.path(&name));
    let run = catalog.crawl(false).await.unwrap();
    assert_eq!((run.registered, run.refused), (4, 0), "{run:?}");
    while catalog.fold().await.unwrap() > 0 {}
    for full in [false, true] {
        let run = catalog.crawl(full).await.unwrap();
        let counts = (run.registered, run.refused, run.held);
        assert_eq!(counts, (0, 1, 1), "{run:?}");
        assert!(
            run.detail.contains("not those that were written"),
            "{run:?}"
        );
        assert_eq!(count(&catalog, "clicks").await, "100");
        assert_eq!(catalog.fold().await.unwrap(), 0);
    }
    fs::write(shore.path(&name), whole).unwrap();
    assert_eq!(catalog.crawl(true).await.unwrap().registered, 2);
    while catalog.fold().await.unwrap() > 0 {}
    assert_eq!(count(&catalog, "clicks").await, "200");
    let another = crate::Config {
        path: shore.folder.path().join("other.duckdb"),
        ..shore.config()
    };
    let another = shore.open(another).await.unwrap();
    another.crawl(true).await.unwrap();
    assert_eq!(digests(&catalog).await, digests(&another).await);
}

#[tokio::test]
async fn fault_28_a_flipped_object_stops_its_partition_only() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let name = shore.commit(0, 0, &[VIEW; 50]).await;
    shore.commit(1, 0, &[VIEW]).await;
    flip(&shore.path(&name));
    let run = catalog.crawl(false).await.unwrap();
    assert_eq!((run.registered, run.refused), (1, 1), "{run:?}");
    assert!(
        run.detail.contains("not those that were written"),
        "{run:?}"
    );
    assert_eq!(count(&catalog, "clicks").await, "1");
}

#[tokio::test]
async fn numbers_beyond_all_measure_do_not_stop_the_crawl() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let vast = super::Click {
        action: "buy",
        quantity: i64::MAX,
        price: 1e308,
        ..VIEW
    };
    shore.commit(0, 0, &[vast, vast, vast]).await;
    assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
    let all = crate::Filter {
        to: moment("2030-01-01T00:00:00Z"),
        ..crate::Filter::default()
    };
    let (by, metric) = (crate::Dimension::Product, crate::Metric::Buys);
    let products = catalog.breakdown(&all, by, metric, 1).await.unwrap().slices;
    assert_eq!((products[0].quantity, products[0].revenue), (i64::MAX, 0.0));
    assert_eq!(catalog.totals(&all).await.unwrap().revenue, 0.0);
}

#[tokio::test]
async fn another_topics_objects_are_refused() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let name = shore.commit(0, 0, &[VIEW]).await;
    let ledger = shore.path("_ledger/0000000000.json");
    let entry = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, entry.replace("\"clicks\"", "\"other\"")).unwrap();
    let run = catalog.crawl(false).await.unwrap();
    assert_eq!((run.registered, run.refused), (0, 1), "{run:?}");
    assert!(
        run.detail.contains("it belongs to topic cluster/clicks"),
        "{name}: {run:?}"
    );
}

#[tokio::test]
async fn objects_of_other_versions_are_read_together() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let name = shore.commit(0, 0, &[VIEW, VIEW]).await;
    catalog.crawl(false).await.unwrap();
    let mut footer = catalog.objects().await.unwrap().remove(0).footer;
    for (first, columns) in [
        (2, "* EXCLUDE (city, utm_term) REPLACE ({} AS \"offset\")"),
        (4, "* REPLACE ({} AS \"offset\"), 'rain' AS weather"),
    ] {
        (footer.first, footer.end) = (Offset(first), Offset(first + 2));
        let json = serde_json::to_string(&footer).unwrap();
        let (from, to) = (
            shore.path(&name),
            name.replace("-00000000000000000000", &format!("-{first:020}")),
        );
        let copy = format!(
            "COPY (SELECT {} FROM '{}') TO '{}' (FORMAT parquet, KV_METADATA {{clickweir: '{json}'}})",
            columns.replace("{}", &format!("(\"offset\" + {first})::BIGINT")),
            from.display(),
            shore.path(&to).display()
        );
        duckdb::Connection::open_in_memory()
            .unwrap()
            .execute_batch(&copy)
            .unwrap();
        assert_eq!(catalog.crawl(false).await.unwrap().registered, 1);
        let seen = catalog
            .query("SELECT count(*), count(city), max(\"offset\") FROM clicks")
            .await;
        assert_eq!(
            lines(&seen.unwrap()),
            [format!("{0} 0 {1}", first + 2, first + 1)]
        );
    }
    let current: Vec<_> = catalog
        .objects()
        .await
        .unwrap()
        .iter()
        .map(|one| one.current)
        .collect();
    assert_eq!(current, [true, false, false]);
    let all = crate::Filter {
        to: moment("2030-01-01T00:00:00Z"),
        ..crate::Filter::default()
    };
    assert_eq!(catalog.totals(&all).await.unwrap().clicks, 6);
    catalog.publish(None).await.unwrap();
    let attach = format!(
        "ATTACH '{}' AS shop (READ_ONLY)",
        shore.path(crate::PUBLISHED).display()
    );
    let reader = duckdb::Connection::open_in_memory().unwrap();
    reader.execute_batch(&attach).unwrap();
    let rows: u64 = reader
        .query_row("SELECT count(*) FROM shop.clicks", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 6);
}

#[tokio::test]
async fn the_schedule_crawls_publishes_and_ends_with_a_crawl() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW]).await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let (told, mut runs) = tokio::sync::mpsc::channel(1_000);
    let progress = move |crawl: &Crawl| drop(told.try_send(crawl.clone()));
    let running = tokio::spawn(crate::schedule::run(
        shore.catalog().await,
        std::sync::Arc::default(),
        shutdown.clone(),
        progress,
    ));
    assert_eq!(runs.recv().await.unwrap().registered, 1);
    // The second run comes after the first publication.
    assert_eq!(runs.recv().await.unwrap().registered, 0);
    assert!(fs::exists(shore.path(crate::PUBLISHED)).unwrap());
    shore.commit(0, 1, &[VIEW]).await;
    shutdown.cancel();
    running.await.unwrap();
    let mut last = 0;
    while let Some(run) = runs.recv().await {
        last += run.registered;
    }
    assert_eq!(last, 1, "what was committed before the end is registered");
}
