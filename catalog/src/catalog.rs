//! The catalog's handle: one database, one lake, many readers.

use std::fmt;
use std::sync::Arc;

use sink::clock::SharedClock;
use sink::{Lake, S3};

use crate::config::Config;
use crate::db::engine::{Engine, Mode, Session};
use crate::error::Error;
use crate::query::views::Desk;
use crate::registry::state::Marks;
use crate::tail::memory::Tail;

/// The catalog of one lake. Cheap to clone; its queries run side by side.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) lake: Lake,
    pub(crate) s3: S3,
    pub(crate) clock: SharedClock,
    /// The catalog's own database, where crawls and panels run …
    pub(crate) engine: Engine,
    /// … and the one where people's SQL does.
    pub(crate) desk: Engine<Desk>,
    /// What the crawler knows; none until it has read it from the database. Whoever crawls
    /// holds it, so crawls take turns.
    pub(crate) marks: tokio::sync::Mutex<Option<Marks>>,
    pub(crate) tail: Tail,
    /// Held by whoever publishes.
    pub(crate) publishing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("path", &self.config.path)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// The settings that this catalog was opened with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What the lake does not have yet, for whoever feeds it.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.inner.tail
    }

    /// How many bytes of memory its databases hold, of `memory` and of `query_memory`.
    ///
    /// # Errors
    /// The databases'.
    pub async fn held(&self) -> Result<u64, Error> {
        let held = "SELECT coalesce(sum(memory_usage_bytes), 0)::UBIGINT FROM duckdb_memory()";
        let limit = self.inner.config.query_timeout;
        let own =
            self.read(|session| Ok(session.connection.query_row(held, [], |row| row.get(0))?));
        let lent = self.inner.desk.run(Mode::Read, limit, |session| {
            Ok(session.connection.query_row(held, [], |row| row.get(0))?)
        });
        let (own, lent): (u64, u64) = tokio::try_join!(own, lent)?;
        Ok(own + lent)
    }

    /// Reads in one snapshot, within the time that a query may take.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    {
        self.inner
            .engine
            .run(Mode::Read, self.inner.config.query_timeout, work)
            .await
    }
}
