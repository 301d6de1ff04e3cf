//! Backups of a lake in memory, and lakes that are made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use topic::{Offset, Partition};

use super::restoring::RESTORING;
use super::run::{BackedUp, BackupScene};
use super::store::BackupStore;
use crate::forget::tests::shore::{LATER, SUBJECT, Shore, holds};
use crate::{Backup, Error, Lake, Location, ObjectName, RestoreScene, Restored};

/// A place for backups, and its store.
struct Attic {
    inner: Arc<InMemory>,
    store: BackupStore,
}

impl Attic {
    fn new() -> Self {
        let inner = Arc::new(InMemory::new());
        let place = Lake::new(inner.clone(), Location::Folder("/attic".into()));
        let store = BackupStore::at(place);
        Self { inner, store }
    }

    async fn back_up(&self, lake: &Lake, keep: Option<usize>) -> Result<BackedUp, Error> {
        let scene = BackupScene {
            now: LATER,
            version: "1",
            configuration: "[sink]\n",
            keep,
            progress: &|_| {},
        };
        lake.back_up(&self.store, &scene).await
    }

    /// Restores a backup into an empty store, which is returned with what the restore said.
    async fn restore(&self, number: u64) -> (Shore, Restored) {
        let into = Shore::over(Arc::new(InMemory::new()));
        let restored = self.restore_into(number, &into.lake, &[]).await;
        (into, restored.unwrap())
    }

    async fn restore_into(
        &self,
        number: u64,
        into: &Lake,
        erasures_of: &[Lake],
    ) -> Result<Restored, Error> {
        let backup = self.backup(number).await;
        let scene = RestoreScene {
            now: LATER,
            erasures_of,
            beginnings: None,
            progress: &|_| {},
            erasing: &|_, _| {},
        };
        self.store.restore(&backup, into, &scene).await
    }

    /// Restores a backup whose topic is lost, and returns where a new one begins.
    async fn restore_without_topic(
        &self,
        number: u64,
        erasures_of: &[Lake],
    ) -> (Shore, BTreeMap<Partition, Offset>) {
        let into = Shore::over(Arc::new(InMemory::new()));
        let backup = self.backup(number).await;
        let begins = self.store.beginnings(&backup, erasures_of).await.unwrap();
        let scene = RestoreScene {
            now: LATER,
            erasures_of,
            beginnings: Some(&begins),
            progress: &|_| {},
            erasing: &|_, _| {},
        };
        let restored = self.store.restore(&backup, &into.lake, &scene).await;
        restored.unwrap();
        (into, begins)
    }

    async fn backup(&self, number: u64) -> Backup {
        let mut backups = self.store.backups().await.unwrap().into_iter();
        let found = backups.find(|backup| backup.number == number);
        found.expect("a backup of that number")
    }

    /// The paths of its contents.
    async fn contents(&self) -> Vec<Path> {
        paths(&self.inner, "objects").await
    }
}

async fn paths(store: &InMemory, folder: &str) -> Vec<Path> {
    let folder = Path::from(folder);
    let prefix = Some(&folder).filter(|folder| !folder.as_ref().is_empty());
    let listed = store.list(prefix).map_ok(|meta| meta.location);
    listed.try_collect().await.unwrap()
}

/// All objects of a store and what they hold.
async fn all(store: &InMemory) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for path in paths(store, "").await {
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        all.insert(path.to_string(), bytes.to_vec());
    }
    all
}

#[tokio::test]
async fn a_restored_lake_has_what_counted_byte_for_byte_and_is_audited_alike() {
    for compacted in [false, true] {
        let shore = Shore::new().await;
        if compacted {
            assert!(shore.compact().await > 0);
        }
        let before = shore.audit().await;
        let attic = Attic::new();
        let made = attic.back_up(&shore.lake, None).await.unwrap();
        assert_eq!(made.backup.rows, before.rows);
        assert_eq!(made.backup.lacks, Vec::<String>::new());
        let both = [0, 1].map(|partition| (Partition(partition), Offset(60)));
        assert_eq!(made.backup.ends, both.into());
        let (restored, said) = attic.restore(1).await;
        assert_eq!(said.copied.copied, made.backup.objects);
        let (theirs, ours) = (all(&restored.store).await, all(&shore.store).await);
        assert_eq!(theirs.len() as u64, made.backup.objects);
        for (path, bytes) in &theirs {
            assert_eq!(Some(bytes), ours.get(path), "{path}");
        }
        let after = restored.audit().await;
        assert!(after.clean(), "{:?}", after.findings);
        let counts = |audit: &crate::audit::Audit| (audit.rows, audit.dead_letters, audit.objects);
        assert_eq!(counts(&after), counts(&before));
        // What was replaced is no part of it.
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        let commits = theirs.keys().filter_map(|path| ObjectName::parse(path));
        let counts = |name: ObjectName| !ledger.gives_up(name.partition, name.first);
        assert!(commits.clone().all(counts));
        assert_eq!(commits.count(), if compacted { 2 } else { 6 });
    }
}

#[tokio::test]
async fn the_next_backup_copies_what_is_new_and_each_is_restored_as_it_was() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    let first = attic.back_up(&shore.lake, None).await.unwrap();
    assert_eq!(first.copied, first.backup.objects);
    let again = attic.back_up(&shore.lake, None).await.unwrap();
    assert_eq!((again.backup.number, again.copied), (2, 0));
    shore.commit(0, 60, 1).await;
    let third = attic.back_up(&shore.lake, None).await.unwrap();
    assert_eq!(third.copied, 2, "a commit and its letters");
    assert_eq!(third.backup.ends[&Partition(0)], Offset(80));
    for (number, made) in [(1, &first), (3, &third)] {
        let (restored, _) = attic.restore(number).await;
        let rows = restored.audit().await.rows;
        assert_eq!(rows, made.backup.rows, "{number}");
    }
}

#[tokio::test]
async fn fault_54_what_is_not_complete_is_no_lake_and_the_same_restore_goes_on() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    attic.back_up(&shore.lake, None).await.unwrap();
    shore.commit(0, 60, 1).await;
    attic.back_up(&shore.lake, None).await.unwrap();
    let (whole, _) = attic.restore(1).await;
    // As a restore leaves it that is killed before its last step.
    let origin = Path::from("_ledger/0000000000.json");
    let hidden = Path::from(format!("{RESTORING}/0000000000.json"));
    let cut = Shore::over(Arc::new(InMemory::new()));
    let backup = &attic.store.backups().await.unwrap()[0];
    let mark = format!(
        r#"{{"lake":"{}","number":1,"list":"{}"}}"#,
        backup.lake, backup.list
    );
    cut.put(&format!("{RESTORING}/backup.json"), mark.into_bytes())
        .await;
    let objects = all(&whole.store).await;
    for (path, bytes) in objects.iter().take(5) {
        let path = if *path == origin.as_ref() {
            hidden.as_ref()
        } else {
            path
        };
        cut.put(path, bytes.clone()).await;
    }
    assert_eq!(cut.lake.ledger().await.unwrap(), None);
    let other = attic.restore_into(2, &cut.lake, &[]).await.unwrap_err();
    assert!(
        other.to_string().contains("has a part of backup 1"),
        "{other}"
    );
    let said = attic.restore_into(1, &cut.lake, &[]).await.unwrap();
    assert_eq!(said.copied.copied, objects.len() as u64 - 5);
    assert_eq!(all(&cut.store).await, objects);
    // It is a lake now, and no place for another one.
    let full = attic.restore_into(1, &cut.lake, &[]).await.unwrap_err();
    assert!(full.to_string().contains("is not empty"), "{full}");
    // Cut off while it tidied up, it only tidies up.
    let mark = format!(
        r#"{{"lake":"{}","number":1,"list":"{}"}}"#,
        backup.lake, backup.list
    );
    cut.put(&format!("{RESTORING}/backup.json"), mark.into_bytes())
        .await;
    attic.restore_into(1, &cut.lake, &[]).await.unwrap();
    assert_eq!(all(&cut.store).await, objects);
}

#[tokio::test]
async fn a_newer_erasure_is_carried_out_before_the_lake_is_there() {
    for compacted in [false, true] {
        let (shore, attic) = (Shore::new().await, Attic::new());
        attic.back_up(&shore.lake, None).await.unwrap();
        if compacted {
            assert!(shore.compact().await > 0);
        }
        // The request reaches beyond the backup.
        shore.commit(0, 60, 1).await;
        shore.commit(1, 60, 1).await;
        let forget = shore.ask(80).await;
        let number = shore.erase(&forget).await;
        shore.certify(&forget, number).await;
        let without = Shore::over(Arc::new(InMemory::new()));
        let said = attic.restore_into(1, &without.lake, &[]).await.unwrap();
        assert_eq!(said.erased, []);
        assert!(!without.mentions(SUBJECT).await.is_empty());
        let into = Shore::over(Arc::new(InMemory::new()));
        let newer = [shore.lake.clone()];
        let said = attic.restore_into(1, &into.lake, &newer).await.unwrap();
        assert_eq!(said.erased, [forget.id]);
        assert_eq!(into.mentions(SUBJECT).await, Vec::<String>::new());
        let ledger = into.lake.ledger().await.unwrap().unwrap();
        let asked = ledger.forgetting(forget.id).unwrap();
        assert_eq!(asked.forget, forget, "what comes in later is left out, too");
        assert!(asked.erased.is_some());
        let audit = into.audit().await;
        assert!(audit.clean(), "{:?}", audit.findings);
        let path = format!("_ledger/certificate-{}.json", forget.id);
        let signed = crate::SignedCertificate::parse(&into.get(&path).await).unwrap();
        assert_eq!(into.proves(&signed).await, Vec::<String>::new());
        assert_eq!(into.lake.listed(RESTORING).await.unwrap(), []);
        // A newer backup in the same place says it by itself.
        attic.back_up(&shore.lake, None).await.unwrap();
        let (restored, said) = attic.restore(1).await;
        assert_eq!(said.erased, [forget.id]);
        assert_eq!(restored.mentions(SUBJECT).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_erasure_that_waits_in_the_backup_is_completed_and_another_lakes_is_refused() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    let forget = shore.ask(60).await;
    attic.back_up(&shore.lake, None).await.unwrap();
    let (restored, said) = attic.restore(1).await;
    assert_eq!(said.erased, [forget.id]);
    assert_eq!(restored.mentions(SUBJECT).await, Vec::<String>::new());
    let stranger = Lake::new(Arc::new(InMemory::new()), Location::Folder("/other".into()));
    let id = crate::LakeId::new(8);
    let topic = restored.lake.ledger().await.unwrap().unwrap().topic;
    stranger.found(&topic, BTreeMap::new(), id).await.unwrap();
    let into = Shore::over(Arc::new(InMemory::new()));
    let stranger = [stranger];
    let refused = attic.restore_into(1, &into.lake, &stranger).await;
    let backup = attic.backup(1).await;
    let beginnings = attic.store.beginnings(&backup, &stranger).await;
    for refused in [refused.map(drop), beginnings.map(drop)] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("are another lake's"), "{refused}");
    }
    assert_eq!(into.lake.ledger().await.unwrap(), None);
}

#[tokio::test]
async fn a_topic_that_takes_the_place_of_a_lost_one_begins_beyond_every_request() {
    for is_in_backup in [true, false] {
        let (shore, attic) = (Shore::new().await, Attic::new());
        if !is_in_backup {
            attic.back_up(&shore.lake, None).await.unwrap();
        }
        // The lake ends at 60, and the topic was further on when the request came.
        let forget = shore.ask(80).await;
        if is_in_backup {
            attic.back_up(&shore.lake, None).await.unwrap();
        }
        let newer = [shore.lake.clone()];
        let (restored, begins) = attic.restore_without_topic(1, &newer).await;
        assert_eq!(begins, forget.until);
        assert_eq!(restored.mentions(SUBJECT).await, Vec::<String>::new());
        let ledger = restored.lake.ledger().await.unwrap().unwrap();
        let both = begins.keys().copied().collect();
        let tips = restored.lake.tips(ledger.clone(), &both).await.unwrap();
        let forgotten = restored.lake.forgotten(&ledger).await.unwrap();
        for (partition, begin) in begins {
            assert_eq!(tips.resume(partition), begin);
            // What comes to the new topic came after the request.
            assert!(forgotten.rule(partition, begin).is_none());
            let committed = restored.commit(partition.0, begin.0, ledger.next).await;
            assert!(matches!(committed, crate::Outcome::Committed(_)));
        }
        // Two partitions have a commit and its letters.
        assert_eq!(restored.mentions(SUBJECT).await.len(), 4);
    }
    // Without a request it begins where the lake ends, and nothing is given up.
    let (shore, attic) = (Shore::new().await, Attic::new());
    let made = attic.back_up(&shore.lake, None).await.unwrap();
    let (restored, begins) = attic.restore_without_topic(1, &[]).await;
    assert_eq!(begins, made.backup.ends);
    assert_eq!(all(&restored.store).await.len() as u64, made.backup.objects);
}

#[tokio::test]
async fn old_backups_go_with_what_only_they_needed() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    for _ in 0..2 {
        attic.back_up(&shore.lake, None).await.unwrap();
    }
    let forget = shore.ask(60).await;
    shore.erase(&forget).await;
    let named = async || {
        let mut named = 0;
        for path in attic.contents().await {
            let bytes = attic.inner.get(&path).await.unwrap().bytes().await.unwrap();
            named += u64::from(holds(bytes, SUBJECT));
        }
        named
    };
    attic.back_up(&shore.lake, Some(3)).await.unwrap();
    assert!(named().await > 0, "the older backups have it");
    let last = attic.back_up(&shore.lake, Some(1)).await.unwrap();
    assert_eq!(last.pruned.backups, 3);
    assert!(last.pruned.objects > 0);
    assert_eq!(named().await, 0);
    let backups = attic.store.backups().await.unwrap();
    let numbers: Vec<u64> = backups.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [4]);
    // Its objects and its list, and nothing else.
    let list = attic.store.list(&backups[0]).await.unwrap();
    assert_eq!(attic.contents().await.len(), list.len() + 1);
    let (restored, _) = attic.restore(4).await;
    assert!(restored.audit().await.clean());
}

#[tokio::test]
async fn fault_28_what_is_damaged_is_named_and_takes_the_place_of_no_older_backup() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    attic.back_up(&shore.lake, None).await.unwrap();
    let commits = shore.lake.files(None).await.unwrap();
    let path = &commits.iter().map(|(path, _)| path).min().unwrap();
    let mut bytes = shore.get(path).await;
    bytes[100] ^= 1;
    shore.put(path, bytes).await;
    let made = attic.back_up(&shore.lake, Some(1)).await.unwrap();
    let lacks = &made.backup.lacks;
    assert!(lacks[0].contains(path.as_str()), "{lacks:?}");
    assert!(lacks[0].contains("its hash does not fit"), "{lacks:?}");
    assert!(
        lacks[1].contains("partition 0: 0..20 is missing"),
        "{lacks:?}"
    );
    assert_eq!(made.pruned.backups, 0);
    assert_eq!(attic.store.backups().await.unwrap().len(), 2);
    let (_, said) = attic.restore(2).await;
    assert_eq!(said.lacks, *lacks);
    let (whole, _) = attic.restore(1).await;
    assert!(whole.audit().await.clean());
}

#[tokio::test]
async fn fault_54_a_backup_that_rots_is_found_and_named() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    attic.back_up(&shore.lake, None).await.unwrap();
    let backup = &attic.store.backups().await.unwrap()[0];
    let list = attic.store.list(backup).await.unwrap();
    let rot = async |path: &str| {
        let object = list
            .iter()
            .find(|object| object.path.starts_with(path))
            .unwrap();
        let at = super::store::content_path(&object.hash);
        let mut bytes = attic
            .inner
            .get(&at)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec();
        bytes[20] ^= 1;
        attic.inner.put(&at, bytes.into()).await.unwrap();
        object.path.clone()
    };
    let path = rot("clicks/").await;
    let (restored, said) = attic.restore(1).await;
    assert_eq!(said.lacks.len(), 1, "{:?}", said.lacks);
    assert!(said.lacks[0].starts_with(&path), "{:?}", said.lacks);
    assert!(!restored.audit().await.clean());
    rot("_ledger/0000000000").await;
    let into = Shore::over(Arc::new(InMemory::new()));
    let refused = attic.restore_into(1, &into.lake, &[]).await.unwrap_err();
    assert!(
        refused.to_string().contains("take another one"),
        "{refused}"
    );
    assert_eq!(into.lake.ledger().await.unwrap(), None);
}

#[tokio::test]
async fn places_that_are_no_place_for_this_backup_are_refused() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    let empty = Lake::new(Arc::new(InMemory::new()), Location::Folder("/e".into()));
    let said = attic.back_up(&empty, None).await.unwrap_err().to_string();
    assert!(said.contains("nothing to back up"), "{said}");
    attic.back_up(&shore.lake, None).await.unwrap();
    let (id, topic) = (
        crate::LakeId::new(8),
        shore.lake.ledger().await.unwrap().unwrap().topic,
    );
    empty.found(&topic, BTreeMap::new(), id).await.unwrap();
    let said = attic.back_up(&empty, None).await.unwrap_err().to_string();
    assert!(said.contains("backups of another lake"), "{said}");
    let lake = BackupStore::at(empty);
    let scene = BackupScene {
        now: LATER,
        version: "1",
        configuration: "",
        keep: None,
        progress: &|_| {},
    };
    let said = shore.lake.back_up(&lake, &scene).await.unwrap_err();
    assert!(said.to_string().contains("is a lake"), "{said}");
    let path = Path::from("backups/0000000009.json");
    let newer = br#"{"format":2,"more":true}"#.to_vec();
    attic.inner.put(&path, newer.into()).await.unwrap();
    let said = attic.back_up(&shore.lake, None).await.unwrap_err();
    assert!(said.to_string().contains("use a newer clickweir"), "{said}");
}

#[test]
fn a_place_that_meets_the_lake_is_known() {
    let folder = |path: &str| Location::Folder(path.into());
    let bucket = |bucket: &str, prefix: &str| Location::Bucket {
        bucket: bucket.into(),
        prefix: prefix.into(),
    };
    let check = |one: Location, other: Location, expect: bool| {
        assert_eq!(one.meets(&other), expect, "{one} {other}");
        assert_eq!(other.meets(&one), expect, "{other} {one}");
    };
    check(folder("/data/lake"), folder("/data/lake"), true);
    check(folder("/data/lake"), folder("/data/lake/backup"), true);
    check(folder("/data/lake"), folder("/data/lake-backup"), false);
    check(bucket("b", "lake"), bucket("b", "lake/x"), true);
    check(bucket("b", ""), bucket("b", "backup"), true);
    check(bucket("b", "lake"), bucket("b", "lake-2"), false);
    check(bucket("b", "lake"), bucket("c", "lake"), false);
    check(bucket("b", "lake"), folder("/lake"), false);
}

#[tokio::test]
async fn a_promotion_is_rolled_back_in_the_restored_lake() {
    let (shore, attic) = (Shore::new().await, Attic::new());
    let name = crate::ReplayName::parse("again").unwrap();
    shore.replayed(&name, "v-1").await;
    shore.lake.promote(&name, LATER).await.unwrap();
    attic.back_up(&shore.lake, None).await.unwrap();
    let (restored, _) = attic.restore(1).await;
    let counted = async |shore: &Shore| {
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        let replaced = ledger.coverage.ranges().count();
        (replaced, shore.audit().await.rows)
    };
    assert_eq!(counted(&restored).await, counted(&shore).await);
    restored.lake.rollback(&name, LATER).await.unwrap();
    let audit = restored.audit().await;
    assert!(audit.clean(), "{:?}", audit.findings);
    assert_eq!(audit.rows, 120 - 6 * 2);
    // The rows that the promotion had replaced count again.
    let forget = restored.ask(60).await;
    let share = restored.share(&forget).await.unwrap();
    assert_eq!(share.rows + share.letters, 30);
}
