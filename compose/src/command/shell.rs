//! What a shell asks, and how the answers are printed.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{GapTask, RowFormat, TopicTask};
use crate::command::owner::Door;
use crate::print;
use crate::settings::Settings;

/// `clickweir query`.
pub(crate) async fn query(
    settings: Settings,
    sql: &str,
    format: RowFormat,
) -> anyhow::Result<ExitCode> {
    let csv = format == RowFormat::Csv;
    let answer = Door::find(settings)
        .await?
        .ask("query", json!({ "sql": sql, "csv": csv }))
        .await?;
    match format {
        RowFormat::Csv => print::line(answer["csv"].as_str().unwrap_or_default().trim_end()),
        RowFormat::Json => print::line(&answer.to_string()),
        RowFormat::Table => print::line(&rows(&answer)),
    }
    if answer["truncated"].as_bool().unwrap_or_default() {
        print::note("there are more rows; catalog.query_rows is the limit");
    }
    if let Some(note) = answer["note"].as_str() {
        print::note(note);
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(answer: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let header: Vec<String> = list(&answer["columns"])
        .iter()
        .map(|column| text(&column["name"]))
        .collect();
    let rows: Vec<Vec<String>> = list(&answer["rows"])
        .iter()
        .map(|row| list(row).iter().map(text).collect())
        .collect();
    print::table(&header, &rows)
}

/// `clickweir topic`.
pub(crate) async fn topic(settings: Settings, task: Option<TopicTask>) -> anyhow::Result<ExitCode> {
    let door = Door::find(settings).await?;
    match task.unwrap_or(TopicTask::Describe) {
        TopicTask::Describe => {
            let answer = door.ask("topic_describe", json!({})).await?;
            print::line(&format!(
                "topic {}",
                answer["topic"].as_str().unwrap_or_default()
            ));
            for partition in answer["partitions"].as_array().into_iter().flatten() {
                let (number, low, high) = (
                    &partition["partition"],
                    &partition["low"],
                    &partition["high"],
                );
                print::line(&format!("partition {number}: offsets {low}..{high}"));
            }
        }
        TopicTask::Read {
            partition,
            from_offset,
            to_offset,
        } => {
            let mut next = Some(from_offset);
            while let Some(from) = next {
                let request = json!({ "partition": partition, "from": from, "to": to_offset });
                let answer = door.ask("topic_read", request).await?;
                for line in answer["lines"].as_array().into_iter().flatten() {
                    print::line(line.as_str().unwrap_or_default());
                }
                next = answer["next"].as_u64();
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `clickweir gap`.
pub(crate) async fn gap(settings: Settings, task: GapTask) -> anyhow::Result<ExitCode> {
    let GapTask::Accept { partition } = task;
    let answer = Door::find(settings)
        .await?
        .ask("gap_accept", json!({ "partition": partition }))
        .await?;
    let (first, end) = (&answer["first"], &answer["end"]);
    print::line(&format!(
        "partition {partition}: the loss of {first}..{end} is accepted and in the ledger"
    ));
    Ok(ExitCode::SUCCESS)
}

/// `clickweir publish`.
pub(crate) async fn publish(settings: Settings, base: Option<String>) -> anyhow::Result<ExitCode> {
    let answer = Door::find(settings)
        .await?
        .ask("publish", json!({ "base": base }))
        .await?;
    print::line(&format!(
        "published {}",
        answer["published"].as_str().unwrap_or_default()
    ));
    Ok(ExitCode::SUCCESS)
}
