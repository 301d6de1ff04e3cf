//! Events' ids, looked up.

use std::collections::BTreeSet;

use sink::uuid_text;

use super::{ARRIVAL, Shore, VIEW, batch, id, lines};

/// A row of each id, and a dead letter of the last.
async fn landed(shore: &Shore, ids: &[&str]) {
    let mut open = batch(ARRIVAL, 0, 0, &[]);
    let last = ids.len() - 1;
    for (offset, &id) in (0..).zip(&ids[..last]) {
        open.push(&sink::Row {
            event_id: id.into(),
            ..super::row(0, offset, super::moment(ARRIVAL), &VIEW)
        });
    }
    open.reject(sink::DeadLetter {
        offset: sink::Offset(last as u64),
        appended_at: super::moment(ARRIVAL),
        event_id: Some(ids[last].to_owned()),
        item: None,
        reason: sink::Reason::BadId,
        detail: String::new(),
        raw: None,
    });
    let patience = std::time::Duration::from_secs(10);
    shore.lake.commit(open.seal(), 1, patience).await.unwrap();
}

#[tokio::test]
async fn ids_of_any_text_are_found_and_shown_as_they_came() {
    let shore = Shore::new().await;
    let uuid = id(7, 7);
    let (long, longer) = ("x".repeat(200), "x".repeat(201));
    let ids = [
        &*uuid,
        "order-7",
        "a\0b",
        "a",
        "🦀",
        "' OR ''='",
        "%",
        "",
        &long,
        &longer,
    ];
    landed(&shore, &ids).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let mut asked: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
    assert_eq!(catalog.present(&asked).await.unwrap(), [true; 10]);
    asked = vec![uuid.to_uppercase()];
    assert_eq!(catalog.present(&asked).await.unwrap(), [true]);
    for other in [
        "order-8",
        "Order-7",
        "a\0c",
        "b",
        "x",
        "_",
        &uuid.replace('-', ""),
    ] {
        let asked = [other.to_owned()];
        assert_eq!(catalog.present(&asked).await.unwrap(), [false], "{other}");
    }
    let sql = "SELECT event_id FROM clicks ORDER BY \"offset\"";
    let shown = catalog.query(sql).await.unwrap();
    let cells: Vec<String> = shown
        .cells()
        .map(|mut row| row.remove(0).unwrap())
        .collect();
    assert_eq!(cells, ids[..9]);
    let sql = "SELECT length(event_id) FROM dead_letters";
    assert_eq!(lines(&catalog.query(sql).await.unwrap()), ["201"]);
}

#[tokio::test]
async fn uuids_within_a_range_are_found_beside_other_texts() {
    let shore = Shore::new().await;
    let number = |n: u128| n.to_be_bytes();
    let (first, last) = (0x0190_ad12_u128 << 96, (0x0190_ad13_u128 << 96) - 1);
    let texts = [first - 1, first, first + 0x9a, last, last + 1].map(|n| uuid_text(number(n)));
    let [before, one, two, three, after] = texts.each_ref().map(String::as_str);
    // Texts that sort between them, and are none.
    let between = [
        "0190ad12-0000-0000-0000-00000000000g",
        "0190ad12",
        "0190ad12-x",
        "0190ad12-🦀",
    ];
    let ids = [&[before, one, two, after], &between[..], &[three]].concat();
    landed(&shore, &ids).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let ranges = vec![number(first)..=number(last)];
    let held: BTreeSet<_> = catalog.held(ranges).await.unwrap().into_iter().collect();
    let expect = [(first, true), (first + 0x9a, true), (last, false)];
    assert_eq!(held, expect.map(|(n, row)| (number(n), None, row)).into());
}
