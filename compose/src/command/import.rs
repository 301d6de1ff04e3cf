//! `clickweir import`: a node runs it, whoever asked for it shows how far it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use producer::Edge;
use producer::import::{ColumnMap, Import, ImportFormat, ImportProgress, ImportReport, Input};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::FileFormat;
use crate::command::owner::Door;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// How often progress is asked for.
const POLL: Duration = Duration::from_millis(200);

/// An import under way, or how it ended.
#[derive(Default)]
pub(crate) struct Importing {
    progress: Mutex<Option<ImportProgress>>,
    ended: Mutex<Option<Result<ImportReport, String>>>,
    stop: CancellationToken,
}

impl Node {
    /// Starts an import; one at a time.
    pub(crate) async fn import_start(self: &Arc<Self>, request: &Value) -> anyhow::Result<Value> {
        let text = |key: &str| request[key].as_str();
        let file = PathBuf::from(text("file").context("file is due")?);
        let map = match text("map") {
            Some(map) => {
                let toml = std::fs::read_to_string(map)
                    .with_context(|| format!("the mapping {map} cannot be read"))?;
                Some(ColumnMap::parse(&toml).with_context(|| format!("the mapping {map}"))?)
            }
            None => None,
        };
        let format = match text("format") {
            Some("csv") => ImportFormat::Csv,
            Some("ndjson") => ImportFormat::Ndjson,
            other => bail!("format {other:?}: csv or ndjson"),
        };
        let import = Import {
            input: Input::File(file),
            format,
            map,
            state: self.settings.folder().join("imports"),
        };
        let importing = Arc::new(Importing::default());
        {
            let mut slot = self.importing.lock();
            if slot
                .as_ref()
                .is_some_and(|running| running.ended.lock().is_none())
            {
                bail!("another import is running; try again when it has ended");
            }
            *slot = Some(importing.clone());
        }
        let writer = self.topic().await?.writer()?;
        let edge = Arc::new(Edge::new(
            &self.settings.sections.producer,
            writer,
            self.clock.clone(),
        ));
        let node = self.clone();
        tokio::spawn(async move {
            let mut told = |progress| *importing.progress.lock() = Some(progress);
            let stop = importing.stop.clone();
            let ended = producer::import::run(import, edge, node.as_ref(), stop, &mut told).await;
            *importing.ended.lock() = Some(ended.map_err(|error| error.to_string()));
        });
        Ok(json!({}))
    }

    /// How far the import is.
    pub(crate) fn import_progress(&self) -> Value {
        let Some(importing) = self.importing.lock().clone() else {
            return json!({});
        };
        let progress = importing.progress.lock().map(|progress| {
            json!({ "lines": progress.lines, "bytes": progress.bytes, "total": progress.total })
        });
        match importing.ended.lock().as_ref() {
            None => json!({ "progress": progress }),
            Some(Err(error)) => json!({ "progress": progress, "failed": error }),
            Some(Ok(report)) => json!({
                "progress": progress,
                "report": {
                    "digest": report.digest, "lines": report.lines, "sent": report.sent,
                    "skipped": report.skipped, "rejected": report.rejected,
                    "first_rejected": report.first_rejected, "complete": report.complete,
                },
            }),
        }
    }

    /// Tells a running import to stop at the next batch.
    pub(crate) fn import_stop(&self) {
        if let Some(importing) = self.importing.lock().as_ref() {
            importing.stop.cancel();
        }
    }
}

/// Asks for an import and shows its progress.
pub(crate) async fn ask(
    settings: Settings,
    file: &Path,
    format: FileFormat,
    map: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    // Standard input is kept in a file first: it is read twice, and an owner cannot read ours.
    let mut kept = None;
    let file = if file == Path::new("-") {
        let mut copy = tempfile::NamedTempFile::new()?;
        std::io::copy(&mut std::io::stdin().lock(), &mut copy)?;
        kept.insert(copy).path().to_owned()
    } else {
        std::path::absolute(file)?
    };
    let format = match format {
        FileFormat::Csv => "csv",
        FileFormat::Ndjson => "ndjson",
    };
    let map = map.map(std::path::absolute).transpose()?;
    let door = Door::find(settings).await?;
    door.ask(
        "import_start",
        json!({ "file": file, "format": format, "map": map }),
    )
    .await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes} {msg} {eta} left",
    )?);
    loop {
        let state = door.ask("import_progress", json!({})).await?;
        let progress = &state["progress"];
        bar.set_length(progress["total"].as_u64().unwrap_or_default());
        bar.set_position(progress["bytes"].as_u64().unwrap_or_default());
        bar.set_message(format!(
            "{} lines",
            progress["lines"].as_u64().unwrap_or_default()
        ));
        if let Some(failed) = state["failed"].as_str() {
            bail!("{failed}");
        }
        if let Some(report) = state["report"].as_object() {
            bar.finish_and_clear();
            let number = |key: &str| report[key].as_u64().unwrap_or_default();
            print::line(&format!(
                "{} lines: {} sent now ({} of them no row, now dead letters), {} were there already",
                number("lines"),
                number("sent"),
                number("rejected"),
                number("skipped")
            ));
            for rejected in report["first_rejected"].as_array().into_iter().flatten() {
                print::line(&format!("line {}: {}", rejected[0], rejected[1]));
            }
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(POLL).await;
    }
}
