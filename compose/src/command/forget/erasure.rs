//! The erasure itself, step by step. A process that is killed in the middle goes on with the same
//! command: the ledger says what is asked for and not complete.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use sink::{
    ErasureScene, Forget, Forgetting, LakeKeys, Ledger, Offset, Partition, ReplayName,
    SignedCertificate, Subject, Watermarks,
};
use tokio::time::sleep;

use super::request::AskedSubject;
use super::{ErasurePlace, ends, named, new_request};

/// How often it is looked whether the lake has got so far.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Keys for a lake that has none yet.
pub(super) fn new_keys() -> LakeKeys {
    LakeKeys::new(rand::random(), rand::random())
}

impl ErasurePlace {
    pub(super) async fn erase(
        &self,
        asked: &AskedSubject,
        ledger: &Ledger,
        marks: &BTreeMap<Partition, Watermarks>,
    ) -> anyhow::Result<SignedCertificate> {
        let keys = self.lake.make_keys(&new_keys()).await?;
        let forget = match self.begun(asked, ledger, &keys) {
            Some(forget) => forget,
            None => self.asked(asked, &keys, ends(marks)).await?,
        };
        let asked = self.lake.forget(&forget).await?;
        self.wait(&forget.until).await?;
        loop {
            let number = self.rewrite(&asked).await?;
            self.stage("building the catalog, its tables and what is published anew");
            self.node.catalog().await?.forget().await?;
            if let Some(signed) = self.complete(&keys, &asked, number).await? {
                return Ok(signed);
            }
        }
    }

    /// The same request, if it is in the ledger and not complete.
    fn begun(&self, asked: &AskedSubject, ledger: &Ledger, keys: &LakeKeys) -> Option<Forget> {
        let subjects = keys.subjects();
        let subject = named(asked, keys);
        let is_same = |forget: &&Forget| match (&subject, &forget.subject, asked) {
            (Some(subject), theirs, _) => subject == theirs,
            (None, Subject::Records(records), asked) => {
                records.condition == subjects.hash(asked.spelt())
            }
            _ => false,
        };
        ledger.unerased().find(is_same).cloned()
    }

    /// A new request. A condition needs all that it is asked of in the lake.
    async fn asked(
        &self,
        asked: &AskedSubject,
        keys: &LakeKeys,
        until: BTreeMap<Partition, Offset>,
    ) -> anyhow::Result<Forget> {
        let now = self.node.clock.now();
        let subject = match named(asked, keys) {
            Some(subject) => subject,
            None => {
                self.wait(&until).await?;
                let mut list = self.records(asked).await?;
                list.cut(&until);
                let condition = keys.subjects().hash(asked.spelt());
                Subject::Records(self.lake.store_records(&list, condition).await?)
            }
        };
        Ok(new_request(subject, until, now))
    }

    /// Waits until the lake has all that the topic held at the request.
    async fn wait(&self, until: &BTreeMap<Partition, Offset>) -> anyhow::Result<()> {
        loop {
            let missing = self.lake.uncommitted(until).await?;
            let Some((partition, (at, until))) = missing.first_key_value() else {
                return Ok(());
            };
            self.stage(format!(
                "waiting for a transformer to commit partition {partition}: the lake has it up to \
                 offset {at} of {until}"
            ));
            if self.job.stop.is_cancelled() {
                bail!("it was stopped; the same command goes on");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a replay has all of its ranges below the request.
    async fn wait_for_replay(
        &self,
        name: &ReplayName,
        until: &BTreeMap<Partition, Offset>,
    ) -> anyhow::Result<()> {
        loop {
            let left = self.lake.unreplayed(name, until).await?;
            let Some((partition, (at, end))) = left.first_key_value() else {
                return Ok(());
            };
            self.stage(format!(
                "waiting for the replay {name}, whose partition {partition} is at offset {at} of \
                 {end}: `clickweir replay --into {name}` goes on with it; or delete its folder"
            ));
            if self.job.stop.is_cancelled() {
                bail!("it was stopped; the same command goes on");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Rewrites every lake, again if another maker of swaps came between. Returns the number of
    /// entries as of which nothing is left.
    async fn rewrite(&self, asked: &Forgetting) -> anyhow::Result<u64> {
        loop {
            let Some(ledger) = self.lake.ledger().await? else {
                bail!("the lake's ledger was there and is not any more");
            };
            self.lake.forget_in_replays(&asked.forget).await?;
            let forgotten = self.lake.forgotten(&ledger).await?;
            let forgotten = forgotten.only(|one| one.id == asked.forget.id);
            let progress = |done, all| self.progress(done, all);
            let scene = ErasureScene {
                id: asked.forget.id,
                forgotten: &forgotten,
                lows: &self.lows,
                now: self.node.clock.now(),
                progress: &progress,
            };
            self.stage("erasing from clicks");
            let number = self.lake.erase(&scene).await?;
            for name in self.lake.replays().await? {
                self.wait_for_replay(&name, &asked.forget.until).await?;
                self.stage(format!("erasing from the replay {name}"));
                self.lake.replay(&name).erase(&scene).await?;
            }
            let after = self.lake.ledger().await?;
            if after.is_some_and(|after| after.next == number) {
                return Ok(number);
            }
        }
    }

    /// Certifies what was done. `None` if another entry came between.
    async fn complete(
        &self,
        keys: &LakeKeys,
        asked: &Forgetting,
        number: u64,
    ) -> anyhow::Result<Option<SignedCertificate>> {
        self.stage("writing the certificate");
        let now = self.node.clock.now();
        let attested = self.lake.attest(asked.forget.id, keys, (number, now));
        Ok(attested.await?)
    }
}
