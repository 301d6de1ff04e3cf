//! A table's metadata: its schemas, and its states of the last day.
//!
//! The source is the Iceberg specification, version 2, "Table Metadata". We read only what we wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sink::{Column, Timestamp};

use super::schema::TableSchema;
use crate::tables::published::PublishedTable;

/// The most snapshots that a table keeps.
const MAX_SNAPSHOTS: usize = 100;
/// The keys of a snapshot's summary that are ours: the ends of the partitions, the number of swaps,
/// and a digest of the manifests.
const ENDS: &str = "clickweir.ends";
const SWAPS: &str = "clickweir.swaps";
const MANIFESTS: &str = "clickweir.manifests";

/// A table's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TableMetadata {
    format_version: u8,
    table_uuid: String,
    location: String,
    /// As many as the table ever had snapshots.
    last_sequence_number: i64,
    last_updated_ms: i64,
    last_column_id: u16,
    current_schema_id: i32,
    schemas: Vec<TableSchema>,
    default_spec_id: i32,
    partition_specs: Vec<Value>,
    last_partition_id: i32,
    default_sort_order_id: i32,
    sort_orders: Vec<Value>,
    properties: BTreeMap<String, String>,
    current_snapshot_id: i64,
    refs: Value,
    pub(super) snapshots: Vec<Snapshot>,
    snapshot_log: Vec<Value>,
    metadata_log: Vec<Value>,
}

/// A state of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Snapshot {
    snapshot_id: i64,
    sequence_number: i64,
    timestamp_ms: i64,
    /// The absolute name of its list of manifests.
    pub(super) manifest_list: String,
    summary: BTreeMap<String, String>,
    schema_id: i32,
}

/// What is known of a table that has no metadata yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableIdentity<'i> {
    /// The identity of the lake.
    pub(super) lake: &'i str,
    /// The absolute name of the table's folder.
    pub(super) location: &'i str,
}

impl TableMetadata {
    /// The metadata of a table without a snapshot.
    pub(super) fn new(identity: TableIdentity<'_>, table: &PublishedTable) -> Self {
        Self {
            format_version: 2,
            table_uuid: uuid_of(&format!("{}/{}", identity.lake, table.name)),
            location: identity.location.to_owned(),
            last_sequence_number: 0,
            last_updated_ms: 0,
            last_column_id: 0,
            current_schema_id: -1,
            schemas: Vec::new(),
            default_spec_id: 0,
            partition_specs: vec![json!({"spec-id": 0, "fields": []})],
            // Ids of partition fields begin at 1000.
            last_partition_id: 999,
            default_sort_order_id: 0,
            sort_orders: vec![json!({"order-id": 0, "fields": []})],
            properties: BTreeMap::new(),
            current_snapshot_id: -1,
            refs: json!({}),
            snapshots: Vec::new(),
            snapshot_log: Vec::new(),
            metadata_log: Vec::new(),
        }
    }

    /// The schema of these columns: the current one, or a new one, which becomes it.
    pub(super) fn schema(&mut self, columns: &[Column]) -> TableSchema {
        let last = self.schemas.last().map_or(-1, |schema| schema.id);
        let current = self
            .schemas
            .iter()
            .find(|known| **known == TableSchema::new(known.id, columns));
        let schema = match current {
            Some(known) => known.clone(),
            None => {
                self.schemas.push(TableSchema::new(last + 1, columns));
                TableSchema::new(last + 1, columns)
            }
        };
        self.current_schema_id = schema.id;
        let ids = columns.iter().map(|column| column.id);
        self.last_column_id = self.last_column_id.max(ids.max().unwrap_or_default());
        schema
    }

    /// The number of the next snapshot, which is its id, too.
    pub(super) const fn next_snapshot(&self) -> i64 {
        self.last_sequence_number + 1
    }

    /// True if the newest state knows offsets or swaps that this one does not.
    pub(super) fn knows_more(&self, table: &PublishedTable) -> bool {
        let newest = self.snapshots.last();
        let said = |key| newest.and_then(|snapshot| snapshot.summary.get(key));
        let ends: BTreeMap<u32, u64> = said(ENDS)
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        let swaps = said(SWAPS).and_then(|text| text.parse().ok());
        swaps.is_some_and(|swaps: u64| swaps > table.swaps)
            || ends
                .iter()
                .any(|(partition, end)| table.ends.get(partition).is_none_or(|own| own < end))
    }

    /// True if the newest state has these manifests.
    pub(super) fn shows(&self, digest: &str) -> bool {
        let newest = self.snapshots.last();
        newest.is_some_and(|snapshot| {
            snapshot
                .summary
                .get(MANIFESTS)
                .is_some_and(|of| of == digest)
        })
    }

    /// Adds a state, and drops those that are older than `grace` or too many: what a swap replaces
    /// is deleted after as long.
    pub(super) fn add(
        &mut self,
        table: &PublishedTable,
        (manifest_list, digest): (String, String),
        now: Timestamp,
        grace: Duration,
    ) {
        let number = self.next_snapshot();
        // Engines refuse a snapshot that is older than the one before it.
        let millis = now.millis().max(self.last_updated_ms);
        let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let oldest = millis.saturating_sub(grace);
        self.snapshots.retain(|known| known.timestamp_ms >= oldest);
        let ends = serde_json::to_string(&table.ends).expect("numbers are JSON");
        let summary = [
            ("operation", "overwrite".to_owned()),
            ("total-data-files", table.objects.len().to_string()),
            ("total-records", table.rows().to_string()),
            ("total-files-size", table.bytes().to_string()),
            ("total-delete-files", "0".to_owned()),
            (ENDS, ends),
            (SWAPS, table.swaps.to_string()),
            (MANIFESTS, digest),
        ];
        self.snapshots.push(Snapshot {
            snapshot_id: number,
            sequence_number: number,
            timestamp_ms: millis,
            manifest_list,
            summary: summary.map(|(key, value)| (key.to_owned(), value)).into(),
            schema_id: self.current_schema_id,
        });
        let excess = self.snapshots.len().saturating_sub(MAX_SNAPSHOTS);
        self.snapshots.drain(..excess);
        (self.last_sequence_number, self.last_updated_ms) = (number, millis);
        self.current_snapshot_id = number;
        self.refs = json!({"main": {"snapshot-id": number, "type": "branch"}});
        let log = self.snapshots.iter().map(
            |known| json!({"snapshot-id": known.snapshot_id, "timestamp-ms": known.timestamp_ms}),
        );
        self.snapshot_log = log.collect();
    }
}

/// A UUID of version 8 that is made of a text.
fn uuid_of(text: &str) -> String {
    let hex = format!("{:x}", Sha256::digest(text));
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32],
    );
    // The version, and the variant of all versions.
    format!("{a}-{b}-8{c}-8{d}-{e}")
}

#[cfg(test)]
mod tests {
    use sink::COLUMNS;

    use super::*;

    fn table(end: u64) -> PublishedTable {
        PublishedTable {
            name: "clicks".to_owned(),
            columns: COLUMNS,
            objects: Vec::new(),
            ends: [(0, end), (3, 7)].into(),
            swaps: end / 100,
        }
    }

    #[test]
    fn a_table_keeps_the_states_of_the_grace_and_a_hundred_at_most() {
        let identity = TableIdentity {
            lake: "lake",
            location: "/lake/published/iceberg/clicks",
        };
        let mut metadata = TableMetadata::new(identity, &table(0));
        let first = metadata.schema(COLUMNS);
        assert_eq!((first.id, metadata.schema(COLUMNS).id), (0, 0));
        assert_eq!(metadata.schema(&COLUMNS[1..]).id, 1);
        assert_eq!(metadata.schema(COLUMNS).id, 0);
        let mut add = |minute: i64| {
            let now = Timestamp::from_micros(minute * 60_000_000);
            let end = u64::try_from(minute).unwrap();
            let names = (format!("list-{minute}"), format!("d{minute}"));
            metadata.add(&table(end), names, now, Duration::from_hours(24));
            metadata.clone()
        };
        for minute in 0..=98 {
            assert_eq!(add(minute).snapshots.len() as i64, minute + 1);
        }
        let mut many = add(99);
        for minute in 100..300 {
            many = add(minute);
        }
        assert_eq!((many.snapshots.len(), many.next_snapshot()), (100, 301));
        assert!(many.shows("d299") && !many.shows("d298"));
        let knows = |ends: &[(u32, u64)], swaps: u64| {
            let ends = ends.iter().copied().collect();
            !many.knows_more(&PublishedTable {
                ends,
                swaps,
                ..table(0)
            })
        };
        assert!(knows(&[(0, 299), (3, 7), (4, 0)], 2));
        assert!(!knows(&[(0, 298), (3, 7)], 2));
        assert!(!knows(&[(0, 400)], 2));
        assert!(!knows(&[(0, 299), (3, 7)], 1));
        let late = add(299 + 24 * 60);
        assert_eq!(late.snapshots.len(), 2);
        // A clock that went back makes no state older than the one before it.
        let back = add(0);
        let times = |at: usize| back.snapshots[at].timestamp_ms;
        assert_eq!(times(2), times(1));
        let read: TableMetadata = serde_json::from_str(&json!(back).to_string()).unwrap();
        assert_eq!(read, back);
    }
}
