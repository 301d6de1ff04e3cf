//! Reading objects: a footer from the end of the object, and the whole of it to check
//! its hash.

use std::sync::LazyLock;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use parquet::schema::types::SchemaDescriptor;

use super::footer;
use crate::{Error, Footer, Lake, ObjectName};

/// How much of an object's end is fetched at first: larger than the metadata of any
/// object of one row group.
const TAIL_BYTES: u64 = 64 << 10;

/// The Parquet schema of the objects that this program writes.
static CURRENT: LazyLock<SchemaDescriptor> = LazyLock::new(|| {
    ArrowSchemaConverter::new()
        .convert(&crate::schema())
        .expect("the lake's Arrow schema has a Parquet one: objects are written by it")
});

impl Lake {
    /// The footer of an object; `None` if there is no such object. The name and the
    /// footer must agree.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is not an object of ours, else the store's.
    pub async fn footer(&self, name: &ObjectName) -> Result<Option<Footer>, Error> {
        Ok(self.described(name).await?.map(|(footer, _)| footer))
    }

    /// As [`Lake::footer`], and whether the object's columns are exactly those that this
    /// program writes, so that it can be read together with others of them.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is not an object of ours, else the store's.
    pub async fn described(&self, name: &ObjectName) -> Result<Option<(Footer, bool)>, Error> {
        let path = name.path();
        let Some(metadata) = self.metadata(&path).await? else {
            return Ok(None);
        };
        let footer = Footer::read(&path, &metadata)?;
        if (footer.partition, footer.first) != (name.partition, name.first) {
            return Err(Error::Damaged {
                path: path.to_string(),
                detail: "its name and its footer disagree".into(),
            });
        }
        let columns = metadata.file_metadata().schema_descr().root_schema();
        Ok(Some((footer, *columns == *CURRENT.root_schema())))
    }

    /// Returns true if the object's bytes are those that were written, by the hash in its footer.
    ///
    /// # Errors
    /// The store's; an object that is not there is [`Error::Damaged`].
    pub async fn intact(&self, path: &str) -> Result<bool, Error> {
        let bytes = self
            .read_if_there(&Path::from(path))
            .await?
            .ok_or_else(|| Error::Damaged {
                path: path.to_owned(),
                detail: "it is not there".into(),
            })?;
        Ok(footer::intact(&bytes))
    }

    async fn metadata(&self, path: &Path) -> Result<Option<ParquetMetaData>, Error> {
        let mut wanted = TAIL_BYTES;
        loop {
            let options = GetOptions {
                range: Some(GetRange::Suffix(wanted)),
                ..GetOptions::default()
            };
            let object = match self.store().get_opts(path, options).await {
                Ok(object) => object,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let size = object.meta.size;
            let tail: Bytes = object.bytes().await?;
            let mut reader = ParquetMetaDataReader::new().with_metadata_options(Some(plain()));
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => {
                    let metadata = reader.finish().map_err(|error| damaged(path, &error))?;
                    return Ok(Some(metadata));
                }
                Err(ParquetError::NeedMoreData(needed)) if (needed as u64) > wanted => {
                    wanted = needed as u64;
                }
                Err(error) => return Err(damaged(path, &error)),
            }
        }
    }
}

/// No statistics: they are most of an object's metadata, and nothing here reads them.
fn plain() -> ParquetMetaDataOptions {
    let none = ParquetStatisticsPolicy::SkipAll;
    ParquetMetaDataOptions::new()
        .with_column_stats_policy(none.clone())
        .with_size_stats_policy(none.clone())
        .with_encoding_stats_policy(none)
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    Error::Damaged {
        path: path.to_string(),
        detail: format!("it is no Parquet file: {error}"),
    }
}
