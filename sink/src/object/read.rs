//! Reading objects: a footer from the end of the object, and the whole of it to check
//! its hash.

use std::sync::LazyLock;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStoreExt};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
    RowGroupMetaData,
};
use parquet::schema::types::SchemaDescriptor;

use super::footer::FooterHash;
use crate::{Error, Footer, Lake, ObjectName};

/// The bytes before an object's first column: `PAR1`.
const MAGIC_BYTES: u64 = 4;
/// How much of an object's end is fetched at first: larger than the metadata of any
/// object of one row group.
const TAIL_BYTES: u64 = 64 << 10;
/// The largest object that is read: four times the most that `sink.max_bytes` may be.
const MAX_OBJECT_BYTES: u64 = 4 << 30;
/// How large an object is read whole before its hash is known to fit.
const UNPROVEN_BYTES: u64 = 256 << 20;
/// How much of an object is hashed at a time.
const PIECE_BYTES: u64 = 8 << 20;

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
    /// It is read piece by piece, so one of any size takes little memory.
    ///
    /// # Errors
    /// The store's; an object that is not there is [`Error::Damaged`].
    pub async fn intact(&self, path: &str) -> Result<bool, Error> {
        let path = Path::from(path);
        let missing = || Error::Damaged {
            path: path.to_string(),
            detail: "it is not there".into(),
        };
        match self.ending(&path).await {
            Ok(Some(ending)) => self.hashes(&path, &ending).await,
            Ok(None) => Err(missing()),
            Err(Error::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An object whole; `None` if it is not there. It takes as much memory as it is large, so what
    /// no writer of ours made is refused by its end before anything else is read, and a large one
    /// by its hash.
    ///
    /// # Errors
    /// [`Error::Damaged`], else the store's.
    pub(crate) async fn whole(&self, path: &Path) -> Result<Option<Bytes>, Error> {
        let Some(ending) = self.ending(path).await? else {
            return Ok(None);
        };
        if ending.size > UNPROVEN_BYTES && !self.hashes(path, &ending).await? {
            return Err(Error::Damaged {
                path: path.to_string(),
                detail: "its hash does not fit".into(),
            });
        }
        self.read_if_there(path, MAX_OBJECT_BYTES).await
    }

    /// Hashes an object piece by piece.
    async fn hashes(&self, path: &Path, ending: &ObjectEnd) -> Result<bool, Error> {
        let Some(mut proof) = FooterHash::of(ending.size, &ending.tail) else {
            return Ok(false);
        };
        let mut at = 0;
        while at < ending.size {
            let end = ending.size.min(at + PIECE_BYTES);
            let piece = self.store().get_range(path, at..end).await?;
            at += piece.len() as u64;
            if piece.is_empty() {
                return Ok(false);
            }
            let hashed = self.pool().run(move || proof.take(&piece)).await;
            proof = hashed.map_err(|error| Error::Unfit(format!("hashing failed: {error}")))?;
        }
        Ok(proof.fits())
    }

    async fn metadata(&self, path: &Path) -> Result<Option<ParquetMetaData>, Error> {
        Ok(self.ending(path).await?.map(|ending| ending.metadata))
    }

    /// The end of an object: its metadata, which account for every byte of it.
    async fn ending(&self, path: &Path) -> Result<Option<ObjectEnd>, Error> {
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
            if size > MAX_OBJECT_BYTES {
                return Err(Error::Damaged {
                    path: path.to_string(),
                    detail: format!("it has {size} bytes, more than clickweir writes"),
                });
            }
            let tail: Bytes = object.bytes().await?;
            let mut reader = ParquetMetaDataReader::new().with_metadata_options(Some(plain()));
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => {
                    let metadata = reader.finish().map_err(|error| damaged(path, &error))?;
                    let ending = ObjectEnd {
                        metadata,
                        size,
                        tail,
                    };
                    return match ending.accounts_for_all() {
                        true => Ok(Some(ending)),
                        false => Err(Error::Damaged {
                            path: path.to_string(),
                            detail: format!(
                                "it has {size} bytes, and its footer describes another number"
                            ),
                        }),
                    };
                }
                Err(ParquetError::NeedMoreData(needed)) if (needed as u64) > wanted => {
                    wanted = needed as u64;
                }
                Err(error) => return Err(damaged(path, &error)),
            }
        }
    }
}

/// The end of an object.
struct ObjectEnd {
    metadata: ParquetMetaData,
    /// The size of the whole object.
    size: u64,
    /// The object's last bytes, with all of its metadata.
    tail: Bytes,
}

impl ObjectEnd {
    /// Returns true if what the metadata describe ends where the metadata begin: then nothing was
    /// put between them.
    fn accounts_for_all(&self) -> bool {
        let groups = self.metadata.row_groups().iter();
        let ends = groups
            .flat_map(RowGroupMetaData::columns)
            .flat_map(|column| {
                let end = |offset: Option<i64>, length: Option<i64>| {
                    let offset = u64::try_from(offset?).ok()?;
                    offset.checked_add(u64::try_from(length?).ok()?)
                };
                let pages = column.dictionary_page_offset();
                let pages = pages.unwrap_or(column.data_page_offset());
                let (by_page, in_file) =
                    (column.column_index_length(), column.offset_index_length());
                [
                    end(Some(pages), Some(column.compressed_size())),
                    end(column.column_index_offset(), by_page.map(i64::from)),
                    end(column.offset_index_offset(), in_file.map(i64::from)),
                ]
            });
        let described = ends.flatten().max().unwrap_or(MAGIC_BYTES);
        // The metadata, their length in four bytes, and the magic.
        let length = self
            .tail
            .len()
            .checked_sub(8)
            .and_then(|at| self.tail.get(at..at + 4));
        let length = length
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes);
        length.is_some_and(|length| Some(self.size) == described.checked_add(u64::from(length) + 8))
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
