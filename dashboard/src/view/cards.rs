//! What a page shows large: the figures on top, and the bars of a breakdown.

use catalog::{Breakdown, Dimension, Metric, Slice, Totals};

use crate::select::selection::{METRICS, Selection};
use crate::view::human;
use crate::view::panels;
use crate::view::table::Sheet;

/// One of the large numbers on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    /// The query that draws this one's series; none where there is none.
    pub(crate) query: Option<String>,
    /// Whether its series is drawn.
    pub(crate) chosen: bool,
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
pub(crate) fn figures(now: &Totals, before: Option<&Totals>, selection: &Selection) -> Vec<Figure> {
    let compared = before.is_some();
    let before = before.copied().unwrap_or_default();
    let figure = |label, now: String, before: String, change: Option<String>| Figure {
        label,
        query: None,
        chosen: false,
        now,
        before: compared.then_some(before),
        change: change.filter(|_| compared),
    };
    let count = |label, now: u64, before: u64| {
        let change = human::change(now as f64, before as f64);
        figure(label, human::count(now), human::count(before), change)
    };
    let counted = [
        count("Clicks", now.clicks, before.clicks),
        count("Visitors", now.visitors, before.visitors),
        count("Buys", now.buys, before.buys),
        count("Orders", now.orders, before.orders),
        figure(
            "Revenue",
            human::money(now.revenue),
            human::money(before.revenue),
            human::change(now.revenue, before.revenue),
        ),
    ];
    let mut figures: Vec<Figure> = Vec::with_capacity(counted.len() + 1);
    for (counted, (_, metric)) in counted.into_iter().zip(METRICS) {
        let drawn = Selection {
            metric,
            ..selection.clone()
        };
        figures.push(Figure {
            query: Some(drawn.query()),
            chosen: metric == selection.metric,
            ..counted
        });
    }
    let share = |part, whole| human::share(part, whole).unwrap_or_else(|| "–".into());
    figures.push(figure(
        "Visitors who bought",
        share(now.buyers, now.visitors),
        share(before.buyers, before.visitors),
        None,
    ));
    figures
}

/// One bar of a plain chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    /// What stands beside the label, fainter.
    pub(crate) faint: String,
    pub(crate) count: String,
    /// Of a hundred; none for what has no value, which would dwarf the others.
    pub(crate) width: Option<u64>,
    /// The query that narrows to it.
    pub(crate) query: String,
    /// Whether the page is narrowed to it already.
    pub(crate) chosen: bool,
}

/// What a card's bars are long by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Clicks,
    Views,
    Buys,
    Revenue,
}

impl From<Metric> for Measure {
    /// Visitors and orders are not added up by value: their cards show clicks.
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Clicks | Metric::Visitors | Metric::Orders => Self::Clicks,
            Metric::Buys => Self::Buys,
            Metric::Revenue => Self::Revenue,
        }
    }
}

impl Measure {
    const fn word(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Views => "views",
            Self::Buys => "buys",
            Self::Revenue => "revenue",
        }
    }

    /// Whether there is anything to show of it.
    fn tells(self, slice: &Slice) -> bool {
        match self {
            Self::Clicks => slice.clicks > 0,
            Self::Views => slice.views > 0,
            Self::Buys => slice.buys > 0,
            Self::Revenue => slice.revenue != 0.0,
        }
    }

    /// A value as it is shown, and as a length.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bar is as long as its cents, and not shorter than nothing"
    )]
    fn weigh(self, slice: &Slice) -> (String, u64) {
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

/// A dimension's values as bars, each a link that filters, with the table behind them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Card {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What it counts, and how many more values there are.
    pub(crate) note: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) sheet: Sheet,
    /// The query of its CSV.
    pub(crate) csv: String,
}

impl Card {
    /// A breakdown as a card.
    pub(crate) fn of(
        by: Dimension,
        breakdown: &Breakdown,
        selection: &Selection,
        measure: Measure,
    ) -> Self {
        let counted = measure.word();
        let listed = breakdown.slices.len() as u64;
        let note = match breakdown.values.saturating_sub(listed) {
            0 => counted.to_owned(),
            more => format!("{counted}; {} more", human::count(more)),
        };
        let without = Some(&breakdown.without).filter(|without| without.clicks > 0);
        let slices = breakdown.slices.iter().chain(without);
        let slices = slices.filter(|slice| measure.tells(slice));
        let weights = breakdown.slices.iter().map(|slice| measure.weigh(slice).1);
        let most = u128::from(weights.max().unwrap_or(0).max(1));
        let bar = |slice: &Slice| {
            let (count, length) = measure.weigh(slice);
            let (label, faint) = match (&slice.name, &slice.value) {
                (Some(name), Some(value)) => (name.clone(), value.clone()),
                (_, Some(value)) => (value.clone(), String::new()),
                (_, None) => (String::new(), "none".to_owned()),
            };
            Bar {
                label,
                faint,
                count,
                width: slice
                    .value
                    .is_some()
                    .then(|| u64::try_from(u128::from(length) * 100 / most).unwrap_or(100)),
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
            sheet: panels::breakdown(by.name(), breakdown),
            csv: format!("{query}{glue}by={}", by.name()),
        }
    }
}

/// A dimension as a heading.
pub(crate) fn title(by: Dimension) -> &'static str {
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

/// A filter that is set, and the query that takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    pub(crate) name: &'static str,
    /// None for clicks that have no value.
    pub(crate) value: Option<String>,
    pub(crate) query: String,
}

/// The filters that are set.
pub(crate) fn chips(selection: &Selection) -> Vec<Chip> {
    let chip = |(by, value): (&Dimension, &Option<String>)| Chip {
        name: by.name(),
        value: value.clone(),
        query: selection.widened(*by).query(),
    };
    selection.only.iter().map(chip).collect()
}
