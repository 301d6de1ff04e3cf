//! The panels of the dashboard, each as a table that is drawn, downloaded or sent as JSON.

use std::time::Duration;

use catalog::{Country, Freshness, Product, Run, Timestamp, Totals, TotalsCompared};

use crate::balance::Balance;
use crate::figures;
use crate::reply::Problem;
use crate::selection::Window;
use crate::sheet::{Cell, Sheet};
use crate::site::Site;

/// Products and countries that a panel lists.
pub(crate) const LISTED: usize = 10;
/// Runs that the history lists.
pub(crate) const RUNS: usize = 20;

/// The totals of both periods, one row each.
pub(crate) fn totals(totals: &TotalsCompared, compared: bool) -> Sheet {
    let row = |period: &str, totals: &Totals| {
        vec![
            Cell::Text(period.into()),
            Cell::Count(totals.clicks),
            Cell::Count(totals.visitors),
            Cell::Count(totals.buys),
            Cell::Count(totals.orders),
            Cell::Money(totals.revenue),
        ]
    };
    let mut rows = vec![row("now", &totals.now)];
    if compared {
        rows.push(row("before", &totals.before));
    }
    Sheet::new(
        ["period", "clicks", "visitors", "buys", "orders", "revenue"],
        rows,
    )
}

/// The products with the most rows of each action: of those that matter to a shop, or of the
/// one that is filtered by.
pub(crate) async fn products(
    site: &Site,
    window: &Window,
) -> Result<Vec<(String, Vec<Product>)>, Problem> {
    let filtered = window.filter.action.as_deref();
    let actions = filtered.map_or_else(|| vec!["view", "buy"], |action| vec![action]);
    let mut lists = Vec::with_capacity(actions.len());
    for action in actions {
        let products = site
            .catalog
            .top_products(&window.filter, action, LISTED)
            .await?;
        lists.push((action.to_owned(), products));
    }
    Ok(lists)
}

/// Products, one row each.
pub(crate) fn product_sheet<'p>(
    products: impl IntoIterator<Item = (&'p str, &'p Product)>,
) -> Sheet {
    let row = |(action, product): (&str, &Product)| {
        vec![
            Cell::Text(action.into()),
            Cell::Text(product.product_id.clone()),
            Cell::text(product.name.clone()),
            Cell::Count(product.clicks),
            Cell::Whole(product.quantity),
            Cell::Money(product.revenue),
        ]
    };
    let columns = [
        "action",
        "product_id",
        "name",
        "clicks",
        "quantity",
        "revenue",
    ];
    Sheet::new(columns, products.into_iter().map(row).collect())
}

/// Countries, one row each; the unknown one is empty.
pub(crate) fn countries(countries: &[Country]) -> Sheet {
    let row = |country: &Country| {
        vec![
            Cell::text(country.country.clone()),
            Cell::Count(country.clicks),
            Cell::Count(country.buys),
            Cell::Money(country.revenue),
        ]
    };
    Sheet::new(
        ["country", "clicks", "buys", "revenue"],
        countries.iter().map(row).collect(),
    )
}

/// Lag and freshness, one row a partition that the lake knows.
pub(crate) fn freshness(freshness: &[Freshness], balance: &Balance, now: Timestamp) -> Sheet {
    let row = |one: &Freshness| {
        let partition = one.partition.0;
        let pending = balance.pending().find(|&(known, _)| known == partition);
        vec![
            Cell::Count(partition.into()),
            Cell::Count(one.registered_end.0),
            pending.map_or(Cell::Empty, |(_, pending)| Cell::Count(pending)),
            one.appended_at.map_or(Cell::Empty, Cell::Time),
            one.appended_at
                .map_or(Cell::Empty, |at| Cell::Lasting(now.since(at))),
            Cell::Count(one.objects),
            Cell::Size(one.bytes),
        ]
    };
    let columns = [
        "partition",
        "registered_end",
        "pending",
        "newest_record",
        "age_s",
        "objects",
        "bytes",
    ];
    Sheet::new(columns, freshness.iter().map(row).collect())
}

/// The crawler's runs, newest first.
pub(crate) fn crawls(runs: &[Run]) -> Sheet {
    let row = |run: &Run| {
        vec![
            Cell::Time(run.started_at),
            Cell::Lasting(Duration::from_millis(run.took_ms)),
            Cell::Text(
                if run.full {
                    "whole lake"
                } else {
                    "newest hours"
                }
                .into(),
            ),
            Cell::Count(run.found),
            Cell::Count(run.registered),
            Cell::Count(run.held),
            Cell::Count(run.refused),
            Cell::Count(run.foreign),
            Cell::text(Some(run.detail.clone()).filter(|detail| !detail.is_empty())),
        ]
    };
    let columns = [
        "started_at",
        "took_s",
        "looked_at",
        "found",
        "registered",
        "held",
        "refused",
        "foreign",
        "detail",
    ];
    Sheet::new(columns, runs.iter().map(row).collect())
}

/// One of the large numbers on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    pub(crate) now: String,
    /// The period before, where there is one.
    pub(crate) before: Option<String>,
    pub(crate) change: Option<String>,
}

impl Figure {
    /// The style of the change.
    pub(crate) fn tone(&self) -> &'static str {
        match self.change.as_deref() {
            Some(change) if change.starts_with(['+', '×']) => "up",
            Some(change) if change.starts_with('−') => "down",
            _ => "same",
        }
    }
}

/// The large numbers on top.
#[expect(
    clippy::cast_precision_loss,
    reason = "a change is shown with one decimal"
)]
pub(crate) fn figures(totals: &TotalsCompared, compared: bool) -> Vec<Figure> {
    let TotalsCompared { now, before } = totals;
    let count = |label, now: u64, before: u64| Figure {
        label,
        now: figures::count(now),
        before: compared.then(|| figures::count(before)),
        change: figures::change(now as f64, before as f64).filter(|_| compared),
    };
    vec![
        count("Clicks", now.clicks, before.clicks),
        count("Visitors", now.visitors, before.visitors),
        count("Buys", now.buys, before.buys),
        count("Orders", now.orders, before.orders),
        Figure {
            label: "Revenue",
            now: figures::money(now.revenue),
            before: compared.then(|| figures::money(before.revenue)),
            change: figures::change(now.revenue, before.revenue).filter(|_| compared),
        },
    ]
}

/// One bar of a plain chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    /// What stands beside the label, fainter.
    pub(crate) faint: String,
    pub(crate) count: String,
    /// Of a hundred.
    pub(crate) width: u64,
}

/// Bars whose lengths are in proportion to their counts.
pub(crate) fn bars(counted: &[(String, String, u64)]) -> Vec<Bar> {
    let most = counted
        .iter()
        .map(|&(.., count)| count)
        .max()
        .unwrap_or(0)
        .max(1);
    let bar = |(label, faint, count): &(String, String, u64)| Bar {
        label: label.clone(),
        faint: faint.clone(),
        count: figures::count(*count),
        width: count.saturating_mul(100) / most,
    };
    counted.iter().map(bar).collect()
}
