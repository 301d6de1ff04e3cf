//! Replays beside the live lake: registered, compared, promoted and rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sink::clock::system;
use sink::{Lake, Offset, Partition, Ranges, ReplayName};

use super::crawls::digests;
use super::{ARRIVAL, Click, Shore, VIEW, lines, moment};
use crate::{Catalog, Filter, TableDiff};

const BUY: Click = Click {
    action: "buy",
    product: "p2",
    occurred_at: "2026-11-20T08:30:00Z",
    ..VIEW
};

fn name(text: &str) -> ReplayName {
    ReplayName::parse(text).unwrap()
}

pub(super) fn range(partition: u32, first: u64, end: u64) -> Ranges {
    Ranges::from([(Partition(partition), (Offset(first), Offset(end)))])
}

/// Begins a replay of a range.
async fn begin(shore: &Shore, text: &str, range: &Ranges) -> Lake {
    let (name, live) = (name(text), shore.lake.ledger().await.unwrap().unwrap());
    let lake = shore.lake.replay(&name);
    lake.begin_replay(&name, &live, range, "c1", system().now())
        .await
        .unwrap();
    lake
}

/// Begins a replay of a range and commits its clicks, and letters after them.
pub(super) async fn replay(
    shore: &Shore,
    text: &str,
    range: &Ranges,
    clicks: &[Click],
    letters: u64,
) -> Lake {
    let lake = begin(shore, text, range).await;
    for (partition, (first, end)) in range {
        assert_eq!(first.distance(*end), clicks.len() as u64 + letters);
        Shore::commit_in(&lake, ARRIVAL, partition.0, first.0, clicks, letters).await;
    }
    lake
}

async fn promote(shore: &Shore, text: &str) {
    let now = moment(ARRIVAL);
    shore.lake.promote(&name(text), now).await.unwrap();
}

async fn rollback(shore: &Shore, text: &str) {
    let now = moment(ARRIVAL);
    shore.lake.rollback(&name(text), now).await.unwrap();
}

/// The first cell of the first row.
async fn ask(catalog: &Catalog, sql: &str) -> String {
    lines(&catalog.query(sql).await.unwrap()).remove(0)
}

fn everything() -> Filter {
    Filter {
        to: moment("2030-01-01T00:00:00Z"),
        ..Filter::default()
    }
}

/// That rollup, rows, accounting and published copy all tell of the same rows: so many.
async fn agree(shore: &Shore, catalog: &Catalog, views: u64, buys: u64) {
    let counted = "SELECT count(*) FILTER (action = 'view') || ' ' ||
        count(*) FILTER (action = 'buy') FROM clicks";
    assert_eq!(ask(catalog, counted).await, format!("{views} {buys}"));
    let totals = catalog.totals(&everything()).await.unwrap();
    assert_eq!((totals.clicks, totals.buys), (views + buys, buys));
    let days = catalog
        .actions_by(&everything(), crate::Step::Day)
        .await
        .unwrap();
    let rolled: u64 = days.iter().map(|day| day.clicks).sum();
    assert_eq!(rolled, views + buys, "the rollup");
    let accounting = catalog.accounting().await.unwrap();
    assert_eq!(accounting.total.rows, views + buys, "the accounting");
    let letters: u64 = ask(catalog, "SELECT count(*) FROM dead_letters")
        .await
        .parse()
        .unwrap();
    assert_eq!(accounting.total.dead_letters, letters);
    let freshness = catalog.freshness().await.unwrap();
    let offsets: u64 = freshness.iter().map(|one| one.registered_end.0).sum();
    let total = accounting.total;
    assert_eq!(total.acknowledged() + total.absent, offsets, "invariant 4");
    catalog.publish(None).await.unwrap();
    let attach = format!(
        "ATTACH '{}' AS shop (READ_ONLY)",
        shore.path(crate::PUBLISHED).display()
    );
    let reader = duckdb::Connection::open_in_memory().unwrap();
    reader.execute_batch(&attach).unwrap();
    let published: u64 = reader
        .query_row("SELECT count(*) FROM shop.clicks", [], |row| row.get(0))
        .unwrap();
    assert_eq!(published, views + buys, "the published copy");
}

#[tokio::test]
async fn a_replay_stands_beside_the_live_rows_and_is_compared_with_them() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit_at(ARRIVAL, 0, 0, &[VIEW; 4], 2).await;
    shore.commit(0, 6, &[VIEW; 4]).await;
    // The range begins and ends within an object.
    let same = range(0, 1, 8);
    let lake = begin(&shore, "same", &same).await;
    Shore::commit_in(&lake, ARRIVAL, 0, 1, &[VIEW; 3], 2).await;
    catalog.crawl(false).await.unwrap();
    assert_eq!(ask(&catalog, "SELECT count(*) FROM clicks_same").await, "3");
    let early = catalog.diff(&name("same"), &same).await.unwrap_err();
    assert!(early.to_string().contains("not registered"), "{early}");
    Shore::commit_in(&lake, ARRIVAL, 0, 6, &[VIEW; 2], 0).await;
    catalog.crawl(false).await.unwrap();
    assert_eq!(ask(&catalog, "SELECT count(*) FROM clicks_same").await, "5");
    let letters = "SELECT count(*) FROM dead_letters_same";
    assert_eq!(ask(&catalog, letters).await, "2");
    agree(&shore, &catalog, 8, 0).await;
    let diff = catalog.diff(&name("same"), &same).await.unwrap();
    assert!(diff.is_empty(), "{diff:?}");
    assert_eq!((diff.clicks.live, diff.clicks.replay), (5, 5));
    assert_eq!(diff.dead_letters.live, 2);

    // Another configuration: a row instead of a letter, a letter instead of a row, a price.
    let dear = Click {
        price: 11.0,
        ..VIEW
    };
    let other = range(0, 1, 7);
    replay(&shore, "other", &other, &[VIEW, dear, VIEW, VIEW], 2).await;
    catalog.crawl(false).await.unwrap();
    let diff = catalog.diff(&name("other"), &other).await.unwrap();
    let clicks = TableDiff {
        live: 4,
        replay: 4,
        only_live: 1,
        only_replay: 1,
        differing: 1,
    };
    assert_eq!((diff.clicks, diff.is_empty()), (clicks, false), "{diff:?}");
    assert_eq!(
        (diff.dead_letters.only_live, diff.dead_letters.only_replay),
        (1, 1)
    );
    let said: Vec<(u64, &str)> = diff
        .sample
        .iter()
        .map(|difference| (difference.offset, &*difference.what))
        .collect();
    assert_eq!(
        said,
        [
            (2, "price: 10.0 → 11.0"),
            (4, "in the replay only"),
            (6, "live only"),
            (4, "live only"),
            (6, "in the replay only")
        ]
    );
}

#[tokio::test]
async fn what_is_promoted_is_shown_everywhere_and_what_is_rolled_back_nowhere() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    // Objects of ten; the range takes the end of one, one whole, and the begin of a third.
    for first in [0, 10, 20] {
        shore.commit_at(ARRIVAL, 0, first, &[VIEW; 9], 1).await;
    }
    shore.commit(1, 0, &[BUY; 5]).await;
    catalog.crawl(true).await.unwrap();
    agree(&shore, &catalog, 27, 5).await;
    let before = digests(&catalog).await;

    replay(&shore, "mended", &range(0, 5, 25), &[BUY; 18], 2).await;
    catalog.crawl(false).await.unwrap();
    agree(&shore, &catalog, 27, 5).await;
    promote(&shore, "mended").await;
    assert!(catalog.crawl(false).await.unwrap().swapped);
    agree(&shore, &catalog, 5 + 4, 18 + 5).await;
    let places = "SELECT count(*) || ' ' || count(DISTINCT \"offset\") || ' ' ||
        count(*) FILTER (action = 'buy' AND \"offset\" BETWEEN 5 AND 24) FROM clicks
        WHERE partition = 0";
    assert_eq!(ask(&catalog, places).await, "27 27 18");
    let (by, metric) = (crate::Dimension::Product, crate::Metric::Buys);
    let products = catalog
        .breakdown(&everything(), by, metric, 5)
        .await
        .unwrap();
    assert_eq!(products.slices[0].buys, 23);

    // Live clicks go on arriving, and a promotion on top takes the middle of the first.
    shore.commit(0, 30, &[VIEW; 3]).await;
    catalog.crawl(false).await.unwrap();
    agree(&shore, &catalog, 12, 23).await;
    replay(&shore, "again", &range(0, 8, 12), &[VIEW; 4], 0).await;
    promote(&shore, "again").await;
    assert!(catalog.crawl(false).await.unwrap().swapped);
    agree(&shore, &catalog, 16, 18 - 4 + 5).await;

    // A catalog that is made now is equal, and so is one that is opened again.
    catalog.crawl(true).await.unwrap();
    let config = crate::Config {
        path: shore.folder.path().join("other.duckdb"),
        // What it registers waits to be folded.
        fold_rows: 4,
        ..shore.config()
    };
    let other = shore.open(config).await.unwrap();
    other.crawl(false).await.unwrap();
    other.crawl(true).await.unwrap();
    agree(&shore, &other, 16, 18 - 4 + 5).await;
    for folding in [&catalog, &other] {
        while folding.fold().await.unwrap() > 0 {}
    }
    agree(&shore, &other, 16, 18 - 4 + 5).await;
    // The rollups may have the same sums in other layers.
    let folds = async |catalog: &Catalog| {
        let digests = digests(catalog).await;
        [&digests[..4], &digests[6..]].concat()
    };
    assert_eq!(folds(&other).await, folds(&catalog).await, "invariant 6");
    drop(catalog);
    let catalog = shore.catalog().await;
    assert!(!catalog.crawl(false).await.unwrap().swapped, "it knows");
    agree(&shore, &catalog, 16, 19).await;

    rollback(&shore, "again").await;
    assert!(catalog.crawl(false).await.unwrap().swapped);
    agree(&shore, &catalog, 12, 23).await;
    rollback(&shore, "mended").await;
    catalog.crawl(true).await.unwrap();
    agree(&shore, &catalog, 30, 5).await;
    while catalog.fold().await.unwrap() > 0 {}
    assert_eq!(digests(&catalog).await[7..], before[7..], "products");
}

#[tokio::test]
async fn a_replay_whose_folder_was_deleted_is_a_table_no_more() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW; 4]).await;
    let delete = |text: &str| std::fs::remove_dir_all(shore.path(&name(text).folder())).unwrap();
    // Twice, since its name is free again.
    for _time in 0..2 {
        replay(&shore, "short", &range(0, 1, 3), &[BUY; 2], 0).await;
        let catalog = shore.catalog().await;
        catalog.crawl(false).await.unwrap();
        let count = "SELECT count(*) FROM clicks_short";
        assert_eq!(ask(&catalog, count).await, "2");
        promote(&shore, "short").await;
        assert!(catalog.crawl(false).await.unwrap().swapped);
        rollback(&shore, "short").await;
        assert!(catalog.crawl(false).await.unwrap().swapped);
        delete("short");
        // A process that was not there when it went finds out, too.
        drop(catalog);
        let catalog = shore.catalog().await;
        catalog.crawl(false).await.unwrap();
        let gone = catalog.query(count).await.unwrap_err();
        assert!(gone.to_string().contains("does not exist"), "{gone}");
        agree(&shore, &catalog, 4, 0).await;
    }
    // Its deletion was interrupted: the ledger is gone, something else is still there.
    replay(&shore, "half", &range(0, 1, 3), &[BUY; 2], 0).await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let count = "SELECT count(*) FROM clicks_half";
    assert_eq!(ask(&catalog, count).await, "2");
    std::fs::remove_dir_all(shore.path("replays/half/_ledger")).unwrap();
    catalog.crawl(true).await.unwrap();
    let gone = catalog.query(count).await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
    drop(catalog);
    // Between two crawls it is deleted and begun anew, with another range.
    let catalog = shore.catalog().await;
    for (first, end) in [(0, 1), (1, 4)] {
        replay(
            &shore,
            "anew",
            &range(0, first, end),
            &[BUY; 3][..(end - first) as usize],
            0,
        )
        .await;
        catalog.crawl(true).await.unwrap();
        let count = "SELECT count(*) FROM clicks_anew";
        assert_eq!(ask(&catalog, count).await, (end - first).to_string());
        delete("anew");
    }
}

#[tokio::test]
async fn a_damaged_replay_takes_no_other_table_down() {
    let shore = Shore::new().await;
    shore.commit_at(ARRIVAL, 0, 0, &[VIEW; 4], 2).await;
    let mut objects = Vec::new();
    for text in ["short", "gone", "sound"] {
        let lake = begin(&shore, text, &range(0, 1, 5)).await;
        let object = Shore::commit_in(&lake, ARRIVAL, 0, 1, &[BUY; 3], 1).await;
        objects.push(shore.path(&format!("replays/{text}/{object}")));
    }
    shore.catalog().await.crawl(false).await.unwrap();
    let (short, gone) = (&objects[0], &objects[1]);
    let whole = std::fs::read(short).unwrap();
    std::fs::write(short, &whole[..whole.len() / 2]).unwrap();
    std::fs::remove_file(gone).unwrap();
    // A process that binds them for the first time.
    let catalog = shore.catalog().await;
    agree(&shore, &catalog, 4, 0).await;
    let attach = format!(
        "ATTACH '{}' AS shop (READ_ONLY)",
        shore.path(crate::PUBLISHED).display()
    );
    let reader = duckdb::Connection::open_in_memory().unwrap();
    reader.execute_batch(&attach).unwrap();
    for text in ["short", "gone"] {
        let excused = catalog
            .query(&format!("SELECT count(*) FROM clicks_{text}"))
            .await;
        let excused = excused.unwrap_err().to_string();
        let sql = format!("SELECT visitor_id FROM shop.clicks_{text}");
        let rows = reader.prepare(&sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        });
        let published = rows.unwrap_err().to_string();
        for words in ["clickweir audit", "parquet", text] {
            assert!(excused.contains(words), "{words}: {excused}");
            assert!(published.contains(words), "{words}: {published}");
        }
    }
    for sql in [
        "SELECT count(*) FROM clicks_sound",
        "SELECT 2 + count(*) FROM dead_letters_gone",
    ] {
        assert_eq!(ask(&catalog, sql).await, "3");
    }
    // What was put back is read again, from the next registered object on.
    std::fs::write(short, whole).unwrap();
    shore.commit(0, 6, &[VIEW]).await;
    catalog.crawl(false).await.unwrap();
    let count = "SELECT count(*) FROM clicks_short";
    assert_eq!(ask(&catalog, count).await, "3");
}

#[tokio::test]
async fn fault_28_a_promotion_reads_only_what_stays_of_the_live_objects() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let mut objects = Vec::new();
    for first in [0, 4, 8] {
        objects.push(shore.commit(0, first, &[VIEW; 4]).await);
    }
    catalog.crawl(false).await.unwrap();
    let spoil = |object: &str| {
        let whole = std::fs::read(shore.path(object)).unwrap();
        let mut bytes = whole.clone();
        bytes[100] ^= 1;
        std::fs::write(shore.path(object), bytes).unwrap();
        whole
    };
    // One that goes, and one of which a part stays.
    spoil(&objects[1]);
    let whole = spoil(&objects[2]);
    replay(&shore, "early", &range(0, 2, 10), &[BUY; 8], 0).await;
    let early = name("early");
    let refused = shore.lake.promote(&early, moment(ARRIVAL)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(&objects[2]), "{refused}");
    std::fs::write(shore.path(&objects[2]), whole).unwrap();
    promote(&shore, "early").await;
    assert!(catalog.crawl(false).await.unwrap().swapped);
    agree(&shore, &catalog, 4, 8).await;
    let refused = shore.lake.rollback(&early, moment(ARRIVAL)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(&objects[1]), "{refused}");
}

#[tokio::test]
async fn a_name_that_is_another_replays_meanwhile_shows_that_one() {
    let shore = Shore::new().await;
    shore.commit(0, 0, &[VIEW; 4]).await;
    let catalog = shore.catalog().await;
    for (clicks, buys) in [([BUY, VIEW], 1), ([BUY, BUY], 2)] {
        // All of it happens between two crawls of this process.
        replay(&shore, "again", &range(0, 1, 3), &clicks, 0).await;
        promote(&shore, "again").await;
        assert!(catalog.crawl(false).await.unwrap().swapped);
        agree(&shore, &catalog, 4 - buys, buys).await;
        rollback(&shore, "again").await;
        std::fs::remove_dir_all(shore.path("replays/again")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_meet_one_version_or_the_other_and_none_fails() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    shore.commit(0, 0, &[VIEW; 10]).await;
    replay(&shore, "mended", &range(0, 3, 7), &[BUY; 4], 0).await;
    catalog.crawl(false).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (catalog, done) = (catalog.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = [0_u64; 2];
                while !done.load(Ordering::Relaxed) {
                    let sql =
                        "SELECT count(*) || ' ' || count(*) FILTER (action = 'buy') FROM clicks";
                    match ask(&catalog, sql).await.as_str() {
                        "10 0" => seen[0] += 1,
                        "10 4" => seen[1] += 1,
                        other => panic!("neither version: {other}"),
                    }
                    let totals = catalog.totals(&everything()).await.unwrap();
                    assert!([(10, 0), (10, 4)].contains(&(totals.clicks, totals.buys)));
                }
                seen
            })
        })
        .collect();
    for _turn in 0..10 {
        promote(&shore, "mended").await;
        assert!(catalog.crawl(false).await.unwrap().swapped);
        rollback(&shore, "mended").await;
        assert!(catalog.crawl(false).await.unwrap().swapped);
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        let seen = reader.await.unwrap();
        assert!(seen.iter().sum::<u64>() > 0, "{seen:?}");
    }
}
