//! The maker that replays: now and then it reads a range of the topic again into a lake below the
//! live one, puts that in place, and back. Its processes are killed and frozen; the next one goes on.

use std::sync::Arc;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use sink::{Error, Lake, Location, ObjectName, Offset, Partition, Pool, ReplayName, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transformer::Enrichment;
use transformer::replay::{self, Parts, ReplaySpan};

use super::client::Client;
use super::forgetter::AskedVisitor;
use super::reading::texts;
use super::store::Bucket;
use super::worker::{Workers, lake};
use super::{Bug, Fault, Process};

/// What is done with a replay, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Replay,
    Promote,
    Rollback,
    Settle,
}

/// The maker that replays.
pub struct Replayer {
    workers: Arc<Workers>,
}

impl Replayer {
    /// A maker of replays of the workers' lake.
    #[must_use]
    pub fn new(workers: &Arc<Workers>) -> Arc<Self> {
        Arc::new(Self {
            workers: workers.clone(),
        })
    }

    /// Replays some of a partition now and then, for ever, and promotes what it has replayed.
    pub async fn replay(self: Arc<Self>) {
        let dice = &self.workers.dice;
        for number in 0_u64.. {
            sleep(dice.millis(5_000..25_000)).await;
            let name = ReplayName::parse(&format!("r{number}")).expect("it is a name");
            if !self.clone().finish(&name, Step::Replay).await {
                self.delete(&name).await;
                continue;
            }
            if dice.chance(700) {
                self.clone().finish(&name, Step::Promote).await;
                sleep(dice.millis(0..20_000)).await;
                if let Some(Some(step)) = dice
                    .pick(&[None, Some(Step::Rollback), Some(Step::Settle)])
                    .copied()
                {
                    self.clone().finish(&name, step).await;
                }
            }
        }
    }

    /// Tries a step until it is done or refused, each time in a new process. Returns true if it is
    /// done.
    async fn finish(self: Arc<Self>, name: &ReplayName, step: Step) -> bool {
        let dice = &self.workers.dice;
        loop {
            let process = Arc::new(Process::default());
            if dice.strikes(Fault::ReplayerKilled, 300) {
                process.kill_at(dice.number(1..120));
            } else if dice.strikes(Fault::ReplayerFrozen, 150) {
                tokio::spawn(self.clone().freeze(process.clone()));
            }
            let done = tokio::select! {
                biased;
                () = process.dies() => None,
                done = self.take(&process, name, step) => Some(done),
            };
            dice.note(&(step, done.as_ref().map(Result::is_ok)));
            match done {
                Some(Ok(())) => return true,
                Some(Err(Error::Refused(_) | Error::Recreated { .. })) => return false,
                None | Some(Err(_)) => sleep(dice.millis(500..3_000)).await,
            }
        }
    }

    async fn freeze(self: Arc<Self>, process: Arc<Process>) {
        let dice = &self.workers.dice;
        sleep(dice.millis(1..1_500)).await;
        process.freeze(true);
        sleep(dice.millis(1_000..60_000)).await;
        process.freeze(false);
    }

    async fn take(
        &self,
        process: &Arc<Process>,
        name: &ReplayName,
        step: Step,
    ) -> Result<(), Error> {
        let live = lake(&self.workers.bucket, process, None);
        let now = Timestamp::default();
        match step {
            Step::Replay => match self.read_again(&live, process, name).await {
                Err(transformer::Error::Lake(error)) => Err(error),
                Err(error) => Err(Error::Unavailable(error.to_string())),
                Ok(()) => Ok(()),
            },
            Step::Promote => live.promote(name, now).await.map(drop),
            Step::Rollback => live.rollback(name, now).await,
            Step::Settle => live.settle(name, now).await,
        }
    }

    async fn read_again(
        &self,
        live: &Lake,
        process: &Arc<Process>,
        name: &ReplayName,
    ) -> Result<(), transformer::Error> {
        let Workers {
            brokers,
            bug,
            config,
            sink,
            ..
        } = &*self.workers;
        let topic = Client::new(brokers, process, None);
        let span = match live.replay(name).ledger().await? {
            Some(_) => None,
            None => Some(self.span(live).await?),
        };
        let now = Timestamp::default();
        let hash = config.configuration(&Enrichment::default());
        let mut begun = replay::begin(&*topic, live, &hash, name, span, now).await?;
        if *bug == Some(Bug::ReplayRemembers) {
            // A lake of which nobody asked anything.
            let location = Location::Folder("/another".into());
            begun.live = Lake::new(Arc::new(InMemory::new()), location);
        }
        let parts = Parts {
            topic,
            enrichment: Arc::default(),
            pool: Pool::Inline,
            progress: Box::new(|_, _| {}),
            stop: CancellationToken::new(),
        };
        let report = replay::run(config.clone(), sink.clone(), begun, parts).await?;
        assert_eq!(report.committed, report.total, "nobody stops it");
        Ok(())
    }

    /// Some of what a partition holds and the lake has.
    async fn span(&self, live: &Lake) -> Result<ReplaySpan, Error> {
        let Workers { brokers, dice, .. } = &*self.workers;
        let nothing = || Error::Refused("there is nothing to replay".to_owned());
        let ledger = live.ledger().await?.ok_or_else(nothing)?;
        let marks = brokers.marks();
        let partitions: Vec<Partition> = marks.keys().copied().collect();
        let partition = *dice.pick(&partitions).expect("there is one");
        let tips = live.tips(ledger.clone(), &[partition].into()).await?;
        let low = marks[&partition].low.max(ledger.first(partition)).0;
        let end = tips.resume(partition).0;
        if low >= end {
            return Err(nothing());
        }
        let first = match dice.chance(500) {
            true => low,
            false => dice.number(low..end),
        };
        Ok(ReplaySpan::Offsets {
            partition,
            first: Offset(first),
            end: Offset(dice.number(first + 1..end + 1)),
        })
    }

    async fn delete(&self, name: &ReplayName) {
        let live = lake(&self.workers.bucket, &Arc::<Process>::default(), None);
        while live.delete_replay(name).await.is_err() {
            sleep(self.workers.dice.millis(500..3_000)).await;
        }
    }

    /// Deletes what is not finished, once there are no faults: nobody goes on with it.
    ///
    /// # Panics
    /// If the store does not answer.
    pub async fn give_up(&self) {
        let live = lake(&self.workers.bucket, &Arc::<Process>::default(), None);
        for name in live.replays().await.expect("the store answers") {
            let left = live.unfinished(&name).await;
            if left.is_ok_and(|left| !left.is_empty()) {
                self.delete(&name).await;
            }
        }
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
