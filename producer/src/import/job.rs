//! What to import.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::log::AccessLog;
use super::map::ColumnMap;

/// What to import, and where the import keeps its position.
#[derive(Debug, Clone)]
pub struct Import {
    /// The file. Its bytes may be plain, gzip or zstd; the first bytes decide. It is read twice, so
    /// it cannot be a pipe.
    pub file: PathBuf,
    /// The name of the input if `file` is only its copy.
    pub name: Option<String>,
    /// How it is laid out.
    pub format: ImportFormat,
    /// Which column becomes which field. If it is `None`, each NDJSON line is a native
    /// click.
    pub map: Option<ColumnMap>,
    /// The fields of CloudFront's real-time logs, in their order.
    pub realtime_fields: Vec<String>,
    /// The largest draft that the topic takes, in bytes. A line that needs more is a dead letter.
    pub max_record: usize,
    /// The folder that keeps how far each file is acknowledged; it is created if needed.
    pub state: PathBuf,
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// RFC 4180 with a header line.
    Csv,
    /// JSON objects: one per line, or in an array, or one after the other over several lines. The
    /// beginning decides.
    Ndjson,
    /// A web server's access log.
    Log(AccessLog),
}

impl Import {
    /// The digest of all that decides what a line becomes: with another one, lines that became
    /// dead letters are tried again.
    pub(super) fn digest(&self) -> [u8; 32] {
        match (self.format, &self.map) {
            (ImportFormat::Log(log), _) => {
                let fields = match log {
                    AccessLog::CloudFrontRealtime => self.realtime_fields.join(","),
                    _ => String::new(),
                };
                Sha256::digest(format!("{} {fields}", log.name())).into()
            }
            (_, Some(map)) => map.digest(),
            (_, None) => [0; 32],
        }
    }
}
