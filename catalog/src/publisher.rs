//! Publishes what the catalog shows, for engines of others: a DuckDB file, which is a DuckLake too,
//! and Iceberg tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sink::{CERTIFICATE_KEY, Location};

use crate::catalog::Catalog;
use crate::db::access::LakeAccess;
use crate::error::Error;
use crate::iceberg::{self, History, IcebergTable, IcebergTarget};
use crate::tables::publish::{PUBLISHED, Publication};
use crate::tables::published::LetterSizes;

impl Catalog {
    /// Writes the published copy: the catalog's views over explicit lists of absolute names, a
    /// table `objects` of what `clicks` shows, and a DuckLake of the same tables; and a state of
    /// each Iceberg table. If another process published more than this one knows, nothing is
    /// written. `base` takes the place of the lake's own absolute prefix, for readers that have it
    /// mounted elsewhere, and concerns the copy alone. The previous copy stays valid until the new
    /// one is whole.
    ///
    /// # Errors
    /// The lake's and the database's.
    pub async fn publish(&self, base: Option<&str>) -> Result<(), Error> {
        let ledger = self.inner.lake.ledger().await?;
        if ledger.is_some_and(|ledger| ledger.unerased().next().is_some()) {
            return Err(Error::Refused(
                "nothing is published while an erasure is under way; `clickweir forget` with the \
                 same subject goes on with it"
                    .to_owned(),
            ));
        }
        self.publish_state(base, History::Kept).await
    }

    /// Publishes as [`Catalog::publish`], also while an erasure is under way.
    pub(crate) async fn publish_state(
        &self,
        base: Option<&str>,
        history: History,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        let lake = inner.lake.location().clone();
        let access = LakeAccess::new(&inner.config, &lake, &inner.s3)?;
        let base = base.map(|base| Location::Folder(base.trim_end_matches('/').into()));
        let base = base.unwrap_or_else(|| lake.clone());
        let mut publisher = inner.publisher.lock().await;
        let publication = self.publication(&mut publisher.sizes).await?;
        if let Some(lake_id) = self.lake_id(&publication).await? {
            for table in &publication.tables.tables {
                let iceberg = &mut publisher.iceberg;
                let to = IcebergTarget {
                    lake: &inner.lake,
                    lake_id: &lake_id,
                    history,
                };
                let published = iceberg.publish(&to, table, inner.clock.now());
                if !published.await? {
                    return Ok(());
                }
            }
        }
        let config = Arc::clone(&inner.config);
        let write = move || publication.write(&config, &access, &lake, &base);
        let bytes = tokio::task::spawn_blocking(write).await;
        let bytes = bytes.expect("writing the copy does not panic")?;
        Ok(inner.lake.replace(PUBLISHED, bytes).await?)
    }

    /// The lake's identity; `None` if nobody founded it yet.
    async fn lake_id(&self, publication: &Publication) -> Result<Option<String>, Error> {
        if publication.lake_id.is_some() {
            return Ok(publication.lake_id.clone());
        }
        // The catalog learns it with the first object.
        let ledger = self.inner.lake.ledger().await?;
        Ok(ledger.map(|ledger| ledger.lake.to_string()))
    }

    /// Reads what is to be published. Sizes that are not known are asked of the store.
    async fn publication(&self, sizes: &mut LetterSizes) -> Result<Publication, Error> {
        loop {
            let known = std::mem::take(sizes);
            let read = self.work(move |session| Ok((Publication::read(session, &known)?, known)));
            let publication;
            (publication, *sizes) = read.await?;
            if publication.tables.unmeasured.is_empty() {
                // What is gone may come back.
                sizes.retain(|_, size| size.is_some());
                return Ok(publication);
            }
            for path in publication.tables.unmeasured {
                let size = self.inner.lake.size(&path).await?;
                sizes.insert(path, size);
            }
        }
    }

    /// The names of the published Iceberg tables, as the store has them.
    ///
    /// # Errors
    /// The lake's.
    pub async fn iceberg_tables(&self) -> Result<Vec<String>, Error> {
        iceberg::names(&self.inner.lake).await
    }

    /// The public half of the key that signs the lake's certificates, as PEM; `None` before the
    /// first one.
    ///
    /// # Errors
    /// The lake's.
    pub async fn certificate_key(&self) -> Result<Option<Bytes>, Error> {
        Ok(self.inner.lake.read_published(CERTIFICATE_KEY).await?)
    }

    /// The newest state of a published Iceberg table, as the store has it; `None` if there is no
    /// such table.
    ///
    /// # Errors
    /// The lake's.
    pub async fn iceberg_table(&self, name: &str) -> Result<Option<IcebergTable>, Error> {
        let config = match self.inner.config.iceberg_keys {
            true => iceberg::properties(&self.inner.s3),
            false => BTreeMap::new(),
        };
        iceberg::load(&self.inner.lake, name, config).await
    }
}
