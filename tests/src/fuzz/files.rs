//! Files to import.

use std::sync::Arc;

use anyhow::{Result, ensure};
use producer::import::{AccessLog, ColumnMap, Import, ImportFormat, Judge, LineDefect};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use topic::{Draft, clock};
use transformer::Enrichment;

use super::outcome::defect;
use crate::defaults;

/// Every format of a file.
const FORMATS: [ImportFormat; 7] = [
    ImportFormat::Csv,
    ImportFormat::Ndjson,
    ImportFormat::Log(AccessLog::Combined),
    ImportFormat::Log(AccessLog::CloudFront),
    ImportFormat::Log(AccessLog::CloudFrontRealtime),
    ImportFormat::Log(AccessLog::Alb),
    ImportFormat::Log(AccessLog::S3),
];
/// Mappings for files of columns, and for those whose lines hold several events.
const MAPPINGS: [&str; 2] = [
    include_str!("../../../producer/maps/online_retail.toml"),
    "explode = \"items\"\n[columns.product_id]\nfrom = \"product_id\"\noptional = true\n\
     [columns.price]\nfrom = [\"price\", \"currency\"]\ntype = \"number\"\ncurrency = \"EUR\"\noptional = true",
];

/// Reads files as `import --check` does.
pub(super) struct FileCheck {
    folder: TempDir,
    runtime: Runtime,
    config: producer::Config,
    maps: [ColumnMap; 2],
    turn: usize,
}

impl FileCheck {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            config: defaults::section("producer", &[])?,
            maps: [
                ColumnMap::parse(MAPPINGS[0])?,
                ColumnMap::parse(MAPPINGS[1])?,
            ],
            turn: 0,
        })
    }

    /// Fails if the file makes the reader or the transform panic, or if a line is lost.
    pub(super) fn check(&mut self, content: &[u8]) -> Result<()> {
        let format = FORMATS[self.turn % FORMATS.len()];
        let is_mapped = format == ImportFormat::Csv || self.turn.is_multiple_of(2);
        let map = &self.maps[self.turn / FORMATS.len() % self.maps.len()];
        self.turn += 1;
        let file = self.folder.path().join("file");
        std::fs::write(&file, content)?;
        let import = Import {
            file,
            name: None,
            format,
            map: (is_mapped && !matches!(format, ImportFormat::Log(_))).then(|| map.clone()),
            realtime_fields: ["timestamp", "c-ip", "cs-uri-stem", "cs-user-agent"]
                .map(str::to_owned)
                .to_vec(),
            max_record: 1 << 20,
            state: self.folder.path().join("state"),
        };
        let judge = Arc::new(NoPanic(Enrichment::default()));
        let mut unseen = |_| ();
        let clock = clock::system();
        let checking = producer::import::check(import, &self.config, clock, judge, &mut unseen);
        // What cannot be read at all is an error with a sentence.
        let Ok(report) = self.runtime.block_on(checking) else {
            return Ok(());
        };
        let panicked = report
            .letters
            .reasons
            .iter()
            .find(|letter| letter.reason == "panic");
        ensure!(panicked.is_none(), "{format:?}: the transform panicked");
        ensure!(
            report.rejected <= report.records && report.lines <= report.records,
            "{format:?}: {} lines are {} records, of which {} are dead letters",
            report.lines,
            report.records,
            report.rejected
        );
        Ok(())
    }
}

/// Says of each record what becomes of it.
struct NoPanic(Enrichment);

impl Judge for NoPanic {
    fn defect(&self, draft: &Draft) -> Option<LineDefect> {
        let defect = defect(draft.value.clone(), &self.0)?;
        Some(LineDefect {
            reason: defect.reason.to_string(),
            detail: defect.detail,
        })
    }
}
