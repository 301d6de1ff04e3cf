//! Panels: exact numbers for ranges that begin and end within an hour.

use super::{Click, Shore, VIEW, id, moment};
use crate::{Catalog, Dimension, Filter, Metric, OffsetAccount, Step};

const BUY: Click = Click {
    action: "buy",
    quantity: 3,
    price: 2.5,
    ..VIEW
};

async fn shop(shore: &Shore) -> Catalog {
    let at = |occurred_at, click: Click| Click {
        occurred_at,
        ..click
    };
    let bob = |click: Click| Click {
        visitor: "bob",
        country: "FR",
        product: "p2",
        ..click
    };
    shore
        .commit(
            0,
            0,
            &[
                at("2026-11-22T19:40:00Z", VIEW),
                at("2026-11-22T20:10:00Z", VIEW),
                at("2026-11-22T20:20:00Z", bob(VIEW)),
                at("2026-11-22T20:30:00Z", BUY),
                at("2026-11-22T21:00:00Z", bob(BUY)),
            ],
        )
        .await;
    let cancel = Click {
        action: "cancel",
        quantity: -1,
        price: 2.5,
        ..VIEW
    };
    let nowhere = Click {
        country: "",
        product: "",
        ..VIEW
    };
    shore
        .commit_at(
            super::ARRIVAL,
            1,
            0,
            &[
                at("2026-11-22T21:10:00Z", cancel),
                at("2026-11-22T21:20:00Z", nowhere),
            ],
            1,
        )
        .await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    catalog
}

fn range(from: &str, to: &str) -> Filter {
    Filter {
        from: moment(from),
        to: moment(to),
        ..Filter::default()
    }
}

#[tokio::test]
async fn panels_count_exactly_what_lies_in_the_range() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let check = async |filter: &Filter, clicks: u64| {
        let totals = catalog.totals(filter).await.unwrap();
        assert_eq!(totals.clicks, clicks, "{filter:?}");
        for step in [Step::Minute, Step::Hour, Step::Day, Step::Week, Step::Month] {
            let buckets = catalog.actions_by(filter, step).await.unwrap();
            let sum: u64 = buckets.iter().map(|bucket| bucket.clicks).sum();
            assert_eq!(sum, clicks, "{filter:?} {step:?} {buckets:?}");
            let points = catalog.series(filter, step, Metric::Clicks).await.unwrap();
            let sum: f64 = points.iter().map(|point| point.value).sum();
            assert_eq!(sum as u64, clicks, "{filter:?} {step:?} {points:?}");
        }
        for by in Dimension::ALL {
            let found = catalog
                .breakdown(filter, by, Metric::Clicks, 10)
                .await
                .unwrap();
            let sum: u64 = found.slices.iter().map(|slice| slice.clicks).sum();
            assert_eq!(
                sum + found.without.clicks,
                clicks,
                "{filter:?} {by:?} {found:?}"
            );
        }
    };
    let day = range("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
    check(&day, 7).await;
    check(&range("2026-11-22T20:00:00Z", "2026-11-22T21:00:00Z"), 3).await;
    check(&range("2026-11-22T19:40:00Z", "2026-11-22T21:10:00Z"), 5).await;
    check(&range("2026-11-22T19:40:01Z", "2026-11-22T21:10:01Z"), 5).await;
    check(&range("2026-11-22T20:15:00Z", "2026-11-22T20:45:00Z"), 2).await;
    check(&range("2026-11-22T20:15:00Z", "2026-11-22T20:15:00Z"), 0).await;
    check(&range("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"), 0).await;
    let only = |dimension, value: &str| {
        let only = [(dimension, Some(value.to_owned()))].into();
        Filter {
            only,
            ..day.clone()
        }
    };
    check(&only(Dimension::Action, "buy"), 2).await;
    check(&only(Dimension::Product, "p2"), 2).await;
    check(&only(Dimension::Country, "FR"), 2).await;
    // A value that looks like SQL is a value.
    check(&only(Dimension::Country, "' OR true --"), 0).await;
    let nowhere = Filter {
        only: [(Dimension::Country, None)].into(),
        ..day.clone()
    };
    check(&nowhere, 1).await;
    let both = Filter {
        only: [
            (Dimension::Country, Some("DE".to_owned())),
            (Dimension::Device, None),
            (Dimension::Action, Some("view".to_owned())),
        ]
        .into(),
        ..day
    };
    check(&both, 2).await;
}

#[tokio::test]
async fn totals_compare_with_the_period_before() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let filter = range("2026-11-22T20:30:00Z", "2026-11-22T22:30:00Z");
    let totals = catalog.totals(&filter).await.unwrap();
    assert_eq!(
        (totals.clicks, totals.buys, totals.visitors, totals.buyers),
        (4, 2, 2, 2)
    );
    assert_eq!(
        (totals.orders, totals.revenue),
        (2, 12.5),
        "15 less 2.5 taken back"
    );
    let before = catalog
        .totals(&filter.earlier(filter.to.since(filter.from)))
        .await
        .unwrap();
    assert_eq!((before.clicks, before.visitors), (3, 2));
}

#[tokio::test]
async fn series_tell_each_metric_by_step() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let filter = range("2026-11-22T19:00:00Z", "2026-11-22T22:00:00Z");
    let check = async |metric, step, expect: &[(&str, f64)]| {
        let points = catalog.series(&filter, step, metric).await.unwrap();
        let points: Vec<_> = points.iter().map(|point| (point.at, point.value)).collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|&(at, value)| (moment(at), value))
            .collect();
        assert_eq!(points, expect, "{metric:?} {step:?}");
    };
    let [seven, eight, nine] =
        ["19", "20", "21"].map(|hour| format!("2026-11-22T{hour}:00:00Z").leak() as &str);
    check(
        Metric::Clicks,
        Step::Hour,
        &[(seven, 1.0), (eight, 3.0), (nine, 3.0)],
    )
    .await;
    check(
        Metric::Visitors,
        Step::Hour,
        &[(seven, 1.0), (eight, 2.0), (nine, 2.0)],
    )
    .await;
    check(
        Metric::Buys,
        Step::Hour,
        &[(seven, 0.0), (eight, 1.0), (nine, 1.0)],
    )
    .await;
    check(Metric::Orders, Step::Hour, &[(eight, 1.0), (nine, 1.0)]).await;
    check(
        Metric::Revenue,
        Step::Hour,
        &[(seven, 0.0), (eight, 7.5), (nine, 5.0)],
    )
    .await;
    check(
        Metric::Visitors,
        Step::Day,
        &[("2026-11-22T00:00:00Z", 2.0)],
    )
    .await;
    // A week begins on Monday; the 22nd is a Sunday.
    check(Metric::Clicks, Step::Week, &[("2026-11-16T00:00:00Z", 7.0)]).await;
    check(
        Metric::Revenue,
        Step::Month,
        &[("2026-11-01T00:00:00Z", 12.5)],
    )
    .await;
    let filter = range("2026-11-22T20:10:00Z", "2026-11-22T20:20:00Z");
    let minutes = catalog
        .series(&filter, Step::Minute, Metric::Clicks)
        .await
        .unwrap();
    assert_eq!(minutes.len(), 1);
    assert_eq!(
        (minutes[0].at, minutes[0].value),
        (moment("2026-11-22T20:10:00Z"), 1.0)
    );
}

#[tokio::test]
async fn breakdowns_rank_values_and_name_products() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let day = range("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
    let found = catalog
        .breakdown(&day, Dimension::Product, Metric::Clicks, 1)
        .await
        .unwrap();
    assert_eq!((found.slices.len(), found.values), (1, 2), "{found:?}");
    let first = &found.slices[0];
    assert_eq!(
        (
            first.value.as_deref(),
            first.name.as_deref(),
            first.clicks,
            first.views
        ),
        (Some("p1"), Some("The p1"), 4, 2)
    );
    assert_eq!(
        (first.buys, first.quantity, first.revenue),
        (1, 2, 5.0),
        "3 bought, 1 taken back"
    );
    assert_eq!((found.without.clicks, found.without.value), (1, None));
    let countries = catalog
        .breakdown(&day, Dimension::Country, Metric::Revenue, 10)
        .await
        .unwrap();
    let named: Vec<_> = countries
        .slices
        .iter()
        .map(|one| one.value.as_deref())
        .collect();
    assert_eq!(named, [Some("FR"), Some("DE")], "7.5 before 5");
    assert_eq!(countries.without.clicks, 1);
    assert_eq!(catalog.actions().await.unwrap(), ["view", "buy", "cancel"]);
    let span = catalog.span().await.unwrap().unwrap();
    assert_eq!(
        span,
        (
            moment("2026-11-22T19:40:00Z"),
            moment("2026-11-22T21:20:00Z")
        )
    );
}

#[tokio::test]
async fn invariant_4_the_accounting_adds_up() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let accounting = catalog.accounting().await.unwrap();
    assert_eq!(
        accounting.total,
        OffsetAccount {
            rows: 7,
            dead_letters: 1,
            ..OffsetAccount::default()
        }
    );
    assert_eq!(
        (accounting.partitions.len(), accounting.total.acknowledged()),
        (2, 8)
    );
    let freshness = catalog.freshness().await.unwrap();
    let ends: Vec<_> = freshness
        .iter()
        .map(|one| (one.registered_first.0, one.registered_end.0))
        .collect();
    assert_eq!(ends, [(0, 5), (0, 3)]);
    assert_eq!(freshness[0].appended_at, Some(moment(super::ARRIVAL)));
    let objects = catalog.objects().await.unwrap();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[1].footer.counts.dead_letters, 1);
    let listing = catalog.listing(None).await.unwrap();
    for (listed, object) in listing.objects.iter().zip(&objects) {
        assert_eq!(listed.footer.as_ref().unwrap(), &object.footer);
    }
    assert_eq!(
        listing.ends.into_values().collect::<Vec<_>>(),
        [sink::Offset(5), sink::Offset(3)]
    );
    let asked = [id(0, 4), id(1, 2).to_uppercase(), id(9, 9), id(0, 4)];
    assert_eq!(
        catalog.present(&asked).await.unwrap(),
        [true, true, false, true]
    );
}

/// Whatever a rollup answers, the rows answer the same: a range that cuts its hours only
/// reads rows, beside the same clicks asked for in whole hours.
#[tokio::test]
async fn every_dimension_is_rolled_up_as_the_rows_have_it() {
    let shore = Shore::new().await;
    let sides = |n: usize| Click {
        action: ["view", "buy", "browse"][n % 3],
        product: ["p1", "p2", ""][n % 3],
        country: ["DE", "FR", ""][n / 2 % 3],
        category: ["tea", ""][n % 2],
        campaign: ["spring", "", ""][n % 3],
        referrer: ["https://news.example/a", "", "https://Mail.example"][n / 3 % 3],
        device: ["pc", "smartphone", ""][n / 4 % 3],
        path: ["/", "/a", "/b"][n / 5 % 3],
        occurred_at: ["2026-11-22T20:00:00Z", "2026-11-22T20:59:59Z"][n % 2],
        ..VIEW
    };
    let clicks: Vec<Click> = (0..60).map(sides).collect();
    shore.commit(0, 0, &clicks[..25]).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    shore.commit(0, 25, &clicks[25..]).await;
    catalog.crawl(true).await.unwrap();
    let whole = range("2026-11-22T20:00:00Z", "2026-11-22T21:00:00Z");
    let ragged = range("2026-11-22T19:30:01Z", "2026-11-22T20:59:59.5Z");
    let some = |dimension, value: &str| (dimension, Some(value.to_owned()));
    for only in [
        vec![],
        vec![some(Dimension::Action, "view")],
        vec![some(Dimension::Referrer, "mail.example")],
        vec![(Dimension::Campaign, None)],
        vec![
            some(Dimension::Category, "tea"),
            some(Dimension::Country, "DE"),
        ],
        vec![some(Dimension::Device, "pc"), some(Dimension::Page, "/a")],
    ] {
        let only: std::collections::BTreeMap<_, _> = only.into_iter().collect();
        let [whole, ragged] = [&whole, &ragged].map(|range| Filter {
            only: only.clone(),
            ..range.clone()
        });
        for by in Dimension::ALL {
            let rolled = catalog
                .breakdown(&whole, by, Metric::Buys, 10)
                .await
                .unwrap();
            let read = catalog
                .breakdown(&ragged, by, Metric::Buys, 10)
                .await
                .unwrap();
            assert_eq!(rolled, read, "{by:?} {only:?}");
            let all =
                rolled.slices.iter().map(|one| one.clicks).sum::<u64>() + rolled.without.clicks;
            let totals = catalog.totals(&whole).await.unwrap();
            assert_eq!(all, totals.clicks, "{by:?} {only:?}");
        }
    }
    let referrers = catalog
        .breakdown(&whole, Dimension::Referrer, Metric::Clicks, 10)
        .await
        .unwrap();
    let hosts: Vec<_> = referrers
        .slices
        .iter()
        .map(|one| one.value.as_deref())
        .collect();
    assert_eq!(hosts, [Some("news.example"), Some("mail.example")]);
}
