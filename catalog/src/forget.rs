//! After an erasure: whatever this process keeps of the lake's rows is made anew.

use std::time::Duration;

use tokio::time::sleep;

use crate::catalog::Catalog;
use crate::db::engine::{Mode, STATEMENT_TIMEOUT, Session};
use crate::error::Error;
use crate::iceberg::History;
use crate::sql::Ident;

/// How often the file is asked for what it refuses while other work is under way.
const MAX_TRIES: u32 = 100;
/// How long it waits between two times.
const PAUSE: Duration = Duration::from_millis(100);

impl Catalog {
    /// Makes the rollups anew from the lake, then the data sets, and publishes: every earlier
    /// published state is deleted at once.
    ///
    /// # Errors
    /// The lake's and the database's.
    pub async fn forget(&self) -> Result<(), Error> {
        let inner = &self.inner;
        self.drop_datasets().await?;
        // A swap that takes rows out empties the rollups.
        self.crawl(true).await?;
        while self.fold().await? > 0 {}
        self.give_back().await;
        for dataset in &inner.config.datasets {
            let run = self.refresh(&dataset.name).await?;
            if let Some(error) = run.error {
                tracing::warn!(dataset = dataset.name, error, "a data set was not made");
            }
        }
        self.give_back().await;
        self.publish_state(None, History::Expired).await
    }

    async fn drop_datasets(&self) -> Result<(), Error> {
        let inner = &self.inner;
        let names = inner.config.datasets.iter();
        let drops = names.map(|of| format!("DROP TABLE IF EXISTS {};", Ident(&of.name)));
        let drops: String = drops.collect();
        let dropping = || {
            let drops = drops.clone();
            let work = move |session: &mut Session| Ok(session.connection.execute_batch(&drops)?);
            inner.engine.run(Mode::Write, STATEMENT_TIMEOUT, work)
        };
        // One of them may be being made.
        until_free(dropping).await
    }

    /// Lets the file give back the blocks that hold nothing any more.
    async fn give_back(&self) {
        let checkpoint = || {
            let engine = std::sync::Arc::clone(&self.inner.engine);
            let done = tokio::task::spawn_blocking(move || engine.checkpoint());
            async { done.await.expect("a checkpoint does not panic") }
        };
        // Another transaction may read.
        if let Err(error) = until_free(checkpoint).await {
            tracing::warn!(%error, "the catalog's file was busy all the time, and keeps its free blocks");
        }
    }
}

/// Tries until the file does it. The error is that of the last try.
async fn until_free<W>(work: impl Fn() -> W) -> Result<(), Error>
where
    W: Future<Output = Result<(), Error>>,
{
    for _ in 1..MAX_TRIES {
        match work().await {
            Err(Error::Unavailable(why)) => tracing::debug!(why, "the catalog's file is busy"),
            done => return done,
        }
        sleep(PAUSE).await;
    }
    work().await
}
