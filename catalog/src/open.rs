//! Opens a catalog.

use std::collections::HashSet;
use std::sync::Arc;

use sink::clock::SharedClock;
use sink::{Lake, S3};

use crate::catalog::{Catalog, Inner};
use crate::config::{Config, External};
use crate::dataset;
use crate::db::access as remote;
use crate::db::engine::Engine;
use crate::error::Error;
use crate::external::source as external;
use crate::names::fit;
use crate::query::views as desk;
use crate::registry::schema;
use crate::tables::publish::PUBLISHED;
use crate::tail::memory::Tail;

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
            fit(kind, name)?;
            if !met.insert(name) {
                return Err(Error::Invalid(format!(
                    "{kind} {name:?}: another has that name"
                )));
            }
        }
        let settings = remote::settings(&config, lake.location(), s3)?;
        let place = lake.location().to_string();
        let published = lake.location().absolute(PUBLISHED);
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
}
