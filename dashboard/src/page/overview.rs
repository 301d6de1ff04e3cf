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
use crate::http::params::Asked;
use crate::http::problem::{self, PageProblem, Problem, html};
use crate::page::controls::Controls;
use crate::select::axis;
use crate::select::selection::{STEPS, Selection, Window, metric_word, word};
use crate::site::Site;
use crate::view::balance::Balance;
use crate::view::cards::{self, Card, Figure};
use crate::view::human;
use crate::view::panels::LISTED;
use crate::view::periods::Periods;
use crate::view::stacked::{Stacked, inline};
use crate::view::table::Sheet;

/// Who clicked within this time is there now.
const NOW: Duration = Duration::from_secs(300);

/// What sends a first click to the edge at `edge`.
pub(crate) fn first_click(edge: &str) -> String {
    format!(
        r#"curl -i {edge}/v1/events \
  -H 'content-type: application/json' \
  -d '{{"id":"first","action":"view","product_id":"p1","visitor_id":"me"}}'"#
    )
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    nav: Nav,
    as_of: String,
    controls: Controls,
    /// The panels, rendered: the template's own text around escaped values.
    panels: String,
}

#[derive(Template)]
#[template(path = "panels.html")]
struct Panels {
    /// When this was read.
    as_of: Timestamp,
    hint: Option<Hint>,
    first_click: String,
    /// Who is there: `3 visitors`.
    online: String,
    range_text: String,
    /// The query of the page, with its question mark; empty for the default.
    mark: String,
    totals: Vec<Figure>,
    step: &'static str,
    /// The steps that fit: query, word, whether it is drawn.
    steps: Vec<(String, &'static str, bool)>,
    metric: &'static str,
    series: Drawn,
    compared: bool,
    actions: Drawn,
    cards: Vec<Card>,
    balance: Balance,
}

/// A chart, the table behind it, and what the table says of its length.
struct Drawn {
    /// The chart's numbers as JSON that cannot end a `script` element.
    chart: String,
    sheet: Sheet,
    cut: Option<String>,
    quiet: bool,
}

/// Why a page is empty.
pub(crate) enum Hint {
    EmptyLake,
    Elsewhere {
        least: String,
        greatest: String,
        all: String,
    },
}

/// `GET /`
pub(crate) async fn page(
    site: Data<Site>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(&asked)?;
    if asked.get("where").is_some() {
        return Ok(problem::see(&format!("/{}", selection.query())));
    }
    let panels = gather(&site, &selection).await?;
    let page = Dashboard {
        nav: Nav {
            here: "/",
            query: selection.query(),
        },
        as_of: human::clock(panels.as_of),
        controls: Controls::of("/", &selection),
        panels: panels
            .render()
            .expect("a template over plain text and numbers renders"),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET /panels`: what changes while the page is open.
pub(crate) async fn fragment(
    site: Data<Site>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(&asked)?;
    let panels = gather(&site, &selection).await?;
    Ok(html(StatusCode::OK, &panels))
}

async fn gather(site: &Site, selection: &Selection) -> Result<Panels, Problem> {
    let span = site.catalog.span().await?;
    let now = site.clock.now();
    let window = selection.window(now, span)?;
    let (filter, metric) = (&window.filter, selection.metric);
    let broken = Dimension::ALL.map(|by| async move {
        let found = site.catalog.breakdown(filter, by, metric, LISTED).await?;
        Ok::<_, Problem>(Card::of(by, &found, selection, metric.into()))
    });
    let (online, (totals, before), series, buckets, mut cards, (balance, _)) = try_join!(
        async { Ok(site.catalog.visitors_now(NOW).await?) },
        site.totals(&window),
        Periods::of(site, &window, metric),
        async { Ok(site.catalog.actions_by(filter, window.step).await?) },
        try_join_all(broken),
        site.balance(),
    )?;
    // What a page is about stands first: products and where people come from, actions last.
    cards.rotate_left(1);
    let stacked = Stacked::lay(&buckets, filter, window.step);
    let (sheet, cut) = stacked.table(window.step);
    let actions = Drawn {
        chart: inline(&stacked),
        quiet: sheet.rows.is_empty(),
        sheet,
        cut,
    };
    let (sheet, cut) = series.table();
    let drawn = Drawn {
        chart: inline(&series),
        quiet: series.quiet(),
        sheet,
        cut,
    };
    Ok(Panels {
        as_of: now,
        hint: hint(span, totals.clicks, selection, "/"),
        first_click: first_click(&site.sources.edge),
        online: match online {
            1 => "1 visitor".to_owned(),
            more => format!("{} visitors", human::count(more)),
        },
        range_text: range_text(&window),
        mark: selection.query(),
        totals: cards::figures(&totals, before.as_ref(), selection),
        step: word(window.step),
        steps: steps(selection, &window),
        metric: metric_word(metric),
        series: drawn,
        compared: window.before.is_some(),
        actions,
        cards,
        balance,
    })
}

/// Why nothing is to be seen, where that is so.
pub(crate) fn hint(
    span: Option<(Timestamp, Timestamp)>,
    clicks: u64,
    selection: &Selection,
    path: &str,
) -> Option<Hint> {
    match span {
        None => Some(Hint::EmptyLake),
        Some((least, greatest)) if clicks == 0 => Some(Hint::Elsewhere {
            least: human::time(least),
            greatest: human::time(greatest),
            all: format!("{path}{}", selection.wider().query()),
        }),
        Some(_) => None,
    }
}

/// The steps that fit the range and are more than one.
fn steps(selection: &Selection, window: &Window) -> Vec<(String, &'static str, bool)> {
    let Window { filter, step, .. } = window;
    let fit = STEPS.into_iter().filter(|&(_, one)| {
        one == *step
            || axis::fits(one, filter.to.since(filter.from))
                && axis::steps(filter.from, filter.to, one).len() > 1
    });
    let choice = |(word, one)| {
        let chosen = Selection {
            step: Some(one),
            ..selection.clone()
        };
        (chosen.query(), word, one == *step)
    };
    fit.map(choice).collect()
}

/// The range in words, to the minute.
pub(crate) fn range_text(window: &Window) -> String {
    let Window { filter, step, .. } = window;
    let form = match step {
        Step::Month | Step::Week => "%Y-%m-%d",
        Step::Minute | Step::Hour | Step::Day => "%Y-%m-%d %H:%M",
    };
    let written = |at: Timestamp| at.datetime().format(form).to_string();
    format!("{} to {}", written(filter.from), written(filter.to))
}
