//! The catalog's handle: one database, one lake, many readers.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sink::clock::SharedClock;
use sink::{Lake, S3};

use crate::desk::Desk;
use crate::engine::{Engine, Mode, Session};
use crate::marks::Marks;
use crate::{Config, Error, External, Tail, dataset, desk, external, remote, schema};

/// How long a statement of ours may run: it is bounded work, so this only ends what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// The catalog of one lake. Cheap to clone; its queries run side by side.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) lake: Lake,
    pub(crate) s3: S3,
    pub(crate) clock: SharedClock,
    /// The catalog's own database, where crawls and panels run …
    pub(crate) engine: Engine,
    /// … and the one where people's SQL does.
    pub(crate) desk: Engine<Desk>,
    /// What the crawler knows; none until it has read it from the database. Whoever crawls
    /// holds it, so crawls take turns.
    pub(crate) marks: tokio::sync::Mutex<Option<Marks>>,
    pub(crate) tail: Tail,
    /// Held by whoever publishes.
    pub(crate) publishing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("path", &self.config.path)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// Opens the catalog's file, or makes it. A file that is damaged, of another version or
    /// of another lake is moved aside and built anew by the next crawl.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process has it, [`Error::Unavailable`] where the disk
    /// or the `httpfs` extension fails.
    pub async fn open(
        config: Config,
        lake: Lake,
        s3: &S3,
        clock: SharedClock,
    ) -> Result<Self, Error> {
        let (externals, datasets) = (&config.externals, &config.datasets);
        let names = externals.iter().map(|one| ("external", &one.name));
        let names = names.chain(datasets.iter().map(|one| ("dataset", &one.name)));
        externals.iter().try_for_each(External::check)?;
        let mut met = HashSet::new();
        for (kind, name) in names {
            external::fit(kind, name)?;
            if !met.insert(name) {
                return Err(Error::Invalid(format!(
                    "{kind} {name:?}: another has that name"
                )));
            }
        }
        let settings = remote::settings(&config, lake.location(), s3)?;
        let place = lake.location().to_string();
        let published = lake.location().absolute(crate::PUBLISHED);
        let opening = move || {
            let root = schema::open(&config, &settings, &place, &published)?;
            dataset::prune(&root, &config.datasets)?;
            external::prune(&root, &config)?;
            let desk = desk::open(&config, &settings)?;
            Ok::<_, Error>((config, Engine::new(root), Engine::new(desk)))
        };
        let (config, engine, desk) = tokio::task::spawn_blocking(opening)
            .await
            .expect("opening the database does not panic")?;
        let most = usize::try_from(config.tail_memory.as_u64()).unwrap_or(usize::MAX);
        let inner = Inner {
            config,
            lake,
            s3: s3.clone(),
            clock,
            engine,
            desk,
            marks: tokio::sync::Mutex::new(None),
            tail: Tail::new(most),
            publishing: tokio::sync::Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The settings that this catalog was opened with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What the lake does not have yet, for whoever feeds it.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.inner.tail
    }

    /// How many bytes of memory its databases hold, of `memory` and of `query_memory`.
    ///
    /// # Errors
    /// The databases'.
    pub async fn held(&self) -> Result<u64, Error> {
        let held = "SELECT coalesce(sum(memory_usage_bytes), 0)::UBIGINT FROM duckdb_memory()";
        let limit = self.inner.config.query_timeout;
        let own =
            self.read(|session| Ok(session.connection.query_row(held, [], |row| row.get(0))?));
        let lent = self.inner.desk.run(Mode::Read, limit, |session| {
            Ok(session.connection.query_row(held, [], |row| row.get(0))?)
        });
        let (own, lent): (u64, u64) = tokio::try_join!(own, lent)?;
        Ok(own + lent)
    }

    /// Reads in one snapshot, within the time that a query may take.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    {
        self.inner
            .engine
            .run(Mode::Read, self.inner.config.query_timeout, work)
            .await
    }
}
