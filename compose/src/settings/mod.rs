//! The configuration: defaults, a file, the environment, flags, in this order.

mod bounds;
mod environment;
mod file_format;
mod misread;
mod shown;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use serde::{Deserialize, Serialize};

use crate::role::log::LogConfig;

pub(crate) use file_format::FileFormat;
use shown::{SECRETS, shown, source};

/// Every section. Each belongs to a crate; `import`, `metrics`, `log` and `shutdown` are this
/// one's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sections {
    pub(crate) topic: topic::Config,
    pub(crate) lake: sink::S3,
    pub(crate) backup: sink::BackupConfig,
    pub(crate) sink: sink::Config,
    pub(crate) compaction: sink::CompactionConfig,
    pub(crate) transformer: transformer::Config,
    pub(crate) enrich: transformer::EnrichConfig,
    pub(crate) producer: producer::Config,
    pub(crate) import: ImportConfig,
    pub(crate) catalog: catalog::Config,
    pub(crate) dashboard: dashboard::Config,
    pub(crate) metrics: MetricsConfig,
    pub(crate) log: LogConfig,
    pub(crate) shutdown: ShutdownConfig,
    #[serde(default)]
    pub(crate) follow: Vec<FollowFile>,
    #[serde(default)]
    capture: Vec<producer::CaptureRule>,
    #[serde(default)]
    pub(crate) retention: Vec<sink::RetentionRule>,
    #[serde(default)]
    external: Vec<catalog::External>,
    #[serde(default)]
    dataset: Vec<catalog::Dataset>,
}

/// Where a process shows how it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// The address of `/metrics`, `/healthz` and `/readyz`.
    pub(crate) listen: SocketAddr,
}

/// What files that are imported look like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportConfig {
    /// The fields of CloudFront's real-time logs, in their order.
    pub(crate) realtime_fields: Vec<String>,
}

/// A log that is followed, and its format. The path is absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowFile {
    pub(crate) file: PathBuf,
    pub(crate) format: FileFormat,
}

/// How a process ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShutdownConfig {
    /// How long all stages together may take to stop.
    #[serde(with = "humantime_serde")]
    pub(crate) deadline: Duration,
}

/// The configuration, and where each value of it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) sections: Sections,
    figment: Figment,
}

const DEFAULTS: &str = include_str!("../../default.toml");
/// The file in the working directory that is read if no file is named.
const FILE: &str = "clickweir.toml";

impl Settings {
    /// Reads the configuration.
    pub(crate) fn load(file: Option<&Path>, set: &[String]) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        let file = match file {
            Some(file) if !file.exists() => bail!("{}: no such file", file.display()),
            Some(file) => file.to_owned(),
            None => PathBuf::from(FILE),
        };
        if file.is_dir() {
            bail!(
                "{} is a folder: the configuration is a file; move the folder, or name a file with --config",
                file.display()
            );
        }
        environment::check(&figment)?;
        figment = figment
            .merge(Toml::file(file))
            .merge(Env::prefixed("CLICKWEIR__").split("__"));
        for pair in set {
            let (key, value) = pair
                .split_once('=')
                .with_context(|| format!("--set {pair}: write SECTION.KEY=VALUE"))?;
            let value: Value = value.parse().expect("every text is a value to figment");
            figment = figment.merge(Serialized::default(key, value));
        }
        let mut sections: Sections = figment.extract().map_err(|error| {
            let said = misread::sentence(&figment, &error);
            anyhow::anyhow!("{said}; `clickweir config show` lists every key")
        })?;
        bounds::check(&figment)?;
        bounds::check_grace(sections.lake.grace, sections.sink.max_silence)?;
        check_origins(&sections.producer.origins)?;
        for follow in &mut sections.follow {
            follow.file = std::path::absolute(&follow.file)
                .with_context(|| format!("follow.file is {:?}", follow.file))?;
            follow.format.check(&sections.import.realtime_fields)?;
        }
        for external in &mut sections.external {
            let is_file = !external.path.is_empty() && !external.path.starts_with("s3://");
            if is_file {
                let path = std::path::absolute(&external.path)
                    .with_context(|| format!("external.path is {:?}", external.path))?;
                external.path = path.to_string_lossy().into_owned();
            }
        }
        for external in &sections.external {
            bounds::check_every("external", &external.name, external.every)?;
        }
        for dataset in &sections.dataset {
            let every = dataset
                .every
                .map(|every| bounds::check_every("dataset", &dataset.name, every));
            every.transpose()?;
        }
        let edge = &mut sections.producer;
        for rule in &sections.retention {
            let checked = rule.check();
            checked.map_err(|why| anyhow::anyhow!("configuration retention: {why}"))?;
        }
        for capture in &sections.capture {
            let checked = capture.check(edge.ip, &edge.strip_query, !edge.keys.is_empty());
            checked.map_err(|why| anyhow::anyhow!("configuration capture: {why}"))?;
        }
        edge.captures = std::mem::take(&mut sections.capture);
        sections.transformer.plain = sections.topic.plain();
        sections.catalog.externals = std::mem::take(&mut sections.external);
        sections.catalog.datasets = std::mem::take(&mut sections.dataset);
        Ok(Self { sections, figment })
    }

    /// One line per key: its name, its value and its source.
    pub(crate) fn sources(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let Ok(all) = self.figment.extract::<figment::value::Dict>() else {
            return lines;
        };
        for (section, keys) in &all {
            for key in keys.as_dict().map(|dict| dict.keys()).into_iter().flatten() {
                let name = format!("{section}.{key}");
                let value = match self.figment.find_value(&name) {
                    Ok(_) if SECRETS.contains(&name.as_str()) => "(secret)".to_owned(),
                    Ok(value) => shown(&value),
                    Err(_) => continue,
                };
                let source = self.figment.find_metadata(&name).map_or("default", source);
                lines.push(format!("{name} = {value}  # {source}"));
            }
        }
        lines
    }

    /// The configuration as TOML, without its secrets.
    ///
    /// # Errors
    /// Fails for values that TOML cannot have.
    pub(crate) fn without_secrets(&self) -> anyhow::Result<String> {
        shown::without_secrets(&self.figment)
    }

    /// Makes the folder of the catalog.
    ///
    /// # Errors
    /// Fails when something else is in its place, and when this user may not make it.
    pub(crate) fn make_folder(&self) -> anyhow::Result<()> {
        let folder = self.folder();
        std::fs::create_dir_all(&folder).map_err(|error| {
            let why = match folder.exists() && !folder.is_dir() {
                true => "a file of that name is there".to_owned(),
                false => error.to_string(),
            };
            anyhow::anyhow!(
                "the folder {} cannot be made: {why}; set catalog.path to a file in a folder that \
                 this user can write",
                folder.display()
            )
        })
    }

    /// The folder of the catalog, which also has the owner's file and those of `health`.
    pub(crate) fn folder(&self) -> PathBuf {
        match self.sections.catalog.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}

/// Checks that each origin is written as a browser sends it: another one never matches.
fn check_origins(origins: &[String]) -> anyhow::Result<()> {
    let is_origin = |origin: &str| {
        let host = origin.split_once("://").map(|(_, host)| host);
        let host = host.map(|host| host.strip_suffix('/').unwrap_or(host));
        matches!(origin, "*" | "null")
            || host
                .is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
    };
    let wrong = origins.iter().find(|origin| !is_origin(origin.trim()));
    wrong.map_or(Ok(()), |wrong| {
        bail!(
            "configuration producer.origins: {wrong:?} is no origin: write it as a browser sends it, \
             https://shop.example or http://localhost:3000, without a path; or \"*\" for all"
        )
    })
}

#[cfg(test)]
mod tests;
