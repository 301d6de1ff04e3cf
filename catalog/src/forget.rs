//! After an erasure: whatever this process keeps of the lake's rows is made anew.

use std::time::Duration;

use tokio::time::sleep;

use crate::catalog::Catalog;
use crate::db::engine::{Mode, STATEMENT_TIMEOUT, Session};
use crate::error::Error;
use crate::iceberg::History;
use crate::sql::Ident;

/// How often the file is asked to give back what is free, while other work is under way.
const MAX_CHECKPOINTS: u32 = 100;
/// How long it waits between two times.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(100);

impl Catalog {
    /// Makes the rollups anew from the lake, then the data sets, and publishes: every earlier
    /// published state is deleted at once.
    ///
    /// # Errors
    /// The lake's and the database's.
    pub async fn forget(&self) -> Result<(), Error> {
        let inner = &self.inner;
        let names: Vec<String> = inner
            .config
            .datasets
            .iter()
            .map(|dataset| dataset.name.clone())
            .collect();
        let drop_them = move |session: &mut Session| {
            for name in &names {
                let drop = format!("DROP TABLE IF EXISTS {}", Ident(name));
                session.connection.execute_batch(&drop)?;
            }
            Ok(())
        };
        let engine = &inner.engine;
        engine
            .run(Mode::Write, STATEMENT_TIMEOUT, drop_them)
            .await?;
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

    /// Lets the file give back the blocks that hold nothing any more.
    async fn give_back(&self) -> Result<(), Error> {
        for _ in 0..MAX_CHECKPOINTS {
            let engine = std::sync::Arc::clone(&self.inner.engine);
            let done = tokio::task::spawn_blocking(move || engine.checkpoint()).await;
            match done.expect("a checkpoint does not panic") {
                Ok(()) => return Ok(()),
                // Another transaction reads.
                Err(error) => tracing::debug!(%error, "the file gives nothing back yet"),
            }
            sleep(CHECKPOINT_PAUSE).await;
        }
        tracing::warn!("the catalog's file was busy all the time, and keeps its free blocks");
        Ok(())
    }
}
