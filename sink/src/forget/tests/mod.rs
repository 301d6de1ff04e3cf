//! Requests in the ledger, who knows them, and what is left out by them.

mod erasing;
pub(crate) mod shore;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use topic::{Identity, Offset, Partition, Timestamp};

use crate::{
    Batch, Entry, Forget, ForgetId, Hour, Lake, LakeId, LakeKeys, Location, Made, Making, Outcome,
    RecordList, Subject, SwapMaker,
};

const P: Partition = Partition(0);
const NOW: Timestamp = Timestamp::from_micros(1);

async fn lake() -> Lake {
    let lake = Lake::new(
        Arc::new(InMemory::new()),
        Location::Folder("/memory".into()),
    );
    let (topic, new) = (shop(), LakeId::new(7));
    lake.found(&topic, BTreeMap::new(), new).await.unwrap();
    lake
}

fn shop() -> Identity {
    Identity {
        cluster: "c".into(),
        topic: "t".into(),
    }
}

/// A request of all below `until` in the partition.
async fn request(lake: &Lake, id: u128, name: &str, until: u64) -> Forget {
    let keys = lake.make_keys(&LakeKeys::new([7; 32], [8; 32])).await;
    Forget {
        id: ForgetId::new(id),
        subject: Subject::Visitor(keys.unwrap().subjects().hash(name)),
        until: BTreeMap::from([(P, Offset(until))]),
        asked_at: NOW,
    }
}

async fn commit(lake: &Lake, partition: Partition, first: u64, read: u64) -> Outcome {
    let mut batch = Batch::new(shop(), "a".into(), partition, Offset(first), Hour(0), false);
    batch.leave_out(Offset(first), NOW);
    let commit = lake.commit(batch.seal(), read, Duration::from_secs(1));
    commit.await.unwrap()
}

#[tokio::test]
async fn a_request_is_in_the_ledger_once_and_in_its_checkpoints_too() {
    let lake = lake().await;
    let asked = request(&lake, 1, "v-17", 5).await;
    let first = lake.forget(&asked).await.unwrap();
    assert_eq!(
        (first.number, lake.forget(&asked).await.unwrap()),
        (1, first.clone())
    );
    let other = request(&lake, 2, "v-18", 5).await;
    assert_eq!(lake.forget(&other).await.unwrap().number, 2);
    let erased = crate::Erased {
        id: asked.id,
        certificate: "c".into(),
        erased_at: NOW,
    };
    for number in 3..100 {
        let entry = Entry::Erased(erased.clone());
        assert!(lake.write_entry(number, &entry).await.unwrap());
    }
    let folded = lake.ledger().await.unwrap().unwrap();
    assert_eq!(folded.next, 100);
    assert_eq!(folded.forgets[0].erased, Some((3, erased)));
    assert_eq!(folded.unerased().collect::<Vec<_>>(), [&other]);
    let checkpoint = lake.checkpoint(u64::MAX).await.unwrap();
    assert_eq!(checkpoint, Some(folded));
}

#[tokio::test]
async fn a_maker_who_did_not_know_a_request_lets_go_what_begins_below_it() {
    let lake = lake().await;
    let asked = request(&lake, 1, "v-17", 5).await;
    assert!(matches!(
        commit(&lake, P, 0, 1).await,
        Outcome::Committed(_)
    ));
    lake.forget(&asked).await.unwrap();
    assert_eq!(commit(&lake, P, 1, 1).await, Outcome::GivenUp);
    for (partition, first, read) in [(P, 1, 2), (P, 5, 1), (Partition(1), 0, 1)] {
        let outcome = commit(&lake, partition, first, read).await;
        assert!(
            matches!(outcome, Outcome::Committed(_)),
            "{partition} {first}"
        );
    }
}

#[tokio::test]
async fn a_request_touches_the_inputs_of_every_maker() {
    let lake = lake().await;
    let ledger = lake.ledger().await.unwrap().unwrap();
    let making = Making::begin(&lake, &ledger, SwapMaker::Compaction, NOW);
    lake.forget(&request(&lake, 1, "v-17", 5).await)
        .await
        .unwrap();
    let Made::Discarded(why) = making.finish().await.unwrap() else {
        panic!("it was written");
    };
    assert_eq!(why, "entry 1 of the ledger asked for an erasure meanwhile");
}

#[tokio::test]
async fn a_lake_has_one_pair_of_keys_and_its_hashes_are_its_own() {
    let (one, other) = (lake().await, lake().await);
    let mine = LakeKeys::new([1; 32], [2; 32]);
    let made = one.make_keys(&mine).await.unwrap().subjects();
    let again = one.make_keys(&LakeKeys::new([3; 32], [4; 32])).await;
    assert_eq!(again.unwrap().subjects().hash("v-17"), made.hash("v-17"));
    let theirs = other.make_keys(&LakeKeys::new([3; 32], [4; 32])).await;
    assert_ne!(theirs.unwrap().subjects().hash("v-17"), made.hash("v-17"));
    assert_ne!(made.hash("v-18"), made.hash("v-17"));
    assert!(
        !format!("{mine:?} {made:?}").contains('1'),
        "no key is printed"
    );
}

#[tokio::test]
async fn what_is_below_a_request_is_left_out_and_what_comes_later_is_kept() {
    let lake = lake().await;
    lake.forget(&request(&lake, 1, "v-17", 5).await)
        .await
        .unwrap();
    // The customer came back and asked again, and another one before.
    lake.forget(&request(&lake, 2, "v-17", 9).await)
        .await
        .unwrap();
    lake.forget(&request(&lake, 3, "v-18", 3).await)
        .await
        .unwrap();
    let mut user = request(&lake, 4, "u-1", 5).await;
    let Subject::Visitor(hash) = user.subject else {
        unreachable!()
    };
    user.subject = Subject::User(hash);
    lake.forget(&user).await.unwrap();
    let list: RecordList = [(P, Offset(4)), (P, Offset(2)), (Partition(1), Offset(3))]
        .into_iter()
        .collect();
    let mut found = request(&lake, 5, "", 12).await;
    found.subject = Subject::Records(lake.store_records(&list, hash).await.unwrap());
    lake.forget(&found).await.unwrap();
    let ledger = lake.ledger().await.unwrap().unwrap();
    let forgotten = lake.forgotten(&ledger).await.unwrap();
    let rule = forgotten.rule(P, Offset(0)).unwrap();
    let check = |offset: u64, visitor: &str, user: &str, expect: bool| {
        let taken = rule.takes(Offset(offset), Some(visitor), Some(user));
        assert_eq!(taken, expect, "{offset} {visitor} {user}");
    };
    check(0, "v-17", "u-2", true);
    check(8, "v-17", "u-2", true);
    check(9, "v-17", "u-2", false);
    check(2, "v-18", "", true);
    check(3, "v-18", "", false);
    check(1, "v-1", "u-1", true);
    check(5, "v-1", "u-1", false);
    // A visitor who is called as that user is another person.
    check(1, "u-1", "v-17", false);
    check(4, "", "", true);
    assert!(!rule.takes(Offset(1), None, None));
    let letter = |offset: u64, key: Option<&str>, value: &str| {
        rule.takes_letter(
            Offset(offset),
            key.map(str::as_bytes),
            Some(value.as_bytes()),
        )
    };
    assert!(letter(1, Some("v-17"), "x"));
    assert!(letter(1, None, r#"{"click":{"user_id":"u-1"}}"#));
    assert!(!letter(9, Some("v-17"), "v-17"), "it came later");
    assert!(!letter(1, Some("v-1"), "v-171"));
    assert!(letter(4, None, ""), "it was found by a condition");
    assert!(forgotten.rule(P, Offset(12)).is_none());
    assert!(forgotten.rule(Partition(1), Offset(0)).is_none());
    assert_eq!(
        forgotten
            .only(|asked| asked.id == user.id)
            .rule(P, Offset(4))
            .unwrap()
            .until(),
        Offset(5)
    );
}

#[tokio::test]
async fn a_request_whose_keys_or_list_are_lost_is_no_empty_request() {
    let lake = lake().await;
    let mut asked = request(&lake, 1, "v-17", 5).await;
    let list: RecordList = [(P, Offset(4))].into_iter().collect();
    let keys = lake.keys().await.unwrap().unwrap().subjects();
    let stored = lake.store_records(&list, keys.hash("x")).await;
    let mut stored = stored.unwrap();
    assert_eq!(lake.stored_records(&stored).await.unwrap(), list);
    stored.records = 2;
    for path in [stored.path.clone(), "_ledger/records-x.json".to_owned()] {
        stored.path = path;
        asked.subject = Subject::Records(stored.clone());
        let found = lake.stored_records(&stored).await;
        assert!(matches!(found, Err(crate::Error::Damaged { .. })));
    }
}

#[tokio::test]
async fn nothing_is_put_in_place_while_an_erasure_is_under_way_and_lost_keys_are_not_made_anew() {
    let lake = lake().await;
    commit(&lake, P, 0, 1).await;
    let name = crate::ReplayName::parse("again").unwrap();
    let live = lake.ledger().await.unwrap().unwrap();
    let replay = lake.replay(&name);
    let ranges = crate::Ranges::from([(P, (Offset(0), Offset(1)))]);
    let begun = replay.begin_replay(&name, &live, &ranges, "a", NOW);
    begun.await.unwrap();
    commit(&replay, P, 0, 1).await;
    lake.promote(&name, NOW).await.unwrap();
    lake.rollback(&name, NOW).await.unwrap();
    lake.forget(&request(&lake, 1, "v-17", 1).await)
        .await
        .unwrap();
    for refused in [
        lake.promote(&name, NOW).await.map(drop),
        lake.rollback(&name, NOW).await,
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("erasure"), "{refused}");
    }
    let path = object_store::path::Path::from("_ledger/keys.json");
    object_store::ObjectStoreExt::delete(lake.store(), &path)
        .await
        .unwrap();
    let lost = lake.make_keys(&LakeKeys::new([1; 32], [2; 32])).await;
    assert!(lost.unwrap_err().to_string().contains("it is lost"));
}
