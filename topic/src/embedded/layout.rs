//! The keyspace of settings: what makes a folder a topic, and which one.

use std::collections::BTreeMap;

use fjall::{Database, Keyspace, PersistMode};
use rand::RngCore;

use crate::{Identity, Offset, Partition, Timestamp};

/// The topic's name: the folder may be moved or renamed, the topic stays the same.
pub(super) const TOPIC: &str = "clicks";
/// The version of the folder's layout.
const LAYOUT: &[u8] = b"1";

/// The identity and the number of partitions, made if the store is new; `None` if
/// the store is not a topic.
pub(super) fn recognise(
    db: &Database,
    settings: &Keyspace,
    partitions: u32,
    now: Timestamp,
) -> Result<Option<(Identity, u32)>, fjall::Error> {
    let layout = settings.get("layout")?;
    let cluster = match (&layout, settings.get("cluster")?) {
        (Some(layout), Some(cluster)) if **layout == *LAYOUT => {
            String::from_utf8_lossy(&cluster).into_owned()
        }
        (None, None) if db.keyspace_count() == 1 => new_id(now),
        _ => return Ok(None),
    };
    let stored = settings
        .get("partitions")?
        .map_or(0, |bytes| number(&bytes));
    let count = partitions.max(u32::try_from(stored).unwrap_or(u32::MAX));
    if layout.is_none() || stored != u64::from(count) {
        write(db, settings, &cluster, count, &BTreeMap::new())?;
    }
    Ok(Some((
        Identity {
            cluster,
            topic: TOPIC.into(),
        },
        count,
    )))
}

/// Makes a store the topic of that cluster, of so many partitions, of which these begin at these
/// offsets.
pub(super) fn write(
    db: &Database,
    settings: &Keyspace,
    cluster: &str,
    partitions: u32,
    lows: &BTreeMap<Partition, Offset>,
) -> Result<(), fjall::Error> {
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(settings, "layout", LAYOUT);
    batch.insert(settings, "cluster", cluster.as_bytes());
    let count = u64::from(partitions).to_be_bytes();
    batch.insert(settings, "partitions", count.as_slice());
    for (partition, low) in lows {
        batch.insert(
            settings,
            low_key(*partition),
            low.0.to_be_bytes().as_slice(),
        );
    }
    batch.commit()
}

/// Where the low watermark of a partition is.
pub(super) fn low_key(partition: Partition) -> String {
    format!("low.{partition}")
}

/// A UUIDv7 from the clock that was handed in.
fn new_id(now: Timestamp) -> String {
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random)
        .into_uuid()
        .to_string()
}

/// A number as the settings keep it; 0 if it is none.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}
