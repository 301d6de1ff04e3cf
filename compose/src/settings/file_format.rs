//! The formats of files, as the command line and the configuration name them.

use std::path::Path;

use anyhow::bail;
use clap::ValueEnum;
use producer::import::{AccessLog, ImportFormat, guess};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileFormat {
    Csv,
    #[value(alias = "json", alias = "jsonl")]
    Ndjson,
    #[value(alias = "common")]
    Combined,
    Cloudfront,
    CloudfrontRealtime,
    Alb,
    S3,
}

impl FileFormat {
    /// The format that the beginning of a file shows. `shown` is the file's name for a person.
    pub(crate) fn guess(file: &Path, shown: &Path) -> anyhow::Result<Self> {
        let names: Vec<_> = Self::value_variants()
            .iter()
            .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
            .collect();
        match guess(file)? {
            Some(format) => Ok(format.into()),
            None => bail!(
                "the beginning of {} does not show its format: say it with --format, as one of {}",
                shown.display(),
                names.join(", ")
            ),
        }
    }

    /// Checks that the configuration says what a file of this format does not.
    pub(crate) fn check(self, realtime_fields: &[String]) -> anyhow::Result<()> {
        if self == Self::CloudfrontRealtime && realtime_fields.is_empty() {
            bail!(
                "a real-time log does not name its fields: set import.realtime_fields to those of \
                 its configuration, in their order"
            );
        }
        Ok(())
    }
}

impl From<FileFormat> for ImportFormat {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Csv => Self::Csv,
            FileFormat::Ndjson => Self::Ndjson,
            FileFormat::Combined => Self::Log(AccessLog::Combined),
            FileFormat::Cloudfront => Self::Log(AccessLog::CloudFront),
            FileFormat::CloudfrontRealtime => Self::Log(AccessLog::CloudFrontRealtime),
            FileFormat::Alb => Self::Log(AccessLog::Alb),
            FileFormat::S3 => Self::Log(AccessLog::S3),
        }
    }
}

impl From<ImportFormat> for FileFormat {
    fn from(format: ImportFormat) -> Self {
        match format {
            ImportFormat::Csv => Self::Csv,
            ImportFormat::Ndjson => Self::Ndjson,
            ImportFormat::Log(AccessLog::Combined) => Self::Combined,
            ImportFormat::Log(AccessLog::CloudFront) => Self::Cloudfront,
            ImportFormat::Log(AccessLog::CloudFrontRealtime) => Self::CloudfrontRealtime,
            ImportFormat::Log(AccessLog::Alb) => Self::Alb,
            ImportFormat::Log(AccessLog::S3) => Self::S3,
        }
    }
}
