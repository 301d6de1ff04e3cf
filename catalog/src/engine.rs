//! DuckDB off the async runtime: a pool of connections to one database, a transaction
//! around each piece of work, and a time limit that really ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duckdb::{Connection, InterruptHandle};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Error;
use crate::error::sentence;

/// How many pieces of work run side by side; more wait their turn.
const SESSIONS: usize = 6;
/// An interrupt that falls between two statements is lost, so it is repeated.
const AGAIN: Duration = Duration::from_millis(20);

/// The database and its idle connections.
pub(crate) struct Engine {
    /// Made first, kept to make others.
    root: Mutex<Connection>,
    idle: Arc<Mutex<Vec<Session>>>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A connection, and what its own views show.
pub(crate) struct Session {
    /// The connection, inside a transaction while work holds it.
    pub(crate) connection: Connection,
    /// The catalog's revision that the views of this connection list; none before the first.
    pub(crate) revision: Option<u64>,
    /// Its views, by name: their SQL, and that of the lists they are made over.
    pub(crate) bound: BTreeMap<String, (String, String)>,
    /// Its views of external tables, by name: their SQL.
    pub(crate) externals: BTreeMap<String, String>,
    /// The SQL of `clicks` over which `clicks_live` was made; none where it was not.
    pub(crate) live: Option<String>,
    stopped: Arc<AtomicBool>,
}

impl Session {
    /// Whether nobody waits for this work any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// What a piece of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// Ends the work, also when whoever asked for it goes away.
struct Stop {
    /// Emptied when the work is done, so that nobody else's is interrupted.
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
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.now();
    }
}

impl Engine {
    pub(crate) fn new(root: Connection) -> Self {
        Self {
            root: Mutex::new(root),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(SESSIONS)),
        }
    }

    /// Runs `work` in one transaction: committed when it succeeds, rolled back when not.
    ///
    /// # Errors
    /// The work's own; [`Error::TimedOut`] after `limit`.
    pub(crate) async fn run<T, F>(&self, mode: Mode, limit: Duration, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = permits
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let mut session = self.session()?;
        let stopped = Arc::new(AtomicBool::new(false));
        session.stopped = Arc::clone(&stopped);
        let handle = Arc::new(Mutex::new(Some(session.connection.interrupt_handle())));
        let stop = Stop {
            handle: Arc::clone(&handle),
            stopped,
        };
        let idle = Arc::clone(&self.idle);
        let mut job = tokio::task::spawn_blocking(move || {
            let result = transact(&mut session, mode, work);
            *handle.lock() = None;
            // A session whose transaction could not be ended is not used again.
            if session.connection.execute_batch("SELECT 1").is_ok() {
                idle.lock().push(session);
            }
            drop(permit);
            result
        });
        let joined = match timeout(limit, &mut job).await {
            Ok(joined) => joined,
            Err(_) => loop {
                stop.now();
                if let Ok(joined) = timeout(AGAIN, &mut job).await {
                    break joined;
                }
            },
        };
        let timed_out = stop.stopped.load(Ordering::Relaxed);
        match joined {
            Ok(Err(_)) | Err(_) if timed_out => Err(Error::TimedOut(limit)),
            Ok(result) => result,
            // The client panics on what it cannot turn into Arrow; that connection is gone.
            Err(_) => Err(Error::Invalid(
                "the answer cannot be carried out of the database: cast its columns to VARCHAR"
                    .into(),
            )),
        }
    }

    fn session(&self) -> Result<Session, Error> {
        if let Some(session) = self.idle.lock().pop() {
            return Ok(session);
        }
        let connection = self.root.lock().try_clone()?;
        Ok(Session {
            connection,
            revision: None,
            bound: BTreeMap::new(),
            externals: BTreeMap::new(),
            live: None,
            stopped: Arc::default(),
        })
    }
}

fn transact<T>(
    session: &mut Session,
    mode: Mode,
    work: impl FnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    session.connection.execute_batch(match mode {
        Mode::Read => "BEGIN TRANSACTION READ ONLY",
        Mode::Write => "BEGIN TRANSACTION",
    })?;
    let done = work(session).and_then(|value| {
        session.connection.execute_batch("COMMIT")?;
        Ok(value)
    });
    if done.is_err() {
        // What the views were is rolled back as well.
        session.revision = None;
        session.bound.clear();
        session.externals.clear();
        session.live = None;
        if let Err(error) = session.connection.execute_batch("ROLLBACK") {
            tracing::debug!(error = %sentence(&error), "nothing was left to roll back");
        }
    }
    done
}
