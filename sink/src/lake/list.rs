//! Lists what is in the lake: hours, click objects, dead letters.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use topic::{Offset, Partition};

use crate::object::names::{self, CLICKS, DEAD_LETTERS};
use crate::{Error, Hour, Lake, ObjectName};

impl Lake {
    /// All objects in a folder and below it, in no order.
    pub(crate) async fn listed(&self, folder: &str) -> Result<Vec<ObjectMeta>, Error> {
        let folder = Path::from(folder);
        Ok(self.store().list(Some(&folder)).try_collect().await?)
    }

    /// The folders just below `folder`, by their own names.
    pub(crate) async fn folders(&self, folder: &str) -> Result<Vec<String>, Error> {
        let folder = Path::from(folder);
        let listed = self.store.list_with_delimiter(Some(&folder)).await?;
        Ok(listed
            .common_prefixes
            .iter()
            .filter_map(|path| Some(path.filename()?.to_owned()))
            .collect())
    }

    /// The hours that hold objects, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn hours(&self) -> Result<Vec<Hour>, Error> {
        self.hours_since(None).await
    }

    /// The hours from `since` on that hold objects, newest first; folders of earlier
    /// days are not listed.
    ///
    /// # Errors
    /// The store's.
    pub async fn hours_since(&self, since: Option<Hour>) -> Result<Vec<Hour>, Error> {
        let least = since
            .map(|hour| format!("{CLICKS}/{hour}"))
            .unwrap_or_default();
        let mut folders = vec![Path::from(CLICKS)];
        for level in ["year", "month", "day", "hour"] {
            let mut below = Vec::new();
            for folder in &folders {
                below.extend(
                    self.store()
                        .list_with_delimiter(Some(folder))
                        .await?
                        .common_prefixes,
                );
            }
            // Numbers in paths have leading zeros, so paths order as their times do. Folders of
            // others may be many, and cost a request each.
            below.retain(|folder| {
                let path = folder.as_ref();
                let name = folder.filename().and_then(|name| name.strip_prefix(level));
                name.is_some_and(|rest| rest.starts_with('='))
                    && least.get(..path.len()).is_none_or(|least| path >= least)
            });
            folders = below;
        }
        let mut hours: Vec<Hour> = folders
            .iter()
            .filter_map(|folder| Hour::parse(folder.as_ref().strip_prefix(CLICKS)?.get(1..)?))
            .collect();
        hours.sort_unstable_by(|left, right| right.cmp(left));
        Ok(hours)
    }

    /// The click objects of an hour and their sizes in bytes, in the order of their names.
    /// Other files are passed over.
    ///
    /// # Errors
    /// The store's.
    pub async fn objects(&self, hour: Hour) -> Result<Vec<(ObjectName, u64)>, Error> {
        let listed = self.files(Some(hour)).await?;
        let mut objects: Vec<(ObjectName, u64)> = listed
            .iter()
            .filter_map(|(path, size)| Some((ObjectName::parse(path)?, *size)))
            .collect();
        objects.sort_unstable();
        Ok(objects)
    }

    /// Every object of dead letters: its path, its partition, and where its range begins.
    ///
    /// # Errors
    /// The store's.
    pub async fn letters(&self) -> Result<Vec<(String, Partition, Offset)>, Error> {
        let listed = self.store().list(Some(&Path::from(DEAD_LETTERS)));
        let paths: Vec<String> = listed
            .map_ok(|meta| meta.location.to_string())
            .try_collect()
            .await?;
        let read = |path: String| {
            let (partition, first) = names::parse_letters(&path)?;
            Some((path, partition, first))
        };
        Ok(paths.into_iter().filter_map(read).collect())
    }

    /// Deletes an object of dead letters that no committed object names.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self, letters: &str) -> Result<(), Error> {
        Ok(self.store().delete(&Path::from(letters)).await?)
    }

    /// All files in an hour's folder, or in that of all click objects if `hour` is `None`: paths in
    /// the lake, and sizes in bytes, in no order.
    ///
    /// # Errors
    /// The store's.
    pub async fn files(&self, hour: Option<Hour>) -> Result<Vec<(String, u64)>, Error> {
        let folder = hour.map_or_else(|| CLICKS.to_owned(), |hour| format!("{CLICKS}/{hour}"));
        let folder = Path::from(folder);
        let listed = self.store().list(Some(&folder));
        let files = listed.map_ok(|meta| (meta.location.to_string(), meta.size));
        Ok(files.try_collect().await?)
    }
}
