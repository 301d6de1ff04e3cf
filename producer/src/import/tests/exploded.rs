//! Lines that hold several items, each of which is a record.

use topic::Writer;

use super::*;

/// Two visits, each with its events, and a line without any.
const VISITS: &str = r#"{"session":"s1","visitor":"ada","events":[{"at":"2026-11-20T10:00:00Z","sku":"tea","paid":"2"},{"at":"2026-11-20T10:01:00Z","sku":"mug","shop":"x"},{"at":"never"}]}
{"session":"s2","visitor":"bob","events":[{"sku":"jam"}],"at":"2026-11-21T10:00:00Z"}
{"session":"s3","events":[]}
"#;

const MAPPING: &str = r#"
explode = "events"
[columns.session_id]
from = "session"
[columns.visitor_id]
from = "visitor"
optional = true
[columns.occurred_at]
from = "at"
type = "time"
format = "%Y-%m-%dT%H:%M:%SZ"
[columns.product_id]
from = "sku"
[columns.price]
from = "paid"
type = "number"
optional = true
"#;

/// A record's id, item and key, and its click.
fn records_of(topic: &FakeWriter) -> Vec<(String, Option<u32>, String, String)> {
    let drafts = topic.drafts();
    let record = |draft: &Draft| {
        let envelope = Envelope::decode(&draft.value).unwrap();
        let key = String::from_utf8(draft.key.to_vec()).unwrap();
        let (id, click) = (envelope.id.into_owned(), envelope.click.to_owned());
        (id, envelope.item, key, click)
    };
    drafts.iter().map(record).collect()
}

fn job(folder: &Path, name: &str, text: &str, map: Option<&str>) -> Import {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    import(&file, ImportFormat::Ndjson, map, &folder.join("state"))
}

fn counts(report: &ImportReport) -> [u64; 6] {
    [
        report.lines,
        report.records,
        report.sent,
        report.rejected,
        report.skipped,
        report.rows(),
    ]
}

#[tokio::test]
async fn a_line_is_exploded_into_records_that_each_hold_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let import = job(folder.path(), "visits.ndjson", VISITS, Some(MAPPING));
    let topic = FakeWriter::new();
    let report = imported(import, &topic).await.unwrap();
    assert_eq!(counts(&report), [3, 5, 5, 1, 0, 4]);
    let letter = &report.letters.reasons[0];
    assert_eq!(letter.reason, "bad_time");
    assert_eq!(letter.first, [(1, "never".to_owned())]);
    let records = records_of(&topic);
    let whole = r#"{"session_id":"s1","visitor_id":"ada","items":[{"occurred_at":"2026-11-20T10:00:00Z","price":2,"product_id":"tea"},{"occurred_at":"2026-11-20T10:01:00Z","product_id":"mug","properties":{"shop":"x"}},{"occurred_at":"not a time of the format \"%Y-%m-%dT%H:%M:%SZ\": never"}]}"#;
    for (place, record) in records[..3].iter().enumerate() {
        let item = Some(u32::try_from(place).unwrap());
        assert_eq!((record.1, &*record.2, &*record.3), (item, "ada", whole));
        assert_eq!(record.0, records[0].0, "they have one id");
    }
    let one = r#"{"occurred_at":"2026-11-21T10:00:00Z","session_id":"s2","visitor_id":"bob","items":[{"product_id":"jam"}]}"#;
    assert_eq!((records[3].1, &*records[3].3), (Some(0), one));
    let none = r#"{"session_id":"s3","properties":{"events":[]}}"#;
    assert_eq!((records[4].1, &*records[4].3), (None, none));
}

#[tokio::test]
async fn a_line_that_arrived_in_part_is_completed() {
    let order = r#"{"visitor_id":"v","order_id":"o","items":[{"product_id":"a"},{"product_id":"b"},{"product_id":"c"}]}"#;
    let text = format!("{order}\n{order}\n{{\"n\":1}}\n");
    let folder = tempfile::tempdir().unwrap();
    let import = job(folder.path(), "orders.ndjson", &text, None);
    let whole = FakeWriter::new();
    let report = imported(import.clone(), &whole).await.unwrap();
    assert_eq!(counts(&report), [3, 7, 7, 0, 0, 7]);
    // Again, with and without the kept position: nothing new, and the same numbers.
    for _ in 0..2 {
        let again = imported(import.clone(), &whole).await.unwrap();
        assert_eq!(counts(&again), [3, 7, 0, 0, 7, 7]);
        std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    }
    let all = whole.drafts();
    assert_eq!(all.len(), 7);
    // Whatever part of them a crash left, the rest follows, each once.
    for left in 0..1_u32 << all.len() {
        let drafts = (0..all.len()).filter(|place| left & (1 << place) != 0);
        let topic = FakeWriter::new();
        let kept: Vec<Draft> = drafts.map(|place| all[place].clone()).collect();
        let count = kept.len() as u64;
        // It is there at once.
        drop(topic.append(kept).unwrap());
        let state = folder.path().join(format!("state-{left}"));
        let report = imported(
            Import {
                state,
                ..import.clone()
            },
            &topic,
        )
        .await;
        assert_eq!(counts(&report.unwrap()), [3, 7, 7 - count, 0, count, 7]);
        let records: BTreeMap<_, _> = records_of(&topic)
            .into_iter()
            .map(|(id, item, ..)| ((id, item), ()))
            .collect();
        assert_eq!((records.len(), topic.drafts().len()), (7, 7), "{left:b}");
    }
}

#[tokio::test]
async fn an_item_that_was_a_dead_letter_lands_once_with_a_mended_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        r#"{"events":[{"at":"20/11/2026"},{"at":"2026-11-21T00:00:00Z"},{"at":"21/11/2026"}]}"#;
    let wrong = "explode = \"events\"\n[columns.occurred_at]\nfrom = \"at\"\ntype = \"time\"\nformat = \"%Y-%m-%dT%H:%M:%SZ\"";
    let right = "explode = \"events\"\n[columns.occurred_at]\nfrom = \"at\"\ntype = \"time\"\nformat = \"%d/%m/%Y\"";
    let topic = FakeWriter::new();
    let by = |map| job(folder.path(), "visits.ndjson", text, Some(map));
    let report = imported(by(wrong), &topic).await.unwrap();
    assert_eq!(counts(&report), [1, 3, 3, 2, 0, 1]);
    // The one that is a row stays, though this mapping cannot read it.
    for sent in [2, 0] {
        let report = imported(by(right), &topic).await.unwrap();
        assert_eq!(counts(&report), [1, 3, sent, 0, 3 - sent, 3]);
    }
    let rows = topic.drafts().into_iter();
    let rows = rows.filter(|draft| Strict.defect(draft).is_none()).count();
    assert_eq!(rows, 3);
}

#[tokio::test]
async fn a_line_is_not_in_the_lake_both_whole_and_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"events":[{"n":1},{"n":2}]}"#;
    let exploded = "explode = \"events\"\n[columns]";
    for (first, second, records) in [("[columns]", exploded, 1), (exploded, "[columns]", 2)] {
        let topic = FakeWriter::new();
        let by = |map| job(folder.path(), "visits.ndjson", text, Some(map));
        let report = imported(by(first), &topic).await.unwrap();
        assert_eq!(report.sent, records);
        let report = imported(by(second), &topic).await.unwrap();
        assert_eq!((report.sent, topic.drafts().len() as u64), (0, records));
        std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    }
}

#[tokio::test]
async fn input_12_the_items_of_a_line_times_its_size_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec!["{}"; 40_000].join(",");
    let text = format!("{{\"items\":[{items}]}}\n{{\"n\":1}}\n");
    let topic = FakeWriter::new();
    let import = job(folder.path(), "items.ndjson", &text, None);
    let report = imported(import, &topic).await.unwrap();
    assert_eq!(counts(&report), [2, 2, 2, 1, 0, 1]);
    let letter = &report.letters.reasons[0];
    assert!(letter.detail.contains("8388608 bytes"), "{}", letter.detail);
}

#[tokio::test]
async fn a_column_of_an_item_is_looked_for_in_the_items() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async |name: &str, text: &str, format, map: &str| {
        let import = Import {
            format,
            ..job(folder.path(), name, text, Some(map))
        };
        let refused = imported(import, &FakeWriter::new()).await;
        refused
            .map(|report| report.records)
            .map_err(|error| error.to_string())
    };
    let (ndjson, csv) = (ImportFormat::Ndjson, ImportFormat::Csv);
    let map = "explode = \"events\"\n[columns.product_id]\nfrom = \"sku\"";
    let text = r#"{"events":[{"sku":"a"},{"sku":"b"}]}"#;
    assert_eq!(refused("a.ndjson", text, ndjson, map).await, Ok(2));
    let lines = "day,events\n1,\"[{\"\"sku\"\":\"\"a\"\"},{\"\"sku\"\":\"\"b\"\"}]\"\n2,\n";
    assert_eq!(refused("a.csv", lines, csv, map).await, Ok(3));
    let other = text.replace("sku", "code");
    let error = refused("b.ndjson", &other, ndjson, map).await.unwrap_err();
    assert!(
        error.contains("\"sku\"") && error.contains("code, events"),
        "{error}"
    );
    let other = text.replace("events", "hits");
    let error = refused("c.ndjson", &other, ndjson, map).await.unwrap_err();
    assert!(
        error.contains("\"sku\"") || error.contains("\"events\""),
        "{error}"
    );
    let error = refused("c.csv", "sku\na\n", csv, map).await.unwrap_err();
    assert!(error.contains("the column \"events\""), "{error}");
}
