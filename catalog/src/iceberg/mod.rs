//! The lake's tables as Iceberg tables of version 2, for engines that are not DuckDB.
//!
//! A table has a folder `published/iceberg/NAME/metadata/` in the lake:
//!
//! - `v{n}.metadata.json`, created once as the next free number, so that of several publishers one
//!   wins; `version-hint.text` says a number that was the newest once;
//! - a list of manifests for each state, and the manifests: one for each day of arrival, named by
//!   their content, so that a day's manifest is used again while the day's objects stay.
//!
//! The rows are in the lake's own objects. A publisher who knows less than the newest state
//! publishes nothing.

mod avro;
mod manifest;
mod metadata;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use sink::{Lake, S3, Timestamp};

use crate::error::Error;
use crate::tables::published::{PublishedObject, PublishedTable};
use manifest::{Manifest, manifest, manifest_list};
use metadata::{TableIdentity, TableMetadata};

/// The folder of the tables, below `published/`.
const FOLDER: &str = "iceberg";
/// How often a publisher who loses a number looks again.
const MAX_TRIES: u32 = 10;
/// After so many states of a table its folder is swept.
const SWEEP_EVERY: i64 = 50;

/// A table's newest metadata, as the store has it.
#[derive(Debug, Clone)]
pub struct IcebergTable {
    /// The absolute name of the metadata's file.
    pub metadata_location: String,
    /// The metadata, as JSON.
    pub metadata: Bytes,
    /// What a client needs to read the objects, by the names that Iceberg's clients give it.
    pub config: BTreeMap<String, String>,
}

/// How a bucket is read, keys included, by the names that the clients of Iceberg give it.
pub(crate) fn properties(s3: &S3) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let mut add = |names: &[&str], value: &str| {
        for name in names.iter().filter(|_| !value.is_empty()) {
            properties.insert((*name).to_owned(), value.to_owned());
        }
    };
    add(&["client.region", "s3.region"], &s3.region);
    add(&["s3.endpoint"], &s3.endpoint);
    if !s3.endpoint.is_empty() {
        add(&["s3.path-style-access"], "true");
    }
    add(&["s3.access-key-id"], &s3.access_key);
    add(&["s3.secret-access-key"], s3.secret_key.expose_secret());
    properties
}

/// What becomes of the states that were published before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum History {
    /// They stay readable for the lake's grace.
    Kept,
    /// They are deleted at once: they name what was erased.
    Expired,
}

/// Where a table is published.
pub(crate) struct IcebergTarget<'t> {
    pub(crate) lake: &'t Lake,
    /// The lake's identity.
    pub(crate) lake_id: &'t str,
    pub(crate) history: History,
}

/// Publishes tables, and remembers what it published.
#[derive(Debug, Default)]
pub(crate) struct IcebergPublisher(HashMap<String, SeenTable>);

/// What was seen of a table.
#[derive(Debug, Default)]
struct SeenTable {
    /// Its newest version, to which the hint points; `None` before that is known.
    version: Option<u64>,
    /// The manifests of its newest state. Others may have been swept.
    manifests: BTreeSet<String>,
}

/// One table in the store.
struct TableFolder<'f> {
    lake: &'f Lake,
    name: &'f str,
}

impl TableFolder<'_> {
    /// The name of a file below `published/`.
    fn file(&self, name: &str) -> String {
        format!("{FOLDER}/{}/metadata/{name}", self.name)
    }

    fn version(&self, number: u64) -> String {
        self.file(&format!("v{number}.metadata.json"))
    }

    fn absolute(&self, file: &str) -> String {
        self.lake.location().absolute(&format!("published/{file}"))
    }

    /// The newest version, and its bytes; `None` if there is none. Versions are numbered without
    /// gaps from 1; those before `seen` may be gone.
    async fn newest(&self, seen: Option<u64>) -> Result<Option<(u64, Bytes)>, Error> {
        if let Some(seen) = seen
            && let Some(newest) = self.newest_from(seen).await?
        {
            return Ok(Some(newest));
        }
        // An erasure deletes all earlier ones, also those that another process has seen.
        self.newest_from(self.hint().await?).await
    }

    async fn newest_from(&self, hint: u64) -> Result<Option<(u64, Bytes)>, Error> {
        let mut newest = None;
        for number in hint.max(1).. {
            match self.lake.read_published(&self.version(number)).await? {
                Some(bytes) => newest = Some((number, bytes)),
                None => break,
            }
        }
        Ok(newest)
    }

    async fn hint(&self) -> Result<u64, Error> {
        let hint = self
            .lake
            .read_published(&self.file("version-hint.text"))
            .await?;
        let text = hint.as_deref().map(String::from_utf8_lossy);
        Ok(text.and_then(|text| text.trim().parse().ok()).unwrap_or(1))
    }
}

/// The newest metadata of a table; `None` if it was not published.
pub(crate) async fn load(
    lake: &Lake,
    name: &str,
    config: BTreeMap<String, String>,
) -> Result<Option<IcebergTable>, Error> {
    let folder = TableFolder { lake, name };
    let newest = folder.newest(None).await?;
    Ok(newest.map(|(number, metadata)| IcebergTable {
        metadata_location: folder.absolute(&folder.version(number)),
        metadata,
        config,
    }))
}

/// The names of the tables that were published.
pub(crate) async fn names(lake: &Lake) -> Result<Vec<String>, Error> {
    let files = lake.published_files(FOLDER).await?;
    let names: BTreeSet<String> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("/metadata/version-hint.text"))
        .map(|path| last_part(path).to_owned())
        .collect();
    Ok(names.into_iter().collect())
}

impl IcebergPublisher {
    /// Publishes a table's state, if it is a new one. Returns false if the newest one knows more.
    pub(crate) async fn publish(
        &mut self,
        to: &IcebergTarget<'_>,
        table: &PublishedTable,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let IcebergTarget {
            lake,
            lake_id,
            history,
        } = to;
        let expired = *history == History::Expired;
        let folder = TableFolder {
            lake,
            name: &table.name,
        };
        let seen = self.0.entry(table.name.clone()).or_default();
        for _ in 0..MAX_TRIES {
            let newest = folder.newest(seen.version).await?;
            let (number, mut metadata) = match &newest {
                Some((number, bytes)) => (*number, read(bytes, &folder.version(*number))?),
                None => {
                    let location = folder.absolute(&format!("{FOLDER}/{}", table.name));
                    let identity = TableIdentity {
                        lake: lake_id,
                        location: &location,
                    };
                    (0, TableMetadata::new(identity, table))
                }
            };
            if metadata.knows_more(table) {
                return Ok(false);
            }
            let schema = metadata.schema(table.columns);
            let manifests = seen.write_manifests(&folder, &schema, table).await?;
            let digest = digest_of(&manifests);
            if expired || !metadata.shows(&digest) {
                let snapshot = metadata.next_snapshot();
                let list = manifest_list(snapshot, &manifests);
                let name = folder.file(&format!("snap-{snapshot}-{}.avro", short_hash(&list)));
                lake.create_published(&name, list.into()).await?;
                let names = (folder.absolute(&name), digest);
                if expired {
                    metadata.snapshots.clear();
                }
                metadata.add(table, names, now, lake.grace());
                let json = serde_json::to_vec(&metadata).expect("metadata are plain JSON");
                let next = folder.version(number + 1);
                if !lake.create_published(&next, json.into()).await? {
                    // Another publisher was first, or the answer to this one's own was lost.
                    continue;
                }
                seen.point_to(&folder, number + 1).await?;
                if expired {
                    sweep(&folder, &metadata, number + 1, None).await?;
                } else if snapshot % SWEEP_EVERY == 0 {
                    sweep(&folder, &metadata, number + 1, Some(now)).await?;
                }
                return Ok(true);
            }
            seen.point_to(&folder, number).await?;
            return Ok(true);
        }
        Err(Error::Unavailable(format!(
            "the table {} was published by others {MAX_TRIES} times meanwhile",
            table.name
        )))
    }
}

impl SeenTable {
    /// Says that a version is the newest, unless that was said already.
    async fn point_to(&mut self, folder: &TableFolder<'_>, number: u64) -> Result<(), Error> {
        if self.version.replace(number) == Some(number) {
            return Ok(());
        }
        let hint = format!("published/{}", folder.file("version-hint.text"));
        Ok(folder
            .lake
            .replace(&hint, number.to_string().into())
            .await?)
    }

    /// Writes the manifests that are not there yet.
    async fn write_manifests(
        &mut self,
        folder: &TableFolder<'_>,
        schema: &schema::TableSchema,
        table: &PublishedTable,
    ) -> Result<Vec<Manifest>, Error> {
        let mut days = BTreeMap::<&str, Vec<&PublishedObject>>::new();
        for object in &table.objects {
            days.entry(&object.day).or_default().push(object);
        }
        let mut manifests = Vec::with_capacity(days.len());
        let mut names = BTreeSet::new();
        for (day, objects) in days {
            let location = folder.lake.location();
            let bytes = manifest(schema, &objects, |path| location.absolute(path));
            let name = folder.file(&format!("m-{day}-{}.avro", short_hash(&bytes)));
            manifests.push(Manifest {
                path: folder.absolute(&name),
                bytes: bytes.len() as u64,
                objects: objects.len() as u64,
                rows: objects.iter().map(|object| object.rows).sum(),
            });
            if !self.manifests.contains(&name) {
                // One of that name has the same content.
                folder.lake.create_published(&name, bytes.into()).await?;
            }
            names.insert(name);
        }
        self.manifests = names;
        Ok(manifests)
    }
}

fn read(bytes: &[u8], name: &str) -> Result<TableMetadata, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Unavailable(format!(
            "published/{name} was not written by this program ({error}): delete the folder \
             published/iceberg, it is published anew"
        ))
    })
}

fn short_hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))[..16].to_owned()
}

fn digest_of(manifests: &[Manifest]) -> String {
    let paths: Vec<&str> = manifests.iter().map(|one| one.path.as_str()).collect();
    short_hash(paths.join("\n").as_bytes())
}

/// Deletes versions, lists and manifests that no state needs, once they are older than the grace;
/// at once without a time.
async fn sweep(
    folder: &TableFolder<'_>,
    metadata: &TableMetadata,
    newest: u64,
    now: Option<Timestamp>,
) -> Result<(), Error> {
    let mut kept = BTreeSet::new();
    for snapshot in &metadata.snapshots {
        let list = folder.file(last_part(&snapshot.manifest_list));
        let bytes = folder.lake.read_published(&list).await?.unwrap_or_default();
        // What cannot be read is not ours to sweep.
        let Some(manifests) = manifest::listed(&bytes) else {
            return Ok(());
        };
        kept.insert(last_part(&list).to_owned());
        kept.extend(manifests.iter().map(|path| last_part(path).to_owned()));
    }
    let names = format!("{FOLDER}/{}/metadata", folder.name);
    for file in folder.lake.published_files(&names).await? {
        let name = last_part(&file.path);
        let version = name
            .strip_prefix('v')
            .and_then(|name| name.strip_suffix(".metadata.json"));
        let is_spare = match version {
            Some(number) => number.parse::<u64>().is_ok_and(|number| number < newest),
            None => name.ends_with(".avro") && !kept.contains(name),
        };
        let is_old = now.is_none_or(|now| now.since(file.written_at) > folder.lake.grace());
        if is_spare && is_old {
            folder.lake.withdraw(&file).await?;
        }
    }
    Ok(())
}

/// The name of a file without its folders.
fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
