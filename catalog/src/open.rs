//! Opens a catalog.

use std::collections::HashSet;
use std::sync::Arc;

use sink::clock::SharedClock;
use sink::{Lake, S3};

use crate::catalog::{Catalog, Inner};
use crate::config::{Config, External};
use crate::db::access::LakeAccess;
use crate::db::engine::Engine;
use crate::error::Error;
use crate::external::keeper::ExternalTables;
use crate::external::source;
use crate::metrics::CatalogMetrics;
use crate::query::bind::QueryScope;
use crate::query::database::QueryDatabase;
use crate::registry::schema;
use crate::registry::writer::RegistryWriter;
use crate::tables::publish::PUBLISHED;
use crate::tail::memory::Tail;
use crate::{dataset, names};

impl Catalog {
    /// Opens the catalog's file, or makes it. A file that is damaged, of another version or of
    /// another lake's place is moved aside, and the next crawl builds it anew.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process has the file, [`Error::Unavailable`] if the disk or an
    /// extension fails, [`Error::Invalid`] if the configuration does not fit together.
    pub async fn open(
        config: Config,
        lake: Lake,
        s3: &S3,
        clock: SharedClock,
    ) -> Result<Self, Error> {
        check(&config)?;
        let config = Arc::new(config);
        let location = lake.location().clone();
        let access = LakeAccess::new(&config, &location, s3)?;
        let (place, published) = (location.to_string(), location.absolute(PUBLISHED));
        let opened = Arc::clone(&config);
        let opening = move || {
            let root = schema::open(&opened, &access, &place, &published)?;
            dataset::prune(&root, &opened.datasets)?;
            source::prune(&root, &opened)?;
            Ok::<_, Error>((root, access))
        };
        let (root, access) = tokio::task::spawn_blocking(opening)
            .await
            .expect("opening the database does not panic")?;
        let engine = Arc::new(Engine::new(root));
        let scope = QueryScope {
            catalog: Arc::clone(&engine),
            config: Arc::clone(&config),
            location,
        };
        let max_tail_bytes = usize::try_from(config.tail_memory.as_u64()).unwrap_or(usize::MAX);
        let inner = Inner {
            registry: RegistryWriter::new(
                Arc::clone(&engine),
                lake.clone(),
                clock.clone(),
                config.fold_rows,
            ),
            queries: QueryDatabase::new(&access, scope),
            tail: Tail::new(max_tail_bytes),
            metrics: CatalogMetrics::new(),
            externals: ExternalTables::new(
                Arc::clone(&engine),
                Arc::clone(&config),
                s3.clone(),
                clock.clone(),
            )?,
            publisher: tokio::sync::Mutex::default(),
            s3: s3.clone(),
            config,
            lake,
            clock,
            engine,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// Checks the external tables and data sets, and that no two have one name.
fn check(config: &Config) -> Result<(), Error> {
    config.externals.iter().try_for_each(External::check)?;
    config.externals.iter().try_for_each(source::check)?;
    let externals = config.externals.iter().map(|one| ("external", &one.name));
    let datasets = config.datasets.iter().map(|one| ("dataset", &one.name));
    let mut taken = HashSet::new();
    for (kind, name) in externals.chain(datasets) {
        names::check(kind, name)?;
        if !taken.insert(name) {
            return Err(Error::Invalid(format!(
                "{kind} {name:?}: another has that name"
            )));
        }
    }
    Ok(())
}
