//! `clickweir import`: a file's lines become clicks.

mod input;
mod summary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use producer::Edge;
use producer::import::{ColumnMap, Import, ImportProgress, ImportReport};
use serde::{Deserialize, Serialize};
use topic::clock;

use input::ReadableInput;

use super::lookup::Foresight;
use super::owner::Target;
use super::work::{JobOf, Work, watch};
use crate::enrichment::EnrichmentFiles;
use crate::node::Node;
use crate::print;
use crate::settings::{FileFormat, Settings};

/// What is imported, as the command line says it.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file or a pipe (plain, gzip or zstd), or - for standard input
    file: PathBuf,
    /// The format of the file [default: what its beginning shows]; ndjson is also a JSON array, or
    /// objects over several lines; the last five are access logs
    #[arg(long)]
    format: Option<FileFormat>,
    /// A mapping from the file's columns to fields of a click
    #[arg(long, value_name = "FILE.toml")]
    map: Option<PathBuf>,
    /// Says what the lines would become, and sends nothing
    #[arg(long)]
    check: bool,
}

/// Sends each line of a file as a click. Both paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportFile {
    pub(crate) file: PathBuf,
    /// The input's name if the file is only a copy of it.
    pub(crate) name: Option<String>,
    pub(crate) format: FileFormat,
    /// The file that says which column becomes what. `None` if the columns have our names.
    pub(crate) map: Option<PathBuf>,
}

impl ImportFile {
    fn read(self, settings: &Settings) -> anyhow::Result<Import> {
        let max_record = settings.sections.topic.max_record.as_u64();
        let realtime_fields = settings.sections.import.realtime_fields.clone();
        self.format.check(&realtime_fields)?;
        Ok(Import {
            file: self.file,
            name: self.name,
            format: self.format.into(),
            map: self.map.as_deref().map(read_map).transpose()?,
            realtime_fields,
            max_record: usize::try_from(max_record).unwrap_or(usize::MAX),
            state: settings.folder().join("imports"),
        })
    }
}

impl Work for ImportFile {
    const NAME: &'static str = "import";
    const EXCLUSIVE: bool = true;
    type Progress = ImportProgress;
    type Report = ImportReport;

    async fn run(self, node: Arc<Node>, job: Arc<JobOf<Self>>) -> anyhow::Result<ImportReport> {
        let import = self.read(&node.settings)?;
        let config = &node.settings.sections.producer;
        let edge = Edge::new(config, node.topic().await?.writer()?, node.clock.clone());
        let stop = job.stop.clone();
        let mut progress = |now| job.update(|progress| *progress = now);
        let (edge, judge) = (Arc::new(edge), Foresight::of(node.enrichment().await?));
        let lookup = node.as_ref();
        Ok(producer::import::run(import, edge, judge, lookup, stop, &mut progress).await?)
    }
}

fn read_map(file: &Path) -> anyhow::Result<ColumnMap> {
    let toml = fs::read_to_string(file)
        .with_context(|| format!("the mapping {} cannot be read", file.display()))?;
    let checked =
        ColumnMap::parse(&toml).and_then(|map| map.check_fields(transformer::FIELDS).map(|()| map));
    checked.with_context(|| format!("the mapping {}", file.display()))
}

/// Imports a file, or checks what that would come to; shows the progress and prints the report.
pub(crate) async fn import(settings: Settings, args: ImportArgs) -> anyhow::Result<ExitCode> {
    let input = ReadableInput::open(&args.file)?;
    let map = args.map.as_deref().map(ReadableInput::open).transpose()?;
    let format = match args.format {
        Some(format) => format,
        None => FileFormat::guess(&input.path, &args.file)?,
    };
    let work = ImportFile {
        file: input.path,
        name: input.name,
        format,
        map: map.as_ref().map(|map| map.path.clone()),
    };
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes} {msg} {eta} left",
    )?);
    let show = |bar: &ProgressBar, progress: &ImportProgress| {
        bar.set_length(progress.total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} lines", progress.lines));
    };
    let report = if args.check {
        let config = &settings.sections.producer;
        let judge = Foresight::of(&EnrichmentFiles::open(&settings.sections.enrich).await?);
        let import = work.read(&settings)?;
        let mut progress = |now| show(&bar, &now);
        let checked =
            producer::import::check(import, config, clock::system(), judge, &mut progress).await;
        bar.finish_and_clear();
        checked?
    } else {
        watch(&Target::find(settings).await?, work, &bar, show).await?
    };
    print::answer(&summary::told(&report, args.check).join("\n"))?;
    let is_well = report.complete && (report.rows() > 0 || report.lines == 0);
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
