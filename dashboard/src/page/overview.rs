//! The dashboard's page: `/`, and `/panels`, the part of it that is fetched again.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use askama::Template;
use catalog::{Dimension, Step, Timestamp};
use futures::future::try_join_all;
use futures::try_join;

use crate::http::nav::Nav;
use crate::http::params::QueryParams;
use crate::http::problem::{PageProblem, Problem};
use crate::http::reply;
use crate::page::controls::Controls;
use crate::page::hint::{Hint, first_click};
use crate::select::axis;
use crate::select::selection::Selection;
use crate::select::window::TimeWindow;
use crate::select::words::{STEPS, step_word};
use crate::site::Site;
use crate::view::balance::Balance;
use crate::view::cards::{self, Card, Figure, metric_label};
use crate::view::grid::Grid;
use crate::view::human;
use crate::view::panels::TOP_VALUES;
use crate::view::periods::Periods;
use crate::view::stacked::{StackedChart, script_json};

/// A visitor with a click within this time is online.
const ONLINE_WINDOW: Duration = Duration::from_secs(300);

#[derive(Template)]
#[template(path = "dashboard.html")]
struct OverviewPage {
    nav: Nav,
    as_of: String,
    controls: Controls,
    /// The rendered panels: the template's own text around escaped values.
    panels: String,
}

#[derive(Template)]
#[template(path = "panels.html")]
struct OverviewPanels {
    /// When this was read.
    as_of: Timestamp,
    hint: Option<Hint>,
    first_click: String,
    /// `3 visitors`.
    online: String,
    range_text: String,
    /// The page's query, with its question mark; empty for the default.
    mark: String,
    totals: Vec<Figure>,
    step: &'static str,
    /// Why the step is not the one that was asked for; `None` if it is.
    step_note: Option<String>,
    /// The steps that fit: query, word, and whether it is drawn.
    steps: Vec<(String, &'static str, bool)>,
    metric: &'static str,
    series: ChartPanel,
    compared: bool,
    actions: ChartPanel,
    cards: Vec<Card>,
    balance: Balance,
}

/// A chart and the table behind it.
struct ChartPanel {
    /// The chart's numbers as JSON that cannot end a `script` element.
    chart: String,
    table: Grid,
    /// What the table lacks; `None` if it lacks nothing.
    cut: Option<String>,
    /// True if there is nothing to draw.
    quiet: bool,
}

/// `GET /`
pub(crate) async fn page(
    site: Data<Site>,
    params: Query<QueryParams>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(&params)?;
    if params.get("where").is_some() {
        return Ok(reply::redirect(&format!("/{}", selection.query())));
    }
    let panels = gather(&site, &selection).await?;
    let page = OverviewPage {
        nav: Nav {
            here: "/",
            query: selection.query(),
        },
        as_of: human::clock(panels.as_of),
        controls: Controls::of("/", &selection),
        panels: reply::render(&panels),
    };
    Ok(reply::html(StatusCode::OK, &page))
}

/// `GET /panels`: the part of the page that changes while it is open.
pub(crate) async fn fragment(
    site: Data<Site>,
    params: Query<QueryParams>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(&params)?;
    let panels = gather(&site, &selection).await?;
    Ok(reply::html(StatusCode::OK, &panels))
}

async fn gather(site: &Site, asked: &Selection) -> Result<OverviewPanels, Problem> {
    let span = site.catalog.span().await?;
    let now = site.clock.now();
    let window = TimeWindow::of(asked, now, span)?;
    let selection = &match window.too_fine {
        Some(_) => asked.with_step(window.step),
        None => asked.clone(),
    };
    let (filter, metric) = (&window.filter, selection.metric);
    let breakdowns = Dimension::ALL.map(|by| async move {
        let catalog = &site.catalog;
        let found = catalog.breakdown(filter, by, metric, TOP_VALUES).await?;
        Ok::<_, Problem>(Card::of(by, &found, selection, metric.into()))
    });
    let (online, (totals, before), series, buckets, mut cards, (balance, _)) = try_join!(
        async { Ok(site.catalog.visitors_now(ONLINE_WINDOW).await?) },
        site.totals(&window),
        Periods::of(site, &window, metric),
        async { Ok(site.catalog.actions_by(filter, window.step).await?) },
        try_join_all(breakdowns),
        site.balance(),
    )?;
    // Products and origins come first, actions last.
    cards.rotate_left(1);
    let stacked = StackedChart::of(&buckets, filter, window.step);
    let (table, cut) = stacked.newest_table(window.step);
    let actions = ChartPanel {
        chart: script_json(&stacked),
        quiet: table.rows.is_empty(),
        table,
        cut,
    };
    let (table, cut) = series.newest_table();
    let series = ChartPanel {
        chart: script_json(&series),
        quiet: series.quiet(),
        table,
        cut,
    };
    Ok(OverviewPanels {
        as_of: now,
        hint: Hint::of(span, totals.clicks, selection, "/"),
        first_click: first_click(&site.sources.edge),
        online: match online {
            1 => "1 visitor".to_owned(),
            more => format!("{} visitors", human::count(more)),
        },
        range_text: range_text(&window),
        mark: selection.query(),
        totals: cards::figures(&totals, before.as_ref(), window.apart(), selection),
        step: step_word(window.step),
        step_note: step_note(&window),
        steps: steps(selection, &window),
        metric: metric_label(metric),
        series,
        compared: window.before.is_some(),
        actions,
        cards,
        balance,
    })
}

/// What the page says if it shows a longer step than it was asked for.
fn step_note(window: &TimeWindow) -> Option<String> {
    let (step, count) = window.too_fine?;
    Some(format!(
        "One bar a {} would be {} bars. Showing {}s instead.",
        step_word(step),
        human::count(count),
        step_word(window.step)
    ))
}

/// The steps that fit the range and of which it has more than one.
fn steps(selection: &Selection, window: &TimeWindow) -> Vec<(String, &'static str, bool)> {
    let TimeWindow { filter, step, .. } = window;
    let fit = STEPS.into_iter().filter(|&(_, one)| {
        one == *step
            || axis::fits(one, filter.to.since(filter.from))
                && axis::step_starts(filter.from, filter.to, one).len() > 1
    });
    let choice = |(word, one)| (selection.with_step(one).query(), word, one == *step);
    fit.map(choice).collect()
}

/// The range in words, to the minute.
pub(crate) fn range_text(window: &TimeWindow) -> String {
    let TimeWindow { filter, step, .. } = window;
    let form = match step {
        Step::Month | Step::Week => "%Y-%m-%d",
        Step::Minute | Step::Hour | Step::Day => "%Y-%m-%d %H:%M",
    };
    let written = |at: Timestamp| at.datetime().format(form).to_string();
    format!("{} to {}", written(filter.from), written(filter.to))
}
