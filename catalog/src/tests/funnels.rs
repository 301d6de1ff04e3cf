//! Funnels: who took one step after another, and what was looked at and left.

use std::time::Duration;

use super::{Click, Shore, VIEW, moment};
use crate::{Catalog, Dimension, Error, Filter};

const HOUR: Duration = Duration::from_secs(3_600);

/// A lake of one object of these clicks: visitor, action, time of the day.
async fn over(shore: &Shore, clicks: &[(&'static str, &'static str, &'static str)]) -> Catalog {
    let click = |&(visitor, action, time): &(&'static str, &'static str, &'static str)| Click {
        visitor,
        action,
        occurred_at: format!("2026-11-22T{time}Z").leak(),
        ..VIEW
    };
    let clicks: Vec<Click> = clicks.iter().map(click).collect();
    shore.commit(0, 0, &clicks).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    catalog
}

fn day() -> Filter {
    Filter {
        from: moment("2026-11-22T00:00:00Z"),
        to: moment("2026-11-23T00:00:00Z"),
        ..Filter::default()
    }
}

async fn reached(
    catalog: &Catalog,
    filter: &Filter,
    actions: &[&str],
    window: Duration,
) -> Vec<u64> {
    let actions: Vec<String> = actions.iter().map(|&action| action.to_owned()).collect();
    let steps = catalog.funnel(filter, &actions, window).await.unwrap();
    let named: Vec<_> = steps.iter().map(|step| step.action.clone()).collect();
    assert_eq!(named, actions);
    steps.iter().map(|step| step.visitors).collect()
}

#[tokio::test]
async fn a_step_counts_after_the_one_before_and_within_the_window() {
    let shore = Shore::new().await;
    let catalog = over(
        &shore,
        &[
            // All three, in order.
            ("ann", "view", "10:00:00"),
            ("ann", "details", "10:10:00"),
            ("ann", "buy", "10:59:59"),
            // In the wrong order.
            ("bob", "buy", "10:00:00"),
            ("bob", "details", "10:01:00"),
            ("bob", "view", "10:02:00"),
            // Too late after the first view, in time after the second.
            ("cy", "view", "10:00:00"),
            ("cy", "view", "11:30:00"),
            ("cy", "details", "11:31:00"),
            ("cy", "buy", "12:30:00"),
            // The details follow an old view, the buy comes too late for it.
            ("dan", "view", "10:00:00"),
            ("dan", "details", "10:50:00"),
            ("dan", "buy", "11:00:01"),
            // No step is skipped.
            ("eve", "view", "10:00:00"),
            ("eve", "buy", "10:01:00"),
            // Without a visitor.
            ("", "view", "10:00:00"),
            ("", "details", "10:01:00"),
        ],
    )
    .await;
    let steps = ["view", "details", "buy"];
    assert_eq!(reached(&catalog, &day(), &steps, HOUR).await, [5, 3, 2]);
    assert_eq!(reached(&catalog, &day(), &steps, 2 * HOUR).await, [5, 3, 3]);
    assert_eq!(
        reached(&catalog, &day(), &["view", "buy"], HOUR).await,
        [5, 3]
    );
    assert_eq!(
        reached(&catalog, &day(), &["view", "view"], 2 * HOUR).await,
        [5, 1],
        "two clicks"
    );
    assert_eq!(reached(&catalog, &day(), &["buy"], HOUR).await, [5]);
    assert_eq!(
        reached(&catalog, &day(), &["nothing", "buy"], HOUR).await,
        [0, 0]
    );
    // What is filtered by, the action apart, holds for every step; so does the range.
    let mut filter = day();
    filter.only.insert(Dimension::Action, Some("view".into()));
    assert_eq!(reached(&catalog, &filter, &steps, HOUR).await, [5, 3, 2]);
    filter.only.insert(Dimension::Country, Some("FR".into()));
    assert_eq!(reached(&catalog, &filter, &steps, HOUR).await, [0, 0, 0]);
    let morning = Filter {
        to: moment("2026-11-22T10:59:59Z"),
        ..day()
    };
    assert_eq!(reached(&catalog, &morning, &steps, HOUR).await, [5, 2, 0]);
    for wrong in [0, crate::MAX_FUNNEL_STEPS + 1] {
        let actions = vec!["view".to_owned(); wrong];
        let refused = catalog.funnel(&day(), &actions, HOUR).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }
}

#[tokio::test]
async fn of_two_clicks_of_one_moment_the_first_to_arrive_is_the_earlier() {
    let shore = Shore::new().await;
    let catalog = over(
        &shore,
        &[
            ("ann", "view", "10:00:00"),
            ("ann", "buy", "10:00:00"),
            ("bob", "buy", "10:00:00"),
            ("bob", "view", "10:00:00"),
        ],
    )
    .await;
    assert_eq!(
        reached(&catalog, &day(), &["view", "buy"], HOUR).await,
        [2, 1]
    );
}

#[tokio::test]
async fn what_was_viewed_and_never_bought_is_listed() {
    let shore = Shore::new().await;
    let click = |product, action| Click {
        product,
        action,
        ..VIEW
    };
    let clicks = [
        click("p1", "view"),
        click("p1", "view"),
        click("p1", "buy"),
        click("p2", "view"),
        click("p3", "view"),
        click("p3", "view"),
        click("p4", "buy"),
        click("", "view"),
    ];
    shore.commit(0, 0, &clicks).await;
    let catalog = shore.catalog().await;
    catalog.crawl(false).await.unwrap();
    let left = catalog.unbought(&day(), 10).await.unwrap();
    let named: Vec<_> = left
        .slices
        .iter()
        .map(|one| (one.value.as_deref(), one.views))
        .collect();
    assert_eq!(named, [(Some("p3"), 2), (Some("p2"), 1)]);
    assert_eq!((left.values, left.without.clicks), (2, 0));
}
