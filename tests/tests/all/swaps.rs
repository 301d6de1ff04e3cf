//! Swaps on real stores: a long ledger opens at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use sink::{
    Counts, CoveredRange, Entry, Lake, LakeId, Location, RangeCounts, RowDigest, S3, Swap,
    SwapMaker, SwapObject,
};
use tests::s3;
use tokio::time::Instant;
use topic::{Identity, Offset, Partition, Timestamp};

/// How many entries the ledger has: as many follow its newest checkpoint as can.
const ENTRIES: u64 = 10_099;
const PARTITIONS: u32 = 4;
/// A start may take so long.
const OPENING_TIME: Duration = Duration::from_secs(1);

/// A compaction of the hour of that number.
fn swap(number: u64) -> Entry {
    let range = |partition| CoveredRange {
        partition: Partition(partition),
        first: Offset((number - 1) * 1_000),
        end: Offset(number * 1_000),
        appended_at: Timestamp::from_micros(1),
        counts: RangeCounts {
            counts: Counts {
                rows: 1_000,
                ..Counts::default()
            },
            ..RangeCounts::default()
        },
        digest: RowDigest::default(),
    };
    Entry::Swap(Swap {
        promotion: None,
        erased: None,
        by: SwapMaker::Compaction,
        made_at: Timestamp::from_micros(1),
        read: number,
        replaced: Vec::new(),
        objects: vec![SwapObject {
            hash: format!("{number:064x}"),
            bytes: 1,
            rows: 4_000,
            occurred: None,
        }],
        letters: Vec::new(),
        ranges: (0..PARTITIONS).map(range).collect(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_ten_thousand_entries_opens_within_a_second() {
    let store = Arc::new(InMemory::new());
    let here = Lake::new(store.clone(), Location::Folder("/memory".into()));
    let topic = Identity {
        cluster: "here".into(),
        topic: "clicks".into(),
    };
    let founded = here.found(&topic, BTreeMap::new(), LakeId::new(7));
    founded.await.unwrap();
    for number in 1..ENTRIES {
        assert!(here.write_entry(number, &swap(number)).await.unwrap());
    }
    let whole = here.ledger().await.unwrap().expect("a ledger");
    assert_eq!(whole.next, ENTRIES);
    let folder = tempfile::tempdir().unwrap();
    let mut places = vec![S3::in_folder(&folder.path().join("lake"))];
    for server in s3::all().await {
        places.push(server.lake(&format!("ledger-{}", std::process::id())));
    }
    // What a start reads, and the checkpoint before: the entries between are not looked at.
    let mut names = vec!["0000000000.json".to_owned()];
    names.extend([9_900, 10_000].map(|n| format!("checkpoint-{n:010}.json")));
    names.extend((10_000..ENTRIES).map(|n| format!("{n:010}.json")));
    for config in places {
        let lake = Lake::open(&config).unwrap();
        for name in &names {
            let path = format!("_ledger/{name}");
            let object = store.get(&Path::from(path.as_str())).await.unwrap();
            lake.replace(&path, object.bytes().await.unwrap())
                .await
                .unwrap();
        }
        let lake = Lake::open(&config).unwrap();
        let begun = Instant::now();
        let read = lake.ledger().await.unwrap().expect("a ledger");
        let took = begun.elapsed();
        assert_eq!(read, whole, "{}", config.url);
        let begun = Instant::now();
        assert_eq!(lake.follow(read).await.unwrap(), Some(whole.clone()));
        let followed = begun.elapsed();
        println!(
            "{}: opened in {took:?}, followed in {followed:?}",
            config.url
        );
        assert!(took < OPENING_TIME, "{}: {took:?}", config.url);
    }
}
