//! Where free SQL runs: workers, each with a DuckDB of its own and its own limits, so that queries
//! do not take from crawls and panels what they need, and end nothing but themselves.

use std::sync::Arc;

use tokio::time::Instant;

use crate::config::Dataset;
use crate::db::access::LakeAccess;
use crate::db::engine::Mode;
use crate::error::Error;
use crate::query::bind::{QueryScope, bind};
use crate::query::rows::Rows;
use crate::query::worker::keep::KeptAnswer;
use crate::query::worker::life::RunningWorker;
use crate::query::worker::pool::{PoolUse, WorkerPool};
use crate::query::worker::talk::Part;
use crate::query::worker::wire::{Opening, Purpose};
use crate::tail::snapshot::TailSnapshot;

/// The workers, and what they read from.
pub(crate) struct QueryDatabase {
    workers: WorkerPool,
    scope: Arc<QueryScope>,
}

impl QueryDatabase {
    pub(crate) fn new(access: &LakeAccess, scope: QueryScope) -> Self {
        let command = scope.config.worker.clone();
        Self {
            workers: WorkerPool::new(
                PoolUse::Statements,
                command,
                Opening::new(&scope.config, access, "query.tmp"),
            ),
            scope: Arc::new(scope),
        }
    }

    /// Runs one statement that reads, in one snapshot. The tail's snapshot must be older: a crawl
    /// in between drops rows from the tail that only a later snapshot of the catalog lists.
    pub(crate) async fn ask(&self, tail: TailSnapshot, sql: &str) -> Result<Rows, Error> {
        let (sql, scope) = (sql.to_owned(), Arc::clone(&self.scope));
        let limit = scope.config.query_timeout;
        let work = move |worker: &mut RunningWorker| {
            let started = Instant::now();
            let max_rows = scope.config.query_rows;
            let purpose = Purpose::Show { max_rows };
            let bound = bind(&scope, &tail, &sql, purpose, worker.revision)?;
            let (mut schema, mut batches) = (None, Vec::new());
            let truncated = worker.run(bound.task, limit, |part| {
                if let Part::Rows(of, rows) = part {
                    schema.get_or_insert(of);
                    batches.extend(rows);
                }
                Ok(())
            })?;
            let schema = schema
                .ok_or_else(|| Error::Unavailable("an answer came without its columns".into()))?;
            let mut rows = Rows::new(&schema, &batches, truncated, started.elapsed())?;
            rows.note = bound.note;
            Ok(rows)
        };
        self.workers.run(limit, work).await
    }

    /// Makes a data set's table anew, and returns how many rows it has.
    pub(crate) async fn fill(&self, tail: TailSnapshot, dataset: &Dataset) -> Result<u64, Error> {
        let (dataset, scope) = (dataset.clone(), Arc::clone(&self.scope));
        let limit = scope.config.query_timeout;
        let work = move |worker: &mut RunningWorker| {
            let bound = bind(&scope, &tail, &dataset.sql, Purpose::Keep, worker.revision)?;
            let catalog = scope.catalog.begin(Mode::Write)?;
            let mut kept = KeptAnswer::new(&catalog, &dataset.name);
            worker.run(bound.task, limit, |part| kept.take(part))?;
            let (rows, _) = kept.finish()?;
            catalog.commit()?;
            Ok(rows)
        };
        self.workers.run(limit, work).await
    }

    /// Starts a worker ahead of the first statement.
    pub(crate) fn warm(&self) {
        self.workers.warm();
    }

    /// How much memory the workers take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.workers.memory_bytes()
    }
}
