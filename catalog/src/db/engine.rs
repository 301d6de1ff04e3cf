//! DuckDB off the async runtime: a pool of connections to one database, a transaction
//! around each piece of work, and a time limit that really ends it.

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

/// How long a statement of ours may run: it is bounded work, so this only ends what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// How many pieces of work run side by side; more wait their turn.
const SESSIONS: usize = 6;
/// An interrupt that falls between two statements is lost, so it is repeated.
const AGAIN: Duration = Duration::from_millis(20);

/// A database and its idle connections; `K` is what each connection keeps from one transaction
/// to the next.
pub(crate) struct Engine<K: Default = ()> {
    /// Made first, kept to make others.
    root: Mutex<Connection>,
    idle: Idle<K>,
    permits: Arc<Semaphore>,
}

/// Connections that nobody uses now.
type Idle<K> = Arc<Mutex<Vec<Session<K>>>>;

/// A connection.
pub(crate) struct Session<K = ()> {
    /// The connection, inside a transaction while work holds it.
    pub(crate) connection: Connection,
    /// What it keeps.
    pub(crate) kept: K,
    stopped: Arc<AtomicBool>,
}

impl<K> Session<K> {
    /// A column of text.
    pub(crate) fn paths(&self, sql: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

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

/// Ends the work, also when the runtime goes away.
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

    /// Stops the work until it has ended.
    async fn until<T>(&self, mut job: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            self.now();
            if let Ok(joined) = timeout(AGAIN, &mut job).await {
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
pub(crate) struct Transaction<K: Default = ()> {
    /// None once it is committed.
    session: Option<Session<K>>,
    idle: Idle<K>,
}

impl<K: Default> Transaction<K> {
    /// Makes what was written stay.
    ///
    /// # Errors
    /// The database's; then nothing was written.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        self.connection.execute_batch("COMMIT")?;
        self.idle.lock().extend(self.session.take());
        Ok(())
    }
}

const HELD: &str = "only its commit takes the session, and consumes the transaction";

impl<K: Default> Deref for Transaction<K> {
    type Target = Session<K>;

    fn deref(&self) -> &Session<K> {
        self.session.as_ref().expect(HELD)
    }
}

impl<K: Default> DerefMut for Transaction<K> {
    fn deref_mut(&mut self) -> &mut Session<K> {
        self.session.as_mut().expect(HELD)
    }
}

impl<K: Default> Drop for Transaction<K> {
    fn drop(&mut self) {
        // A connection in whose client a panic began is not used again.
        let session = self.session.take();
        let Some(mut session) = session.filter(|_| !std::thread::panicking()) else {
            return;
        };
        // What was kept may be of this transaction.
        session.kept = K::default();
        if let Err(error) = session.connection.execute_batch("ROLLBACK") {
            tracing::debug!(error = %sentence(&error), "nothing was left to roll back");
        }
        // Nor is one whose transaction could not be ended.
        if session.connection.execute_batch("SELECT 1").is_ok() {
            self.idle.lock().push(session);
        }
    }
}

impl<K: Default + Send + 'static> Engine<K> {
    pub(crate) fn new(root: Connection) -> Self {
        Self {
            root: Mutex::new(root),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(SESSIONS)),
        }
    }

    /// Begins a transaction beside those of [`Engine::run`], on this thread: for work that runs
    /// within another database's time limit.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn begin(&self, mode: Mode) -> Result<Transaction<K>, Error> {
        let idle = self.idle.lock().pop();
        let session = match idle {
            Some(session) => session,
            None => Session {
                connection: self.root.lock().try_clone()?,
                kept: K::default(),
                stopped: Arc::default(),
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

    /// Runs `work` in one transaction: committed when it succeeds, rolled back when not.
    ///
    /// # Errors
    /// The work's own; [`Error::TimedOut`] after `limit`.
    pub(crate) async fn run<T, F>(&self, mode: Mode, limit: Duration, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session<K>) -> Result<T, Error> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = permits
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let mut transaction = self.begin(mode)?;
        let stopped = Arc::new(AtomicBool::new(false));
        transaction.stopped = Arc::clone(&stopped);
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
        // A task of its own: whoever asked may go away, and the work must end all the same.
        let (mut answer, asked) = oneshot::channel();
        tokio::spawn(async move {
            let joined = tokio::select! {
                joined = &mut job => joined,
                () = sleep(limit) => stop.until(job).await,
                () = answer.closed() => stop.until(job).await,
            };
            // Nobody may be there any more.
            let _ = answer.send((joined, stop.stopped.load(Ordering::Relaxed)));
        });
        let (joined, stopped) = asked.await.expect("the task above answers");
        match joined {
            Ok(Err(_)) | Err(_) if stopped => Err(Error::TimedOut(limit)),
            Ok(result) => result,
            // The client panics on what it cannot turn into Arrow; that connection is gone.
            Err(_) => Err(Error::Invalid(
                "the answer cannot be carried out of the database: cast its columns to VARCHAR"
                    .into(),
            )),
        }
    }
}
