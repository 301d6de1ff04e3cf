//! The dead letters by reason and source.

use std::time::Duration;

use bytes::Bytes;
use sink::{DeadLetter, Offset, Reason};

use super::{ARRIVAL, Shore, VIEW, batch, moment};

#[tokio::test]
async fn dead_letters_are_told_by_reason_with_samples() {
    let shore = Shore::new().await;
    shore.commit_at(ARRIVAL, 0, 0, &[VIEW], 3).await;
    shore.commit_at(ARRIVAL, 1, 0, &[], 2).await;
    let catalog = shore.catalog().await;
    assert_eq!(catalog.letters(2).await.unwrap(), (vec![], false));
    catalog.crawl(false).await.unwrap();
    let (reasons, cut) = catalog.letters(2).await.unwrap();
    assert_eq!(
        (reasons.len(), reasons[0].count, cut),
        (1, 5, false),
        "{reasons:?}"
    );
    let samples = &reasons[0].samples;
    let offsets: Vec<_> = samples
        .iter()
        .map(|one| (one.partition.0, one.offset.0))
        .collect();
    assert_eq!(offsets, [(0, 3), (0, 2)]);
    assert_eq!(samples[0].detail, "price is text");
    assert_eq!(samples[0].raw, "{\"price\":\"x\"}");
}

#[tokio::test]
async fn dead_letters_of_each_source_are_counted_apart() {
    let shore = Shore::new().await;
    let mut open = batch(ARRIVAL, 0, 0, &[]);
    let raws = [
        Some(&br#"{"source":"web"}"#[..]),
        Some(br#"{"v":1,"source":"import:a","click":{}}"#),
        Some(br#"{"source":"web"#),
        Some(b"\xff{\"source\":\"web\"}"),
        Some(br#"["source"]"#),
        Some(br#"{"source":"web"}"#),
        None,
    ];
    for (offset, raw) in (0..).zip(raws) {
        open.reject(DeadLetter {
            offset: Offset(offset),
            appended_at: moment(ARRIVAL),
            event_id: None,
            item: None,
            reason: match offset {
                5 => Reason::BadTime,
                _ => Reason::NotAnEnvelope,
            },
            detail: "planted".into(),
            raw: raw.map(Bytes::from_static),
        });
    }
    let sealed = open.seal();
    let committed = shore.lake.commit(sealed, 1, Duration::from_secs(10));
    committed.await.unwrap();
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let (letters, _) = catalog.letters(9).await.unwrap();
    let found = letters.iter().map(|of| {
        let samples = u64::try_from(of.samples.len()).unwrap();
        assert_eq!(of.count, samples, "{of:?}");
        (of.reason.as_str(), of.source.as_str(), of.count)
    });
    let found: Vec<_> = found.collect();
    let torn = Reason::NotAnEnvelope.to_string();
    let expect = [
        (torn.as_str(), "", 4),
        ("bad_time", "web", 1),
        (&torn, "import:a", 1),
        (&torn, "web", 1),
    ];
    assert_eq!(found, expect);
}
