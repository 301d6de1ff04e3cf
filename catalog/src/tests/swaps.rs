//! Objects that take the place of others: no answer changes, whatever the catalog knew before.

use std::time::Duration;

use sink::audit::{Audit, Reference, Survey, audit};
use sink::{Compacted, CompactionLimits, CompactionScene, Ledger, Watermarks};

use super::*;

/// An hour after everything here has closed.
pub(super) const LATER: &str = "2026-11-22T23:30:00Z";

pub(super) const BUY: Click = Click {
    action: "buy",
    product: "p2",
    occurred_at: "2026-11-22T20:59:00Z",
    ..VIEW
};

/// Ten offsets of the first swap, as its entry counts them.
pub(super) const COUNTS: &str = "\"rows\": 8,\n      \"dead_letters\": 2,";

/// What is asked before and after.
const QUESTIONS: [&str; 5] = [
    "SELECT count(*), sum(price), min(occurred_at), max(\"offset\") FROM clicks",
    "SELECT partition, \"offset\", event_id, action FROM clicks ORDER BY ALL",
    "SELECT partition, count(*) FROM dead_letters GROUP BY ALL ORDER BY ALL",
    "SELECT \"offset\", detail FROM dead_letters ORDER BY ALL",
    "SELECT action, count(*) FROM clicks_live GROUP BY ALL ORDER BY ALL",
];

/// Two partitions, two hours and the begin of a third, with dead letters.
pub(super) async fn shore() -> Shore {
    let shore = Shore::new().await;
    for partition in [0, 1] {
        for (first, arrival) in [(0, ARRIVAL), (5, "2026-11-22T21:30:00Z")] {
            let clicks = [VIEW, BUY, VIEW, VIEW];
            shore.commit_at(arrival, partition, first, &clicks, 1).await;
        }
        let next = "2026-11-22T22:10:00Z";
        shore.commit_at(next, partition, 10, &[VIEW, BUY], 0).await;
        shore.commit_at(next, partition, 12, &[BUY], 0).await;
        let newest = "2026-11-22T23:20:00Z";
        shore.commit_at(newest, partition, 13, &[VIEW], 0).await;
    }
    shore
}

pub(super) async fn compact(shore: &Shore) -> Compacted {
    compact_at(shore, LATER).await
}

pub(super) async fn compact_at(shore: &Shore, now: &str) -> Compacted {
    compact_with(shore, now, &|_| true).await
}

async fn compact_with(
    shore: &Shore,
    now: &str,
    progress: &(dyn Fn(&Compacted) -> bool + Sync),
) -> Compacted {
    let limits = CompactionLimits {
        sort_bytes: 1,
        ..CompactionLimits::default()
    };
    limited(shore, now, limits, progress).await
}

async fn limited(
    shore: &Shore,
    now: &str,
    limits: CompactionLimits,
    progress: &(dyn Fn(&Compacted) -> bool + Sync),
) -> Compacted {
    let watermarks = marks(shore).await;
    let scene = CompactionScene {
        watermarks: &watermarks,
        now: moment(now),
        limits,
    };
    shore.lake.compact(&scene, progress).await.unwrap()
}

/// What the topic holds: as much as the lake.
pub(super) async fn marks(shore: &Shore) -> BTreeMap<Partition, Watermarks> {
    let ledger = shore.lake.ledger().await.unwrap().unwrap();
    let both = [Partition(0), Partition(1)].into();
    let tips = shore.lake.tips(ledger, &both).await.unwrap();
    let marks = |of| {
        let marks = Watermarks {
            low: Offset(0),
            high: tips.resume(of),
        };
        (of, marks)
    };
    both.into_iter().map(marks).collect()
}

pub(super) async fn answers(catalog: &Catalog) -> Vec<Vec<String>> {
    while catalog.fold().await.unwrap() > 0 {}
    let mut answers = Vec::new();
    for question in QUESTIONS {
        answers.push(lines(&catalog.query(question).await.unwrap()));
    }
    let accounting = catalog.accounting().await.unwrap();
    answers.push(vec![format!("{accounting:?}")]);
    let (letters, cut) = catalog.letters(9).await.unwrap();
    answers.push(vec![format!("{letters:?} {cut}")]);
    let ends = catalog.listing(None).await.unwrap().ends;
    answers.push(vec![format!("{ends:?}")]);
    answers.push(rollup(catalog).await);
    answers
}

/// The rollups' sums, whatever layer they are in.
async fn rollup(catalog: &Catalog) -> Vec<String> {
    let sums = "SELECT dimension, grain, moment, value, action, sum(clicks), sum(quantity),
            sum(worth) FROM rollup
        GROUP BY dimension, grain, moment, value, action ORDER BY ALL";
    lines(&catalog.query(sums).await.unwrap())
}

pub(super) async fn audited(shore: &Shore, catalog: &Catalog) -> Audit {
    let listing = catalog.listing(None).await.unwrap();
    let survey = Survey::of(&shore.lake).await.unwrap();
    let ledger: Ledger = shore.lake.ledger().await.unwrap().unwrap();
    let watermarks = marks(shore).await;
    let reference = Reference {
        ledger: &ledger,
        watermarks: &watermarks,
        catalog: Some(&listing),
        window: None,
    };
    audit(&shore.lake, &survey, &reference, &|_, _| {})
        .await
        .unwrap()
}

#[tokio::test]
async fn a_compaction_changes_no_answer_whatever_the_catalog_had_registered() {
    let shore = shore().await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    let audited_before = audited(&shore, &catalog).await;
    assert!(audited_before.clean(), "{audited_before:?}");
    let done = compact(&shore).await;
    assert_eq!((done.hours, done.replaced, done.rows), (2, 8, 22));
    assert!(done.left.is_empty(), "{done:?}");
    assert_eq!(done.objects, 2);
    // A catalog that had folded all of it.
    let crawl = catalog.crawl(false).await.unwrap();
    assert_eq!((crawl.refused, crawl.held), (0, 0), "{crawl:?}");
    assert_eq!(answers(&catalog).await, before);
    let after = audited(&shore, &catalog).await;
    assert!(after.clean(), "{after:?}");
    let told = |audit: &Audit| (audit.rows, audit.dead_letters, audit.acknowledged);
    assert_eq!(told(&after), told(&audited_before));
    // The published copy lists the objects that count.
    catalog.publish(None).await.unwrap();
    let copy = duckdb::Connection::open_in_memory().unwrap();
    let attach = format!(
        "ATTACH '{}' AS shop (READ_ONLY)",
        shore.path(crate::PUBLISHED).display()
    );
    copy.execute_batch(&attach).unwrap();
    let published = "SELECT (SELECT count(*) FROM shop.clicks) || ' ' ||
        (SELECT count(*) FROM shop.dead_letters) || ' ' ||
        (SELECT count(*) || ' ' || sum(rows) FROM shop.objects)";
    let published: String = copy.query_row(published, [], |row| row.get(0)).unwrap();
    assert_eq!(published, "24 4 4 24");
    // The next run finds nothing to do.
    assert_eq!(compact(&shore).await, Compacted::default());
    drop(catalog);
    // One that knows nothing yet, and one that has folded only a part.
    let mut config = shore.config();
    config.path = shore.folder.path().join("fresh.duckdb");
    let fresh = shore.open(config).await.unwrap();
    fresh.crawl(true).await.unwrap();
    assert_eq!(answers(&fresh).await, before);
    let again = audited(&shore, &fresh).await;
    assert!(again.clean(), "{again:?}");
}

#[tokio::test]
async fn an_hour_of_more_objects_than_a_swap_takes_is_merged_by_several() {
    let check = async |swap_objects, merged: (u64, u64), objects: u64| {
        let shore = shore().await;
        let catalog = shore.catalog().await;
        catalog.crawl(true).await.unwrap();
        let before = answers(&catalog).await;
        let limits = CompactionLimits {
            swap_objects,
            ..CompactionLimits::default()
        };
        let waited = parking_lot::Mutex::new(Vec::new());
        let progress = |done: &Compacted| {
            waited.lock().push(done.waiting());
            true
        };
        let done = limited(&shore, LATER, limits, &progress).await;
        assert_eq!((done.hours, done.replaced), merged, "{done:?}");
        assert!(done.left.is_empty(), "{done:?}");
        assert_eq!(
            (done.objects, waited.into_inner().pop()),
            (objects, Some(0))
        );
        catalog.crawl(false).await.unwrap();
        assert_eq!(answers(&catalog).await, before);
        let audit = audited(&shore, &catalog).await;
        assert!(audit.clean(), "{audit:?}");
    };
    // Two hours have four objects that are not the newest.
    check(2, (4, 8), 4).await;
    // One alone is merged with nothing.
    check(3, (2, 6), 2).await;
}

#[tokio::test]
async fn commits_far_out_of_the_order_of_their_hours_are_not_held_until_their_turn() {
    let shore = Shore::new().await;
    let [early, late, newest] = ["2026-11-22T20:10:00Z", ARRIVAL, "2026-11-22T22:10:00Z"];
    // A broker's clock stepped back for two of them.
    let arrivals = [late, late, late, late, early, early, late, newest];
    for (first, arrival) in (0..).zip(arrivals) {
        shore.commit_at(arrival, 0, first, &[VIEW], 0).await;
    }
    let limits = CompactionLimits {
        swap_objects: 3,
        ..CompactionLimits::default()
    };
    let done = limited(&shore, LATER, limits, &|_| true).await;
    // Three of the later hour at once, then the two of the earlier one, then the other two.
    assert_eq!(
        (done.hours, done.replaced, done.rows),
        (3, 7, 7),
        "{done:?}"
    );
    assert!(done.left.is_empty(), "{done:?}");
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let audit = audited(&shore, &catalog).await;
    assert!(audit.clean() && audit.rows == 8, "{audit:?}");
}

#[tokio::test]
async fn objects_that_are_not_what_their_swap_says_are_not_merged_again() {
    const A_DAY_LATER: &str = "2026-11-23T23:30:00Z";
    let check = async |fault: &dyn Fn(&Shore), left: Option<&str>| {
        let shore = shore().await;
        assert_eq!(compact(&shore).await.hours, 2);
        fault(&shore);
        let done = compact_at(&shore, A_DAY_LATER).await;
        assert_eq!(done.days, u64::from(left.is_none()), "{done:?}");
        match left {
            Some(why) => assert!(done.left[0].contains(why), "{done:?}"),
            None => assert!(done.left.is_empty(), "{done:?}"),
        }
    };
    check(&|_| {}, None).await;
    // It is whole, but it is the other.
    let exchange = |shore: &Shore| {
        let objects = std::fs::read_dir(shore.path("swaps")).unwrap();
        let objects: Vec<PathBuf> = objects.map(|one| one.unwrap().path()).collect();
        std::fs::copy(&objects[0], &objects[1]).unwrap();
    };
    check(&exchange, Some("its hash does not fit")).await;
    let miscount = |shore: &Shore| {
        let entry = shore.path("_ledger/0000000001.json");
        let text = std::fs::read_to_string(&entry).unwrap();
        let others = "\"rows\": 7,\n      \"dead_letters\": 3,";
        let changed = text.replacen(COUNTS, others, 1);
        assert_ne!(changed, text);
        std::fs::write(entry, changed).unwrap();
    };
    check(&miscount, Some("that their swap counts")).await;
}

#[tokio::test]
async fn a_catalog_that_had_registered_a_part_of_a_swap_shows_all_of_it_once() {
    let shore = Shore::new().await;
    for first in [0, 5] {
        shore
            .commit_at(ARRIVAL, 0, first, &[VIEW, BUY, BUY, BUY], 1)
            .await;
    }
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    while catalog.fold().await.unwrap() > 0 {}
    shore.commit_at(ARRIVAL, 0, 10, &[VIEW, BUY], 2).await;
    shore
        .commit_at("2026-11-22T23:20:00Z", 0, 14, &[VIEW], 0)
        .await;
    let done = compact(&shore).await;
    assert_eq!((done.hours, done.replaced), (1, 3), "{done:?}");
    catalog.crawl(false).await.unwrap();
    let shown = answers(&catalog).await;
    drop(catalog);
    std::fs::remove_file(shore.config().path).unwrap();
    let fresh = shore.catalog().await;
    fresh.crawl(true).await.unwrap();
    assert_eq!(answers(&fresh).await, shown);
    assert_eq!(shown[0][0].split(' ').next(), Some("11"));
}

#[tokio::test]
async fn what_was_replaced_is_swept_after_the_grace_and_nothing_else_is() {
    let shore = shore().await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    compact(&shore).await;
    catalog.crawl(false).await.unwrap();
    let orphan = shore.path("swaps/orphan.parquet");
    std::fs::write(&orphan, "a maker was killed").unwrap();
    // Two makers were killed while they wrote, one of them a day ago.
    let [old, new] = ["swaps/old.parquet#1", "swaps/new.parquet#7"].map(|path| shore.path(path));
    for (path, hours) in [(&old, 25), (&new, 23)] {
        let begun = std::fs::File::create(path).unwrap();
        let at = system().now().minus(Duration::from_hours(hours)).micros();
        let at = Duration::from_micros(at.unsigned_abs());
        begun.set_modified(std::time::UNIX_EPOCH + at).unwrap();
    }
    assert_eq!(catalog.sweep().await.unwrap(), 1, "the grace is a day");
    assert_eq!((old.exists(), new.exists()), (false, true));
    let count = async || shore.lake.files(None).await.unwrap().len();
    assert_eq!(count().await, 10);
    drop(catalog);
    let lake = shore.lake.clone().with_grace(Duration::ZERO);
    let catalog = Catalog::open(shore.config(), lake, &shore.s3, system());
    let catalog = catalog.await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(catalog.sweep().await.unwrap(), 8);
    assert_eq!(count().await, 2, "the newest of each partition stays");
    assert!(orphan.exists(), "its maker may still be at work");
    assert_eq!(answers(&catalog).await, before);
    let audit = audited(&shore, &catalog).await;
    assert!(audit.clean(), "{audit:?}");
    drop(catalog);
    std::fs::remove_file(shore.config().path).unwrap();
    let fresh = shore.catalog().await;
    fresh.crawl(true).await.unwrap();
    assert_eq!(answers(&fresh).await, before);
}

/// A future that is dropped at its so manieth wait.
struct KilledAt<F> {
    inner: std::pin::Pin<Box<F>>,
    waits: usize,
}

impl<F: Future> Future for KilledAt<F> {
    type Output = Option<F::Output>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        match self.inner.as_mut().poll(context) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
            std::task::Poll::Pending if self.waits == 0 => std::task::Poll::Ready(None),
            std::task::Poll::Pending => {
                self.waits -= 1;
                std::task::Poll::Pending
            }
        }
    }
}

#[tokio::test]
async fn fault_30_a_compactor_that_is_killed_at_any_step_changes_no_answer() {
    let shore = shore().await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    let mut waits = 0;
    loop {
        let inner = Box::pin(compact(&shore));
        let killed = KilledAt { inner, waits }.await;
        catalog.crawl(false).await.unwrap();
        let rows = catalog.query(QUESTIONS[1]).await.unwrap();
        assert_eq!(lines(&rows), before[1], "killed at wait {waits}");
        if killed.is_some() {
            break;
        }
        waits += 1;
    }
    assert!(waits > 20, "{waits}");
    assert_eq!(answers(&catalog).await, before);
    let audit = audited(&shore, &catalog).await;
    assert!(audit.clean(), "{audit:?}");
    let ledger = shore.lake.ledger().await.unwrap().unwrap();
    assert_eq!(ledger.coverage.swaps(), 2, "each hour once");
}

#[tokio::test]
async fn fault_30_of_two_compactors_of_one_hour_one_wins() {
    let shore = shore().await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    let (one, two) = tokio::join!(compact(&shore), compact_at(&shore, "2026-11-22T23:30:01Z"));
    assert_eq!(one.hours + two.hours, 2, "{one:?} {two:?}");
    catalog.crawl(false).await.unwrap();
    assert_eq!(answers(&catalog).await, before);
    let audit = audited(&shore, &catalog).await;
    assert!(audit.clean(), "{audit:?}");
}

#[tokio::test]
async fn fault_30_a_compactor_that_another_one_overtook_leaves_the_hour() {
    let shore = shore().await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    // When the first hour is done, the other compactor does the second, which was planned before.
    let overtake = |done: &Compacted| {
        if done.hours == 1 && done.left.is_empty() {
            std::thread::scope(|threads| {
                let other = threads.spawn(|| {
                    let runtime = tokio::runtime::Runtime::new().unwrap();
                    runtime.block_on(compact_at(&shore, "2026-11-22T23:30:01Z"))
                });
                other.join().unwrap();
            });
        }
        true
    };
    let done = compact_with(&shore, LATER, &overtake).await;
    assert_eq!((done.hours, done.left.len()), (1, 1), "{done:?}");
    assert!(done.left[0].contains("meanwhile"), "{done:?}");
    catalog.crawl(false).await.unwrap();
    assert_eq!(answers(&catalog).await, before);
    let audit = audited(&shore, &catalog).await;
    assert!(audit.clean(), "{audit:?}");
}

#[tokio::test]
async fn a_ledger_that_lost_its_swaps_is_read_anew() {
    let shore = shore().await;
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    compact(&shore).await;
    catalog.crawl(true).await.unwrap();
    // An older state of the ledger was put back; what the swaps replaced is there still.
    let mut entries: Vec<_> = std::fs::read_dir(shore.path("_ledger"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("0000000000.json"))
        .collect();
    entries.sort();
    for entry in entries {
        std::fs::remove_file(entry).unwrap();
    }
    catalog.crawl(true).await.unwrap();
    assert_eq!(answers(&catalog).await, before);
    assert_eq!(audited(&shore, &catalog).await.findings, []);
}
