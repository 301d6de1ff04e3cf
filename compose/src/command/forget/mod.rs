//! `clickweir forget`: erases somebody's clicks, and certifies it.

mod args;
mod erasure;
mod preview;
mod request;
mod shell;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use sink::{
    Forget, ForgetId, Lake, LakeKeys, Ledger, Offset, Partition, RecordList, Subject, Timestamp,
    Watermarks,
};

use self::request::{AskedSubject, ForgetProgress, ForgetReport};
use super::work::{JobOf, Work};
use crate::node::Node;

pub(crate) use self::args::{CertificateTask, ForgetArgs};
pub(crate) use self::request::ForgetSubject;
pub(crate) use self::shell::{forget, verify};

impl Work for ForgetSubject {
    const NAME: &'static str = "forget";
    const EXCLUSIVE: bool = true;
    type Progress = ForgetProgress;
    type Report = ForgetReport;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<ForgetReport> {
        if let AskedSubject::Visitor(name) | AskedSubject::User(name) = &self.asked
            && name.trim().is_empty()
        {
            bail!("an empty id is nobody's: name a visitor or a user");
        }
        let (topic, lake) = (node.topic().await?, node.lake().await?);
        let marks = topic.watermarks().await?;
        let Some(ledger) = lake.ledger_of(topic.identity()).await? else {
            bail!("the lake is empty: there is nothing to erase");
        };
        let place = ErasurePlace {
            node,
            job,
            lake,
            lows: lows(&ledger, &marks),
        };
        if self.yes {
            let signed = place.erase(&self.asked, &ledger, &marks).await?;
            return Ok(ForgetReport::Erased(Box::new(signed)));
        }
        place.preview(&self.asked, &ledger, &marks).await
    }
}

/// With what an erasure works.
struct ErasurePlace {
    node: Arc<Node>,
    job: Arc<JobOf<ForgetSubject>>,
    lake: Lake,
    /// Where the topic begins.
    lows: BTreeMap<Partition, Offset>,
}

impl ErasurePlace {
    fn stage(&self, stage: impl Into<String>) {
        let stage = stage.into();
        self.job.update(|progress| {
            *progress = ForgetProgress {
                stage,
                ..ForgetProgress::default()
            };
        });
    }

    fn progress(&self, done: u64, all: u64) {
        self.job
            .update(|progress| (progress.done, progress.all) = (done, all));
    }

    /// The records that a condition finds in the live lake and in the replays.
    async fn records(&self, asked: &AskedSubject) -> anyhow::Result<RecordList> {
        let AskedSubject::Where {
            condition,
            from,
            to,
        } = asked
        else {
            bail!("what is asked has a name, and no condition");
        };
        self.stage("looking for the rows of the condition");
        let mut all = format!("({condition}\n)");
        for (sign, moment) in [(">=", from), ("<", to)] {
            let Some(text) = moment else { continue };
            let moment = Timestamp::parse_rfc3339(text).with_context(|| {
                format!("{text:?} is not a date we can read: write it like 2026-11-22T21:00:00Z")
            })?;
            all.push_str(&format!(" AND occurred_at {sign} TIMESTAMPTZ '{moment}'"));
        }
        let mut tables = vec!["clicks".to_owned()];
        for name in self.lake.replays().await? {
            tables.push(format!("clicks_{name}"));
        }
        let catalog = self.node.catalog().await?;
        catalog.crawl(true).await?;
        let mut records = Vec::new();
        for table in tables {
            // One text a partition: an answer has a limit of rows.
            let sql = format!(
                "SELECT partition::VARCHAR, string_agg(\"offset\"::VARCHAR, ' ')
                 FROM {table} WHERE {all} GROUP BY 1"
            );
            for cells in catalog.query(&sql).await?.cells() {
                let [Some(partition), Some(offsets)] = cells.as_slice() else {
                    continue;
                };
                let of = Partition(partition.parse()?);
                for offset in offsets.split(' ') {
                    records.push((of, Offset(offset.parse()?)));
                }
            }
        }
        Ok(records.into_iter().collect())
    }
}

/// Where the topic begins, by partition.
fn lows(ledger: &Ledger, marks: &BTreeMap<Partition, Watermarks>) -> BTreeMap<Partition, Offset> {
    let lows = marks.iter();
    lows.map(|(of, marks)| (*of, marks.low.max(ledger.first(*of))))
        .collect()
}

/// Where the topic ends, by partition.
fn ends(marks: &BTreeMap<Partition, Watermarks>) -> BTreeMap<Partition, Offset> {
    marks.iter().map(|(of, marks)| (*of, marks.high)).collect()
}

/// A request, before it is in the ledger.
fn new_request(
    subject: Subject,
    until: BTreeMap<Partition, Offset>,
    asked_at: Timestamp,
) -> Forget {
    Forget {
        id: ForgetId::new(rand::random()),
        subject,
        until,
        asked_at,
    }
}

/// The subject, if its records need not be looked for.
fn named(asked: &AskedSubject, keys: &LakeKeys) -> Option<Subject> {
    match asked {
        AskedSubject::Visitor(name) => Some(Subject::Visitor(keys.subjects().hash(name))),
        AskedSubject::User(name) => Some(Subject::User(keys.subjects().hash(name))),
        AskedSubject::Where { .. } => None,
    }
}
