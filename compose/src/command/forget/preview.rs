//! What an erasure would take. Nothing is written.

use std::collections::BTreeMap;

use sink::{ErasureScene, Forgotten, ForgottenRecords, Ledger, Partition, Subject, Watermarks};

use super::request::{AskedSubject, ForgetReport};
use super::{ErasurePlace, ends, named, new_request};

impl ErasurePlace {
    pub(super) async fn preview(
        &self,
        asked: &AskedSubject,
        ledger: &Ledger,
        marks: &BTreeMap<Partition, Watermarks>,
    ) -> anyhow::Result<ForgetReport> {
        let keys = match self.lake.keys().await? {
            Some(keys) => keys,
            // Any do: nothing is kept of them.
            None => super::erasure::new_keys(),
        };
        let mut list = None;
        let subject = match named(asked, &keys) {
            Some(subject) => subject,
            None => {
                let found = list.insert(self.records(asked).await?);
                Subject::Records(ForgottenRecords {
                    path: String::new(),
                    records: found.len(),
                    condition: keys.subjects().hash(asked.spelt()),
                })
            }
        };
        let now = self.node.clock.now();
        let forget = new_request(subject, ends(marks), now);
        let id = forget.id;
        let forgotten = Forgotten::of(&keys.subjects(), forget, list);
        let progress = |done, all| self.progress(done, all);
        let scene = ErasureScene {
            id,
            forgotten: &forgotten,
            lows: &self.lows,
            now,
            progress: &progress,
        };
        self.stage("reading the objects of clicks");
        let mut shares = BTreeMap::new();
        shares.insert("clicks".to_owned(), self.lake.subject_share(&scene).await?);
        for name in self.lake.replays().await? {
            self.stage(format!("reading the objects of the replay {name}"));
            let share = self.lake.replay(&name).subject_share(&scene).await?;
            shares.insert(format!("clicks_{name}"), share);
        }
        let settles = ledger.promotions.iter();
        Ok(ForgetReport::Preview {
            shares,
            settles: settles.map(|(_, one)| one.name.to_string()).collect(),
        })
    }
}
