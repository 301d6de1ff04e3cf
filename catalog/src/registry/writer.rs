//! What crawls and folds write with.

use std::sync::Arc;

use sink::Lake;
use sink::clock::SharedClock;

use crate::db::engine::{Engine, Mode, STATEMENT_TIMEOUT, Session};
use crate::error::Error;
use crate::registry::state::CrawlState;

/// The parts that crawls and folds need. One of them runs at a time.
pub(crate) struct RegistryWriter {
    pub(crate) engine: Arc<Engine>,
    pub(crate) lake: Lake,
    pub(crate) clock: SharedClock,
    /// How many rows are folded at once.
    pub(crate) fold_rows: u64,
    /// `None` until it is read from the database. A crawl or a fold holds the lock.
    pub(crate) state: tokio::sync::Mutex<Option<CrawlState>>,
}

impl RegistryWriter {
    pub(crate) fn new(engine: Arc<Engine>, lake: Lake, clock: SharedClock, fold_rows: u64) -> Self {
        Self {
            engine,
            lake,
            clock,
            fold_rows,
            state: tokio::sync::Mutex::new(None),
        }
    }

    /// Reads in one snapshot.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    {
        self.engine.run(Mode::Read, STATEMENT_TIMEOUT, work).await
    }

    /// Writes in one transaction.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    {
        self.engine.run(Mode::Write, STATEMENT_TIMEOUT, work).await
    }
}
