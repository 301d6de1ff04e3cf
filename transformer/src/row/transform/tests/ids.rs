//! Events' ids.

use super::*;

#[test]
fn input_22_an_id_is_kept_as_it_came_and_a_uuid_in_small_letters() {
    let longest = "i".repeat(200);
    let widest = "🦀".repeat(50);
    let uuid = "0190AD12-0000-7000-8000-00000000000A";
    let check = |id: &str, expect: &str| {
        let record = record("{}", id);
        let row = transform(Partition(0), &record, &Enrichment::default()).unwrap();
        assert_eq!(row.event_id, expect);
        assert_eq!(row.properties, None, "the id is in its column only");
    };
    check("order-7", "order-7");
    check(uuid, &uuid.to_lowercase());
    // 32 digits without dashes are anybody's hash.
    check(&uuid.replace('-', ""), &uuid.replace('-', ""));
    for own in [
        "a\0b",
        "🦀",
        " Order-7 ",
        "' OR 1=1 --",
        "\u{202e}x",
        &longest,
        &widest,
    ] {
        check(own, own);
    }
}

#[test]
fn input_22_an_id_of_over_200_bytes_is_a_dead_letter() {
    for id in [
        "i".repeat(201),
        format!("{}i", "🦀".repeat(50)),
        "i".repeat(60_000),
    ] {
        let record = record("{}", &id);
        let read = read(Partition(0), &record, &Enrichment::default());
        let defect = read.row.unwrap_err();
        assert_eq!(defect.reason, Reason::BadId);
        let detail = format!("id: {} bytes, and an id has at most 200", id.len());
        assert_eq!(defect.detail, detail);
        // It is found by its id, and sent again it is a duplicate.
        assert_eq!(defect.event_id.as_ref(), Some(&id));
        assert_eq!(read.event.unwrap().0, id_key(&id));
    }
}

#[test]
fn the_items_of_an_envelope_of_a_later_version_are_letters_of_their_own() {
    let identity = |item: u32| {
        let value = format!(
            r#"{{"v":2,"id":"a","item":{item},"received_at":1,"format":"native","source":"s","click":{{}}}}"#
        );
        let record = Record {
            value: Some(Bytes::from(value)),
            ..record("{}", "a")
        };
        let read = read(Partition(0), &record, &Enrichment::default());
        assert_eq!(read.row.unwrap_err().reason, Reason::UnknownVersion);
        read.event.unwrap().0
    };
    assert_eq!(identity(0), id_key("a"));
    assert_ne!(identity(1), identity(0));
}
