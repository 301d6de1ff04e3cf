//! The external tables of a catalog: runs over them, and which files are copied as they are now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use sink::S3;
use sink::clock::SharedClock;

use crate::config::{Config, External, Form};
use crate::db::engine::Engine;
use crate::error::Error;
use crate::external::adopt::adopt;
use crate::external::adoption::Adoption;
use crate::external::cells::file::{FileVersion, version};

/// The external tables of a catalog.
pub(crate) struct ExternalTables {
    engine: Arc<Engine>,
    config: Arc<Config>,
    s3: S3,
    clock: SharedClock,
    /// The versions of the files that this process has looked at, by the table's name; `None` if
    /// there was no such file, or if it is in a bucket.
    copied: Mutex<BTreeMap<String, Option<FileVersion>>>,
    /// True if a query found a change that data sets have not seen.
    changed: AtomicBool,
    /// One at a time looks for changes before a query.
    turn: tokio::sync::Mutex<()>,
}

impl ExternalTables {
    pub(crate) fn new(
        engine: Arc<Engine>,
        config: Arc<Config>,
        s3: S3,
        clock: SharedClock,
    ) -> Self {
        Self {
            engine,
            config,
            s3,
            clock,
            copied: Mutex::default(),
            changed: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Runs over a table.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn adopt(&self, external: &External) -> Result<Adoption, Error> {
        let version = version(external);
        let (engine, config) = (&self.engine, &self.config);
        let run = adopt(engine, config, &self.s3, &self.clock, external).await?;
        if is_file(external) {
            self.copied.lock().insert(external.name.clone(), version);
        }
        Ok(run)
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
