//! What to import.

use std::path::PathBuf;

use super::map::ColumnMap;

/// What to import, and where the import keeps its position.
#[derive(Debug, Clone)]
pub struct Import {
    /// Where the bytes are. They may be plain, gzip or zstd; the first bytes decide.
    pub input: Input,
    /// How they are laid out.
    pub format: ImportFormat,
    /// Which column becomes which field. If it is `None`, each NDJSON line is a native
    /// click.
    pub map: Option<ColumnMap>,
    /// The folder that keeps how far each file is acknowledged; it is created if needed.
    pub state: PathBuf,
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input. It is copied to a temporary file, because it is read twice.
    Stdin,
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}
