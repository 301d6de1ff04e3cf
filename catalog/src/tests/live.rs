//! `clicks_live`: the lake and the tail, each row once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytesize::ByteSize;
use sink::{Batch, Hour, Offset, Partition, PendingRows};

use super::{ARRIVAL, Click, Shore, VIEW, lines, moment, row};
use crate::db::table_function::TableSource;
use crate::{Catalog, Config, Timestamp};

/// What the tail would hand over of these clicks.
fn range(partition: u32, first: u64, clicks: &[Click]) -> PendingRows {
    let appended_at = moment(ARRIVAL);
    let (of, begin) = (Partition(partition), Offset(first));
    let hour = Hour::of(appended_at);
    let mut batch = Batch::new(Shore::topic(), "c0".into(), of, begin, hour, false);
    for (offset, click) in (first..).zip(clicks) {
        batch.push(&row(partition, offset, appended_at, click));
    }
    batch.seal().pending_rows()
}

async fn check(catalog: &Catalog, sql: &str, expect: &[&str]) {
    let rows = catalog.query(sql).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(lines(&rows), expect, "{sql}");
}

const COUNT: &str = "SELECT count(*), count(DISTINCT (partition, \"offset\")) FROM clicks_live";

#[tokio::test]
async fn what_the_tail_has_is_shown_behind_what_is_registered_and_nothing_twice() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let tail = catalog.tail();
    assert_eq!(tail.wanted(), None, "the end of the lake is not known yet");
    catalog.crawl(false).await.unwrap();
    assert_eq!(tail.wanted(), Some([].into()), "each begins at its origin");
    check(&catalog, COUNT, &["0 0"]).await;
    for partition in [0, 1] {
        tail.begin(Partition(partition), Offset(0));
    }
    tail.take(range(0, 0, &[VIEW; 3]));
    let buy = Click {
        action: "buy",
        ..VIEW
    };
    tail.take(range(1, 0, &[buy]));
    check(&catalog, COUNT, &["4 4"]).await;
    check(&catalog, "SELECT count(*) FROM clicks", &["0"]).await;
    check(
        &catalog,
        "FROM clicks_live SELECT action, event_id, occurred_at, price ORDER BY ALL LIMIT 1",
        &["buy 00000000-0000-0001-0000-000000000000 2026-11-22T21:00:00Z 10.0"],
    )
    .await;
    // The lake has more of partition 0 than the tail, and less than all of the topic.
    shore.commit(0, 0, &[VIEW; 2]).await;
    catalog.crawl(false).await.unwrap();
    check(&catalog, COUNT, &["4 4"]).await;
    check(&catalog, "SELECT count(*) FROM clicks", &["2"]).await;
    check(&catalog, "FROM tail", &["0 2 0 3 1 -", "1 - 0 1 1 -"]).await;
    tail.take(range(0, 3, &[VIEW; 2]));
    shore.commit(0, 2, &[VIEW; 3]).await;
    shore.commit(1, 0, &[buy]).await;
    catalog.crawl(false).await.unwrap();
    check(&catalog, COUNT, &["6 6"]).await;
    check(&catalog, "FROM tail", &["0 5 5 5 0 -", "1 1 1 1 0 -"]).await;
    assert_eq!(
        tail.wanted(),
        Some([(Partition(0), Offset(5)), (Partition(1), Offset(1))].into())
    );
    check(
        &catalog,
        "FROM clicks_per_minute ORDER BY ALL",
        &[
            "2026-11-22T21:00:00Z buy 1 1",
            "2026-11-22T21:00:00Z view 5 1",
        ],
    )
    .await;
    // Money as the panels count it: `buy`, and `cancel` with its negative quantity.
    tail.take(range(
        1,
        1,
        &[
            Click {
                quantity: 3,
                visitor: "bob",
                ..buy
            },
            Click {
                action: "cancel",
                quantity: -1,
                ..VIEW
            },
            Click {
                product: "",
                visitor: "cid",
                ..VIEW
            },
        ],
    ));
    check(
        &catalog,
        "FROM totals_per_minute",
        &["2026-11-22T21:00:00Z 9 3 2 2 30.0000"],
    )
    .await;
    check(
        &catalog,
        "FROM products_per_minute",
        &["2026-11-22T21:00:00Z p1 The p1 5 2 30.0000"],
    )
    .await;
    let listed = "SELECT string_agg(name, ' ' ORDER BY name) FROM (SHOW TABLES)
        WHERE name LIKE '%live' OR name LIKE '%minute' OR name = 'tail'";
    let names = "clicks_live clicks_per_minute products_per_minute tail totals_per_minute";
    check(&catalog, listed, &[names]).await;
    assert_eq!(catalog.query(COUNT).await.unwrap().note, None);
    let refused = catalog.query("FROM snapshot_table('tail')").await;
    assert!(refused.is_err(), "only through the view");
}

#[tokio::test]
async fn a_catalog_that_nobody_feeds_shows_the_lake_and_says_so() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit(0, 0, &[VIEW; 3]).await;
    catalog.crawl(false).await.unwrap();
    check(&catalog, COUNT, &["3 3"]).await;
    check(&catalog, "SELECT count(*) FROM tail", &["0"]).await;
    let note = catalog.query(COUNT).await.unwrap().note.unwrap();
    assert!(note.contains("no tail runs in this process"), "{note}");
    assert_eq!(catalog.query("FROM clicks").await.unwrap().note, None);
}

#[tokio::test]
async fn a_full_tail_keeps_the_newest_says_from_when_it_is_complete_and_heals() {
    let shore = Shore::new().await;
    let config = Config {
        tail_memory: ByteSize::kib(352),
        ..shore.config()
    };
    let catalog = shore.open(config).await.unwrap();
    catalog.crawl(false).await.unwrap();
    let tail = catalog.tail();
    assert!(tail.wanted().is_some());
    tail.begin(Partition(0), Offset(0));
    const ALL: u64 = 5_000;
    for first in (0..ALL).step_by(100) {
        tail.take(range(0, first, &[VIEW; 100]));
    }
    let rows = catalog.query("FROM tail").await.unwrap();
    let standing = lines(&rows).remove(0);
    let cells: Vec<&str> = standing.split(' ').collect();
    let (first, kept): (u64, u64) = (cells[2].parse().unwrap(), cells[4].parse().unwrap());
    assert_eq!((first + kept, cells[3]), (ALL, "5000"), "{standing}");
    assert!(first > 0 && kept > 100, "{standing}");
    assert_eq!(cells[5], "2026-11-22T21:00:00Z", "it says from when");
    check(
        &catalog,
        "SELECT min(\"offset\"), max(\"offset\") FROM clicks_live",
        &[&format!("{first} {}", ALL - 1)],
    )
    .await;
    let note = catalog.query(COUNT).await.unwrap().note.unwrap();
    assert!(note.contains("from 2026-11-22T21:00:00"), "{note}");
    assert_eq!(
        tail.wanted(),
        Some([].into()),
        "a new feeder begins where nothing is missing"
    );
    shore.commit(0, 0, &vec![VIEW; 4_000]).await;
    catalog.crawl(false).await.unwrap();
    let rows = catalog.query(COUNT).await.unwrap();
    assert_eq!((lines(&rows), rows.note), (vec!["5000 5000".into()], None));
    assert_eq!(tail.wanted(), Some([(Partition(0), Offset(ALL))].into()));
}

#[tokio::test]
async fn a_range_that_does_not_chain_begins_anew() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let tail = catalog.tail();
    tail.take(range(0, 0, &[VIEW; 3]));
    tail.begin(Partition(0), Offset(3));
    check(&catalog, COUNT, &["3 3"]).await;
    tail.begin(Partition(0), Offset(2));
    check(&catalog, COUNT, &["0 0"]).await;
    tail.take(range(0, 2, &[VIEW; 2]));
    check(&catalog, COUNT, &["2 2"]).await;
    shore.commit(0, 0, &[VIEW]).await;
    catalog.crawl(false).await.unwrap();
    let rows = catalog.query(COUNT).await.unwrap();
    assert_eq!(lines(&rows), ["3 3"]);
    assert!(
        rows.note.is_some(),
        "offset 1 is in neither, and it says so"
    );
}

#[tokio::test]
async fn a_crawl_between_the_look_at_the_tail_and_the_snapshot_takes_nothing_away() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    catalog.tail().take(range(0, 0, &[VIEW; 5]));
    let now = catalog.inner.tail.snapshot();
    shore.commit(0, 0, &[VIEW; 3]).await;
    catalog.crawl(false).await.unwrap();
    catalog.tail().take(range(0, 5, &[VIEW; 2]));
    let rows = catalog.inner.queries.ask(now, COUNT).await.unwrap();
    assert_eq!(lines(&rows), ["5 5"], "as of the look");
    check(&catalog, COUNT, &["7 7"]).await;
    // What is registered is gone from the tail.
    shore.commit(0, 3, &[VIEW; 4]).await;
    catalog.crawl(false).await.unwrap();
    assert_eq!(catalog.inner.tail.snapshot().after(&[].into()).rows(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_across_the_boundary_miss_nothing_while_objects_register() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    // Many at once: a crawl must fall between one's look at the tail and its snapshot.
    let readers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(reads(catalog.clone(), Arc::clone(&done))))
        .collect();
    const ROUNDS: u64 = 40;
    const STEP: usize = 20;
    for round in 0..ROUNDS {
        let first = round * STEP as u64;
        catalog.tail().take(range(0, first, &[VIEW; STEP]));
        shore.commit(0, first, &[VIEW; STEP]).await;
        catalog.crawl(false).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        let (last, reads) = reader.await.unwrap();
        assert_eq!(last, ROUNDS * STEP as u64);
        assert!(reads > 5, "{reads} reads beside the crawls");
    }
}

/// Counts on and on: how much there was in the end, and how often it was asked.
async fn reads(catalog: Catalog, done: Arc<AtomicBool>) -> (u64, u64) {
    let (mut last, mut reads) = (0, 0);
    loop {
        let ends = done.load(Ordering::Relaxed);
        let rows = catalog.query(COUNT).await.unwrap();
        let cells = lines(&rows).remove(0);
        let counts: Vec<u64> = cells.split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(counts[0], counts[1], "no row twice");
        let now = counts[0];
        assert!(now >= last, "none missing: {now} after {last}");
        (last, reads) = (now, reads + 1);
        if ends {
            return (last, reads);
        }
    }
}

#[tokio::test]
async fn a_watcher_is_told_of_what_comes_and_visitors_are_counted_once() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let tail = catalog.tail();
    tail.begin(Partition(0), Offset(0));
    let now = sink::clock::system().now().micros();
    let ago = |minutes: i64| Timestamp::from_micros(now - minutes * 60_000_000).to_string();
    let click = |visitor, minutes| click_of(visitor, &ago(minutes));
    // Before anybody watches.
    tail.take(range(0, 0, &[click("ann", 1), click("old", 10)]));
    let mut arrivals = catalog.arrivals();
    tail.take(range(0, 2, &[]));
    let many = [click("bob", 2); 60];
    tail.take(range(0, 2, &many));
    let arrived = arrivals.next().await.unwrap();
    assert_eq!((arrived.clicks.len(), arrived.more), (50, 10));
    // Clicks that come right after it are one batch, the newest last.
    let named = |product| Click {
        product,
        ..click("bob", 2)
    };
    tail.take(range(0, 62, &[named("p1"); 45]));
    tail.take(range(0, 107, &[named("p2"); 20]));
    let together = arrivals.next().await.unwrap();
    assert_eq!((together.clicks.len(), together.more), (50, 15));
    let products = together
        .clicks
        .iter()
        .map(|click| click.product_id.as_deref());
    let expected = [vec![Some("p1"); 30], vec![Some("p2"); 20]].concat();
    assert_eq!(products.collect::<Vec<_>>(), expected);
    let first = &arrived.clicks[0];
    assert_eq!(first.action.as_deref(), Some("view"));
    assert_eq!(first.product_name.as_deref(), Some("The p1"));
    assert_eq!(
        first.appended_at.as_deref(),
        Some("2026-11-22T21:00:00.000000Z")
    );
    assert_eq!(first.path, None);
    let five = std::time::Duration::from_secs(300);
    assert_eq!(catalog.visitors_now(five).await.unwrap(), 2);
    assert_eq!(catalog.visitors_now(4 * five).await.unwrap(), 3);
    // What the lake has, too, is counted once.
    shore
        .commit(0, 0, &[click_of("ann", &ago(1)), click_of("old", &ago(10))])
        .await;
    catalog.crawl(false).await.unwrap();
    assert_eq!(catalog.visitors_now(five).await.unwrap(), 2);
    drop(catalog);
    assert_eq!(arrivals.next().await, None, "the catalog is gone");
}

fn click_of(visitor: &'static str, occurred_at: &str) -> Click {
    Click {
        visitor,
        occurred_at: occurred_at.to_owned().leak(),
        ..VIEW
    }
}
