//! Promotions among compactions, and what a replay's own swaps do.

use std::collections::BTreeMap;
use std::time::Duration;

use sink::audit::{Reference, Survey, audit};
use sink::{Offset, Partition, ReplayName, Watermarks};

use super::swaps::{BUY, LATER, answers, audited, compact, shore};
use super::{ARRIVAL, Shore, VIEW, lines, moment};
use crate::Catalog;

/// Promotes a replay of offsets 3 to 11 of partition 0, in which everything was bought: it cuts the
/// first object and the third.
async fn promoted(shore: &Shore, name: &ReplayName) {
    let live = shore.lake.ledger().await.unwrap().unwrap();
    let (replay, now) = (shore.lake.replay(name), moment(LATER));
    let ranges = BTreeMap::from([(Partition(0), (Offset(3), Offset(11)))]);
    let begun = replay.begin_replay(name, &live, &ranges, "c1", now);
    begun.await.unwrap();
    Shore::commit_in(&replay, ARRIVAL, 0, 3, &[BUY; 6], 2).await;
    shore.lake.promote(name, now).await.unwrap();
}

#[tokio::test]
async fn a_promotion_and_its_rollback_go_through_compactions_before_between_and_after() {
    let name = ReplayName::parse("again").unwrap();
    let bought = "SELECT count(*) || ' ' || count(DISTINCT \"offset\") || ' ' ||
        count(*) FILTER (action = 'buy' AND \"offset\" BETWEEN 3 AND 10) FROM clicks
        WHERE partition = 0";
    for compacted in 0..8 {
        let shore = shore().await;
        let catalog = shore.catalog().await;
        catalog.crawl(true).await.unwrap();
        let before = answers(&catalog).await;
        let step = async |bit: u32| {
            if compacted & (1 << bit) != 0 {
                compact(&shore).await;
            }
            catalog.crawl(true).await.unwrap();
            assert_eq!(audited(&shore, &catalog).await.findings, [], "{compacted}");
        };
        step(0).await;
        promoted(&shore, &name).await;
        step(1).await;
        let rows = catalog.query(bought).await.unwrap();
        assert_eq!(lines(&rows), ["12 12 6"], "{compacted}");
        let ranges = BTreeMap::from([(Partition(0), (Offset(3), Offset(11)))]);
        let diff = catalog.diff(&name, &ranges).await.unwrap();
        assert_eq!((diff.is_empty(), diff.clicks.live), (true, 6), "{diff:?}");
        let promoted = answers(&catalog).await;
        // A catalog that is made now knows nothing else.
        let other = shore.folder.path().join(format!("{compacted}.duckdb"));
        let config = crate::Config {
            path: other,
            ..shore.config()
        };
        let fresh = shore.open(config).await.unwrap();
        fresh.crawl(true).await.unwrap();
        assert_eq!(answers(&fresh).await, promoted, "{compacted}");
        // What it replaced stays until it is settled, whatever the grace.
        let eager = shore.lake.clone().with_grace(Duration::ZERO);
        let ledger = eager.ledger().await.unwrap().unwrap();
        eager.sweep_swapped(&ledger).await.unwrap();
        shore.lake.rollback(&name, moment(LATER)).await.unwrap();
        step(2).await;
        assert_eq!(answers(&catalog).await, before, "{compacted}");
    }
}

#[tokio::test]
async fn what_a_settled_promotion_replaced_is_swept() {
    let shore = shore().await;
    let name = ReplayName::parse("again").unwrap();
    promoted(&shore, &name).await;
    let eager = shore.lake.clone().with_grace(Duration::ZERO);
    let swept = async || {
        let ledger = eager.ledger().await.unwrap().unwrap();
        eager.sweep_swapped(&ledger).await.unwrap()
    };
    assert_eq!(swept().await, 0);
    shore.lake.settle(&name, moment(LATER)).await.unwrap();
    // Three objects, and the letters of two of them.
    assert_eq!(swept().await, 5);
    let refused = shore.lake.rollback(&name, moment(LATER)).await;
    assert!(refused.unwrap_err().to_string().contains("not promoted"));
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    assert_eq!(audited(&shore, &catalog).await.findings, []);
}

#[tokio::test]
async fn a_swap_of_a_replay_changes_its_table_alone() {
    let shore = shore().await;
    let name = ReplayName::parse("again").unwrap();
    let live = shore.lake.ledger().await.unwrap().unwrap();
    let (replay, now) = (shore.lake.replay(&name), moment(LATER));
    let ranges = BTreeMap::from([(Partition(0), (Offset(0), Offset(10)))]);
    let begun = replay.begin_replay(&name, &live, &ranges, "c1", now);
    begun.await.unwrap();
    for (first, arrival) in [(0, ARRIVAL), (5, "2026-11-22T21:30:00Z")] {
        Shore::commit_in(&replay, arrival, 0, first, &[BUY; 4], 1).await;
    }
    let catalog = shore.catalog().await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    let replayed = "SELECT (SELECT count(*) FROM clicks_again) || ' ' ||
        (SELECT count(*) FROM dead_letters_again)";
    let asked = async |catalog: &Catalog| lines(&catalog.query(replayed).await.unwrap());
    assert_eq!(asked(&catalog).await, ["8 2"]);
    // An inner replay of what the replay holds, promoted in it.
    let inner = replay.replay(&name);
    let ranges = BTreeMap::from([(Partition(0), (Offset(1), Offset(7)))]);
    let ledger = replay.ledger().await.unwrap().unwrap();
    let begun = inner.begin_replay(&name, &ledger, &ranges, "c1", now);
    begun.await.unwrap();
    Shore::commit_in(&inner, ARRIVAL, 0, 1, &[VIEW; 6], 0).await;
    replay.promote(&name, now).await.unwrap();
    let check = async |catalog: &Catalog| {
        catalog.crawl(true).await.unwrap();
        assert_eq!(asked(catalog).await, ["9 1"]);
        assert_eq!(answers(catalog).await, before);
        let listing = catalog.listing(Some(&name)).await.unwrap();
        let ledger = replay.ledger().await.unwrap().unwrap();
        let watermarks = ledger.ranges().into_iter();
        let watermarks = watermarks
            .map(|(of, (low, high))| (of, Watermarks { low, high }))
            .collect();
        let reference = Reference {
            ledger: &ledger,
            watermarks: &watermarks,
            catalog: Some(&listing),
            window: None,
        };
        let survey = Survey::of(&replay).await.unwrap();
        let audit = audit(&replay, &survey, &reference, &|_, _| {}).await;
        assert_eq!(audit.unwrap().findings, []);
    };
    check(&catalog).await;
    let config = crate::Config {
        path: shore.folder.path().join("other.duckdb"),
        ..shore.config()
    };
    check(&shore.open(config).await.unwrap()).await;
}
