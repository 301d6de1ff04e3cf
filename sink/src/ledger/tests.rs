//! What an operator gave up, and workers that did not know.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use topic::Timestamp;

use super::*;
use crate::{Batch, Hour, Location, ObjectName, Outcome, SealedBatch};

const P: Partition = Partition(0);

fn shop() -> Identity {
    Identity {
        cluster: "c".into(),
        topic: "t".into(),
    }
}

async fn lake() -> Lake {
    let lake = Lake::new(
        Arc::new(InMemory::new()),
        Location::Folder("/memory".into()),
    );
    let new = LakeId::new(7);
    lake.found(&shop(), BTreeMap::new(), new).await.unwrap();
    lake
}

fn batch(partition: Partition, first: u64, end: u64) -> SealedBatch {
    let mut batch = Batch::new(shop(), "a".into(), partition, Offset(first), Hour(0), false);
    for offset in first..end {
        batch.duplicate(Offset(offset), Timestamp::from_micros(1), false);
    }
    batch.seal()
}

/// Commits `first..end` of a partition, its maker having read so many entries of the ledger.
async fn commit(lake: &Lake, partition: Partition, first: u64, end: u64, read: u64) -> Outcome {
    let (batch, patience) = (batch(partition, first, end), Duration::from_secs(1));
    lake.commit(batch, read, patience).await.unwrap()
}

/// An object that lands whatever the ledger says: its maker had looked before.
async fn land(lake: &Lake, first: u64, end: u64, read: u64) {
    let encoded = batch(P, first, end).encode(read);
    let path = encoded.name.path();
    assert!(lake.create(&path, encoded.object).await.unwrap());
}

async fn resumes_at(lake: &Lake) -> u64 {
    let ledger = lake.ledger().await.unwrap().unwrap();
    lake.tips(ledger, &[P].into()).await.unwrap().resume(P).0
}

async fn accept(lake: &Lake, low: u64) -> Option<(Offset, Offset)> {
    let now = Timestamp::from_micros(1);
    lake.accept_gap(P, Offset(low), now).await.unwrap()
}

#[tokio::test]
async fn a_lake_has_one_identity_from_its_founding_on() {
    let lake = lake().await;
    assert_eq!(lake.ledger().await.unwrap().unwrap().lake, LakeId::new(7));
    // Another worker comes later, and two found another lake at once.
    let found = |lake: Lake, new: u128| async move {
        let ledger = lake.found(&shop(), BTreeMap::new(), LakeId::new(new)).await;
        ledger.unwrap().lake
    };
    assert_eq!(found(lake.clone(), 8).await, LakeId::new(7));
    let other = Lake::new(Arc::new(InMemory::new()), lake.location().clone());
    let (one, two) = tokio::join!(found(other.clone(), 8), found(other.clone(), 9));
    assert_eq!(one, two, "one of them won");
    assert_ne!(
        one,
        LakeId::new(7),
        "at the same place, and not the same lake"
    );
}

#[tokio::test]
async fn a_lake_without_an_identity_is_refused() {
    let lake = Lake::new(Arc::new(InMemory::new()), Location::Folder("/m".into()));
    let origin = r#"{"kind":"origin","format":1,"topic":{"cluster":"c","topic":"t"},"firsts":{}}"#;
    assert!(lake.create(&path(0), origin.into()).await.unwrap());
    let refused = lake.ledger().await.unwrap_err();
    assert!(matches!(refused, Error::Unfit(_)), "{refused}");
    for part in ["_ledger/0000000000.json", "`lake`", "lake.url of its own"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[tokio::test]
async fn invariant_3_a_gap_holds_all_that_lies_in_it() {
    let lake = lake().await;
    commit(&lake, P, 0, 5, 1).await;
    assert_eq!(accept(&lake, 5).await, None);
    assert_eq!(accept(&lake, 9).await, Some((Offset(5), Offset(9))));
    let ledger = lake.ledger().await.unwrap().unwrap();
    let check = |at: u64, past: u64| {
        assert_eq!(ledger.past_gaps(P, Offset(at)), Offset(past), "{at}");
        assert_eq!(ledger.gives_up(P, Offset(at)), at != past, "{at}");
    };
    check(4, 4);
    check(5, 9);
    check(7, 9);
    check(9, 9);
    assert_eq!(ledger.past_gaps(Partition(1), Offset(7)), Offset(7));
}

#[tokio::test]
async fn fault_13_a_worker_that_holds_what_was_given_up_lets_it_go() {
    let lake = lake().await;
    commit(&lake, P, 0, 5, 1).await;
    accept(&lake, 9).await.unwrap();
    // It had read 5..12 before retention passed, and was cut from the store since.
    assert_eq!(commit(&lake, P, 5, 12, 1).await, Outcome::GivenUp);
    // Another partition's worker is not concerned.
    let other = commit(&lake, Partition(1), 0, 3, 1).await;
    assert!(matches!(other, Outcome::Committed(_)), "{other:?}");
}

#[tokio::test]
async fn fault_13_an_object_that_came_too_late_is_no_tip() {
    let lake = lake().await;
    commit(&lake, P, 0, 5, 1).await;
    accept(&lake, 9).await.unwrap();
    // It was on its way when the loss was accepted.
    land(&lake, 5, 12, 1).await;
    assert_eq!(resumes_at(&lake).await, 9);
}

#[tokio::test]
async fn fault_13_what_follows_an_object_that_came_too_late_counts_where_the_chain_reaches_it() {
    let lake = lake().await;
    commit(&lake, P, 0, 5, 1).await;
    accept(&lake, 9).await.unwrap();
    // Two were on their way, the second begun when the first had landed.
    land(&lake, 5, 12, 1).await;
    land(&lake, 12, 15, 1).await;
    assert_eq!(resumes_at(&lake).await, 9, "9 to 12 are in no object yet");
    let ledger = lake.ledger().await.unwrap().unwrap();
    let stray = ObjectName {
        hour: Hour(0),
        partition: P,
        first: Offset(12),
    };
    let stray = lake.footer(&stray).await.unwrap().unwrap();
    assert!(!ledger.trusts(&stray) && !ledger.counts(&stray, Offset(9)));
    assert!(ledger.counts(&stray, Offset(12)));
    commit(&lake, P, 9, 12, ledger.next).await;
    // A worker that meets a name that is taken reads the object, and goes on behind it.
    let there = commit(&lake, P, 12, 14, ledger.next).await;
    assert_eq!(there, Outcome::AlreadyCommitted(Box::new(stray)));
    commit(&lake, P, 15, 20, ledger.next).await;
    assert_eq!(resumes_at(&lake).await, 20);
}
