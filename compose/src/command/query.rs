//! `clickweir query`.

use std::process::ExitCode;
use std::sync::Arc;

use catalog::Caller;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Command;
use super::owner::Target;
use crate::cli::RowFormat;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Runs one statement on the catalog, after a crawl of the newest hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunQuery {
    pub(crate) sql: String,
    pub(crate) format: RowFormat,
}

/// The result of a query.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryAnswer {
    rows: QueryRows,
    /// True if there are more rows than `catalog.query_rows`.
    truncated: bool,
    /// What a reader must know of these rows. `None` if there is nothing to say.
    note: Option<String>,
}

/// The rows in the format that was asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum QueryRows {
    Table {
        header: Vec<String>,
        /// NULL is `None`.
        rows: Vec<Vec<Option<String>>>,
    },
    Json(Box<RawValue>),
    Csv(String),
}

impl Command for RunQuery {
    const NAME: &'static str = "query";
    type Answer = QueryAnswer;

    async fn run(self, node: &Arc<Node>) -> anyhow::Result<QueryAnswer> {
        let catalog = node.catalog().await?;
        catalog.crawl(false).await?;
        let rows = catalog.ask(&Caller::local("shell"), &self.sql).await?;
        Ok(QueryAnswer {
            rows: match self.format {
                RowFormat::Table => QueryRows::Table {
                    header: rows.columns().into_iter().map(|(name, _)| name).collect(),
                    rows: rows.cells().collect(),
                },
                RowFormat::Json => QueryRows::Json(RawValue::from_string(rows.json())?),
                RowFormat::Csv => QueryRows::Csv(rows.csv()),
            },
            truncated: rows.truncated,
            note: rows.note,
        })
    }
}

/// Runs a query and prints its rows.
pub(crate) async fn query(
    settings: Settings,
    sql: String,
    format: RowFormat,
) -> anyhow::Result<ExitCode> {
    let target = Target::find(settings).await?;
    let QueryAnswer {
        rows,
        truncated,
        note,
    } = target.send(RunQuery { sql, format }).await?;
    match rows {
        QueryRows::Table { header, rows } => {
            let cells =
                |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
            let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
            print::answer(&print::table(&header, &rows))?;
        }
        QueryRows::Json(json) => print::answer(json.get())?,
        QueryRows::Csv(csv) => print::answer(csv.trim_end())?,
    }
    if truncated {
        print::note("there are more rows; catalog.query_rows is the limit");
    }
    if let Some(note) = note {
        print::note(&note);
    }
    Ok(ExitCode::SUCCESS)
}
