//! What a SQL worker and the process that started it say to each other: frames of a JSON head and
//! a body of Arrow.

use std::ffi::OsString;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{Config, External};
use crate::db::access::LakeAccess;
use crate::error::Error;
use crate::external::fit::FileColumn;
use crate::external::misfit::MisfitCount;
use crate::tables::view::FailingView;

/// What a frame's head or body may hold, so that a damaged length allocates nothing.
const MAX_FRAME_BYTES: u64 = 1 << 30;

/// What goes to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum WorkerOrder {
    /// First of all: how its database is opened.
    Open(Opening),
    /// A statement, and what it may name. The body has the schemas of the exported tables.
    Run(Box<Statement>),
    /// Something of others to read.
    Read(Box<ForeignSource>),
    /// The rows of the scan, or the bytes of the file, that were asked for; none at the end.
    Rows {
        /// True if the scan has no more.
        last: bool,
    },
    /// There are none, and why.
    NoRows(WireError),
}

/// How a worker's database is opened.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// SQL that loads the extensions and makes the secrets.
    pub(crate) open: String,
    /// SQL that forbids everything else.
    pub(crate) restrict: String,
    pub(crate) memory_bytes: u64,
    pub(crate) threads: u32,
    /// The folder where it spills.
    pub(crate) spill: String,
    /// The folders and files of this machine that it may read.
    pub(crate) reads: Vec<PathBuf>,
    /// Those that it may write, too.
    pub(crate) writes: Vec<PathBuf>,
    /// True if what it reads is on a network.
    pub(crate) network: bool,
}

impl Opening {
    /// For a database that reaches what `access` says, and spills beside the catalog's file.
    pub(crate) fn new(config: &Config, access: &LakeAccess, folder: &str) -> Self {
        let mut spill = OsString::from(&config.path);
        spill.push(format!(".{folder}"));
        Self {
            open: access.open.clone(),
            restrict: access.restrict.clone(),
            memory_bytes: config.query_memory.as_u64(),
            threads: config.threads,
            spill: spill.to_string_lossy().into_owned(),
            reads: access.reads.clone(),
            writes: access.writes.clone(),
            network: access.network,
        }
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The rest holds secrets.
        f.debug_struct("Opening")
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

/// What a worker reads of others, without anybody's SQL.
#[derive(Serialize, Deserialize)]
pub(crate) enum ForeignSource {
    /// A Parquet file: its columns, what their values are, and how many rows it has.
    Parquet { path: String },
    /// Parquet files again: what the types that the configuration says do not hold.
    Misfits(Vec<MisfitCount>),
    /// A file of text, whose bytes this process sends: its rows.
    Text { external: External, bytes: u64 },
    /// A table of a SQLite file: its rows. `load` is SQL that loads the extension.
    Sqlite { external: External, load: String },
    /// A table of a server: its rows.
    Postgres {
        external: External,
        password: String,
        load: String,
    },
}

impl std::fmt::Debug for ForeignSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // One of them holds a secret.
        f.debug_struct("ForeignSource").finish_non_exhaustive()
    }
}

/// A statement and what it may name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) purpose: Purpose,
    pub(crate) names: Binding,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// It is shown: at most so many rows.
    Show { max_rows: usize },
    /// It is kept as a table: all rows, with the types that the table is to have.
    Keep,
}

/// What a statement may name, from one snapshot of the catalog.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Binding {
    /// The catalog's tables and the tail's rows.
    pub(crate) exports: Vec<Export>,
    /// The views over them.
    pub(crate) tables: Vec<(String, String)>,
    /// The lake's views. `None` if the worker has them already.
    pub(crate) lake: Option<Vec<LakeView>>,
    /// The views over the lake's and the tail's.
    pub(crate) live: Vec<(String, String)>,
    pub(crate) externals: Vec<ExternalView>,
}

/// A table that the worker may scan.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Export {
    pub(crate) name: String,
    /// About how many rows it has.
    pub(crate) rows: u64,
    /// The length of its schema in the body.
    pub(crate) schema_bytes: usize,
}

/// One of the lake's views.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LakeView {
    pub(crate) name: String,
    /// SQL of the view alone.
    pub(crate) definition: String,
    /// SQL that makes it over one object of each list.
    pub(crate) create: String,
    /// SQL of the lists of its objects.
    pub(crate) objects: String,
    /// What takes its place if it cannot be opened. `None` if that is an error.
    pub(crate) unreadable: Option<FailingView>,
}

/// An external table that is read in place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExternalView {
    pub(crate) name: String,
    pub(crate) select: String,
    /// True if the statement names it. Else it is only listed, if it can be read.
    pub(crate) named: bool,
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum WorkerReport {
    /// Its database is open. The text says for a log what its process is confined by.
    Ready(String),
    /// It has the views that it was given.
    Bound,
    /// It has lost them.
    Reset,
    /// It asks for rows of a scan, which begins with the first such report.
    Fetch {
        scan: u64,
        table: String,
        columns: Vec<usize>,
    },
    /// It asks for bytes of the file that it reads.
    FetchBytes { at: u64, count: u64 },
    /// What a Parquet file holds.
    File { columns: Vec<FileColumn>, rows: u64 },
    /// What people must know of a copy, one line each.
    Notes(Vec<String>),
    /// The columns of an answer that is kept: names, and types in DuckDB's words.
    Columns(Vec<(String, String)>),
    /// The answer's schema, then its rows: a body of Arrow.
    Answer,
    /// The answer is whole, or cut.
    Done { truncated: bool },
    /// The statement failed. What the worker has of views stays.
    Failed(WireError),
}

/// An error that goes from one process to another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum WireError {
    Refused(String),
    Invalid(String),
    TooLarge { what: String, remedy: String },
    Unavailable(String),
    TimedOut,
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(text) => Self::Refused(text),
            Error::Invalid(text) => Self::Invalid(text),
            Error::TooLarge { what, remedy } => Self::TooLarge { what, remedy },
            Error::TimedOut(_) => Self::TimedOut,
            Error::Unavailable(text) => Self::Unavailable(text),
            Error::Busy { .. } | Error::InUse { .. } | Error::Lake(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl WireError {
    pub(crate) fn within(self, limit: Duration) -> Error {
        match self {
            Self::Refused(text) => Error::Refused(text),
            Self::Invalid(text) => Error::Invalid(text),
            Self::TooLarge { what, remedy } => Error::TooLarge { what, remedy },
            Self::Unavailable(text) => Error::Unavailable(text),
            Self::TimedOut => Error::TimedOut(limit),
        }
    }
}

/// Sends a frame.
pub(crate) fn send(stream: &mut UnixStream, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let mut lengths = [0; 16];
    lengths[..8].copy_from_slice(&(head.len() as u64).to_le_bytes());
    lengths[8..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    let mut start = Vec::with_capacity(16 + head.len());
    start.extend_from_slice(&lengths);
    start.extend_from_slice(&head);
    stream.write_all(&start)?;
    stream.write_all(body)
}

/// Receives a frame.
pub(crate) fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<(T, Vec<u8>)> {
    let mut lengths = [0; 16];
    stream.read_exact(&mut lengths)?;
    let (head, body) = lengths.split_at(8);
    let head = part(stream, head)?;
    let body = part(stream, body)?;
    Ok((serde_json::from_slice(&head)?, body))
}

fn part(stream: &mut UnixStream, length: &[u8]) -> io::Result<Vec<u8>> {
    let length = u64::from_le_bytes(length.try_into().expect("a length has eight bytes"));
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("a frame has {length} bytes")));
    }
    let mut part = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    stream.read_exact(&mut part)?;
    Ok(part)
}

/// Batches of one schema as a body.
pub(crate) fn written<'b>(
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = &'b RecordBatch>,
) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.into_inner()
}

/// The schema and the batches of a body.
pub(crate) fn read(body: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let reader = StreamReader::try_new(Cursor::new(body), None)?;
    let schema = reader.schema();
    Ok((schema, reader.collect::<Result<_, _>>()?))
}
