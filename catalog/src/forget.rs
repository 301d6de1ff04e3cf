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
        self.give_back().await?;
        for dataset in &inner.config.datasets {
            let run = self.refresh(&dataset.name).await?;
            if let Some(error) = run.error {
                tracing::warn!(dataset = dataset.name, error, "a data set was not made");
            }
        }
        self.give_back().await?;
        self.publish_state(None, History::Expired).await
    }

    async fn drop_datasets(&self) -> Result<(), Error> {
        let inner = &self.inner;
        let names = inner.config.datasets.iter();
        let drops = names.map(|of| format!("DROP TABLE IF EXISTS {};", Ident(&of.name)));
        let drops: String = drops.collect();
        let mut tries = 1;
        loop {
            let drops = drops.clone();
            let work = move |session: &mut Session| Ok(session.connection.execute_batch(&drops)?);
            match inner.engine.run(Mode::Write, STATEMENT_TIMEOUT, work).await {
                // One of them is being made.
                Err(Error::Unavailable(why)) if tries < MAX_TRIES => {
                    tracing::debug!(why, "a data set cannot be dropped yet");
                }
                done => return done,
            }
            tries += 1;
            sleep(PAUSE).await;
        }
    }

    /// Lets the file give back the blocks that hold nothing any more.
    async fn give_back(&self) -> Result<(), Error> {
        for _ in 0..MAX_TRIES {
            let engine = std::sync::Arc::clone(&self.inner.engine);
            let done = tokio::task::spawn_blocking(move || engine.checkpoint()).await;
            match done.expect("a checkpoint does not panic") {
                Ok(()) => return Ok(()),
                // Another transaction reads.
                Err(error) => tracing::debug!(%error, "the file gives nothing back yet"),
            }
            sleep(PAUSE).await;
        }
        tracing::warn!("the catalog's file was busy all the time, and keeps its free blocks");
        Ok(())
    }
}
