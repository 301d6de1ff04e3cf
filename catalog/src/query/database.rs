//! The database where free SQL runs: a DuckDB of its own, in memory, with its own limits, so that
//! queries do not take from crawls and panels what they need. It holds no rows of its own.

use std::ffi::OsString;
use std::sync::Arc;

use duckdb::Connection;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::{Config, Dataset};
use crate::db::access::LakeAccess;
use crate::db::copy;
use crate::db::database::{limits, memory_bytes, ready};
use crate::db::engine::{Engine, Mode, Session};
use crate::error::Error;
use crate::query::ask::answer;
use crate::query::bind::{QueryScope, bind};
use crate::query::rows::Rows;
use crate::query::sandbox;
use crate::query::tokens::without_end;
use crate::query::views::QueryViews;
use crate::tail::snapshot::TailSnapshot;

/// Opens the database.
///
/// # Errors
/// [`Error::Unavailable`].
pub(crate) fn open(config: &Config, access: &LakeAccess) -> Result<Connection, Error> {
    let mut spill = OsString::from(&config.path);
    spill.push(".query.tmp");
    let limits = limits(config.query_memory, config.threads)?
        .with("temp_directory", spill.to_string_lossy())?;
    let connection = Connection::open_in_memory_with_flags(limits)?;
    ready(connection, access)
}

/// The database, and what it reads from.
pub(crate) struct QueryDatabase {
    engine: Engine<QueryViews>,
    scope: Arc<QueryScope>,
}

impl QueryDatabase {
    pub(crate) fn new(root: Connection, scope: QueryScope) -> Self {
        Self {
            engine: Engine::new(root),
            scope: Arc::new(scope),
        }
    }

    /// Runs one statement that reads, in one snapshot. The tail's snapshot must be older: a crawl
    /// in between drops rows from the tail that only a later snapshot of the catalog lists.
    pub(crate) async fn ask(&self, tail: TailSnapshot, sql: &str) -> Result<Rows, Error> {
        let (sql, scope) = (sql.to_owned(), Arc::clone(&self.scope));
        let (max_rows, limit) = (scope.config.query_rows, scope.config.query_timeout);
        let work = move |session: &mut Session<QueryViews>| {
            let started = Instant::now();
            let sql = sandbox::check(&session.connection, &sql)?;
            let snapshot = Arc::new(Mutex::new(scope.catalog.begin(Mode::Read)?));
            let bound = bind(session, &scope, &snapshot, &tail, &sql)?;
            let mut rows = answer(session, &sql, max_rows, limit, started)?;
            rows.note = bound.note;
            Ok(rows)
        };
        self.engine.run(Mode::Read, limit, work).await
    }

    /// Makes a data set's table anew, and returns how many rows it has.
    pub(crate) async fn fill(&self, tail: TailSnapshot, dataset: &Dataset) -> Result<u64, Error> {
        let (dataset, scope) = (dataset.clone(), Arc::clone(&self.scope));
        let limit = scope.config.query_timeout;
        let work = move |session: &mut Session<QueryViews>| {
            let sql = sandbox::check(&session.connection, &dataset.sql)?;
            let snapshot = Arc::new(Mutex::new(scope.catalog.begin(Mode::Read)?));
            let _bound = bind(session, &scope, &snapshot, &tail, &sql)?;
            let catalog = scope.catalog.begin(Mode::Write)?;
            // It is one statement that reads, so it may be part of another.
            let sql = without_end(&sql);
            let rows = copy::fill(&catalog, &dataset.name, session, sql, limit)?;
            catalog.commit()?;
            Ok(rows)
        };
        self.engine.run(Mode::Read, limit, work).await
    }

    /// How much memory the database takes.
    pub(crate) async fn memory_bytes(&self) -> Result<u64, Error> {
        let limit = self.scope.config.query_timeout;
        let work = |session: &mut Session<QueryViews>| memory_bytes(&session.connection);
        self.engine.run(Mode::Read, limit, work).await
    }
}
