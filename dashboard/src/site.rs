//! What all requests share: the catalog, the clock, and what `compose` hands in.

use std::time::Duration;

use actix_web::HttpRequest;
use catalog::{Caller, Catalog, Error, Freshness, Rows, SharedClock, Totals};
use futures::try_join;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use crate::Config;
use crate::command::{Commands, Span, WatermarksFn};
use crate::disk::{DiskUse, Disks, ObjectStates};
use crate::firewall::{EdgeRules, EdgeWarningFn};
use crate::http::body::BodyBudget;
use crate::http::problem::Problem;
use crate::http::streams::LiveStreams;
use crate::metrics::{Exposition, PageMetrics};
use crate::select::selection::Selection;
use crate::select::window::TimeWindow;
use crate::select::words::step_word;
use crate::view::balance::Balance;
use crate::view::human;

/// How long a page waits for the topic's numbers before it is shown without them.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the catalog is read again if a crawl came between two reads.
const MAX_READS: usize = 5;

/// What the dashboard needs from elsewhere.
#[derive(Clone)]
pub struct Sources {
    /// Asks the topic; `None` if this process has no topic.
    pub watermarks: Option<WatermarksFn>,
    /// What a shell may ask of this process.
    pub commands: Commands,
    /// Where the edge takes clicks, as an empty page names it: `http://127.0.0.1:8080`.
    pub edge: String,
    /// The page of metrics of this process.
    pub exposition: Exposition,
    /// Measures what the pipeline keeps on this machine's disks.
    pub disks: Disks,
    /// Counts the objects of the lake.
    pub objects: ObjectStates,
    /// What the rules of the edge did.
    pub rules: EdgeRules,
    /// Says what is wrong with the edge of this process; `None` if nothing is.
    pub edge_warning: EdgeWarningFn,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("watermarks", &self.watermarks.is_some())
            .field("commands", &self.commands)
            .field("edge", &self.edge)
            .finish_non_exhaustive()
    }
}

/// What the pages, the API and the metrics share.
pub struct Site {
    pub(crate) catalog: Catalog,
    pub(crate) sources: Sources,
    pub(crate) clock: SharedClock,
    pub(crate) stale_after: Duration,
    pub(crate) metrics: PageMetrics,
    pub(crate) bodies: BodyBudget,
    pub(crate) streams: LiveStreams,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("catalog", &self.catalog)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// Puts the parts together and names the metrics in `registry`.
    #[must_use]
    pub fn new(
        config: &Config,
        catalog: Catalog,
        sources: Sources,
        clock: SharedClock,
        registry: &mut Registry,
    ) -> Self {
        Self {
            catalog,
            sources,
            clock,
            stale_after: config.stale_after,
            metrics: PageMetrics::register(registry),
            bodies: BodyBudget::default(),
            streams: LiveStreams::default(),
        }
    }

    /// Checks that the catalog answers and that its newest crawl is not older than
    /// `dashboard.stale_after`.
    ///
    /// # Errors
    /// The reason why it is not so.
    pub async fn ready(&self) -> Result<(), String> {
        match self.crawled().await {
            Err(problem) => Err(problem.error),
            Ok(None) => Err("the lake was never crawled".into()),
            Ok(Some(age)) if age > self.stale_after => {
                Err(format!("the last crawl ended {} ago", human::duration(age)))
            }
            Ok(Some(_)) => Ok(()),
        }
    }

    /// The selection as of now.
    ///
    /// # Errors
    /// The catalog's, and 400 if the range has too many of its steps: a program gets the step
    /// that it asks for, or none.
    pub(crate) async fn window(&self, selection: &Selection) -> Result<TimeWindow, Problem> {
        let span = self.catalog.span().await?;
        let window = TimeWindow::of(selection, self.clock.now(), span)?;
        match window.too_fine {
            None => Ok(window),
            Some((step, count)) => Err(Problem::invalid(
                format!(
                    "the range has {} steps of a {}",
                    human::count(count),
                    step_word(step)
                ),
                "choose a longer step or a shorter range",
            )),
        }
    }

    /// The totals of the window, and of the period before if there is one.
    ///
    /// # Errors
    /// The catalog's.
    pub(crate) async fn totals(
        &self,
        window: &TimeWindow,
    ) -> Result<(Totals, Option<Totals>), Problem> {
        Ok(try_join!(self.catalog.totals(&window.filter), async {
            match &window.before {
                Some(before) => Ok(Some(self.catalog.totals(before).await?)),
                None => Ok(None),
            }
        })?)
    }

    /// The accounting and the freshness of one state of the catalog, beside the topic's numbers.
    ///
    /// # Errors
    /// The catalog's, and 503 if crawls change the catalog faster than it can be read.
    pub(crate) async fn balance(&self) -> Result<(Balance, Vec<Freshness>), Problem> {
        let mut before = self.catalog.freshness().await?;
        for _read in 0..MAX_READS {
            let accounting = self.catalog.accounting().await?;
            let freshness = self.catalog.freshness().await?;
            if before == freshness {
                let topic = self.spans().await;
                let topic = topic.as_deref().map_err(Clone::clone);
                return Ok((Balance::of(&accounting, &freshness, topic), freshness));
            }
            before = freshness;
        }
        Err(Error::Unavailable("crawls change it faster than it can be read".into()).into())
    }

    /// What the pipeline keeps on this machine's disks.
    pub(crate) async fn disks(&self) -> Vec<DiskUse> {
        let disks = self.sources.disks.clone();
        let measured = tokio::task::spawn_blocking(move || disks()).await;
        measured.unwrap_or_default()
    }

    async fn spans(&self) -> Result<Vec<Span>, String> {
        let Some(watermarks) = &self.sources.watermarks else {
            return Err("This process has no topic, so pending records are unknown.".into());
        };
        match timeout(TOPIC_TIMEOUT, watermarks()).await {
            Ok(Ok(spans)) => Ok(spans),
            Ok(Err(error)) => Err(format!("The topic’s own numbers are missing: {error}.")),
            Err(_) => Err("The topic does not answer, so pending records are unknown.".into()),
        }
    }

    /// Runs a query. The catalog limits its time, memory and rows, and logs the query, who sent
    /// it in which `way`, and the outcome.
    ///
    /// # Errors
    /// The catalog's, and 400 if there is no SQL.
    pub(crate) async fn query(
        &self,
        request: &HttpRequest,
        way: &str,
        sql: &str,
    ) -> Result<Rows, Problem> {
        if sql.trim().is_empty() {
            return Err(Problem::invalid(
                "there is no SQL",
                "write one SELECT, such as FROM clicks LIMIT 5",
            ));
        }
        let caller = Caller {
            way: way.to_owned(),
            peer: request.peer_addr().map(|peer| peer.ip()),
        };
        Ok(self.catalog.ask(&caller, sql).await?)
    }

    /// How long ago the newest crawl ended; `None` before the first one.
    ///
    /// # Errors
    /// The catalog's.
    pub(crate) async fn crawled(&self) -> Result<Option<Duration>, Problem> {
        let newest = self.catalog.crawls(1).await?.into_iter().next();
        Ok(newest.map(|run| self.clock.now().since(run.ended_at())))
    }
}
