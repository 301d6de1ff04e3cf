//! Reading objects: a footer from the end of the object, and the whole of it to check
//! its hash.

use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

use super::footer::intact;
use super::thrift::{END_BYTES, MAGIC, UnfitParquet, check_footer, footer_in, footer_length};
use crate::{Error, Footer, Lake, ObjectName};

/// How much of an object's end is fetched at first: larger than the metadata of any
/// object of one row group.
const TAIL_BYTES: u64 = 64 << 10;
/// The largest object that is read: four times the most that `sink.max_bytes` may be.
const MAX_OBJECT_BYTES: u64 = 4 << 30;
/// What is wrong with an object whose bytes are not those that were written.
pub(crate) const NOT_PROVED: &str = "its hash does not fit";
/// How large an object is read whole before its hash is known to fit.
const UNPROVEN_BYTES: u64 = 256 << 20;

/// The Parquet schema of the objects that this program writes.
static CURRENT: LazyLock<SchemaDescriptor> = LazyLock::new(|| {
    ArrowSchemaConverter::new()
        .convert(&crate::schema())
        .expect("the lake's Arrow schema has a Parquet one: objects are written by it")
});

/// How the columns of an object compare with those that this program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnSet {
    /// They are those.
    Current,
    /// They are some of those, and among them all that no row leaves out: an older program wrote it, and
    /// the others are NULL.
    Older,
    /// There are others, or of other types: a newer program wrote it.
    Other,
}

impl ColumnSet {
    pub(crate) fn of(metadata: &ParquetMetaData) -> Self {
        let columns = metadata.file_metadata().schema_descr().root_schema();
        let (theirs, ours) = (columns.get_fields(), CURRENT.root_schema().get_fields());
        if theirs == ours {
            return Self::Current;
        }
        let is_kept = |column| theirs.contains(column);
        let mut left_out = ours.iter().filter(|column| !is_kept(column));
        let may_be_null = left_out.all(|column| column.is_optional());
        match may_be_null && theirs.iter().all(|column| ours.contains(column)) {
            true => Self::Older,
            false => Self::Other,
        }
    }
}

impl Lake {
    /// The footer of an object; `None` if there is no such object. The name and the
    /// footer must agree.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is not an object of ours, else the store's.
    pub async fn footer(&self, name: &ObjectName) -> Result<Option<Footer>, Error> {
        Ok(self.described(name).await?.map(|(footer, _)| footer))
    }

    /// As [`Lake::footer`], and which columns the object has.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is not an object of ours, else the store's.
    pub async fn described(&self, name: &ObjectName) -> Result<Option<(Footer, ColumnSet)>, Error> {
        let path = name.path();
        let Some(metadata) = self.metadata(&path).await? else {
            return Ok(None);
        };
        let footer = named(name, Footer::read(&path, &metadata)?)?;
        Ok(Some((footer, ColumnSet::of(&metadata))))
    }

    /// Which columns an object of a swap has; `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is no Parquet file, else the store's.
    pub async fn columns_of(&self, path: &str) -> Result<Option<ColumnSet>, Error> {
        let metadata = self.metadata(&Path::from(path)).await?;
        Ok(metadata.map(|metadata| ColumnSet::of(&metadata)))
    }

    /// An object whole; `None` if it is not there. It takes as much memory as it is large, so what
    /// no writer of ours made is refused by its end before anything else is read, and a large one
    /// by its hash.
    ///
    /// # Errors
    /// [`Error::Damaged`], else the store's.
    pub(crate) async fn whole(&self, path: &Path) -> Result<Option<Bytes>, Error> {
        let Some(ending) = self.ending(path, plain()).await? else {
            return Ok(None);
        };
        if ending.size > UNPROVEN_BYTES && self.hashes(path, &ending).await?.is_none() {
            return Err(refused(path, &NOT_PROVED));
        }
        self.read_if_there(path, MAX_OBJECT_BYTES).await
    }

    async fn metadata(&self, path: &Path) -> Result<Option<ParquetMetaData>, Error> {
        let ending = self.ending(path, plain()).await?;
        Ok(ending.map(|ending| ending.metadata))
    }

    /// The end of an object: its metadata, which account for every byte of it.
    pub(super) async fn ending(
        &self,
        path: &Path,
        options: ParquetMetaDataOptions,
    ) -> Result<Option<ObjectEnd>, Error> {
        let mut wanted = TAIL_BYTES;
        loop {
            let suffix = GetOptions {
                range: Some(GetRange::Suffix(wanted)),
                ..GetOptions::default()
            };
            let object = match self.store().get_opts(path, suffix).await {
                Ok(object) => object,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                // Stores refuse the end of an object that has none.
                Err(error) => match self.store().head(path).await {
                    Ok(found) if found.size == 0 => return Err(refused(path, &"it is empty")),
                    _ => return Err(error.into()),
                },
            };
            let size = object.meta.size;
            if size == 0 {
                return Err(refused(path, &"it is empty"));
            }
            if size > MAX_OBJECT_BYTES {
                let why = format!("it has {size} bytes, more than clickweir writes");
                return Err(refused(path, &why));
            }
            let tail: Bytes = object.bytes().await?;
            let length = footer_length(size, &tail).map_err(|unfit| refused(path, &unfit))?;
            let Some(footer) = footer_in(&tail, length) else {
                // No longer than the object: the next answer holds it, or the object has changed.
                if wanted >= length + END_BYTES {
                    return Err(refused(path, &UnfitParquet::NoParquet));
                }
                wanted = length + END_BYTES;
                continue;
            };
            let metadata = metadata(path, footer, (&tail, size), options.clone())?;
            let ending = ObjectEnd {
                metadata,
                length,
                size,
                tail,
            };
            return match ending.accounts_for_all() {
                true => Ok(Some(ending)),
                false => {
                    let why =
                        format!("it has {size} bytes, and its footer describes another number");
                    Err(refused(path, &why))
                }
            };
        }
    }
}

/// The footer of an object that is in memory whole, and is as it was written under that name.
///
/// # Errors
/// [`Error::Damaged`] if it is not, [`Error::Unfit`] for another format.
pub(crate) fn footer_of(name: &ObjectName, object: &Bytes) -> Result<Footer, Error> {
    let (path, size) = (name.path(), object.len() as u64);
    if !intact(object) {
        return Err(refused(&path, &NOT_PROVED));
    }
    let length = footer_length(size, object).map_err(|unfit| refused(&path, &unfit))?;
    let bytes =
        footer_in(object, length).ok_or_else(|| refused(&path, &UnfitParquet::NoParquet))?;
    let metadata = metadata(&path, bytes, (object, size), plain())?;
    named(name, Footer::read(&path, &metadata)?)
}

/// The footer, if it fits its object's name.
fn named(name: &ObjectName, footer: Footer) -> Result<Footer, Error> {
    match (footer.partition, footer.first) == (name.partition, name.first) {
        true => Ok(footer),
        false => Err(refused(&name.path(), &"its name and its footer disagree")),
    }
}

/// The metadata of an object of `size` bytes that ends with `tail`. What its footer declares is
/// checked before it is believed.
fn metadata(
    path: &Path,
    footer: &[u8],
    (tail, size): (&Bytes, u64),
    options: ParquetMetaDataOptions,
) -> Result<ParquetMetaData, Error> {
    check_footer(footer).map_err(|unfit| refused(path, &unfit))?;
    decoded(path, || {
        let mut reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
        reader.try_parse_sized(tail, size)?;
        reader.finish()
    })
}

/// What is decoded of an object: the decoder is not ours, and the bytes may be anybody's.
pub(super) fn decoded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => {
            decoded.map_err(|error| refused(path, &format!("it is no Parquet file: {error}")))
        }
        Err(_) => Err(refused(path, &"its footer cannot be decoded")),
    }
}

/// The end of an object.
pub(super) struct ObjectEnd {
    pub(super) metadata: ParquetMetaData,
    /// The length of the footer that holds them.
    length: u64,
    /// The size of the whole object.
    pub(super) size: u64,
    /// The object's last bytes, with all of its metadata.
    pub(super) tail: Bytes,
}

impl ObjectEnd {
    /// Where its columns are.
    pub(super) fn columns(&self) -> Range<u64> {
        let groups = self.metadata.row_groups().iter().map(extent);
        let all = groups.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end));
        all.unwrap_or(0..0)
    }

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
        let described = ends.flatten().max().unwrap_or(MAGIC.len() as u64);
        Some(self.size) == described.checked_add(self.length + END_BYTES)
    }
}

/// Where a row group's columns are in the object: one after another.
pub(crate) fn extent(group: &RowGroupMetaData) -> Range<u64> {
    let columns = group.columns().iter().map(|column| {
        let (first, length) = column.byte_range();
        first..first.saturating_add(length)
    });
    let whole = columns.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end));
    whole.unwrap_or(0..0)
}

/// No statistics: they are most of an object's metadata, and only a merge reads them.
pub(super) fn plain() -> ParquetMetaDataOptions {
    let none = ParquetStatisticsPolicy::SkipAll;
    ParquetMetaDataOptions::new()
        .with_column_stats_policy(none.clone())
        .with_size_stats_policy(none.clone())
        .with_encoding_stats_policy(none)
}

/// The error of an object that is not decoded.
pub(super) fn refused(path: &Path, why: &dyn fmt::Display) -> Error {
    Error::Damaged {
        path: path.to_string(),
        detail: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path as FilePath;

    use topic::{Identity, Offset, Partition, Timestamp};

    use super::*;
    use crate::{Batch, Hour, S3};

    /// A lake in a folder with one object, which is found there.
    async fn lake(folder: &FilePath) -> (Lake, ObjectName, Vec<u8>) {
        let lake = Lake::open(&S3::in_folder(folder)).unwrap();
        let topic = Identity {
            cluster: "c".into(),
            topic: "t".into(),
        };
        let name = ObjectName {
            hour: Hour(0),
            partition: Partition(0),
            first: Offset(0),
        };
        let mut batch = Batch::new(
            topic,
            "conf".into(),
            name.partition,
            name.first,
            name.hour,
            false,
        );
        batch.duplicate(Offset(0), Timestamp::from_micros(1), false);
        let patience = std::time::Duration::from_secs(1);
        lake.commit(batch.seal(), 1, patience).await.unwrap();
        let object = fs::read(folder.join(name.to_string())).unwrap();
        (lake, name, object)
    }

    /// A file that ends with this footer, which says that it has so many bytes.
    fn file(footer: &[u8], length: usize, end: &[u8]) -> Vec<u8> {
        let mut bytes = b"PAR1".to_vec();
        bytes.extend(footer);
        bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
        bytes.extend(end);
        bytes
    }

    #[tokio::test]
    async fn attack_5_no_footer_in_the_lake_takes_what_it_declares() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, name, object) = lake(folder.path()).await;
        let path = folder.path().join(name.to_string());
        let check = async |bytes: &[u8], expect: &str| {
            fs::write(&path, bytes).unwrap();
            for error in [
                lake.described(&name).await.unwrap_err(),
                lake.whole(&name.path()).await.unwrap_err(),
            ] {
                assert!(matches!(error, Error::Damaged { .. }), "{error}");
                let said = error.to_string();
                assert!(
                    said.contains(expect) && said.contains("move it out"),
                    "{said}"
                );
            }
            assert!(!lake.intact(&name.to_string()).await.unwrap());
        };
        // Two thousand million columns, row groups and key-values, in a hundred bytes.
        for field in [[0x15, 0x02, 0x19], [0x15, 0x02, 0x29], [0x15, 0x02, 0x39]] {
            let mut footer = field.to_vec();
            footer.extend([0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]);
            footer.resize(100, 0);
            check(&file(&footer, 100, b"PAR1"), "declares more than it holds").await;
        }
        // Texts of a negative length, and columns with less than no children.
        let footer = [&[0x18][..], &[0xff; 9], &[0x01], &[0; 20]].concat();
        check(&file(&footer, footer.len(), b"PAR1"), "ends within a value").await;
        let footer = [0x15, 2, 0x19, 0x1c, 0x48, 1, b'a', 0x15, 1, 0, 0];
        check(
            &file(&footer, footer.len(), b"PAR1"),
            "less than no columns",
        )
        .await;
        check(&file(&[0x1c; 50_000], 50_000, b"PAR1"), "nests too deep").await;
        check(&file(&[0; 100], 5_000, b"PAR1"), "longer than the file").await;
        check(&file(&[0; 100], 100, b"PARE"), "encrypted").await;
        check(&object[..object.len() - 1], "no Parquet file").await;
        check(&object[object.len() - 200..], "longer than the file").await;
        check(b"", "empty").await;
        check(b"PAR1", "no Parquet file").await;
        // A footer of a gigabyte, in a file that has it.
        let huge = fs::File::create(&path).unwrap();
        huge.set_len(2 << 30).unwrap();
        let end = [&(1_u32 << 30).to_le_bytes()[..], b"PAR1"].concat();
        std::os::unix::fs::FileExt::write_all_at(&huge, &end, (2 << 30) - 8).unwrap();
        let said = lake.described(&name).await.unwrap_err().to_string();
        assert!(said.contains("longer than 64 MiB"), "{said}");
        fs::write(&path, &object).unwrap();
        assert!(lake.described(&name).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn attack_5_changed_footers_are_refused_and_end_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (lake, name, object) = lake(folder.path()).await;
        let path = folder.path().join(name.to_string());
        let mut seed: u32 = 5;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize
        };
        let end = object.len();
        for round in 0..400 {
            let mut changed = object.clone();
            for _ in 0..=round % 4 {
                // The footer is most of such an object.
                let at = 4 + random() % (end - 8);
                changed[at] = random().to_le_bytes()[0];
            }
            fs::write(&path, &changed).unwrap();
            let _ = lake.described(&name).await;
            let whole = lake.intact(&name.to_string()).await.unwrap();
            assert_eq!(whole, changed == object, "round {round}");
        }
    }
}
