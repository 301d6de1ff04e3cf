//! Panels: exact numbers for ranges that begin and end within an hour.

use super::{Click, Shore, VIEW, id, moment};
use crate::{Account, Catalog, Filter, Step};

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
        assert_eq!(totals.now.clicks, clicks, "{filter:?}");
        for step in [Step::Hour, Step::Day, Step::Month] {
            let buckets = catalog.actions_by(filter, step).await.unwrap();
            let sum: u64 = buckets.iter().map(|bucket| bucket.clicks).sum();
            assert_eq!(sum, clicks, "{filter:?} {step:?} {buckets:?}");
        }
        let countries = catalog.countries(filter, 10).await.unwrap();
        assert_eq!(
            countries.iter().map(|one| one.clicks).sum::<u64>(),
            clicks,
            "{filter:?}"
        );
    };
    let day = range("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
    check(&day, 7).await;
    check(&range("2026-11-22T20:00:00Z", "2026-11-22T21:00:00Z"), 3).await;
    check(&range("2026-11-22T19:40:00Z", "2026-11-22T21:10:00Z"), 5).await;
    check(&range("2026-11-22T19:40:01Z", "2026-11-22T21:10:01Z"), 5).await;
    check(&range("2026-11-22T20:15:00Z", "2026-11-22T20:45:00Z"), 2).await;
    check(&range("2026-11-22T20:15:00Z", "2026-11-22T20:15:00Z"), 0).await;
    check(&range("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"), 0).await;
    check(
        &Filter {
            action: Some("buy".into()),
            ..day.clone()
        },
        2,
    )
    .await;
    check(
        &Filter {
            product_id: Some("p2".into()),
            ..day.clone()
        },
        2,
    )
    .await;
    let french = Filter {
        country: Some("FR".into()),
        ..day.clone()
    };
    check(&french, 2).await;
    // A value that looks like SQL is a value.
    check(
        &Filter {
            country: Some("' OR true --".into()),
            ..day
        },
        0,
    )
    .await;
}

#[tokio::test]
async fn totals_compare_with_the_period_before() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let filter = range("2026-11-22T20:30:00Z", "2026-11-22T22:30:00Z");
    let totals = catalog.totals(&filter).await.unwrap();
    assert_eq!(
        (totals.now.clicks, totals.now.buys, totals.now.visitors),
        (4, 2, 2)
    );
    assert_eq!(
        (totals.now.orders, totals.now.revenue),
        (2, 12.5),
        "15 less 2.5 taken back"
    );
    assert_eq!((totals.before.clicks, totals.before.visitors), (3, 2));
}

#[tokio::test]
async fn products_countries_and_values_are_ranked() {
    let shore = Shore::new().await;
    let catalog = shop(&shore).await;
    let day = range("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
    let viewed = catalog.top_products(&day, "view", 10).await.unwrap();
    let first = (
        viewed[0].product_id.as_str(),
        viewed[0].name.as_deref(),
        viewed[0].clicks,
    );
    assert_eq!(first, ("p1", Some("The p1"), 2), "{viewed:?}");
    let bought = catalog.top_products(&day, "buy", 1).await.unwrap();
    assert_eq!(
        (bought.len(), bought[0].quantity, bought[0].revenue),
        (1, 3, 7.5)
    );
    let only = Filter {
        action: Some("view".into()),
        ..day.clone()
    };
    assert_eq!(catalog.top_products(&only, "buy", 1).await.unwrap(), []);
    let countries = catalog.countries(&day, 10).await.unwrap();
    let named: Vec<_> = countries.iter().map(|one| one.country.as_deref()).collect();
    assert_eq!(named, [Some("DE"), Some("FR"), None]);
    let values = catalog.filter_values().await.unwrap();
    assert_eq!(values.actions, ["view", "buy", "cancel"]);
    assert_eq!(values.countries, ["DE", "FR"]);
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
        Account {
            rows: 7,
            dead_letters: 1,
            ..Account::default()
        }
    );
    assert_eq!(
        (accounting.partitions.len(), accounting.total.accepted()),
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
    let asked = [id(0, 4), id(1, 2), id(9, 9), id(0, 4)];
    assert_eq!(
        catalog.present(&asked).await.unwrap(),
        [true, true, false, true]
    );
}
