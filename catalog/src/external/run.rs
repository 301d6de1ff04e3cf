//! A run over an external table while it is under way: what it reads in a worker, and how its
//! result is kept.

use std::sync::Arc;

use sink::Timestamp;
use tokio::time::Instant;

use crate::config::{Config, External};
use crate::db::engine::{Engine, Mode, STATEMENT_TIMEOUT, Session};
use crate::error::Error;
use crate::external::adoption::{Adoption, keep};
use crate::external::reach::Reach;
use crate::query::worker::keep::KeptAnswer;
use crate::query::worker::life::RunningWorker;
use crate::query::worker::pool::WorkerPool;
use crate::query::worker::talk::{ByteSource, Part};
use crate::query::worker::wire::ForeignSource;

/// When a run began.
#[derive(Clone, Copy)]
pub(super) struct RunStart {
    pub(super) at: Timestamp,
    pub(super) begun: Instant,
}

impl RunStart {
    /// Keeps a run that ends now, unless it found nothing. The caller commits.
    pub(super) fn keep(self, session: &Session, mut run: Adoption) -> Result<Adoption, Error> {
        run.started_at = self.at;
        run.took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        keep(&session.connection, &run)?;
        Ok(run)
    }
}

/// A run, and what it works with.
pub(super) struct AdoptionRun {
    pub(super) engine: Arc<Engine>,
    pub(super) config: Arc<Config>,
    pub(super) external: Arc<External>,
    /// Where the workers are that read this one table.
    pub(super) pool: Arc<WorkerPool>,
    pub(super) reach: Arc<Reach>,
    pub(super) start: RunStart,
}

impl AdoptionRun {
    /// The run's result, as far as nothing is known of it.
    pub(super) fn result(&self) -> Adoption {
        Adoption {
            name: self.external.name.clone(),
            ..Adoption::default()
        }
    }

    /// Reads what the catalog knows.
    pub(super) async fn look<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let work = move |session: &mut Session| work(session);
        self.engine.run(Mode::Read, STATEMENT_TIMEOUT, work).await
    }

    /// Writes what the run found, and keeps the run in the same transaction.
    pub(super) async fn finish<F>(&self, work: F) -> Result<Adoption, Error>
    where
        F: FnOnce(&Session) -> Result<Adoption, Error> + Send + 'static,
    {
        let start = self.start;
        let work = move |session: &Session| {
            let run = work(session)?;
            start.keep(session, run)
        };
        self.write(work).await
    }

    /// Writes to the catalog in one transaction.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let work = move |session: &mut Session| work(session);
        self.engine.run(Mode::Write, STATEMENT_TIMEOUT, work).await
    }

    /// Has something read that is small, and returns its parts.
    ///
    /// # Errors
    /// See [`spoiled`].
    pub(super) async fn read(&self, source: ForeignSource) -> Result<Vec<Part>, Error> {
        let work = move |worker: &mut RunningWorker| {
            let mut parts = Vec::new();
            worker.read(source, None, STATEMENT_TIMEOUT, |part| {
                parts.push(part);
                Ok(())
            })?;
            Ok(parts)
        };
        self.pool.run(STATEMENT_TIMEOUT, work).await
    }

    /// Has the table copied into the catalog. `then` writes what is known of it, in the same
    /// transaction, and says whether that is committed.
    ///
    /// # Errors
    /// See [`spoiled`].
    pub(super) async fn copy<T, F>(
        &self,
        source: ForeignSource,
        file: Option<ByteSource>,
        then: F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session, u64, Vec<String>) -> Result<(T, bool), Error> + Send + 'static,
    {
        let (engine, external) = (Arc::clone(&self.engine), Arc::clone(&self.external));
        let work = move |worker: &mut RunningWorker| {
            let catalog = engine.begin(Mode::Write)?;
            let mut kept = KeptAnswer::new(&catalog, &external.name);
            worker.read(source, file, STATEMENT_TIMEOUT, |part| kept.take(part))?;
            let (rows, notes) = kept.finish()?;
            let (done, commits) = then(&catalog, rows, notes)?;
            if commits {
                catalog.commit()?;
            }
            Ok(done)
        };
        self.pool.run(STATEMENT_TIMEOUT, work).await
    }
}

/// Why a file is not read, and whether the next run tries it again although it has not changed.
pub(super) struct Spoiled {
    pub(super) why: String,
    pub(super) again: bool,
}

/// The reason that is the file's own.
///
/// # Errors
/// Any other: that no worker could be had, or the catalog's own. It says nothing of the file.
pub(super) fn spoiled(error: Error) -> Result<Spoiled, Error> {
    let (why, again) = match error {
        Error::Invalid(why) | Error::Refused(why) => (why, false),
        // What reading takes so long is not read in each run: other tables wait for it.
        Error::TimedOut(limit) => {
            let seconds = limit.as_secs();
            (format!("reading it took longer than {seconds} s"), false)
        }
        // It may have been short for another reason.
        error @ Error::TooLarge { .. } => (error.to_string(), true),
        other => return Err(other),
    };
    Ok(Spoiled { why, again })
}
