//! What every request shares: the catalog, the clock, and what `compose` handed in.

use std::time::Duration;

use catalog::{Catalog, Error, Freshness, SharedClock, Timestamp, Totals};
use futures::try_join;
use tokio::time::timeout;

use crate::command::{Commands, Span, Watermarks};
use crate::http::problem::Problem;
use crate::select::selection::{Selection, Window};
use crate::view::balance::Balance;

/// How long a page waits for the topic's own numbers; it is shown without them then.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the catalog is read again when a crawl came between two readings.
const READINGS: usize = 5;

/// What the dashboard needs from elsewhere.
#[derive(Clone)]
pub struct Sources {
    /// Asks the topic; none where there is none beside this catalog.
    pub watermarks: Option<Watermarks>,
    /// What a shell may ask of this process.
    pub commands: Commands,
    /// Where the edge takes clicks, as an empty page names it: `http://127.0.0.1:8080`.
    pub edge: String,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("watermarks", &self.watermarks.is_some())
            .field("commands", &self.commands)
            .field("edge", &self.edge)
            .finish()
    }
}

/// The dashboard behind its pages.
pub(crate) struct Site {
    pub(crate) catalog: Catalog,
    pub(crate) sources: Sources,
    pub(crate) clock: SharedClock,
    pub(crate) stale_after: Duration,
}

impl Site {
    /// The selection as of now.
    pub(crate) async fn window(&self, selection: &Selection) -> Result<Window, Problem> {
        let span = self.catalog.span().await?;
        selection.window(self.clock.now(), span)
    }

    /// The totals of the window, and of the period before where there is one.
    pub(crate) async fn totals(
        &self,
        window: &Window,
    ) -> Result<(Totals, Option<Totals>), Problem> {
        Ok(try_join!(self.catalog.totals(&window.filter), async {
            match &window.before {
                Some(before) => Ok(Some(self.catalog.totals(before).await?)),
                None => Ok(None),
            }
        })?)
    }

    /// The accounting and the freshness that belong together, and the topic's numbers beside
    /// them.
    pub(crate) async fn balance(&self) -> Result<(Balance, Vec<Freshness>), Problem> {
        let mut before = self.catalog.freshness().await?;
        for _reading in 0..READINGS {
            let accounting = self.catalog.accounting().await?;
            let freshness = self.catalog.freshness().await?;
            if before == freshness {
                let topic = self.spans().await;
                let topic = topic.as_deref().map_err(Clone::clone);
                return Ok((Balance::strike(&accounting, &freshness, topic), freshness));
            }
            before = freshness;
        }
        Err(Error::Unavailable("it is crawled faster than it can be read".into()).into())
    }

    async fn spans(&self) -> Result<Vec<Span>, String> {
        let Some(watermarks) = &self.sources.watermarks else {
            return Err("This process has no topic beside it: pending is not known.".into());
        };
        match timeout(PATIENCE, watermarks()).await {
            Ok(Ok(spans)) => Ok(spans),
            Ok(Err(error)) => Err(format!("The topic’s own numbers are missing: {error}.")),
            Err(_) => Err("The topic does not answer just now: pending is not known.".into()),
        }
    }

    /// How long ago the newest crawl ended; none before the first.
    pub(crate) async fn crawled(&self) -> Result<Option<Duration>, Problem> {
        let newest = self.catalog.crawls(1).await?.into_iter().next();
        Ok(newest.map(|run| {
            let took = i64::try_from(run.took_ms)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000);
            let ended = Timestamp::from_micros(run.started_at.micros().saturating_add(took));
            self.clock.now().since(ended)
        }))
    }
}
