//! The external tables of a catalog: runs over them, and which files are copied as they are now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use sink::S3;
use sink::clock::SharedClock;
use tokio::time::Instant;

use crate::config::{Config, External, Form};
use crate::db::access::LakeAccess;
use crate::db::engine::Engine;
use crate::error::Error;
use crate::external::adopt::adopt;
use crate::external::adoption::Adoption;
use crate::external::cells::file::{FileVersion, version};
use crate::external::reach::Reach;
use crate::external::run::{AdoptionRun, RunStart};
use crate::query::worker::pool::{PoolUse, WorkerPool};
use crate::query::worker::wire::Opening;

/// An external table, and the workers that read it. They reach nothing else, and nobody's SQL runs in
/// them.
struct KeptTable {
    external: Arc<External>,
    pool: Arc<WorkerPool>,
}

/// The external tables of a catalog.
pub(crate) struct ExternalTables {
    engine: Arc<Engine>,
    config: Arc<Config>,
    s3: S3,
    clock: SharedClock,
    tables: BTreeMap<String, KeptTable>,
    /// The versions of the files that this process has looked at, by the table's name; `None` if
    /// there was no such file, or if it is in a bucket.
    copied: Mutex<BTreeMap<String, Option<FileVersion>>>,
    /// True if a query found a change that data sets have not seen.
    changed: AtomicBool,
    /// One at a time looks for changes before a query.
    turn: tokio::sync::Mutex<()>,
}

impl ExternalTables {
    /// The tables that the configuration has.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if an extension is needed and missing.
    pub(crate) fn new(
        engine: Arc<Engine>,
        config: Arc<Config>,
        s3: S3,
        clock: SharedClock,
    ) -> Result<Self, Error> {
        let mut tables = BTreeMap::new();
        for external in &config.externals {
            let name = external.name.clone();
            let access = LakeAccess::of_external(&config, external, &s3)?;
            let folder = format!("external.tmp/{name}");
            let opening = Opening::new(&config, &access, &folder);
            let pool = WorkerPool::new(PoolUse::Foreign, config.worker.clone(), opening);
            let table = KeptTable {
                external: Arc::new(external.clone()),
                pool: Arc::new(pool),
            };
            tables.insert(name, table);
        }
        Ok(Self {
            engine,
            config,
            s3,
            clock,
            tables,
            copied: Mutex::default(),
            changed: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The memory that the workers take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let pools = self.tables.values();
        pools.map(|table| table.pool.memory_bytes()).sum()
    }

    /// Runs over a table.
    ///
    /// # Errors
    /// The database's, and [`Error::Invalid`] if the configuration has no such table.
    pub(crate) async fn adopt(&self, external: &External) -> Result<Adoption, Error> {
        let name = &external.name;
        let table = self
            .tables
            .get(name)
            .ok_or_else(|| Error::Invalid(format!("there is no external table {name}")))?;
        let version = version(external);
        let run = AdoptionRun {
            engine: Arc::clone(&self.engine),
            config: Arc::clone(&self.config),
            external: Arc::clone(&table.external),
            pool: Arc::clone(&table.pool),
            reach: Arc::new(Reach::open(&self.s3, &external.path)?),
            start: RunStart {
                at: self.clock.now(),
                begun: Instant::now(),
            },
        };
        let adopted = adopt(&run).await?;
        if is_file(external) {
            self.copied.lock().insert(name.clone(), version);
        }
        Ok(adopted)
    }

    /// Copies the files that a statement names and that have changed, so that it reads them as they
    /// are. What cannot be copied says so where it is read.
    pub(crate) async fn freshen(&self, sql: &str) {
        if self.stale(sql).is_empty() {
            return;
        }
        let _turn = self.turn.lock().await;
        for external in self.stale(sql) {
            match self.adopt(external).await {
                Ok(run) if run.found + run.gone > 0 => self.changed.store(true, Ordering::Relaxed),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(table = external.name, %error, "an external file could not be copied");
                }
            }
        }
    }

    /// Returns true if a query found a change since the last call.
    pub(crate) fn take_change(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// The files that a statement names and that have changed since they were copied.
    fn stale(&self, sql: &str) -> Vec<&External> {
        let files = self.config.externals.iter().filter(|one| is_file(one));
        let text = sql.to_lowercase();
        let lists = ["show", "describe", "duckdb_", "information_schema"];
        let listing = lists.iter().any(|word| text.contains(word));
        let named = files.filter(|one| listing || text.contains(&one.name));
        let copied = self.copied.lock();
        named
            .filter(|one| copied.get(&one.name) != Some(&version(one)))
            .collect()
    }
}

fn is_file(external: &External) -> bool {
    external.is_copied() && external.form() != Form::Postgres
}
