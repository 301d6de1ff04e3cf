//! DuckDB off the async runtime: a pool of connections to one database, a transaction around each
//! piece of work, and a time limit that interrupts it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duckdb::{Connection, InterruptHandle};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};

use crate::error::{Error, sentence};

/// How long a statement of the catalog's own may run. Its work is bounded, so this ends only what
/// hangs.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(600);
/// How many transactions run side by side. More wait for their turn.
const MAX_SESSIONS: usize = 6;
/// How often an interrupt is repeated: one that comes between two statements is lost.
const INTERRUPT_EVERY: Duration = Duration::from_millis(20);

/// A database and its idle connections.
pub(crate) struct Engine {
    /// The first connection, from which others are cloned.
    root: Mutex<Connection>,
    idle: Idle,
    permits: Arc<Semaphore>,
}

type Idle = Arc<Mutex<Vec<Session>>>;

/// A connection. While work has it, it is inside a transaction.
pub(crate) struct Session {
    pub(crate) connection: Connection,
}

impl Session {
    /// The first column of what a query answers, as text.
    pub(crate) fn texts(&self, sql: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// Interrupts the work; also when it is dropped, as when the runtime ends.
struct Stop {
    /// `None` once the work is done, so that the connection's next work is not interrupted.
    handle: Arc<Mutex<Option<Arc<InterruptHandle>>>>,
    stopped: Arc<AtomicBool>,
}

impl Stop {
    fn now(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(handle) = &*self.handle.lock() {
            handle.interrupt();
        }
    }

    /// Interrupts the work until it has ended.
    async fn until<T>(&self, mut job: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            self.now();
            if let Ok(joined) = timeout(INTERRUPT_EVERY, &mut job).await {
                return joined;
            }
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.now();
    }
}

/// A session inside a transaction, which is rolled back unless it is committed.
pub(crate) struct Transaction {
    /// `None` once it is committed.
    session: Option<Session>,
    idle: Idle,
}

impl Transaction {
    /// Commits what was written.
    ///
    /// # Errors
    /// The database's; then nothing was written.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        self.connection.execute_batch("COMMIT")?;
        self.idle.lock().extend(self.session.take());
        Ok(())
    }
}

const NOT_COMMITTED: &str = "only commit takes the session, and it consumes the transaction";

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect(NOT_COMMITTED)
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect(NOT_COMMITTED)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A connection is not used again after a panic inside it.
        let session = self.session.take();
        let Some(session) = session.filter(|_| !std::thread::panicking()) else {
            return;
        };
        if let Err(error) = session.connection.execute_batch("ROLLBACK") {
            tracing::debug!(error = %sentence(&error), "nothing was left to roll back");
        }
        // Nor is it used again if its transaction could not be ended.
        if session.connection.execute_batch("SELECT 1").is_ok() {
            self.idle.lock().push(session);
        }
    }
}

impl Engine {
    pub(crate) fn new(root: Connection) -> Self {
        Self {
            root: Mutex::new(root),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(MAX_SESSIONS)),
        }
    }

    /// Writes what is in the log into the file, and gives back the blocks at its end that are free.
    ///
    /// # Errors
    /// The database's, as while a transaction is under way.
    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        Ok(self.root.lock().execute_batch("CHECKPOINT")?)
    }

    /// Begins a transaction on this thread, beside those of [`Engine::run`]: for work that runs
    /// within another database's time limit.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn begin(&self, mode: Mode) -> Result<Transaction, Error> {
        let idle = self.idle.lock().pop();
        let session = match idle {
            Some(session) => session,
            None => Session {
                connection: self.root.lock().try_clone()?,
            },
        };
        session.connection.execute_batch(match mode {
            Mode::Read => "BEGIN TRANSACTION READ ONLY",
            Mode::Write => "BEGIN TRANSACTION",
        })?;
        Ok(Transaction {
            session: Some(session),
            idle: Arc::clone(&self.idle),
        })
    }

    /// Runs `work` in one transaction, which is committed if it succeeds and rolled back if not.
    ///
    /// # Errors
    /// The work's own; [`Error::TimedOut`] after `limit`; [`Error::Busy`] if there is no place for
    /// it for so long.
    pub(crate) async fn run<T, F>(&self, mode: Mode, limit: Duration, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = timeout(limit, permits.acquire_owned()).await;
        let permit = permit.map_err(|_| Error::Busy {
            places: MAX_SESSIONS,
            waited: limit,
        })?;
        let permit = permit.expect("the semaphore is never closed");
        let mut transaction = self.begin(mode)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let interrupt = transaction.connection.interrupt_handle();
        let handle = Arc::new(Mutex::new(Some(interrupt)));
        let stop = Stop {
            handle: Arc::clone(&handle),
            stopped,
        };
        let mut job = tokio::task::spawn_blocking(move || {
            let done = work(&mut transaction);
            *handle.lock() = None;
            let done = done.and_then(|value| transaction.commit().map(|()| value));
            drop(permit);
            done
        });
        // A task of its own: the caller may go away, and the work must be ended all the same.
        let (mut answer, asked) = oneshot::channel();
        tokio::spawn(async move {
            let joined = tokio::select! {
                joined = &mut job => joined,
                () = sleep(limit) => stop.until(job).await,
                () = answer.closed() => stop.until(job).await,
            };
            // It fails if the caller has gone away.
            let _ = answer.send((joined, stop.stopped.load(Ordering::Relaxed)));
        });
        let (joined, stopped) = asked.await.expect("the task above answers");
        match joined {
            Ok(Err(_)) | Err(_) if stopped => Err(Error::TimedOut(limit)),
            Ok(result) => result,
            // The client panics on a value that it cannot turn into Arrow; that connection is gone.
            Err(_) => Err(Error::Invalid(
                "the answer cannot be carried out of the database: cast its columns to VARCHAR"
                    .into(),
            )),
        }
    }
}
