//! The maker that forgets: now and then a client asks to be erased, and a process erases it, which is
//! killed and frozen. Another one goes on with what it began.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sink::{
    ErasureScene, Error, Forget, ForgetId, Lake, LakeKeys, Offset, Partition, Subject, Timestamp,
};
use tokio::time::sleep;

use super::brokers::Brokers;
use super::store::Bucket;
use super::worker::lake;
use super::{Dice, Fault, Process};

/// What the lake's entries say of when.
const NOW: Timestamp = Timestamp::from_micros(1_795_384_800_000_000);

/// How often it is tried when there are no faults any more.
const MAX_TRIES: u32 = 100;

/// What was asked to be erased: the visitor, and up to where.
pub type AskedVisitor = (String, BTreeMap<Partition, Offset>);

/// The maker that forgets.
pub struct Forgetter {
    bucket: Arc<Bucket>,
    brokers: Arc<Brokers>,
    dice: Arc<Dice>,
    clients: u64,
    asked: Mutex<BTreeMap<ForgetId, AskedVisitor>>,
}

impl Forgetter {
    /// A maker that erases some of so many clients.
    #[must_use]
    pub fn new(
        bucket: &Arc<Bucket>,
        brokers: &Arc<Brokers>,
        dice: Arc<Dice>,
        clients: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            bucket: bucket.clone(),
            brokers: brokers.clone(),
            dice,
            clients,
            asked: Mutex::default(),
        })
    }

    /// Erases a client now and then, for ever.
    pub async fn forget(self: Arc<Self>) {
        loop {
            sleep(self.dice.millis(15_000..60_000)).await;
            let visitor = format!("visitor-{}", self.dice.number(0..self.clients));
            let marks = self.brokers.marks().into_iter();
            // Offsets without a record behind the last one are in no object until another comes.
            let last = |of, low| self.brokers.read(of, low, usize::MAX).pop();
            let until = marks.map(|(of, marks)| {
                let last = last(of, marks.low).map(|last| last.offset.next());
                (of, last.unwrap_or(marks.low))
            });
            let until = until.collect();
            let id = ForgetId::new(self.dice.number(0..u64::MAX).into());
            let asked = (visitor, until);
            self.asked.lock().insert(id, asked.clone());
            loop {
                let process = Arc::new(Process::default());
                if self.dice.strikes(Fault::EraserKilled, 300) {
                    process.kill_at(self.dice.number(1..150));
                } else if self.dice.strikes(Fault::EraserFrozen, 150) {
                    tokio::spawn(self.clone().freeze(process.clone()));
                }
                let lake = lake(&self.bucket, &process, None);
                let done = tokio::select! {
                    biased;
                    () = process.dies() => false,
                    done = erase(&lake, id, &asked) => done.unwrap_or(false),
                };
                self.dice.note(&("erased", done));
                if done {
                    break;
                }
                sleep(self.dice.millis(500..5_000)).await;
            }
        }
    }

    async fn freeze(self: Arc<Self>, process: Arc<Process>) {
        sleep(self.dice.millis(1..1_500)).await;
        process.freeze(true);
        sleep(self.dice.millis(1_000..60_000)).await;
        process.freeze(false);
    }

    /// Completes every request that is in the ledger, once there are no faults. Returns them, and
    /// says which cannot be completed.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn complete(&self) -> (Vec<AskedVisitor>, Vec<String>) {
        let lake = lake(&self.bucket, &Arc::default(), None);
        let ledger = lake.ledger().await.expect("the store answers");
        let ledger = ledger.expect("the lake is founded");
        let (mut erased, mut unfinished) = (Vec::new(), Vec::new());
        for asking in &ledger.forgets {
            let id = asking.forget.id;
            let asked = self.asked.lock()[&id].clone();
            let mut tries = 0;
            while asking.erased.is_none() && !erase(&lake, id, &asked).await.unwrap_or(false) {
                tries += 1;
                if tries == MAX_TRIES {
                    unfinished.push(format!("the erasure {id} is never complete"));
                    break;
                }
                sleep(self.dice.millis(500..1_000)).await;
            }
            erased.push(asked);
        }
        (erased, unfinished)
    }
}

/// One try to erase. Returns true if it is complete.
async fn erase(lake: &Lake, id: ForgetId, asked: &AskedVisitor) -> Result<bool, Error> {
    let keys = lake.make_keys(&LakeKeys::new([1; 32], [2; 32])).await?;
    let forget = Forget {
        id,
        subject: Subject::Visitor(keys.subjects().hash(&asked.0)),
        until: asked.1.clone(),
        asked_at: NOW,
    };
    lake.forget(&forget).await?;
    if !lake.uncommitted(&forget.until).await?.is_empty() {
        return Ok(false);
    }
    let Some(ledger) = lake.ledger().await? else {
        return Ok(false);
    };
    let forgotten = lake.forgotten(&ledger).await?.only(|one| one.id == id);
    let scene = ErasureScene {
        id,
        forgotten: &forgotten,
        lows: &BTreeMap::new(),
        now: NOW,
        progress: &|_, _| {},
    };
    lake.forget_in_replays(&forget).await?;
    let number = lake.erase(&scene).await?;
    for name in lake.replays().await? {
        if !lake.unreplayed(&name, &forget.until).await?.is_empty() {
            return Ok(false);
        }
        lake.replay(&name).erase(&scene).await?;
    }
    if lake.attest(id, &keys, (number, NOW)).await?.is_some() {
        return Ok(true);
    }
    let after = lake.ledger().await?;
    let entry = after.as_ref().and_then(|after| after.forgetting(id));
    Ok(entry.is_some_and(|asked| asked.erased.is_some()))
}
