//! The maker that replays: now and then it reads a range of the topic again into a lake below the
//! live one. The transform, the batch, the commit and the ledger are real.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use sink::{
    Batch, DropRule, Error, Forgotten, Hour, Lake, Ledger, ObjectName, Offset, Outcome, Partition,
    Ranges, ReplayName, Timestamp,
};
use tokio::time::sleep;
use topic::Record;
use transformer::{Enrichment, transform};

use super::brokers::Brokers;
use super::forgetter::AskedVisitor;
use super::oracle::texts;
use super::store::Bucket;
use super::worker::lake;
use super::{Bug, Dice, Process};

/// How many records a batch holds.
const BATCH_RECORDS: usize = 40;
/// How long a commit tries.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(20);

/// The maker that replays.
pub struct Replayer {
    bucket: Arc<Bucket>,
    brokers: Arc<Brokers>,
    dice: Arc<Dice>,
    bug: Option<Bug>,
}

impl Replayer {
    /// A maker of replays of the bucket's lake.
    #[must_use]
    pub fn new(
        bucket: &Arc<Bucket>,
        brokers: &Arc<Brokers>,
        dice: Arc<Dice>,
        bug: Option<Bug>,
    ) -> Self {
        Self {
            bucket: bucket.clone(),
            brokers: brokers.clone(),
            dice,
            bug,
        }
    }

    /// Replays a partition now and then, for ever. What fails is left as it is.
    pub async fn replay(self) {
        for number in 0_u64.. {
            sleep(self.dice.millis(10_000..40_000)).await;
            let name = ReplayName::parse(&format!("r{number}")).expect("it is a name");
            let done = self.replay_into(&name).await;
            self.dice.note(&("replayed", done.is_ok()));
        }
    }

    async fn replay_into(&self, name: &ReplayName) -> Result<(), Error> {
        let live = lake(&self.bucket, &Arc::<Process>::default(), None);
        let Some(ledger) = live.ledger().await? else {
            return Ok(());
        };
        let partitions: Vec<Partition> = self.brokers.marks().into_keys().collect();
        let of = *self.dice.pick(&partitions).expect("there is one");
        let low = self.brokers.marks()[&of].low.max(ledger.first(of));
        let end = live.tips(ledger.clone(), &[of].into()).await?.resume(of);
        if low >= end {
            return Ok(());
        }
        let ranges = Ranges::from([(of, (low, end))]);
        let replay = live.replay(name);
        let now = Timestamp::default();
        let begun = replay.begin_replay(name, &ledger, &ranges, "model", now);
        let own = begun.await?;
        let forgotten = match (self.bug, live.ledger().await?) {
            (Some(Bug::ReplayRemembers), _) | (_, None) => Forgotten::default(),
            (_, Some(ledger)) => live.forgotten(&ledger).await?,
        };
        let rule = forgotten.rule(of, low);
        let mut records = self.brokers.read(of, low, usize::MAX);
        records.retain(|record| record.offset < end);
        self.commit(&replay, &own, (of, low), records, rule).await
    }

    async fn commit(
        &self,
        replay: &Lake,
        own: &Ledger,
        (of, mut first): (Partition, Offset),
        mut records: Vec<Record>,
        rule: Option<Arc<DropRule>>,
    ) -> Result<(), Error> {
        let enrichment = Enrichment::default();
        let drops = rule.as_deref();
        while let Some(oldest) = records.first() {
            let hour = Hour::of(oldest.appended_at);
            let same = records
                .iter()
                .take_while(|record| Hour::of(record.appended_at) == hour);
            let rest = records.split_off(same.count().min(BATCH_RECORDS));
            let topic = own.topic.clone();
            let mut batch = Batch::new(topic, "model".into(), of, first, hour, false);
            for record in &records {
                let (at, appended_at) = (record.offset, record.appended_at);
                match transform(of, record, &enrichment) {
                    Ok(row) if drops.is_some_and(|drops| drops.takes_row(&row)) => {
                        batch.leave_out(at, appended_at);
                    }
                    Ok(row) => batch.push(&row),
                    Err(defect) => {
                        let (key, value) = (record.key.as_deref(), record.value.as_deref());
                        match drops.is_some_and(|drops| drops.takes_letter(at, key, value)) {
                            true => batch.leave_out(at, appended_at),
                            false => batch.reject(defect.letter(record)),
                        }
                    }
                }
            }
            first = batch.end();
            let sealed = batch.seal();
            let outcome = replay.commit(sealed, own.next, COMMIT_TIMEOUT).await?;
            if !matches!(outcome, Outcome::Committed(_)) {
                return Ok(());
            }
            records = rest;
        }
        Ok(())
    }
}

/// What counts in some replay although its visitor was erased, in words.
///
/// # Panics
/// If the store, which is without faults now, does not answer.
pub async fn undone(bucket: &Arc<Bucket>, erased: &[AskedVisitor]) -> Vec<String> {
    let process = Arc::<Process>::default();
    let (live, store) = (lake(bucket, &process, None), bucket.seen_by(&process, None));
    let mut wrong = Vec::new();
    for name in live.replays().await.expect("the store answers") {
        let replay = live.replay(&name);
        let Some(ledger) = replay.ledger().await.expect("the store answers") else {
            continue;
        };
        let objects = ledger.coverage.objects();
        let mut paths: Vec<String> = objects.map(|one| one.path().to_string()).collect();
        for (path, _) in replay.files(None).await.expect("the store answers") {
            let object = ObjectName::parse(&path).expect("it is an object");
            if !ledger.gives_up(object.partition, object.first) {
                paths.push(path);
            }
        }
        for path in paths {
            let path = Path::from(format!("{}/{path}", name.folder()));
            let object = store.get(&path).await.expect("what counts is there");
            let object = object.bytes().await.expect("the store answers");
            for (of, at, visitor) in texts(object, "visitor_id") {
                let Some(visitor) = visitor else { continue };
                let mut all = erased.iter();
                let gone = |(name, until): &AskedVisitor| {
                    *name == visitor && until.get(&of).is_some_and(|until| at < *until)
                };
                if all.any(gone) {
                    wrong.push(format!(
                        "invariant 5: {visitor} was erased, and {path} holds offset {at} of \
                         partition {of}"
                    ));
                }
            }
        }
    }
    wrong
}
