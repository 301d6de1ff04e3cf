//! The worker itself: it runs one statement after another, and sees nothing but what it is handed.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use duckdb::{Connection, InterruptHandle};
use parking_lot::Mutex;

use crate::db::access::LakeAccess;
use crate::db::database::{limits, ready};
use crate::db::table_function::ExportGuard;
use crate::error::Error;
use crate::external::reader::ForeignReader;
use crate::query::sandbox;
use crate::query::views::QueryViews;
use crate::query::worker::answer::{kept, shown};
use crate::query::worker::confine::confine;
use crate::query::worker::remote::{self, Link};
use crate::query::worker::wire::{
    ForeignSource, Opening, Purpose, Statement, WorkerOrder, WorkerReport, receive, send,
};

/// The stack on which statements are bound: DuckDB reads nested values by recursion.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// Where a worker that is a thread leaves the handle that interrupts it.
pub(crate) type InterruptSlot = Arc<Mutex<Option<Arc<InterruptHandle>>>>;

/// A worker's database.
struct SqlWorker {
    root: Connection,
    connection: Connection,
    views: QueryViews,
    link: Link,
    scans: Arc<AtomicU64>,
    opening: Opening,
    /// True if nothing is known of the database any more.
    is_lost: bool,
}

/// Serves the process at the other end of a socket, until that closes it: the whole work of a
/// process for free SQL and foreign files.
///
/// # Errors
/// The socket's.
pub fn serve_statements(socket: UnixStream) -> io::Result<()> {
    let serving = thread::Builder::new()
        .name("sql".into())
        .stack_size(STACK_BYTES)
        .spawn(move || serve(socket, &InterruptSlot::default(), confine))?;
    serving
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("serving statements panicked")))
}

/// Serves until the other end is closed. Before the database is opened `confine` is called, which
/// says for a log what the process is confined by.
///
/// # Errors
/// The socket's.
pub(crate) fn serve(
    mut stream: UnixStream,
    slot: &InterruptSlot,
    confine: fn(&Opening) -> String,
) -> io::Result<()> {
    let (order, _) = receive(&mut stream)?;
    let WorkerOrder::Open(opening) = order else {
        return Err(io::Error::other("the first order opens the database"));
    };
    let confined = confine(&opening);
    let link = Arc::new(Mutex::new(stream));
    let mut worker = match open(&opening, &link) {
        Ok(worker) => worker,
        Err(error) => return tell(&link, &WorkerReport::Failed(error.into())),
    };
    *slot.lock() = Some(worker.connection.interrupt_handle());
    tell(&link, &WorkerReport::Ready(confined))?;
    loop {
        let received = receive(&mut link.lock());
        let (order, body) = match received {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let answered = catch_unwind(AssertUnwindSafe(|| match order {
            WorkerOrder::Run(statement) => worker.run(*statement, &body),
            WorkerOrder::Read(source) => worker.read(*source),
            WorkerOrder::Open(_) | WorkerOrder::Rows { .. } | WorkerOrder::NoRows(_) => Err(
                Error::Unavailable("an order came that nothing asked for".into()),
            ),
        }));
        let answered = match answered {
            Ok(answered) => {
                // It fails if the transaction has ended.
                let _ = worker.connection.execute_batch("ROLLBACK");
                answered
            }
            // The client panics on a value that it cannot turn into Arrow.
            Err(_) => {
                worker.is_lost = true;
                Err(Error::Invalid(
                    "the answer cannot be carried out of the database: cast its columns to VARCHAR"
                        .into(),
                ))
            }
        };
        // Some errors, such as that of an allocation that the system refuses, end a database for
        // good, and the next statement is not to meet them.
        if worker.is_lost || (answered.is_err() && !worker.is_sound()) {
            worker = match open(&opening, &link) {
                Ok(worker) => worker,
                Err(error) => return tell(&link, &WorkerReport::Failed(error.into())),
            };
            *slot.lock() = Some(worker.connection.interrupt_handle());
            tell(&link, &WorkerReport::Reset)?;
        }
        match answered {
            Ok(truncated) => tell(&link, &WorkerReport::Done { truncated })?,
            Err(error) => tell(&link, &WorkerReport::Failed(error.into()))?,
        }
    }
}

fn tell(link: &Link, report: &WorkerReport) -> io::Result<()> {
    send(&mut link.lock(), report, &[])
}

fn open(opening: &Opening, link: &Link) -> Result<SqlWorker, Error> {
    let limits = limits(bytesize::ByteSize(opening.memory_bytes), opening.threads)?
        .with("temp_directory", &opening.spill)?;
    let access = LakeAccess {
        open: opening.open.clone(),
        restrict: opening.restrict.clone(),
        ..LakeAccess::default()
    };
    let root = ready(Connection::open_in_memory_with_flags(limits)?, &access)?;
    Ok(SqlWorker {
        connection: root.try_clone()?,
        root,
        views: QueryViews::default(),
        link: Arc::clone(link),
        scans: Arc::default(),
        opening: opening.clone(),
        is_lost: false,
    })
}

impl SqlWorker {
    /// Runs a statement and sends its rows. Returns true if some were cut.
    fn run(&mut self, statement: Statement, body: &[u8]) -> Result<bool, Error> {
        let Statement {
            sql,
            purpose,
            mut names,
        } = statement;
        let sql = sandbox::check(&self.connection, &sql)?;
        let exports = std::mem::take(&mut names.exports);
        let exports = remote::exports(exports, body, &self.link, &self.scans)?;
        let _exports = ExportGuard::new(exports);
        self.begin()?;
        if let Err(error) = self.views.bind(&self.connection, &self.root, names) {
            // What was bound before is rolled back with the rest.
            self.views = QueryViews::default();
            self.connection.execute_batch("ROLLBACK")?;
            return Err(error);
        }
        self.connection.execute_batch("COMMIT")?;
        let lost = |error: io::Error| Error::Unavailable(format!("nobody waits: {error}"));
        tell(&self.link, &WorkerReport::Bound).map_err(lost)?;
        self.begin()?;
        match purpose {
            Purpose::Show { max_rows } => shown(&self.connection, &self.link, &sql, max_rows),
            Purpose::Keep => kept(&self.connection, &self.link, &sql),
        }
    }

    /// Reads something of others and sends what it found. Returns false: none is cut.
    fn read(&self, source: ForeignSource) -> Result<bool, Error> {
        // Texts are gathered in a table that goes with the transaction.
        self.connection.execute_batch("BEGIN TRANSACTION")?;
        let reader = ForeignReader {
            connection: &self.connection,
            link: &self.link,
            opening: &self.opening,
        };
        reader.read(source)?;
        Ok(false)
    }

    /// Returns true if the database runs statements.
    fn is_sound(&self) -> bool {
        self.connection.execute_batch("SELECT 1").is_ok()
    }

    fn begin(&self) -> Result<(), Error> {
        let begin = "BEGIN TRANSACTION READ ONLY";
        Ok(self.connection.execute_batch(begin)?)
    }
}
