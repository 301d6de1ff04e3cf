//! What a shell may ask of a node, by name.

pub(crate) mod audit;
pub(crate) mod import;
mod lookup;
pub(crate) mod owner;
pub(crate) mod promote;
pub(crate) mod replay;
pub(crate) mod shell;
pub(crate) mod verdict;

use std::sync::Arc;

use anyhow::{Context, bail};
use catalog::Caller;
use dashboard::{CommandError, Commands};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use topic::{Offset, Partition, Record};

use crate::node::Node;
use crate::print;

/// The commands' names, as the owner serves them.
const NAMES: [&str; 14] = [
    "query",
    "audit",
    "audit_progress",
    "topic_describe",
    "topic_read",
    "gap_accept",
    "publish",
    "import_start",
    "import_progress",
    "replay_start",
    "replay_progress",
    "diff",
    "promote",
    "rollback",
];
/// How many records one answer holds.
const RECORDS: usize = 1_000;

/// A node's commands, for the dashboard to serve.
pub(crate) fn served(node: &Arc<Node>, token: &str) -> Commands {
    // The store's connections live on the runtime that opened them; a server's worker has one
    // of its own, which ends before the last crawl.
    let runtime = tokio::runtime::Handle::current();
    NAMES.iter().fold(Commands::new(token), |commands, name| {
        let (node, runtime) = (node.clone(), runtime.clone());
        commands.with(name, move |request| {
            let node = node.clone();
            let running = runtime.spawn(async move { node.execute(name, request).await });
            async move {
                let answer = running.await.map_err(anyhow::Error::from).flatten();
                answer.map_err(|error| CommandError::Failed(print::sentence(&error)))
            }
        })
    })
}

impl Node {
    /// Runs a command by its name.
    pub(crate) async fn execute(
        self: &Arc<Self>,
        name: &str,
        request: Value,
    ) -> anyhow::Result<Value> {
        match name {
            "query" => {
                let catalog = self.catalog().await?;
                catalog.crawl(false).await?;
                let sql = request["sql"].as_str().unwrap_or_default();
                let rows = catalog.ask(&Caller::local("shell"), sql).await?;
                let csv = request["csv"].as_bool().unwrap_or_default();
                if csv {
                    let (truncated, note) = (rows.truncated, &rows.note);
                    return Ok(json!({ "csv": rows.csv(), "truncated": truncated, "note": note }));
                }
                Ok(serde_json::from_str(&rows.json())?)
            }
            "audit" => Ok(serde_json::to_value(self.audit(&request).await?)?),
            "audit_progress" => Ok(self.audit_progress()),
            "topic_describe" => self.describe().await,
            "topic_read" => self.read(&request).await,
            "gap_accept" => self.gap_accept(&request).await,
            "publish" => {
                let catalog = self.catalog().await?;
                catalog.crawl(true).await?;
                catalog.publish(request["base"].as_str()).await?;
                let place = self.lake().await?.location().absolute(catalog::PUBLISHED);
                Ok(json!({ "published": place }))
            }
            "import_start" => self.import_start(&request).await,
            "import_progress" => Ok(self.import_progress()),
            "replay_start" => self.replay_start(&request).await,
            "replay_progress" => Ok(self.replay_progress()),
            "diff" => self.diff(&request).await,
            "promote" => self.promote(&request).await,
            "rollback" => self.rollback(&request).await,
            other => bail!("there is no command {other}"),
        }
    }

    async fn describe(&self) -> anyhow::Result<Value> {
        let topic = self.topic().await?;
        let marks = topic.watermarks().await?;
        let partitions: Vec<Value> = marks
            .iter()
            .map(|(partition, marks)| {
                json!({ "partition": partition, "low": marks.low, "high": marks.high })
            })
            .collect();
        Ok(json!({ "topic": topic.identity().to_string(), "partitions": partitions }))
    }

    async fn read(&self, request: &Value) -> anyhow::Result<Value> {
        let number = |key: &str| request[key].as_u64();
        let partition = u32::try_from(number("partition").context("partition is due")?)?;
        let partition = Partition(partition);
        let from = Offset(number("from").unwrap_or_default());
        let topic = self.topic().await?;
        let marks = topic.watermarks().await?;
        let marks = marks.get(&partition).with_context(|| {
            format!(
                "there is no partition {partition}, but 0 to {}",
                marks.len().saturating_sub(1)
            )
        })?;
        let to = number("to").map_or(marks.high, Offset).min(marks.high);
        let records = topic.fetch(partition, from, RECORDS).await?;
        let within: Vec<&Record> = records.iter().take_while(|r| r.offset < to).collect();
        let lines: Vec<String> = within
            .iter()
            .map(|record| shown(partition, record))
            .collect::<Result<_, _>>()?;
        let next = within
            .last()
            .map(|record| record.offset.next())
            .filter(|next| *next < to);
        Ok(json!({ "lines": lines, "next": next }))
    }

    async fn gap_accept(&self, request: &Value) -> anyhow::Result<Value> {
        let partition = u32::try_from(request["partition"].as_u64().context("partition is due")?)?;
        let partition = Partition(partition);
        let (topic, lake) = (self.topic().await?, self.lake().await?);
        let marks = topic.watermarks().await?;
        let low = marks
            .get(&partition)
            .context("the topic has no such partition")?
            .low;
        let Some((first, end)) = lake.accept_gap(partition, low, self.clock.now()).await? else {
            bail!(
                "partition {partition}: nothing is lost, the topic still holds where the lake ends"
            );
        };
        Ok(json!({ "partition": partition, "first": first, "end": end }))
    }
}

/// A record as a person reads it: its value as it is where that is JSON, else as text.
fn shown(partition: Partition, record: &Record) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
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
    serde_json::to_string(&Shown {
        partition,
        offset: record.offset,
        appended_at: record.appended_at.to_string(),
        key: record
            .key
            .as_deref()
            .map(|key| String::from_utf8_lossy(key).into_owned()),
        value,
        text,
    })
}
