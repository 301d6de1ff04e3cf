//! Manifests: the lists of a table's objects, and the list of these lists.
//!
//! The source is the Iceberg specification, version 2, "Manifests" and "Manifest Lists". Nothing is
//! ever deleted from a manifest; a table's next state has other ones. So each entry says that its
//! object was there before (`EXISTING`), with a constant sequence number, and a manifest depends on
//! its objects alone: it is written once and used again until its day's objects change.

use serde_json::{Value, json};

use super::avro::{AvroReader, AvroRecord, container};
use super::schema::TableSchema;
use crate::tables::published::PublishedObject;

/// The status of an entry whose object was there before.
const EXISTING: i64 = 0;
/// What the entries and the manifests say of when they came. Sequence numbers order deletions of
/// rows, and there is none.
const SEQUENCE: i64 = 1;

/// How many numbers a list has of each manifest.
const NUMBERS: usize = 12;

/// A manifest, as the list of manifests names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Its absolute name.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) objects: u64,
    pub(super) rows: u64,
}

/// The bytes of a manifest of these objects. `absolute` makes an object's absolute name.
pub(super) fn manifest(
    schema: &TableSchema,
    objects: &[&PublishedObject],
    absolute: impl Fn(&str) -> String,
) -> Vec<u8> {
    let metadata = [
        ("schema", json!(schema).to_string()),
        ("schema-id", schema.id.to_string()),
        ("partition-spec", "[]".to_owned()),
        ("partition-spec-id", "0".to_owned()),
        ("format-version", "2".to_owned()),
        ("content", "data".to_owned()),
    ];
    let records: Vec<AvroRecord> = objects
        .iter()
        .map(|object| entry(object, &absolute(&object.path)))
        .collect();
    container(&entry_schema(), &metadata, &records)
}

fn entry(object: &PublishedObject, path: &str) -> AvroRecord {
    let mut entry = AvroRecord::default();
    entry.long(EXISTING);
    for _ in ["snapshot_id", "sequence_number", "file_sequence_number"] {
        entry.some().long(SEQUENCE);
    }
    // The content of rows, and a partition without fields.
    entry.long(0).text(path).text("PARQUET");
    entry.long(signed(object.rows)).long(signed(object.bytes));
    for bound in [&object.least, &object.greatest] {
        entry.some().list(bound, |entry, (column, value)| {
            entry.long(i64::from(*column)).bytes(&value.to_bytes());
        });
    }
    entry
}

/// The bytes of a list of manifests.
pub(super) fn manifest_list(snapshot: i64, manifests: &[Manifest]) -> Vec<u8> {
    let metadata = [
        ("snapshot-id", snapshot.to_string()),
        ("sequence-number", snapshot.to_string()),
        ("format-version", "2".to_owned()),
    ];
    let records: Vec<AvroRecord> = manifests
        .iter()
        .map(|manifest| {
            let mut record = AvroRecord::default();
            record
                .text(&manifest.path)
                .long(signed(manifest.bytes))
                // The partition spec, and the content of rows.
                .long(0)
                .long(0)
                .long(SEQUENCE)
                .long(SEQUENCE)
                .long(SEQUENCE);
            for files in [0, manifest.objects, 0] {
                record.long(signed(files));
            }
            for rows in [0, manifest.rows, 0] {
                record.long(signed(rows));
            }
            record
        })
        .collect();
    container(&list_schema(), &metadata, &records)
}

/// The names of the manifests in a list; `None` if the list is none of ours.
pub(super) fn listed(list: &[u8]) -> Option<Vec<String>> {
    let (count, mut reader) = AvroReader::open(list)?;
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(String::from_utf8(reader.bytes()?.to_vec()).ok()?);
        for _ in 0..NUMBERS {
            reader.long()?;
        }
    }
    Some(names)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("sizes and counts fit 63 bits")
}

fn field(name: &str, id: u32, kind: &Value) -> Value {
    json!({"name": name, "type": kind, "field-id": id})
}

fn optional(name: &str, id: u32, kind: &Value) -> Value {
    json!({"name": name, "type": ["null", kind], "default": null, "field-id": id})
}

/// A map whose keys are field ids: Avro's own maps have texts for keys.
fn by_field(name: &str, id: u32, (key, value): (u32, u32)) -> Value {
    let pair = json!({
        "type": "record",
        "name": format!("k{key}_v{value}"),
        "fields": [field("key", key, &json!("int")), field("value", value, &json!("bytes"))],
    });
    optional(
        name,
        id,
        &json!({"type": "array", "logicalType": "map", "items": pair}),
    )
}

fn entry_schema() -> Value {
    let partition = json!({"type": "record", "name": "r102", "fields": []});
    let object = json!({
        "type": "record",
        "name": "r2",
        "fields": [
            field("content", 134, &json!("int")),
            field("file_path", 100, &json!("string")),
            field("file_format", 101, &json!("string")),
            field("partition", 102, &partition),
            field("record_count", 103, &json!("long")),
            field("file_size_in_bytes", 104, &json!("long")),
            by_field("lower_bounds", 125, (126, 127)),
            by_field("upper_bounds", 128, (129, 130)),
        ],
    });
    json!({
        "type": "record",
        "name": "manifest_entry",
        "fields": [
            field("status", 0, &json!("int")),
            optional("snapshot_id", 1, &json!("long")),
            optional("sequence_number", 3, &json!("long")),
            optional("file_sequence_number", 4, &json!("long")),
            field("data_file", 2, &object),
        ],
    })
}

fn list_schema() -> Value {
    let fields = [
        ("manifest_path", 500, "string"),
        ("manifest_length", 501, "long"),
        ("partition_spec_id", 502, "int"),
        ("content", 517, "int"),
        ("sequence_number", 515, "long"),
        ("min_sequence_number", 516, "long"),
        ("added_snapshot_id", 503, "long"),
        ("added_files_count", 504, "int"),
        ("existing_files_count", 505, "int"),
        ("deleted_files_count", 506, "int"),
        ("added_rows_count", 512, "long"),
        ("existing_rows_count", 513, "long"),
        ("deleted_rows_count", 514, "long"),
    ];
    let fields: Vec<Value> = fields
        .into_iter()
        .map(|(name, id, kind)| field(name, id, &json!(kind)))
        .collect();
    json!({"type": "record", "name": "manifest_file", "fields": fields})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_its_manifests() {
        let manifest = |path: &str| Manifest {
            path: path.to_owned(),
            bytes: 1 << 40,
            objects: 3,
            rows: 70,
        };
        let list = manifest_list(9, &[manifest("/a/m-1.avro"), manifest("/a/m-2.avro")]);
        assert_eq!(listed(&list).unwrap(), ["/a/m-1.avro", "/a/m-2.avro"]);
        assert_eq!(listed(&manifest_list(9, &[])).unwrap(), [""; 0]);
        assert_eq!(listed(&list[..list.len() - 40]), None);
    }
}
