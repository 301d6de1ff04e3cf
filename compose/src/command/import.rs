//! `clickweir import`: a file's lines become clicks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use producer::Edge;
use producer::import::{ColumnMap, Import, ImportFormat, ImportProgress, ImportReport, Input};
use serde::{Deserialize, Serialize};

use super::owner::Target;
use super::work::{JobOf, Work, watch};
use crate::cli::FileFormat;
use crate::node::Node;
use crate::print;
use crate::settings::Settings;

/// Sends each line of a file as a click. Both paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportFile {
    pub(crate) file: PathBuf,
    pub(crate) format: FileFormat,
    /// The file that says which column becomes what. `None` if the columns have our names.
    pub(crate) map: Option<PathBuf>,
}

impl Work for ImportFile {
    const NAME: &'static str = "import";
    const EXCLUSIVE: bool = true;
    type Progress = ImportProgress;
    type Report = ImportReport;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<ImportReport> {
        let import = Import {
            input: Input::File(self.file),
            format: match self.format {
                FileFormat::Csv => ImportFormat::Csv,
                FileFormat::Ndjson => ImportFormat::Ndjson,
            },
            map: self.map.as_deref().map(read_map).transpose()?,
            state: node.settings.folder().join("imports"),
        };
        let config = &node.settings.sections.producer;
        let edge = Edge::new(config, node.topic().await?.writer()?, node.clock.clone());
        let stop = job.stop.clone();
        let mut progress = |now| job.update(|progress| *progress = now);
        let lookup = node.as_ref();
        Ok(producer::import::run(import, Arc::new(edge), lookup, stop, &mut progress).await?)
    }
}

fn read_map(file: &Path) -> anyhow::Result<ColumnMap> {
    let toml = std::fs::read_to_string(file)
        .with_context(|| format!("the mapping {} cannot be read", file.display()))?;
    ColumnMap::parse(&toml).with_context(|| format!("the mapping {}", file.display()))
}

/// Imports a file, shows the progress and prints the report.
pub(crate) async fn import(
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
    let map = map.map(std::path::absolute).transpose()?;
    let target = Target::find(settings).await?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes} {msg} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &ImportProgress| {
        bar.set_length(progress.total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} lines", progress.lines));
    };
    let work = ImportFile { file, format, map };
    let report = watch(&target, work, &bar, show).await?;
    print::line(&format!(
        "{} lines: {} sent now ({} of them no row, now dead letters), {} were there already",
        report.lines, report.sent, report.rejected, report.skipped
    ));
    for (line, why) in &report.first_rejected {
        print::line(&format!("line {line}: {why}"));
    }
    Ok(ExitCode::SUCCESS)
}
