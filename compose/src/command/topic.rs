//! `clickweir topic`: what the topic holds.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use topic::{Offset, Partition, Record};

use super::Command;
use super::owner::Target;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum TopicTask {
    /// Prints the offsets that each partition holds
    Describe,
    /// Prints records, one JSON object per line
    Read {
        /// The partition
        #[arg(long)]
        partition: u32,
        /// The first offset
        #[arg(long, default_value_t = 0)]
        from_offset: u64,
        /// The offset to stop before [default: the end]
        #[arg(long)]
        to_offset: Option<u64>,
    },
}

/// How many records one answer holds at most.
const MAX_RECORDS: usize = 1_000;

/// Asks which offsets each partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DescribeTopic {}

/// The topic's identity and its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopicDescription {
    pub(crate) topic: String,
    pub(crate) partitions: Vec<PartitionDescription>,
}

/// A partition and the half-open range `low..high` of the offsets that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartitionDescription {
    pub(crate) partition: Partition,
    pub(crate) low: Offset,
    pub(crate) high: Offset,
}

impl Command for DescribeTopic {
    const NAME: &'static str = "topic_describe";
    type Answer = TopicDescription;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<TopicDescription> {
        let topic = node.topic().await?;
        let marks = topic.watermarks().await?;
        Ok(TopicDescription {
            topic: topic.identity().to_string(),
            partitions: marks
                .into_iter()
                .map(|(partition, marks)| PartitionDescription {
                    partition,
                    low: marks.low,
                    high: marks.high,
                })
                .collect(),
        })
    }
}

/// Reads records of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadTopic {
    pub(crate) partition: Partition,
    /// The first offset.
    pub(crate) from: Offset,
    /// The end, which is not read. `None` if the partition's end is meant.
    pub(crate) to: Option<Offset>,
}

/// Some records, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopicRecords {
    /// One JSON object each.
    pub(crate) lines: Vec<String>,
    /// `None` if these are the last.
    pub(crate) next: Option<Offset>,
}

impl Command for ReadTopic {
    const NAME: &'static str = "topic_read";
    type Answer = TopicRecords;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<TopicRecords> {
        let partition = self.partition;
        let topic = node.topic().await?;
        let marks = topic.watermarks().await?;
        let marks = marks.get(&partition).with_context(|| {
            format!(
                "there is no partition {partition}, but 0 to {}",
                marks.len().saturating_sub(1)
            )
        })?;
        let to = self.to.unwrap_or(marks.high).min(marks.high);
        let records = topic.fetch(partition, self.from, MAX_RECORDS).await?;
        let within: Vec<&Record> = records.iter().take_while(|r| r.offset < to).collect();
        let lines: Result<Vec<String>, _> = within
            .iter()
            .map(|record| json_line(partition, record))
            .collect();
        let next = within.last().map(|record| record.offset.next());
        Ok(TopicRecords {
            lines: lines?,
            next: next.filter(|next| *next < to),
        })
    }
}

/// A record as a person reads it: its value as it is if that is JSON, else as text.
fn json_line(partition: Partition, record: &Record) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        partition: Partition,
        offset: Offset,
        appended_at: String,
        key: Option<String>,
        value: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    }
    let bytes = record.value.as_deref().map(String::from_utf8_lossy);
    let value = bytes
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let text = if value.is_none() {
        bytes.as_deref()
    } else {
        None
    };
    let key = record.key.as_deref();
    serde_json::to_string(&Line {
        partition,
        offset: record.offset,
        appended_at: record.appended_at.to_string(),
        key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
        value,
        text,
    })
}

/// Prints the partitions, or records of one of them.
pub(crate) async fn topic(settings: Settings, task: Option<TopicTask>) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    match task.unwrap_or(TopicTask::Describe) {
        TopicTask::Describe => {
            let TopicDescription { topic, partitions } = target.send(DescribeTopic {}).await?;
            print::answer(&format!("topic {topic}"))?;
            for PartitionDescription {
                partition,
                low,
                high,
            } in partitions
            {
                print::answer(&format!("partition {partition}: offsets {low}..{high}"))?;
            }
        }
        TopicTask::Read {
            partition,
            from_offset,
            to_offset,
        } => {
            let mut next = Some(Offset(from_offset));
            while let Some(from) = next {
                let request = ReadTopic {
                    partition: Partition(partition),
                    from,
                    to: to_offset.map(Offset),
                };
                let answer = target.send(request).await?;
                for line in &answer.lines {
                    print::answer(line)?;
                }
                next = answer.next;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
