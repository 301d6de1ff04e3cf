//! Hours become days, and days become months, once they have closed: no answer changes.

use super::swaps::{answers, audited, compact_at};
use super::*;

const CLICKS: [Click; 2] = [
    VIEW,
    Click {
        action: "buy",
        ..VIEW
    },
];

/// Two objects in each of these hours of a day and of each partition, with a dead letter each.
async fn arrive(shore: &Shore, day: &str, hours: [&str; 2], first: &mut u64) {
    for hour in hours {
        for minute in ["01", "30"] {
            for partition in [0, 1] {
                let arrival = format!("{day}T{hour}:{minute}:00Z");
                shore
                    .commit_at(&arrival, partition, *first, &CLICKS, 1)
                    .await;
            }
            *first += 3;
        }
    }
}

#[tokio::test]
async fn hours_become_days_and_days_become_months_once_they_have_closed() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    let mut first = 0;
    let check = async |merged: (u64, u64, u64), expect: (u64, u64, u64), objects: usize| {
        assert_eq!(merged, expect);
        catalog.crawl(true).await.unwrap();
        let ledger = shore.lake.ledger().await.unwrap().unwrap();
        assert_eq!(ledger.coverage.objects().count(), objects);
        let audit = audited(&shore, &catalog).await;
        assert!(audit.clean(), "{audit:?}");
        answers(&catalog).await
    };
    let compacted = async |now: &str| {
        let done = compact_at(&shore, now).await;
        assert!(done.left.is_empty(), "{done:?}");
        assert_eq!(done.waiting(), 0);
        (done.hours, done.days, done.months)
    };
    arrive(&shore, "2026-11-28", ["05", "20"], &mut first).await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    // The newest object of each partition stays, and no day has closed.
    let done = compacted("2026-11-28T22:00:00Z").await;
    assert_eq!(check(done, (2, 0, 0), 2).await, before);
    let again = compacted("2026-11-29T00:09:59Z").await;
    assert_eq!(check(again, (0, 0, 0), 2).await, before);
    arrive(&shore, "2026-11-29", ["00", "23"], &mut first).await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    // What stayed is merged now, and the day has closed; the hour from 23:00 on has not.
    let done = compacted("2026-11-29T23:40:00Z").await;
    assert_eq!(check(done, (2, 1, 0), 2).await, before);
    // Two at once: each hour, day and month is merged once.
    let (one, two) = tokio::join!(
        compact_at(&shore, "2026-12-01T00:20:00Z"),
        compact_at(&shore, "2026-12-01T00:20:01Z")
    );
    let both = (
        one.hours + two.hours,
        one.days + two.days,
        one.months + two.months,
    );
    assert_eq!(check(both, (1, 1, 1), 1).await, before);
    arrive(&shore, "2026-12-01", ["03", "04"], &mut first).await;
    catalog.crawl(true).await.unwrap();
    let before = answers(&catalog).await;
    // What the month had left joins it.
    let done = compacted("2026-12-01T06:00:00Z").await;
    assert_eq!(check(done, (3, 1, 0), 3).await, before);
    let again = compacted("2026-12-01T06:10:00Z").await;
    assert_eq!(check(again, (0, 0, 0), 3).await, before);
    drop(catalog);
    std::fs::remove_file(shore.config().path).unwrap();
    let fresh = shore.catalog().await;
    fresh.crawl(true).await.unwrap();
    assert_eq!(answers(&fresh).await, before);
}
