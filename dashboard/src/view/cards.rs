//! The large figures of a page, and the bars of a breakdown.

use std::time::Duration;

use catalog::{Breakdown, Dimension, Metric, Slice, Totals};

use crate::select::selection::Selection;
use crate::select::words::METRICS;
use crate::view::grid::Grid;
use crate::view::human;
use crate::view::panels;

/// One of the large numbers at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    /// The query that draws this number's chart; `None` if it has none.
    pub(crate) query: Option<String>,
    /// True if its chart is drawn.
    pub(crate) chosen: bool,
    pub(crate) now: String,
    /// `vs 60,742 in the 30 days before`; `None` if there is no such period.
    pub(crate) before: Option<String>,
    pub(crate) change: Option<String>,
}

impl Figure {
    /// The change's style.
    pub(crate) fn tone(&self) -> &'static str {
        match self.change.as_deref() {
            Some(change) if change.starts_with(['+', '×']) => "up",
            Some(change) if change.starts_with('−') => "down",
            _ => "same",
        }
    }
}

/// A metric's name on a page.
pub(crate) const fn metric_label(metric: Metric) -> &'static str {
    match metric {
        Metric::Clicks => "Clicks",
        Metric::Visitors => "Visitors",
        Metric::Buys => "Items sold",
        Metric::Orders => "Orders",
        Metric::Revenue => "Revenue",
    }
}

/// The large numbers at the top: every metric, and the conversion rate. `apart` is the length of
/// the period before, whose totals are `before`.
#[expect(
    clippy::cast_precision_loss,
    reason = "a change is shown with one decimal"
)]
pub(crate) fn figures(
    now: &Totals,
    before: Option<&Totals>,
    apart: Option<Duration>,
    selection: &Selection,
) -> Vec<Figure> {
    let period = before.and(apart).map(human::period);
    let before = before.copied().unwrap_or_default();
    let figure = |label, now: String, before: String, change: Option<String>| Figure {
        label,
        query: None,
        chosen: false,
        now,
        before: period
            .as_ref()
            .map(|period| format!("vs {before} in the {period} before")),
        change: change.filter(|_| period.is_some()),
    };
    let metrics = METRICS.map(|(_, metric)| {
        let count = |now: u64, before: u64| {
            let change = human::change(now as f64, before as f64);
            (human::count(now), human::count(before), change)
        };
        let (now, before, change) = match metric {
            Metric::Clicks => count(now.clicks, before.clicks),
            Metric::Visitors => count(now.visitors, before.visitors),
            Metric::Buys => count(now.buys, before.buys),
            Metric::Orders => count(now.orders, before.orders),
            Metric::Revenue => (
                human::money(now.revenue),
                human::money(before.revenue),
                human::change(now.revenue, before.revenue),
            ),
        };
        let drawn = Selection {
            metric,
            ..selection.clone()
        };
        Figure {
            query: Some(drawn.query()),
            chosen: metric == selection.metric,
            ..figure(metric_label(metric), now, before, change)
        }
    });
    let rate = |totals: &Totals| human::percent(totals.buyers, totals.visitors);
    let shown = |rate: Option<String>| rate.unwrap_or_else(|| "–".into());
    let mut conversion = figure(
        "Conversion rate",
        shown(rate(now)),
        shown(rate(&before)),
        None,
    );
    // Without visitors there is no rate to compare with.
    conversion.before = conversion.before.filter(|_| before.visitors > 0);
    metrics.into_iter().chain([conversion]).collect()
}

/// One bar of a breakdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    /// A fainter text beside the label.
    pub(crate) faint: String,
    pub(crate) count: String,
    /// Of a hundred; `None` for clicks without a value, whose bar would dwarf the others.
    pub(crate) width: Option<u64>,
    /// The query that narrows the page to this value.
    pub(crate) query: String,
    /// True if the page is narrowed to it already.
    pub(crate) chosen: bool,
}

/// The number that a breakdown's bars show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Clicks,
    Views,
    Buys,
    Revenue,
}

impl From<Metric> for Measure {
    /// Visitors and orders cannot be added up by value, so their breakdowns show clicks.
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Clicks | Metric::Visitors | Metric::Orders => Self::Clicks,
            Metric::Buys => Self::Buys,
            Metric::Revenue => Self::Revenue,
        }
    }
}

impl Measure {
    const fn label(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Views => "views",
            Self::Buys => "items sold",
            Self::Revenue => "revenue",
        }
    }

    /// Returns true if the slice has a bar.
    fn is_shown(self, slice: &Slice) -> bool {
        match self {
            Self::Clicks => slice.clicks > 0,
            Self::Views => slice.views > 0,
            Self::Buys => slice.buys > 0,
            Self::Revenue => slice.revenue != 0.0,
        }
    }

    /// The slice's number as text, and as a length.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bar is as long as its cents, and at least 0"
    )]
    fn of(self, slice: &Slice) -> (String, u64) {
        let count = match self {
            Self::Clicks => slice.clicks,
            Self::Views => slice.views,
            Self::Buys => slice.buys,
            Self::Revenue => {
                let cents = (slice.revenue * 100.0).max(0.0) as u64;
                return (human::money(slice.revenue), cents);
            }
        };
        (human::count(count), count)
    }
}

/// A dimension's values as bars, each a link that filters, and as a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Card {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What the bars count, and how many more values there are.
    pub(crate) note: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) table: Grid,
    /// The query of its CSV.
    pub(crate) csv: String,
}

impl Card {
    pub(crate) fn of(
        by: Dimension,
        breakdown: &Breakdown,
        selection: &Selection,
        measure: Measure,
    ) -> Self {
        let listed = breakdown.slices.len() as u64;
        let note = match breakdown.values.saturating_sub(listed) {
            0 => measure.label().to_owned(),
            more => format!("{}; {} more", measure.label(), human::count(more)),
        };
        let without = Some(&breakdown.without).filter(|without| without.clicks > 0);
        let slices = breakdown.slices.iter().chain(without);
        let slices = slices.filter(|slice| measure.is_shown(slice));
        let lengths = breakdown.slices.iter().map(|slice| measure.of(slice).1);
        let longest = u128::from(lengths.max().unwrap_or(0).max(1));
        let bar = |slice: &Slice| {
            let (count, length) = measure.of(slice);
            let (label, faint) = match (&slice.name, &slice.value) {
                (Some(name), Some(value)) => (name.clone(), value.clone()),
                (_, Some(value)) => (value.clone(), String::new()),
                (_, None) => (String::new(), unset(by).to_owned()),
            };
            Bar {
                label,
                faint,
                count,
                width: slice
                    .value
                    .is_some()
                    .then(|| u64::try_from(u128::from(length) * 100 / longest).unwrap_or(100)),
                query: selection.narrowed(by, slice.value.clone()).query(),
                chosen: selection.only.get(&by) == Some(&slice.value),
            }
        };
        let query = selection.query();
        let glue = if query.is_empty() { '?' } else { '&' };
        Self {
            name: by.name(),
            title: title(by),
            note,
            bars: slices.map(bar).collect(),
            table: panels::breakdown(by.name(), breakdown),
            csv: format!("{query}{glue}by={}", by.name()),
        }
    }
}

/// A dimension as a heading.
pub(crate) const fn title(by: Dimension) -> &'static str {
    match by {
        Dimension::Action => "Actions",
        Dimension::Product => "Products",
        Dimension::Category => "Categories",
        Dimension::Country => "Countries",
        Dimension::Campaign => "Campaigns",
        Dimension::Referrer => "Referrers",
        Dimension::Device => "Devices",
        Dimension::Page => "Pages",
    }
}

/// What a page calls clicks without a value of the dimension.
const fn unset(by: Dimension) -> &'static str {
    match by {
        Dimension::Referrer => "Direct / unknown",
        _ => "(not set)",
    }
}

/// A filter that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    pub(crate) name: &'static str,
    /// `None` for clicks without a value.
    pub(crate) value: Option<String>,
    /// What clicks without a value are called.
    pub(crate) unset: &'static str,
    /// The query that removes the filter.
    pub(crate) query: String,
}

/// The filters that are set.
pub(crate) fn chips(selection: &Selection) -> Vec<Chip> {
    let chip = |(by, value): (&Dimension, &Option<String>)| Chip {
        name: by.name(),
        value: value.clone(),
        unset: unset(*by),
        query: selection.widened(*by).query(),
    };
    selection.only.iter().map(chip).collect()
}
