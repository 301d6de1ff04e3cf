//! Retention: what is older than the rules keep is gone from rows, letters, rollups and counts.

use std::time::Duration;

use sink::{Expired, RetentionRule, RetentionScene};

use super::swaps::{BUY, audited, compact, shore};
use super::{Shore, VIEW, lines, moment};
use crate::Catalog;

fn rule(older_than: Duration, actions: &[&str]) -> RetentionRule {
    RetentionRule {
        older_than,
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
    }
}

async fn expire(shore: &Shore, rules: &[RetentionRule], dry_run: bool) -> Expired {
    let scene = RetentionScene {
        rules,
        now: moment("2026-11-26T00:00:00Z"),
        dry_run,
    };
    shore.lake.expire(&scene, &|_| {}).await.unwrap()
}

/// Purchases, other rows, and dead letters.
async fn counted(catalog: &Catalog) -> [u64; 3] {
    catalog.crawl(true).await.unwrap();
    while catalog.fold().await.unwrap() > 0 {}
    let sql = "SELECT count(*) FILTER (action = 'buy') || ' ' || count(*) FILTER (action <> 'buy')
        || ' ' || (SELECT count(*) FROM dead_letters) || ' ' ||
        (SELECT coalesce(sum(clicks), 0)::BIGINT FROM rollup
            WHERE dimension = 'action' AND grain = 'day')
        FROM clicks";
    let line = lines(&catalog.query(sql).await.unwrap()).remove(0);
    let numbers: Vec<u64> = line.split(' ').map(|one| one.parse().unwrap()).collect();
    assert_eq!(numbers[3], numbers[0] + numbers[1], "the rollup");
    let total = catalog.accounting().await.unwrap().total;
    assert_eq!(total.rows, numbers[0] + numbers[1]);
    assert_eq!(total.acknowledged() + total.absent, 28, "invariant 4");
    [numbers[0], numbers[1], numbers[2]]
}

#[tokio::test]
async fn what_is_too_old_is_counted_and_then_taken_out_merged_or_not() {
    let days = |days: u64| Duration::from_hours(24 * days);
    for merged in [false, true] {
        let shore = shore().await;
        if merged {
            compact(&shore).await;
        }
        let catalog = shore.catalog().await;
        assert_eq!(counted(&catalog).await, [8, 16, 4]);
        // Nothing is older than a year.
        let none = expire(&shore, &[rule(days(365), &[])], false).await;
        assert_eq!((none.rows, none.letters, none.objects), (0, 0, 0));
        let rules = [rule(days(2), &["buy"]), rule(days(365), &[])];
        let entries = shore.lake.ledger().await.unwrap().unwrap().next;
        let told = expire(&shore, &rules, true).await;
        // Each partition's newest object has a view only.
        assert_eq!((told.rows, told.letters, told.left.len()), (8, 0, 0));
        assert!(told.bytes > 0 && told.objects > 0, "{told:?}");
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        assert_eq!(ledger.next, entries, "it is only counted");
        assert_eq!(counted(&catalog).await, [8, 16, 4]);
        let done = expire(&shore, &rules, false).await;
        assert_eq!((done.rows, done.objects), (told.rows, told.objects));
        assert_eq!(counted(&catalog).await, [0, 16, 4]);
        assert_eq!(audited(&shore, &catalog).await.findings, []);
        let again = expire(&shore, &rules, false).await;
        assert_eq!((again.rows, again.objects), (0, 0));
        let covered = shore.lake.ledger().await.unwrap().unwrap();
        let expired = covered.coverage.ranges();
        let expired: u64 = expired.map(|one| one.range.counts.expired).sum();
        assert_eq!(expired, 8);
        // What was merged and what was taken out are merged further.
        compact(&shore).await;
        assert_eq!(counted(&catalog).await, [0, 16, 4]);
        assert_eq!(audited(&shore, &catalog).await.findings, []);
    }
}

#[tokio::test]
async fn all_that_is_too_old_goes_and_a_partitions_newest_object_stays() {
    let shore = shore().await;
    // A year is imported today: where a row is does not say how old it is.
    let old = [BUY, VIEW];
    shore
        .commit_at("2026-11-22T23:25:00Z", 0, 14, &old, 0)
        .await;
    let catalog = shore.catalog().await;
    let scene = RetentionScene {
        rules: &[rule(Duration::from_hours(24), &[])],
        now: moment("2027-03-01T00:00:00Z"),
        dry_run: false,
    };
    let done = shore.lake.expire(&scene, &|_| {}).await.unwrap();
    // Of partition 0 two rows stay, of partition 1 one.
    assert_eq!((done.rows, done.letters), (23, 4), "{done:?}");
    catalog.crawl(true).await.unwrap();
    let rows = catalog.query("SELECT count(*) FROM clicks").await.unwrap();
    assert_eq!(lines(&rows), ["3"]);
    assert_eq!(audited(&shore, &catalog).await.findings, []);
    let fresh = crate::Config {
        path: shore.folder.path().join("fresh.duckdb"),
        ..shore.config()
    };
    let fresh = shore.open(fresh).await.unwrap();
    fresh.crawl(true).await.unwrap();
    assert_eq!(audited(&shore, &fresh).await.findings, []);
}

#[test]
fn what_may_be_on_its_way_cannot_expire() {
    let refused = rule(Duration::from_hours(1), &[]).check().unwrap_err();
    assert!(refused.to_string().contains("write 1day"), "{refused}");
    rule(Duration::from_hours(24), &[]).check().unwrap();
}

#[tokio::test]
async fn the_newest_click_is_that_of_all_partitions_also_when_swaps_have_taken_the_others() {
    let shore = shore().await;
    let newest = async |of: &[u32]| {
        let partitions = of.iter().copied().map(sink::Partition).collect();
        shore.lake.newest_append(&partitions).await.unwrap()
    };
    let last = moment("2026-11-22T23:20:00Z");
    for _ in 0..2 {
        assert_eq!(newest(&[0, 1]).await, Some(last));
        assert_eq!((newest(&[7]).await, newest(&[]).await), (None, None));
        compact(&shore).await;
    }
}
