//! Distinct visitors, buyers and orders: whatever the rollup answers, the rows answer the same.

use sink::Timestamp;

use super::crawls::digests;
use super::{Click, Shore, VIEW, lines, moment};
use crate::rollup::uniques::Unique;
use crate::{Catalog, Filter, Metric, Step};

/// Moments of some hours, days and months, as a URL has them.
const MOMENTS: [&str; 12] = [
    "2026-08-31T23:59:59Z",
    "2026-09-01T00:00:00Z",
    "2026-09-01T00:30:00Z",
    "2026-09-30T22:00:00Z",
    "2026-10-01T00:00:00Z",
    "2026-10-01T05:00:00Z",
    "2026-10-02T05:00:00Z",
    "2026-10-02T05:59:59.5Z",
    "2026-11-20T00:00:00Z",
    "2026-11-22T10:10:00Z",
    "2026-11-22T20:00:00Z",
    "2026-11-22T20:30:00Z",
];
const VISITORS: [&str; 6] = ["ann", "bob", "cem", "dot", "eve", ""];

/// Clicks of few visitors, now earlier and now later than those before.
fn clicks(seed: usize) -> Vec<Click> {
    let click = |n: usize| {
        let dice = (seed * 40 + n).wrapping_mul(2_654_435_761) >> 7;
        Click {
            visitor: VISITORS[dice % 6],
            occurred_at: MOMENTS[dice / 6 % 12],
            action: ["view", "buy", "cancel", "view"][dice / 72 % 4],
            ..VIEW
        }
    };
    (0..40).map(click).collect()
}

/// What the rows say of a range.
async fn counted(catalog: &Catalog, from: Timestamp, to: Timestamp) -> String {
    let kinds = Unique::ALL.map(Unique::counted).join(", ");
    let sql = format!(
        "SELECT count(*), {kinds} FROM clicks
         WHERE occurred_at >= make_timestamptz({}) AND occurred_at < make_timestamptz({})",
        from.micros(),
        to.micros()
    );
    lines(&catalog.query(&sql).await.unwrap()).remove(0)
}

/// Asks for ranges in both ways, of all for each so many-th.
async fn agree(catalog: &Catalog, each: usize) {
    let beyond = moment("2027-01-01T00:00:00Z");
    let moments: Vec<Timestamp> = MOMENTS.iter().map(|text| moment(text)).collect();
    let mut ranges = vec![(Timestamp::default(), beyond)];
    for (place, &from) in moments.iter().enumerate() {
        let until = moments[place + 1..].iter();
        ranges.extend(until.map(|&to| (from, to)).chain([(from, beyond)]));
    }
    for (from, to) in ranges.into_iter().step_by(each) {
        let filter = Filter {
            from,
            to,
            ..Filter::default()
        };
        let totals = catalog.totals(&filter).await.unwrap();
        let said = [totals.clicks, totals.visitors, totals.buyers, totals.orders];
        let said = said.map(|number| number.to_string()).join(" ");
        assert_eq!(said, counted(catalog, from, to).await, "{from} {to}");
        for step in [Step::Hour, Step::Day, Step::Week, Step::Month] {
            for metric in [Metric::Visitors, Metric::Orders] {
                let rolled = catalog.series(&filter, step, metric).await.unwrap();
                // A filter that all rows pass makes it read them.
                let read = Filter {
                    only: [(crate::Dimension::Country, Some("DE".to_owned()))].into(),
                    ..filter.clone()
                };
                let read = catalog.series(&read, step, metric).await.unwrap();
                assert_eq!(rolled, read, "{from} {to} {step:?} {metric:?}");
            }
        }
    }
}

#[tokio::test]
async fn distinct_ones_are_rolled_up_as_the_rows_have_them() {
    let shore = Shore::new().await;
    let catalog = shore.catalog().await;
    for seed in 0..5 {
        shore.commit(0, seed * 40, &clicks(seed as usize)).await;
        catalog.crawl(false).await.unwrap();
    }
    assert_eq!(
        catalog.backlog().await.unwrap(),
        0,
        "little is folded at once"
    );
    agree(&catalog, 1).await;
    let folded = digests(&catalog).await;
    drop(catalog);
    let config = crate::Config {
        path: shore.folder.path().join("data/another.duckdb"),
        fold_rows: 39,
        ..shore.config()
    };
    let another = shore.open(config).await.unwrap();
    assert_eq!(another.crawl(true).await.unwrap().registered, 5);
    assert_eq!(
        another.backlog().await.unwrap(),
        5,
        "much is only registered"
    );
    agree(&another, 5).await;
    assert_eq!(another.fold().await.unwrap(), 4);
    assert_eq!(another.fold().await.unwrap(), 3);
    agree(&another, 5).await;
    for left in [2, 1, 0, 0] {
        assert_eq!(another.fold().await.unwrap(), left);
    }
    assert_eq!(digests(&another).await, folded, "invariant 6");
}
