//! What a catalog can do, on one page.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use sink::audit::Listing;
use sink::clock::SharedClock;
use sink::{Lake, Location, Ranges, ReplayName, S3, Timestamp};
use tokio::time::Instant;

use crate::config::{Config, External};
use crate::dataset::{self, DatasetRun, DatasetState};
use crate::db::database::memory_bytes;
use crate::db::engine::{Engine, Mode, STATEMENT_TIMEOUT, Session};
use crate::error::Error;
use crate::external::adoption::{self, Adoption, Quarantined};
use crate::external::keeper::ExternalTables;
use crate::metrics::CatalogMetrics;
use crate::panels::accounting::{self, Accounting, Freshness};
use crate::panels::breakdown::{self, Breakdown};
use crate::panels::diff::{self, Diff};
use crate::panels::filter::Filter;
use crate::panels::funnel::{self, Reached};
use crate::panels::letters::{self, Letters};
use crate::panels::online;
use crate::panels::rates::{self, Rate};
use crate::panels::series::{self, Bucket, Metric, Point, Step};
use crate::panels::totals::{self, Totals};
use crate::query::database::QueryDatabase;
use crate::query::log::{Caller, QueryLogEntry};
use crate::query::rows::Rows;
use crate::registry::backlog;
use crate::registry::crawl::Crawl;
use crate::registry::listing::{self, HeldEvent, Object};
use crate::registry::runs::{self, Run};
use crate::registry::writer::RegistryWriter;
use crate::rollup::dimension::Dimension;
use crate::rollup::grain::HOUR_MICROS;
use crate::tables::publish::Publisher;
use crate::tail::feed::ArrivalFeed;
use crate::tail::memory::Tail;

/// The catalog of one lake. Cheap to clone; its queries run side by side.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Arc<Config>,
    pub(crate) lake: Lake,
    pub(crate) s3: S3,
    pub(crate) clock: SharedClock,
    /// The catalog's own database, where crawls and panels run.
    pub(crate) engine: Arc<Engine>,
    /// The database where free SQL runs.
    pub(crate) queries: QueryDatabase,
    pub(crate) registry: RegistryWriter,
    pub(crate) tail: Tail,
    pub(crate) metrics: CatalogMetrics,
    pub(crate) externals: ExternalTables,
    /// One publication at a time: they share a file.
    pub(crate) publisher: tokio::sync::Mutex<Publisher>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("path", &self.config.path)
            .finish_non_exhaustive()
    }
}

/// The handle's parts.
///
/// # Errors
/// Every method of this page can return the database's errors, and the lake's as the database met
/// it. Methods with other errors have a section for them.
impl Catalog {
    /// The settings that this catalog was opened with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The rows that the lake does not have yet, for a feeder.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.inner.tail
    }

    /// Names the metrics of crawls, of free SQL and of the tail in `registry`. Call it once for a
    /// process.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.inner.metrics.register(&self.inner.tail, registry);
    }

    /// The memory that the database takes, and the processes for free SQL and foreign files.
    ///
    /// # Errors
    /// The databases'.
    pub async fn memory_bytes(&self) -> Result<u64, Error> {
        let own = self.read(|session| memory_bytes(&session.connection));
        let inner = &self.inner;
        Ok(own.await? + inner.queries.memory_bytes() + inner.externals.memory_bytes())
    }
}

/// Crawls: what keeps the catalog a fold of the lake.
impl Catalog {
    /// Registers what the lake committed since the last run; the same crawl again changes nothing.
    /// `full` lists the whole lake, not only its newest hours. Many rows are left to
    /// [`Catalog::fold`].
    ///
    /// # Errors
    /// The lake's and the database's; then the transaction that met it registered nothing.
    pub async fn crawl(&self, full: bool) -> Result<Crawl, Error> {
        let tail = &self.inner.tail;
        let registry = &self.inner.registry;
        let since = Instant::now();
        let crawl = registry.crawl(full, |ends| tail.registered(ends)).await;
        self.inner.metrics.crawl(&crawl, since.elapsed());
        crawl
    }

    /// Folds a slice of the backlog, `fold_rows` rows or one object, and returns how many objects
    /// are left. A damaged object is taken out of the tables, with those behind it in its
    /// partition.
    ///
    /// # Errors
    /// The lake's and the database's; then nothing was folded.
    pub async fn fold(&self) -> Result<u64, Error> {
        self.inner.registry.fold().await
    }

    /// How many objects are in the backlog: registered, and not folded into the rollups yet.
    pub async fn backlog(&self) -> Result<u64, Error> {
        self.read(|session| backlog::len(&session.connection)).await
    }

    /// Deletes the dead letters that no registered object names and whose partition is registered
    /// beyond their `first`, and returns how many.
    ///
    /// # Errors
    /// The lake's and the database's; the next sweep deletes the rest.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.inner.registry.sweep().await
    }

    /// The crawler's newest `n` runs, newest first. Of runs that registered nothing only those
    /// among the newest thousand are kept.
    pub async fn crawls(&self, n: usize) -> Result<Vec<Run>, Error> {
        self.read(move |session| runs::newest_runs(session, n))
            .await
    }
}

/// Free SQL.
impl Catalog {
    /// Runs one statement that reads (`FROM clicks LIMIT 5`), in one snapshot, and logs it. It can
    /// read `clicks`, `dead_letters` and the catalog's own tables; `clicks_live`, the clicks of the
    /// lake and of the tail; its aggregates by minute of arrival, `clicks_per_minute`,
    /// `totals_per_minute` and `products_per_minute`; and `tail`, the state of each partition's
    /// tail. It cannot write, nor reach a file outside of the lake and the external tables.
    ///
    /// # Errors
    /// [`Error::Refused`] for a statement of another kind, [`Error::Invalid`] if DuckDB does not
    /// understand it, [`Error::TimedOut`] and [`Error::TooLarge`] at the limits.
    pub async fn ask(&self, caller: &Caller, sql: &str) -> Result<Rows, Error> {
        let entry = QueryLogEntry::new(caller, sql, &self.inner.metrics);
        self.inner.externals.freshen(sql).await;
        let tail = self.inner.tail.snapshot();
        let answer = self.inner.queries.ask(tail, sql).await;
        entry.answered(&answer);
        answer
    }

    /// Starts a process for free SQL ahead of the first statement.
    pub fn warm(&self) {
        self.inner.queries.warm();
    }

    /// [`Catalog::ask`] for this process itself.
    ///
    /// # Errors
    /// As [`Catalog::ask`].
    pub async fn query(&self, sql: &str) -> Result<Rows, Error> {
        self.ask(&Caller::local("this process"), sql).await
    }
}

/// Panels: what the dashboard asks.
impl Catalog {
    /// The totals of a range.
    pub async fn totals(&self, filter: &Filter) -> Result<Totals, Error> {
        let filter = filter.clone();
        self.panel(move |session, lake| totals::totals(session, lake, &filter))
            .await
    }

    /// A metric by step, in the axis' order.
    pub async fn series(
        &self,
        filter: &Filter,
        step: Step,
        metric: Metric,
    ) -> Result<Vec<Point>, Error> {
        let filter = filter.clone();
        self.panel(move |session, lake| series::series(session, lake, &filter, step, metric))
            .await
    }

    /// Rows by step and action, in the axis' order.
    pub async fn actions_by(&self, filter: &Filter, step: Step) -> Result<Vec<Bucket>, Error> {
        let filter = filter.clone();
        self.panel(move |session, lake| series::actions_by(session, lake, &filter, step))
            .await
    }

    /// The actions that occur, most frequent first, at most 250.
    pub async fn actions(&self) -> Result<Vec<String>, Error> {
        self.read(series::actions).await
    }

    /// The least and the greatest `occurred_at` of all rows. `None` if there are no rows.
    pub async fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        self.read(series::span).await
    }

    /// The `n` values of a dimension with the most clicks, or the most of another metric that a
    /// rollup has; visitors and orders rank by clicks.
    pub async fn breakdown(
        &self,
        filter: &Filter,
        by: Dimension,
        metric: Metric,
        n: usize,
    ) -> Result<Breakdown, Error> {
        let (filter, rank) = (filter.clone(), (metric, n));
        self.panel(move |session, lake| breakdown::breakdown(session, lake, &filter, by, rank))
            .await
    }

    /// The `n` products with the most views among those that were viewed and never bought,
    /// whatever action is filtered by.
    pub async fn unbought(&self, filter: &Filter, n: usize) -> Result<Breakdown, Error> {
        let filter = filter.clone();
        self.panel(move |session, lake| breakdown::unbought(session, lake, &filter, n))
            .await
    }

    /// How many visitors took the actions one after another, the last one within `window` of the
    /// first, each a click of its own and all of them in the filter's range, whatever action is
    /// filtered by. A click without a visitor does not count. Of two clicks of one moment the one
    /// that arrived first is the earlier.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no step or more than [`crate::MAX_FUNNEL_STEPS`]; the database's, and the
    /// lake's as the database met it.
    pub async fn funnel(
        &self,
        filter: &Filter,
        actions: &[String],
        window: Duration,
    ) -> Result<Vec<Reached>, Error> {
        let (filter, actions) = (filter.clone(), actions.to_owned());
        self.panel(move |session, lake| funnel::funnel(session, lake, &filter, &actions, window))
            .await
    }

    /// Distinct visitors whose clicks occurred within the last `time`, including those of the tail.
    pub async fn visitors_now(&self, time: Duration) -> Result<u64, Error> {
        let (tail, now) = (self.inner.tail.snapshot(), self.inner.clock.now());
        // A browser's clock may be ahead, by less than what makes a dead letter.
        let to = Timestamp::from_micros(now.micros().saturating_add(HOUR_MICROS));
        let range = (now.minus(time), to);
        self.panel(move |session, lake| online::visitors(session, lake, range, &tail))
            .await
    }

    /// The clicks that arrive from now on. There are none unless a tail runs.
    #[must_use]
    pub fn arrivals(&self) -> ArrivalFeed {
        ArrivalFeed::new(self.inner.tail.watch())
    }
}

/// The pipeline's own numbers.
impl Catalog {
    /// What became of every registered offset.
    pub async fn accounting(&self) -> Result<Accounting, Error> {
        self.read(accounting::accounting).await
    }

    /// How far each partition of the live lake is registered.
    pub async fn freshness(&self) -> Result<Vec<Freshness>, Error> {
        self.read(accounting::freshness).await
    }

    /// What each partition committed since its newest object that is older than `time`; since its
    /// first one, if all are younger.
    pub async fn rates(&self, time: Duration) -> Result<Vec<Rate>, Error> {
        let before = self.inner.clock.now().minus(time);
        self.read(move |session| rates::rates(session, before))
            .await
    }

    /// The dead letters of the newest objects that have some, by reason, most frequent first, with
    /// `samples` of each. The flag is true if older objects have dead letters that are not counted.
    pub async fn letters(&self, samples: usize) -> Result<(Vec<Letters>, bool), Error> {
        self.panel(move |session, lake| letters::letters(session, lake, samples))
            .await
    }

    /// Compares a replay with the live objects, within the replay's `ranges`.
    ///
    /// # Errors
    /// [`Error::Refused`] if not all of both sides is registered; the database's, and the lake's
    /// as the database met it.
    pub async fn diff(&self, name: &ReplayName, ranges: &Ranges) -> Result<Diff, Error> {
        let (name, ranges) = (name.clone(), ranges.clone());
        let lake = self.inner.lake.location().clone();
        self.work(move |session| diff::diff(session, &lake, &name, &ranges))
            .await
    }
}

/// What the catalog lists, for the audit and for an import.
impl Catalog {
    /// The live lake's registered objects, by partition and first offset.
    pub async fn objects(&self) -> Result<Vec<Object>, Error> {
        self.objects_of(None).await
    }

    /// The registered objects of a replay, or of the live lake if it is `None`.
    pub async fn objects_of(&self, replay: Option<&ReplayName>) -> Result<Vec<Object>, Error> {
        let replay = replay.cloned();
        self.work(move |session| listing::objects(session, replay.as_ref()))
            .await
    }

    /// The live lake's `n` objects that were appended last, newest first.
    pub async fn newest(&self, n: usize) -> Result<Vec<Object>, Error> {
        self.read(move |session| listing::newest_objects(session, n))
            .await
    }

    /// All that the catalog says of the objects of a replay, or of the live lake if it is `None`,
    /// and how far each partition is registered. Paths are those in that lake.
    ///
    /// # Errors
    /// The database's. Finding wrong rows is the audit's task.
    pub async fn listing(&self, replay: Option<&ReplayName>) -> Result<Listing, Error> {
        let replay = replay.cloned();
        self.work(move |session| listing::listing(session, replay.as_ref()))
            .await
    }

    /// For each id, whether it is that of a row or of a dead letter.
    pub async fn present(&self, ids: &[String]) -> Result<Vec<bool>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, lake) = (ids.to_vec(), self.inner.lake.location().clone());
        self.work(move |session| listing::present(session, &lake, &ids))
            .await
    }

    /// Each row and dead letter whose id is a UUID within one of the ranges.
    pub async fn held(
        &self,
        ranges: Vec<RangeInclusive<[u8; 16]>>,
    ) -> Result<Vec<HeldEvent>, Error> {
        let lake = self.inner.lake.location().clone();
        self.work(move |session| listing::held(session, &lake, &ranges))
            .await
    }
}

/// External tables and data sets.
impl Catalog {
    /// Crawls an external tree, or copies a server's table or a file that has changed. A run that
    /// found nothing new is not kept.
    ///
    /// # Errors
    /// The database's. If a tree or a server cannot be reached, what is known of it stays, and the
    /// run's detail says why.
    pub async fn adopt(&self, external: &External) -> Result<Adoption, Error> {
        self.inner.externals.adopt(external).await
    }

    /// The newest `n` runs over external tables, newest first.
    pub async fn adoptions(&self, n: usize) -> Result<Vec<Adoption>, Error> {
        self.read(move |session| adoption::adoptions(session, n))
            .await
    }

    /// The first `n` files that external tables do not show, by table and path.
    pub async fn quarantined(&self, n: usize) -> Result<Vec<Quarantined>, Error> {
        self.read(move |session| adoption::quarantined(session, n))
            .await
    }

    /// Makes a data set's table anew. What its SQL meets is the run's error, and the table is then
    /// as before.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no data set of that name; the database's.
    pub async fn refresh(&self, name: &str) -> Result<DatasetRun, Error> {
        let inner = &self.inner;
        let (dataset, limit) = (
            dataset::named(&inner.config.datasets, name)?,
            inner.config.query_timeout,
        );
        inner.externals.freshen(&dataset.sql).await;
        let tail = inner.tail.snapshot();
        dataset::refresh(
            &inner.queries,
            &inner.engine,
            &inner.clock,
            tail,
            &dataset,
            limit,
        )
        .await
    }

    /// The data sets with their newest runs, in the order of the configuration.
    pub async fn datasets(&self) -> Result<Vec<DatasetState>, Error> {
        let config = Arc::clone(&self.inner.config);
        self.read(move |session| dataset::states(session, &config.datasets))
            .await
    }
}

impl Catalog {
    /// Reads in one snapshot, within the time that a query may take.
    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let limit = self.inner.config.query_timeout;
        let work = move |session: &mut Session| work(session);
        self.inner.engine.run(Mode::Read, limit, work).await
    }

    /// Reads in one snapshot, and of the lake's objects.
    async fn panel<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session, &Location) -> Result<T, Error> + Send + 'static,
    {
        let lake = self.inner.lake.location().clone();
        self.read(move |session| work(session, &lake)).await
    }

    /// Reads in one snapshot, within the time of the catalog's own work.
    pub(crate) async fn work<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let work = move |session: &mut Session| work(session);
        let engine = &self.inner.engine;
        engine.run(Mode::Read, STATEMENT_TIMEOUT, work).await
    }
}
