//! The log: to standard error, so that answers on standard output stay clean.

use std::io::{IsTerminal, stderr};

use serde::Deserialize;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// The targets that follow `log.level`: our crates, and the log of queries. Libraries say
/// warnings and errors only.
const TARGETS: [&str; 8] = [
    "topic",
    "producer",
    "transformer",
    "sink",
    "catalog",
    "dashboard",
    "compose",
    "sql",
];

/// The section `log`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl LogLevel {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What the log shows from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Everything up to `log.level`.
    All,
    /// Warnings and errors only, so that a person reads the answer of a command.
    Quiet,
}

/// The installed log.
pub(crate) struct ProcessLog {
    level: LogLevel,
    /// `None` if the filter cannot change: `RUST_LOG` gives it.
    filter: Option<Handle<EnvFilter, Registry>>,
}

impl ProcessLog {
    /// Installs the log. `RUST_LOG` replaces the level and the verbosity.
    pub(crate) fn install(config: LogConfig, verbosity: Verbosity) -> Self {
        let LogConfig { level, format } = config;
        let given = EnvFilter::try_from_default_env().ok();
        let is_given = given.is_some();
        let shown = match verbosity {
            Verbosity::All => level,
            Verbosity::Quiet => level.min(LogLevel::Warn),
        };
        let filter = given.unwrap_or_else(|| EnvFilter::new(directives(shown)));
        let (filter, handle) = reload::Layer::new(filter);
        // A line that cannot be written is lost. Saying so would write to the same place, and the
        // macro that does it panics: a full disk would end the process.
        let layer = fmt::layer().with_writer(stderr).log_internal_errors(false);
        let layer = match format {
            // Colours in a file are letters that no search expects.
            LogFormat::Text => layer.with_ansi(stderr().is_terminal()).boxed(),
            LogFormat::Json => layer.json().flatten_event(true).boxed(),
        };
        let installed = tracing_subscriber::registry().with(filter).with(layer);
        // A test that runs two commands in one process has a log already.
        let _ = installed.try_init();
        Self {
            level,
            filter: (!is_given).then_some(handle),
        }
    }

    /// Shows everything up to `log.level` from now on.
    pub(crate) fn show_all(&self) {
        if let Some(filter) = &self.filter {
            // It fails only when the log is gone, and then there is nothing to show.
            let _ = filter.reload(EnvFilter::new(directives(self.level)));
        }
    }
}

fn directives(level: LogLevel) -> String {
    let libraries = level.min(LogLevel::Warn).name();
    let ours = TARGETS.map(|target| format!("{target}={}", level.name()));
    // A stranger could fill the log with what its parser refuses; the edge counts that instead.
    let parser = "actix_http::h1::dispatcher=off";
    format!(
        "{libraries},fjall=error,lsm_tree=error,{parser},{}",
        ours.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_crates_follow_the_level_and_libraries_stop_at_warnings() {
        let check = |level, libraries: &str, ours: &str| {
            let directives = directives(level);
            assert!(directives.starts_with(libraries), "{directives}");
            assert!(directives.contains(ours), "{directives}");
            assert!(directives.parse::<EnvFilter>().is_ok(), "{directives}");
        };
        check(LogLevel::Error, "error,", "transformer=error,");
        check(LogLevel::Info, "warn,", "transformer=info,");
        check(LogLevel::Trace, "warn,", "sql=trace");
    }
}
