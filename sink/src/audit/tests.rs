use std::path::PathBuf;
use std::sync::Arc;

use object_store::memory::InMemory;
use topic::{Identity, Offset, Timestamp};

use super::*;
use crate::{Batch, Entry, Hour, LakeId, Location, SealedBatch};

const PARTITION: Partition = Partition(0);

fn shop() -> Identity {
    Identity {
        cluster: "c".into(),
        topic: "t".into(),
    }
}

fn batch(first: u64, end: u64) -> SealedBatch {
    let conf = "conf".to_owned();
    let mut batch = Batch::new(shop(), conf, PARTITION, Offset(first), Hour(0), false);
    for offset in first..end {
        batch.duplicate(Offset(offset), Timestamp::from_micros(1), false);
    }
    batch.seal()
}

/// A lake that holds these ranges, each offset a duplicate, and the gaps of its ledger.
async fn lake(ranges: &[(u64, u64)], gaps: &[(u64, u64)]) -> (Lake, Ledger) {
    let location = Location::Folder(PathBuf::from("/memory"));
    let lake = Lake::new(Arc::new(InMemory::new()), location);
    let firsts = BTreeMap::from([(PARTITION, Offset(0))]);
    lake.found(&shop(), firsts, LakeId::new(7)).await.unwrap();
    for (number, (first, end)) in (1..).zip(gaps) {
        let (first, end, accepted_at) = (Offset(*first), Offset(*end), Timestamp::default());
        let gap = Entry::Gap {
            partition: PARTITION,
            first,
            end,
            accepted_at,
        };
        assert!(lake.write_entry(number, &gap).await.unwrap());
    }
    for &(first, end) in ranges {
        let silence = std::time::Duration::from_secs(1);
        let entries = 1 + gaps.len() as u64;
        let batch = batch(first, end);
        lake.commit(batch, entries, silence).await.unwrap();
    }
    let ledger = lake.ledger().await.unwrap().unwrap();
    (lake, ledger)
}

/// The verdict where the topic holds `low..high`.
async fn audited(lake: &Lake, ledger: &Ledger, (low, high): (u64, u64)) -> Audit {
    let marks = Watermarks {
        low: Offset(low),
        high: Offset(high),
    };
    let marks = BTreeMap::from([(PARTITION, marks)]);
    let against = Reference {
        ledger,
        watermarks: &marks,
        catalog: None,
        window: None,
    };
    let survey = Survey::of(lake).await.unwrap();
    audit(lake, &survey, &against, &|_, _| {}).await.unwrap()
}

/// What the audit says of `ranges` and `gaps`, the topic holding `low..high`:
/// acknowledged, duplicates, pending, lost, doubled.
async fn check(
    ranges: &[(u64, u64)],
    gaps: &[(u64, u64)],
    (low, high): (u64, u64),
    expect: [u64; 5],
) {
    let (lake, ledger) = lake(ranges, gaps).await;
    let found = audited(&lake, &ledger, (low, high)).await;
    let Audit {
        acknowledged,
        duplicates,
        pending,
        lost,
        doubled,
        ..
    } = found;
    assert_eq!(
        [acknowledged, duplicates, pending, lost, doubled],
        expect,
        "{ranges:?} {gaps:?}"
    );
    assert_eq!(
        acknowledged + doubled,
        duplicates + pending + lost,
        "invariant 4"
    );
    assert_eq!(
        found.clean(),
        lost == 0 && doubled == 0,
        "{:?}",
        found.findings
    );
}

#[tokio::test]
async fn invariant_3_chains_holes_overlaps_and_gaps() {
    check(&[(0, 5), (5, 9)], &[], (0, 12), [12, 9, 3, 0, 0]).await;
    check(&[(0, 5), (7, 9)], &[], (0, 9), [9, 7, 0, 2, 0]).await;
    check(&[(0, 5), (3, 9)], &[], (0, 9), [9, 11, 0, 0, 2]).await;
    check(&[(0, 5), (7, 9)], &[(5, 7)], (0, 9), [7, 7, 0, 0, 0]).await;
    check(&[(0, 5)], &[], (8, 9), [9, 5, 1, 3, 0]).await;
    check(&[(0, 5)], &[(5, 8)], (8, 9), [6, 5, 1, 0, 0]).await;
    check(&[], &[], (0, 4), [4, 0, 4, 0, 0]).await;
}

#[tokio::test]
async fn fault_13_what_came_too_late_beside_a_gap_is_no_finding() {
    let (lake, ledger) = lake(&[(0, 5), (9, 13)], &[(5, 9)]).await;
    for (first, end) in [(5, 12), (12, 15)] {
        let encoded = batch(first, end).encode(1);
        let path = encoded.name.path();
        assert!(lake.create(&path, encoded.object).await.unwrap());
    }
    let found = audited(&lake, &ledger, (9, 16)).await;
    assert!(found.clean(), "{:?}", found.findings);
    assert_eq!((found.duplicates, found.pending), (9, 3));
}

/// What followed an object that was not there was once not compared by its ids.
#[tokio::test]
async fn an_object_that_is_gone_does_not_end_the_comparison_of_ids() {
    let (lake, ledger) = lake(&[(5, 9)], &[]).await;
    let gone = batch(0, 5).encode(1);
    let listed = ListedObject {
        path: gone.name.to_string(),
        bytes: 1,
        footer: Ok(gone.footer),
    };
    let listing = Listing {
        objects: vec![listed],
        ..Listing::default()
    };
    let (low, high) = (Offset(0), Offset(9));
    let reference = Reference {
        ledger: &ledger,
        watermarks: &BTreeMap::from([(PARTITION, Watermarks { low, high })]),
        catalog: Some(&listing),
        window: Some(WindowRule {
            hash: "another".into(),
            ..WindowRule::default()
        }),
    };
    let survey = Survey::of(&lake).await.unwrap();
    let found = audit(&lake, &survey, &reference, &|_, _| {}).await.unwrap();
    assert_eq!(found.lost, 5, "{:?}", found.findings);
    assert_eq!(found.other_windows, 1, "the second object was looked at");
}

#[test]
fn ids_are_distinct_within_the_window_and_may_come_again_beyond_it() {
    let window = WindowRule {
        within: std::time::Duration::from_secs(60),
        records: 1_000,
        hash: "conf".into(),
    };
    // Id, offset, second; and the offset of the twin that is near.
    let check = |records: &[(u8, u64, i64, Option<u64>)]| {
        let mut recent = RecentIds::new(&window);
        for &(id, offset, second, expect) in records {
            let row = Twin {
                offset: Offset(offset),
                appended_at: Timestamp::from_micros(second * 1_000_000),
                object: Offset(0),
            };
            let twin = recent.take([id; 16], row).map(|twin| twin.offset.0);
            assert_eq!(twin, expect, "{offset} of {records:?}");
        }
    };
    check(&[(1, 0, 0, None), (2, 1, 1, None), (1, 2, 60, Some(0))]);
    check(&[(1, 0, 0, None), (1, 1, 61, None), (1, 2, 62, Some(1))]);
    check(&[(1, 0, 0, None), (1, 1_000, 1, Some(0)), (1, 2_001, 2, None)]);
    check(&[(1, 0, 100, None), (2, 1, 161, None), (1, 2, 150, Some(0))]);
}
