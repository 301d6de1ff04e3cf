//! A lake of two partitions with rows and letters of two visitors, and what its objects hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use topic::{Identity, Offset, Partition, Timestamp, Watermarks};

use crate::audit::{Audit, Reference, Survey, audit};
use crate::{
    Batch, CompactionLimits, CompactionScene, DeadLetter, ErasureScene, Error, Forget, ForgetId,
    Forgotten, Hour, Lake, LakeId, LakeKeys, Location, Outcome, Reason, ReplayName, Row,
    SignedCertificate, Subject, SubjectShare,
};

/// Whom the lake is to forget.
pub(crate) const SUBJECT: &str = "v-17";
/// The lake's hours, and a day later.
const HOUR: i64 = topic::Unit::Hour.micros();
const BEGIN: i64 = 400_000 * HOUR;
pub(crate) const LATER: Timestamp = Timestamp::from_micros(BEGIN + 24 * HOUR);

/// A lake in memory. Its partitions end at 60 in the topic.
pub(crate) struct Shore {
    pub(crate) store: Arc<InMemory>,
    pub(crate) lake: Lake,
}

impl Shore {
    /// Three objects of 20 offsets for each of two partitions, one an hour; every fifth row and a
    /// letter of each object are the subject's.
    pub(crate) async fn new() -> Self {
        let shore = Self::over(Arc::new(InMemory::new()));
        let founded = shore
            .lake
            .found(&topic(), BTreeMap::new(), LakeId::new(7))
            .await;
        founded.unwrap();
        for partition in 0..2 {
            for object in 0..3 {
                shore.commit(partition, object * 20, 1).await;
            }
        }
        shore
    }

    /// The lake in a store.
    pub(crate) fn over(store: Arc<InMemory>) -> Self {
        let lake = Lake::new(store.clone(), Location::Folder("/memory".into()));
        Self { store, lake }
    }

    /// Commits 20 offsets from `first` on, its maker having read so many entries.
    pub(crate) async fn commit(&self, partition: u32, first: u64, read: u64) -> Outcome {
        self.commit_of(partition, first, read, SUBJECT).await
    }

    /// … in which the subject's are another visitor's.
    pub(crate) async fn commit_of(
        &self,
        partition: u32,
        first: u64,
        read: u64,
        subject: &'static str,
    ) -> Outcome {
        let hour = Hour((BEGIN / HOUR) + i64::try_from(first / 20).unwrap());
        let of = Partition(partition);
        let mut batch = Batch::new(topic(), "a".into(), of, Offset(first), hour, false);
        for offset in first..first + 20 {
            let at = BEGIN + i64::try_from(offset).unwrap() * HOUR / 20;
            let appended_at = Timestamp::from_micros(at);
            let visitor = match offset % 5 {
                0 => subject,
                _ => "v-1",
            };
            if offset % 20 >= 18 {
                let name = ["v-1", subject][usize::from(offset % 20 == 18)];
                batch.reject(letter(Offset(offset), appended_at, name));
            } else {
                batch.push(&row(partition, offset, appended_at, visitor));
            }
        }
        let commit = self.lake.commit(batch.seal(), read, Duration::from_secs(9));
        commit.await.unwrap()
    }

    /// A finished replay of the first object's range, in which the subject's are another visitor's.
    pub(crate) async fn replayed(&self, name: &ReplayName, subject: &'static str) -> Self {
        let lake = self.lake.replay(name);
        let live = self.lake.ledger().await.unwrap().unwrap();
        let ranges = [(Partition(0), (Offset(0), Offset(20)))].into();
        let begun = lake.begin_replay(name, &live, &ranges, "a", LATER);
        begun.await.unwrap();
        let replay = Self {
            store: self.store.clone(),
            lake,
        };
        replay.commit_of(0, 0, live.next, subject).await;
        replay
    }

    /// Merges the closed hours.
    pub(crate) async fn compact(&self) -> u64 {
        let watermarks = marks();
        let scene = CompactionScene {
            watermarks: &watermarks,
            now: LATER,
            limits: CompactionLimits::default(),
        };
        self.lake.compact(&scene, &|_| true).await.unwrap().hours
    }

    /// Asks to forget the subject in all that the topic holds now.
    pub(crate) async fn ask(&self, until: u64) -> Forget {
        let keys = self.keys().await.subjects();
        let until = [0, 1].map(|partition| (Partition(partition), Offset(until)));
        let forget = Forget {
            id: ForgetId::new(until[0].1.0.into()),
            subject: Subject::Visitor(keys.hash(SUBJECT)),
            until: until.into(),
            asked_at: LATER,
        };
        self.lake.forget(&forget).await.unwrap();
        forget
    }

    pub(crate) async fn keys(&self) -> LakeKeys {
        let keys = self.lake.make_keys(&LakeKeys::new([7; 32], [8; 32])).await;
        keys.unwrap()
    }

    /// Erases, and returns the number of entries as of which it is done.
    pub(crate) async fn erase(&self, forget: &Forget) -> u64 {
        self.erase_in(&self.lake, forget).await
    }

    /// … in the live lake or a replay.
    pub(crate) async fn erase_in(&self, lake: &Lake, forget: &Forget) -> u64 {
        let forgotten = self.forgotten(forget).await;
        lake.erase(&scene(forget, &forgotten)).await.unwrap()
    }

    /// How much of the live lake is the subject's.
    pub(crate) async fn share(&self, forget: &Forget) -> Result<SubjectShare, Error> {
        let forgotten = self.forgotten(forget).await;
        self.lake.subject_share(&scene(forget, &forgotten)).await
    }

    async fn forgotten(&self, forget: &Forget) -> Forgotten {
        let ledger = self.lake.ledger().await.unwrap().unwrap();
        let forgotten = self.lake.forgotten(&ledger).await.unwrap();
        forgotten.only(|one| one.id == forget.id)
    }

    /// Certifies a complete erasure.
    pub(crate) async fn certify(&self, forget: &Forget, number: u64) -> SignedCertificate {
        let keys = self.keys().await;
        let attested = self.lake.attest(forget.id, &keys, (number, LATER)).await;
        attested.unwrap().expect("no other entry came between")
    }

    pub(crate) async fn proves(&self, signed: &SignedCertificate) -> Vec<String> {
        self.lake.prove(signed, &|_, _| {}).await.unwrap()
    }

    /// The audit's words.
    pub(crate) async fn audit(&self) -> Audit {
        let ledger = self.lake.ledger().await.unwrap().unwrap();
        let watermarks = marks();
        let against = Reference {
            ledger: &ledger,
            watermarks: &watermarks,
            catalog: None,
            window: None,
        };
        let survey = Survey::of(&self.lake).await.unwrap();
        let audited = audit(&self.lake, &survey, &against, &|_, _| {}).await;
        audited.unwrap()
    }

    /// The paths of all stored objects that hold a text: in their bytes, or in a column.
    pub(crate) async fn mentions(&self, needle: &str) -> Vec<String> {
        let listed: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        let mut found = Vec::new();
        for meta in listed {
            let object = self.store.get(&meta.location).await.unwrap();
            if holds(object.bytes().await.unwrap(), needle) {
                found.push(meta.location.to_string());
            }
        }
        found
    }

    /// Puts an object there, whatever was there before.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) {
        let path = Path::from(path);
        self.store.put(&path, bytes.into()).await.unwrap();
    }

    /// Flips a bit in the middle of an object.
    pub(crate) async fn flip(&self, path: &str) {
        let mut bytes = self.get(path).await;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.put(path, bytes).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Vec<u8> {
        let object = self.store.get(&Path::from(path)).await.unwrap();
        object.bytes().await.unwrap().to_vec()
    }
}

fn scene<'a>(forget: &Forget, forgotten: &'a Forgotten) -> ErasureScene<'a> {
    const NOWHERE: &BTreeMap<Partition, Offset> = &BTreeMap::new();
    ErasureScene {
        id: forget.id,
        forgotten,
        lows: NOWHERE,
        now: LATER,
        progress: &|_, _| {},
    }
}

/// Returns true if an object holds a text: in its bytes, or in a column of Parquet.
pub(crate) fn holds(object: Bytes, needle: &str) -> bool {
    let mut all = object.to_vec();
    if object.starts_with(b"PAR1") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap();
        for batch in reader.build().unwrap() {
            for column in batch.unwrap().columns() {
                let texts = column.as_string_opt::<i32>().into_iter().flatten();
                let raws = column.as_binary_opt::<i32>().into_iter().flatten();
                texts.flatten().for_each(|text| all.extend(text.as_bytes()));
                raws.flatten().for_each(|raw| all.extend(raw));
            }
        }
    }
    let mut windows = all.windows(needle.len());
    windows.any(|window| window == needle.as_bytes())
}

fn marks() -> BTreeMap<Partition, Watermarks> {
    let marks = Watermarks {
        low: Offset(0),
        high: Offset(60),
    };
    [0, 1].map(|partition| (Partition(partition), marks)).into()
}

fn topic() -> Identity {
    Identity {
        cluster: "c".into(),
        topic: "t".into(),
    }
}

fn letter(offset: Offset, appended_at: Timestamp, visitor: &str) -> DeadLetter {
    DeadLetter {
        offset,
        appended_at,
        event_id: None,
        item: None,
        reason: Reason::WrongType,
        detail: "price".into(),
        raw: Some(format!(r#"{{"click":{{"visitor_id":"{visitor}","price":[]}}}}"#).into()),
    }
}

pub(crate) fn row(
    partition: u32,
    offset: u64,
    appended_at: Timestamp,
    visitor: &'static str,
) -> Row<'static> {
    Row {
        event_id: format!("{partition}-{offset}").into(),
        partition,
        offset,
        appended_at,
        received_at: appended_at,
        occurred_at: appended_at,
        occurred_at_given: true,
        action: "view".into(),
        visitor_id: Some(visitor.into()),
        ..Row::default()
    }
}
