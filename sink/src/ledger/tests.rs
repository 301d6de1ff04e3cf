//! What an operator gave up, and workers that did not know.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use topic::Timestamp;

use super::*;
use crate::{
    Batch, Counts, CoveredRange, Hour, Location, Made, Making, ObjectName, Outcome, RangeCounts,
    ReplacedObject, RowDigest, SealedBatch, Swap, SwapMaker, SwapObject,
};

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
    let origin = r#"{"kind":"origin","format":2,"topic":{"cluster":"c","topic":"t"},"firsts":{}}"#;
    assert!(lake.create(&path(0), origin.into()).await.unwrap());
    let refused = lake.ledger().await.unwrap_err();
    assert!(matches!(refused, Error::Unfit(_)), "{refused}");
    for part in ["_ledger/0000000000.json", "`lake`", "lake.url of its own"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[tokio::test]
async fn fault_41_a_lake_of_another_format_is_refused_with_what_to_do_and_left_as_it_is() {
    for (format, remedy) in [
        (0, "set lake.url to a new folder or prefix"),
        (1, "set lake.url to a new folder or prefix"),
        (3, "use a newer clickweir"),
        (u32::MAX, "use a newer clickweir"),
    ] {
        let lake = Lake::new(Arc::new(InMemory::new()), Location::Folder("/m".into()));
        // Whatever else it says, and in whatever words.
        let origin = format!(r#"{{"kind":"origin","format":{format},"lakes":[7],"topic":null}}"#);
        let origin = bytes::Bytes::from(origin);
        assert!(lake.create(&path(0), origin.clone()).await.unwrap());
        let found = lake.found(&shop(), BTreeMap::new(), LakeId::new(8)).await;
        for refused in [lake.ledger().await.unwrap_err(), found.unwrap_err()] {
            let expect = format!(
                "the lake at {} is of format {format}, and this program reads format 2: ",
                lake.location()
            );
            let said = refused.to_string();
            assert!(matches!(refused, Error::Unfit(_)), "{said}");
            assert!(said.starts_with(&expect) && said.contains(remedy), "{said}");
        }
        let left = lake.read_if_there(&path(0), 1 << 10).await.unwrap();
        assert_eq!(left, Some(origin));
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

/// A swap to one object, of these ranges of one partition, all of whose offsets are duplicates.
fn swap(lake_read: u64, replaced: &[ObjectName], ranges: &[(u64, u64)], content: &str) -> Swap {
    let counts = |first: u64, end: u64| RangeCounts {
        counts: Counts {
            duplicates: end - first,
            ..Counts::default()
        },
        ..RangeCounts::default()
    };
    let range = |&(first, end): &(u64, u64)| CoveredRange {
        partition: P,
        first: Offset(first),
        end: Offset(end),
        appended_at: Timestamp::from_micros(1),
        counts: counts(first, end),
        digest: RowDigest::default(),
    };
    Swap {
        by: SwapMaker::Compaction,
        made_at: Timestamp::from_micros(1),
        read: lake_read,
        promotion: None,
        erased: None,
        replaced: replaced
            .iter()
            .map(|name| ReplacedObject {
                path: name.to_string(),
                bytes: 1,
                hash: content.to_owned(),
            })
            .collect(),
        objects: vec![SwapObject {
            hash: format!("{content:0>64}"),
            bytes: 1,
            rows: 0,
            occurred: None,
        }],
        letters: Vec::new(),
        ranges: ranges.iter().map(range).collect(),
    }
}

fn name(first: u64) -> ObjectName {
    ObjectName {
        hour: Hour(0),
        partition: P,
        first: Offset(first),
    }
}

async fn write(lake: &Lake, swap: Swap) -> u64 {
    let number = lake.ledger().await.unwrap().unwrap().next;
    assert!(lake.write_entry(number, &Entry::Swap(swap)).await.unwrap());
    number
}

#[tokio::test]
async fn a_swap_reads_as_it_was_written() {
    let lake = lake().await;
    let mut made = swap(1, &[name(0)], &[(0, 5)], "a");
    made.ranges[0].counts.counts.duplicates = 1;
    made.ranges[0].counts.erased = 4;
    made.ranges[0].digest = RowDigest(7);
    let number = write(&lake, made.clone()).await;
    assert_eq!(lake.entry(number).await.unwrap(), Some(Entry::Swap(made)));
    let ledger = lake.ledger().await.unwrap().unwrap();
    let covered: Vec<_> = ledger.coverage.ranges().collect();
    assert_eq!((covered.len(), covered[0].number), (1, number));
    assert_eq!(covered[0].range.counts.erased, 4);
}

#[tokio::test]
async fn invariant_3_what_begins_within_a_swap_counts_for_nothing_whenever_it_lands() {
    let lake = lake().await;
    for (first, end) in [(0, 5), (5, 9), (9, 12)] {
        commit(&lake, P, first, end, 1).await;
    }
    write(&lake, swap(1, &[name(0), name(5)], &[(0, 9)], "a")).await;
    let ledger = lake.ledger().await.unwrap().unwrap();
    let check = |at: u64, past: u64| {
        assert_eq!(ledger.past(P, Offset(at)), Offset(past), "{at}");
        assert_eq!(ledger.gives_up(P, Offset(at)), at != past, "{at}");
        assert_eq!(ledger.past_gaps(P, Offset(at)), Offset(at), "{at}");
    };
    check(0, 9);
    check(7, 9);
    check(9, 9);
    assert_eq!(ledger.past(Partition(1), Offset(7)), Offset(7));
    // It was made before the swap, and continues it exactly.
    assert_eq!(resumes_at(&lake).await, 12);
    // Sleepers: one within the swap, and one behind that, which the chain does not reach.
    land(&lake, 7, 14, 1).await;
    land(&lake, 14, 20, 1).await;
    assert_eq!(resumes_at(&lake).await, 12);
    commit(&lake, P, 12, 14, ledger.next).await;
    assert_eq!(resumes_at(&lake).await, 20, "now it does");
}

#[tokio::test]
async fn a_partition_resumes_at_the_greater_of_its_newest_object_and_what_swaps_cover() {
    let lake = lake().await;
    commit(&lake, P, 0, 5, 1).await;
    // An erasure may replace the newest object, and a reader may not see it any more.
    write(&lake, swap(1, &[name(0)], &[(0, 5)], "a")).await;
    assert_eq!(resumes_at(&lake).await, 5);
    lake.store().delete(&name(0).path()).await.unwrap();
    let ledger = lake.ledger().await.unwrap().unwrap();
    let tips = lake.tips(ledger.clone(), &[P].into()).await.unwrap();
    assert_eq!(tips.resume(P), Offset(5));
    assert_eq!(tips.last(P), Some((Offset(5), Timestamp::from_micros(1))));
    commit(&lake, P, 5, 8, ledger.next).await;
    assert_eq!(resumes_at(&lake).await, 8);
}

#[tokio::test]
async fn fault_32_a_worker_that_slept_through_a_swap_starts_from_the_tips() {
    let lake = lake().await;
    for (first, end) in [(0, 5), (5, 9), (9, 12), (12, 15)] {
        commit(&lake, P, first, end, 1).await;
    }
    let replaced = [name(0), name(5), name(9)];
    let number = write(&lake, swap(1, &replaced, &[(0, 12)], "a")).await;
    for at in replaced {
        lake.store().delete(&at.path()).await.unwrap();
    }
    // It holds what begins within the swap, and does not know it.
    assert_eq!(commit(&lake, P, 5, 14, 1).await, Outcome::GivenUp);
    // It slept between its look at the ledger and its create: what it made counts for nothing, and
    // neither does what it makes next.
    land(&lake, 5, 14, 1).await;
    let (sealed, patience) = (batch(P, 14, 20), Duration::from_secs(1));
    let slept = Knowledge {
        entries: 1,
        previous: Some(Offset(5)),
    };
    let outcome = lake.commit(sealed, slept, patience).await.unwrap();
    assert_eq!(outcome, Outcome::GivenUp);
    assert_eq!(resumes_at(&lake).await, 15);
    // A worker whose object is not touched goes on, and its footer says what it knows now.
    let (sealed, awake) = (batch(P, 15, 18), Offset(12));
    let awake = Knowledge {
        entries: 1,
        previous: Some(awake),
    };
    let Outcome::Committed(footer) = lake.commit(sealed, awake, patience).await.unwrap() else {
        panic!("it goes on");
    };
    assert_eq!(footer.ledger, number + 1);
}

#[tokio::test]
async fn fault_30_who_loses_a_number_goes_on_unless_its_objects_were_touched() {
    let lake = lake().await;
    for first in 0..4 {
        commit(&lake, P, first, first + 1, 1).await;
    }
    let ledger = lake.ledger().await.unwrap().unwrap();
    let making = |ranges: &[(u64, u64)], replaced: &[ObjectName]| {
        let now = Timestamp::from_micros(1);
        let mut making = Making::begin(&lake, &ledger, SwapMaker::Compaction, now);
        let swap = swap(1, replaced, ranges, "");
        swap.replaced
            .into_iter()
            .for_each(|one| making.replace(one));
        making.cover(swap.ranges, Vec::new());
        making
    };
    let (one, two) = (making(&[(0, 2)], &[name(0)]), making(&[(2, 3)], &[name(2)]));
    let three = making(&[(1, 3)], &[name(1)]);
    assert_eq!(one.finish().await.unwrap(), Made::Written(1));
    assert_eq!(two.finish().await.unwrap(), Made::Written(2), "untouched");
    let Made::Discarded(why) = three.finish().await.unwrap() else {
        panic!("its ranges were covered meanwhile");
    };
    assert!(why.contains("entry 1"), "{why}");
    assert_eq!(lake.ledger().await.unwrap().unwrap().next, 3);
    // Its entry was written, and the reply was lost.
    let again = making(&[(0, 2)], &[name(0)]);
    assert_eq!(again.finish().await.unwrap(), Made::Written(1));
    // An operator gives up some of what was read.
    let late = making(&[(3, 4)], &[name(3)]);
    let gap = Entry::Gap {
        partition: P,
        first: Offset(3),
        end: Offset(9),
        accepted_at: Timestamp::from_micros(1),
    };
    assert!(lake.write_entry(3, &gap).await.unwrap());
    assert!(matches!(late.finish().await.unwrap(), Made::Discarded(_)));
}

#[tokio::test]
async fn swaps_that_no_maker_writes_are_refused() {
    let check = async |swaps: Vec<Swap>, expect: &str| {
        let lake = lake().await;
        for (number, swap) in (1..).zip(swaps) {
            assert!(lake.write_entry(number, &Entry::Swap(swap)).await.unwrap());
        }
        let refused = lake.ledger().await.unwrap_err().to_string();
        assert!(refused.contains(expect), "{refused}");
    };
    let whole = || swap(1, &[name(0)], &[(0, 9)], "a");
    let mut wrong = whole();
    wrong.ranges[0].counts.expired = 1;
    check(vec![wrong], "do not make up 0..9").await;
    check(vec![whole(), swap(2, &[], &[(5, 12)], "b")], "cuts 0..9").await;
    check(vec![whole(), swap(2, &[], &[(0, 5)], "b")], "cuts 0..9").await;
    check(vec![swap(1, &[], &[(5, 9), (0, 6)], "b")], "out of order").await;
    check(vec![whole(), swap(2, &[], &[], "a")], "counts already").await;
    let mut gone = whole();
    gone.replaced[0].path = format!("swaps/{:0>64}.parquet", "z");
    check(vec![gone], "does not count").await;
    // Its object holds rows of both ranges.
    let two = swap(1, &[], &[(0, 9), (20, 29)], "a");
    let mut half = swap(2, &[], &[(0, 9)], "b");
    half.replaced.push(ReplacedObject {
        path: format!("swaps/{:0>64}.parquet", "a"),
        bytes: 1,
        hash: "a".to_owned(),
    });
    check(vec![two, half], "a part of entry 1").await;
    // A swap of a day replaces those of its hours.
    let lake = lake().await;
    write(&lake, whole()).await;
    write(&lake, swap(2, &[], &[(9, 12)], "b")).await;
    let mut day = swap(3, &[], &[(0, 12)], "c");
    day.replaced = ["a", "b"]
        .map(|content| ReplacedObject {
            path: format!("swaps/{content:0>64}.parquet"),
            bytes: 1,
            hash: content.to_owned(),
        })
        .into();
    write(&lake, day).await;
    let ledger = lake.ledger().await.unwrap().unwrap();
    let ends: Vec<_> = ledger
        .coverage
        .ranges()
        .map(|one| one.range.end.0)
        .collect();
    assert_eq!(ends, [12]);
    assert_eq!(ledger.coverage.objects().count(), 1);
    let retired = |content: &str| {
        ledger
            .coverage
            .retired(&format!("swaps/{content:0>64}.parquet"))
    };
    assert_eq!((retired("a"), retired("c")), (Some(3), None));
}

#[tokio::test]
async fn a_start_reads_the_newest_checkpoint_and_what_follows() {
    let lake = lake().await;
    for number in 1..250 {
        let gap = Entry::Gap {
            partition: Partition(1),
            first: Offset(number * 10),
            end: Offset(number * 10 + 5),
            accepted_at: Timestamp::from_micros(1),
        };
        let range = [(number * 2, number * 2 + 2)];
        let entry = match number % 2 {
            0 => gap,
            _ => Entry::Swap(swap(number, &[], &range, &format!("{number}"))),
        };
        assert!(lake.write_entry(number, &entry).await.unwrap());
    }
    let checkpoint = |entries: u64| Path::from(format!("_ledger/checkpoint-{entries:010}.json"));
    assert!(lake.is_there(&checkpoint(100)).await.unwrap());
    assert!(lake.is_there(&checkpoint(200)).await.unwrap());
    let whole = lake.ledger().await.unwrap().unwrap();
    assert_eq!((whole.next, whole.coverage.swaps()), (250, 125));
    // From entry 0 on it is the same, and so it is from where a reader was.
    let mut read = Vec::new();
    for entries in [100, 200] {
        let path = checkpoint(entries);
        read.push((
            lake.store()
                .get(&path)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap(),
            path,
        ));
        lake.store().delete(&checkpoint(entries)).await.unwrap();
    }
    assert_eq!(lake.ledger().await.unwrap(), Some(whole.clone()));
    assert_eq!(
        lake.follow(whole.clone()).await.unwrap(),
        Some(whole.clone())
    );
    let [old, new] = &read[..] else { panic!("two") };
    assert!(lake.create(&old.1, old.0.clone()).await.unwrap());
    // The entries before it are not read.
    lake.store().delete(&path(7)).await.unwrap();
    assert_eq!(lake.ledger().await.unwrap(), Some(whole.clone()));
    // A damaged one is passed over, and one of a newer version is not.
    let damaged = new.0.slice(..new.0.len() - 9);
    assert!(lake.create(&new.1, damaged).await.unwrap());
    assert_eq!(lake.ledger().await.unwrap(), Some(whole));
    let text = String::from_utf8(new.0.to_vec()).unwrap();
    let newer = text.replace("{\"format\":", "{\"format\":9");
    lake.replace(new.1.as_ref(), newer.into()).await.unwrap();
    let refused = lake.ledger().await.unwrap_err();
    assert!(matches!(refused, Error::Unfit(_)), "{refused}");
}
