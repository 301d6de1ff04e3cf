//! Names, and what promotion and rollback refuse.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use topic::{Identity, Offset, Partition};

use super::*;
use crate::{Batch, Hour, LakeId, Location};

const P: Partition = Partition(0);

fn name(text: &str) -> ReplayName {
    ReplayName::parse(text).unwrap()
}

fn ranges(first: u64, end: u64) -> Ranges {
    Ranges::from([(P, (Offset(first), Offset(end)))])
}

fn shop() -> Identity {
    Identity {
        cluster: "c".into(),
        topic: "t".into(),
    }
}

async fn lake() -> Lake {
    let location = Location::Folder(PathBuf::from("/memory"));
    let lake = Lake::new(Arc::new(InMemory::new()), location);
    let new = LakeId::new(7);
    lake.found(&shop(), BTreeMap::new(), new).await.unwrap();
    lake
}

/// Begins the replay, or finds it.
async fn begin(lake: &Lake, text: &str, ranges: Ranges, conf: &str) -> Result<Ledger, Error> {
    let live = lake.ledger().await?.unwrap();
    let replay = lake.replay(&name(text));
    replay
        .begin_replay(&name(text), &live, &ranges, conf, Timestamp::default())
        .await
}

/// Commits one object of duplicates.
async fn commit(lake: &Lake, first: u64, end: u64) {
    let mut batch = Batch::new(shop(), "a".into(), P, Offset(first), Hour(0), false);
    batch.duplicate(Offset(first), Timestamp::from_micros(1), false);
    batch.pass(Offset(end));
    lake.commit(batch.seal(), 1, Duration::from_secs(1))
        .await
        .unwrap();
}

#[test]
fn a_name_is_safe_in_sql_and_in_paths() {
    for good in ["a", "mended_2026", "older_objects"] {
        assert_eq!(name(good).folder(), format!("replays/{good}"));
    }
    for bad in [
        "",
        "A",
        "1a",
        "_a",
        "a-b",
        "a/b",
        "../a",
        "a b",
        "a'",
        "a\"",
        "ä",
        "a.b",
        "live",
        &"x".repeat(41),
    ] {
        let refused = ReplayName::parse(bad);
        assert!(matches!(refused, Err(Error::Refused(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn a_replay_is_begun_once_and_found_again() {
    let lake = lake().await;
    let begun = begin(&lake, "a", ranges(5, 9), "conf").await.unwrap();
    assert_eq!(begun.ranges(), ranges(5, 9));
    assert_eq!(begun.lake, LakeId::new(7), "it is of the live lake");
    let again = begin(&lake, "a", ranges(5, 9), "conf").await;
    assert_eq!(again.unwrap(), begun);
    for (range, conf, word) in [
        (ranges(5, 10), "conf", "partition 0: 5..9"),
        (ranges(5, 9), "other", "another configuration"),
    ] {
        let refused = begin(&lake, "a", range, conf).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)));
        assert!(refused.to_string().contains(word), "{refused}");
    }
    let live = Ledger {
        lake: LakeId::new(8),
        ..lake.ledger().await.unwrap().unwrap()
    };
    let replay = lake.replay(&name("a"));
    let refused = replay
        .begin_replay(
            &name("a"),
            &live,
            &ranges(5, 9),
            "conf",
            Timestamp::default(),
        )
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("another lake"), "{refused}");
    assert_eq!(lake.replays().await.unwrap(), [name("a")]);
    let replay = lake.replay(&name("a"));
    assert_eq!(replay.location().to_string(), "/memory/replays/a");
    let unknown = lake.replay_ledger(&name("b")).await.unwrap_err();
    assert!(unknown.to_string().contains("no replay b (a)"), "{unknown}");
}

#[tokio::test]
async fn only_a_finished_replay_is_promoted_and_only_a_promoted_one_rolled_back() {
    let lake = lake().await;
    let (a, b, now) = (name("a"), name("b"), Timestamp::from_micros(7));
    let refuses = |result: Result<(), Error>, word: &str| {
        let refused = result.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)), "{refused}");
        assert!(refused.to_string().contains(word), "{refused}");
    };
    refuses(lake.promote(&a, now).await.map(drop), "no replay a");
    for text in ["a", "b"] {
        begin(&lake, text, ranges(5, 9), "conf").await.unwrap();
    }
    let replay = lake.replay(&a);
    commit(&replay, 5, 7).await;
    assert_eq!(lake.unfinished(&a).await.unwrap(), ranges(7, 9));
    refuses(
        lake.promote(&a, now).await.map(drop),
        "lacks partition 0: 7..9",
    );
    commit(&replay, 7, 9).await;
    commit(&lake.replay(&b), 5, 9).await;
    refuses(lake.rollback(&a, now).await, "not promoted");
    commit(&lake, 0, 8).await;
    refuses(
        lake.promote(&a, now).await.map(drop),
        "has not all of partition 0: 5..9",
    );
    commit(&lake, 8, 12).await;
    // Two at once: one of them is made anew.
    let (one, other) = tokio::join!(lake.promote(&a, now), lake.promote(&b, now));
    assert_eq!(one.unwrap().ranges, ranges(5, 9));
    other.unwrap();
    refuses(lake.promote(&a, now).await.map(drop), "promoted already");
    let ledger = lake.ledger().await.unwrap().unwrap();
    assert_eq!((ledger.promotions.len(), ledger.next), (2, 3));
    let covered: Vec<_> = ledger.coverage.ranges().map(|one| &one.range).collect();
    assert_eq!(covered.len(), 1);
    assert_eq!((covered[0].first, covered[0].end), (Offset(0), Offset(12)));
    let [(_, first), (_, last)] = &ledger.promotions[..] else {
        panic!("two")
    };
    refuses(lake.rollback(&first.name, now).await, "roll it back first");
    lake.rollback(&last.name, now).await.unwrap();
    lake.settle(&first.name, now).await.unwrap();
    refuses(lake.rollback(&first.name, now).await, "not promoted");
    refuses(lake.settle(&first.name, now).await, "settled");
    let ledger = lake.ledger().await.unwrap().unwrap();
    assert_eq!((ledger.promotions.len(), ledger.next), (0, 5));
}
