//! The funnel's page: who goes from one step to the next, and what is viewed and never bought.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use askama::Template;
use catalog::{Dimension, MAX_FUNNEL_STEPS};
use futures::try_join;

use crate::http::nav::Nav;
use crate::http::params::QueryParams;
use crate::http::problem::{PageProblem, Problem};
use crate::http::reply;
use crate::page::controls::Controls;
use crate::page::hint::{Hint, first_click};
use crate::page::overview::range_text;
use crate::select::selection::{Selection, duration_word};
use crate::select::window::TimeWindow;
use crate::site::Site;
use crate::view::cards::{Card, Measure};
use crate::view::funnel::{self, StepBar};
use crate::view::grid::Grid;
use crate::view::human;
use crate::view::panels::TOP_VALUES;

/// How many letters the actions of a picker have together. A page has nine pickers, and each names
/// an action twice.
const MAX_PICKER_CHARS: usize = 8_000;
const HOUR_SECS: u64 = 3_600;
const DAY_SECS: u64 = 24 * HOUR_SECS;
/// How long a visitor may take, as the page offers it.
const WINDOWS: [(Duration, &str); 7] = [
    (Duration::from_secs(900), "15 minutes"),
    (Duration::from_secs(HOUR_SECS), "1 hour"),
    (Duration::from_secs(6 * HOUR_SECS), "6 hours"),
    (Duration::from_secs(DAY_SECS), "1 day"),
    (Duration::from_secs(3 * DAY_SECS), "3 days"),
    (Duration::from_secs(7 * DAY_SECS), "7 days"),
    (Duration::from_secs(30 * DAY_SECS), "30 days"),
];

#[derive(Template)]
#[template(path = "funnel.html")]
struct FunnelPage {
    nav: Nav,
    as_of: String,
    controls: Controls,
    hint: Option<Hint>,
    first_click: String,
    range_text: String,
    mark: String,
    /// The hidden fields of the form of steps.
    fields: Vec<(&'static str, String)>,
    /// The choices for each step, and for one more.
    pickers: Vec<Vec<(String, bool)>>,
    windows: Vec<(String, String, bool)>,
    /// How long a visitor may take, in words.
    within: String,
    bars: Vec<StepBar>,
    table: Grid,
    unbought: Card,
}

/// `GET /funnel`
pub(crate) async fn page(
    site: Data<Site>,
    params: Query<QueryParams>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(&params)?;
    if params.get("where").is_some() {
        return Ok(reply::redirect(&format!("/funnel{}", selection.query())));
    }
    let span = site.catalog.span().await.map_err(Problem::from)?;
    let now = site.clock.now();
    let window = TimeWindow::of(&selection, now, span)?;
    let (actions, steps) = funnel::steps(&site, &selection).await?;
    let (reached, unbought, totals) = try_join!(
        funnel::reached(&site, &window, &steps, selection.window),
        funnel::unbought(&site, &window, TOP_VALUES),
        async { Ok(site.catalog.totals(&window.filter).await?) },
    )?;
    // The funnel has no axis, so a step of the dashboard must not be too fine for its CSV.
    let mark = Selection {
        step: None,
        ..selection.clone()
    };
    let mark = mark.query();
    let mut unbought = Card::of(Dimension::Product, &unbought, &selection, Measure::Views);
    unbought.title = "Viewed and never bought";
    unbought.csv.clone_from(&mark);
    let page = FunnelPage {
        nav: Nav {
            here: "/funnel",
            query: selection.query(),
        },
        as_of: human::clock(now),
        controls: Controls::of("/funnel", &selection),
        hint: Hint::of(span, totals.clicks, &selection, "/funnel"),
        first_click: first_click(&site.sources.edge),
        range_text: range_text(&window),
        mark,
        fields: selection.fields(&["then", "within"]),
        pickers: pickers(&actions, &steps),
        windows: windows(selection.window),
        within: window_label(selection.window),
        bars: funnel::bars(&reached),
        table: funnel::table(&reached),
        unbought,
    };
    Ok(reply::html(StatusCode::OK, &page))
}

/// The actions to choose from at each step: the most frequent ones, as far as they are few letters
/// together. The chosen one is among them even if it does not occur.
fn pickers(actions: &[String], steps: &[String]) -> Vec<Vec<(String, bool)>> {
    let mut letters = 0;
    let offered = actions.iter().take_while(|action| {
        letters += action.chars().count();
        letters <= MAX_PICKER_CHARS
    });
    let actions: Vec<String> = offered.cloned().collect();
    let chosen = steps.iter().map(Some).chain([None]).take(MAX_FUNNEL_STEPS);
    let picker = |chosen: Option<&String>| {
        let unlisted = chosen.filter(|chosen| !actions.contains(chosen));
        let all = actions.iter().chain(unlisted);
        all.map(|action| (action.clone(), Some(action) == chosen))
            .collect()
    };
    chosen.map(picker).collect()
}

/// The windows to choose from: value, label, and whether it is chosen. The chosen one is among
/// them even if the page does not offer it.
fn windows(chosen: Duration) -> Vec<(String, String, bool)> {
    let mut all: Vec<_> = WINDOWS.iter().map(|&(window, _)| window).collect();
    if !all.contains(&chosen) {
        all.push(chosen);
        all.sort_unstable();
    }
    let choice = |window| {
        (
            duration_word(window),
            window_label(window),
            window == chosen,
        )
    };
    all.into_iter().map(choice).collect()
}

fn window_label(window: Duration) -> String {
    let offered = WINDOWS.iter().find(|&&(known, _)| known == window);
    offered.map_or_else(
        || humantime::format_duration(window).to_string(),
        |&(_, label)| label.to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_7_a_picker_is_no_longer_than_a_person_reads() {
        let actions: Vec<String> = (0..250).map(|n| format!("{n:0>200}")).collect();
        let pickers = pickers(&actions, &[actions[249].clone()]);
        assert_eq!(
            pickers[0].len(),
            41,
            "40 of 200 letters, and the chosen one"
        );
        assert_eq!(pickers[0][40], (actions[249].clone(), true));
        let short: Vec<String> = (0..250).map(|n| format!("action {n}")).collect();
        assert_eq!(super::pickers(&short, &[])[0].len(), 250);
    }

    #[test]
    fn what_is_chosen_is_always_offered() {
        let actions = ["view".to_owned(), "buy".to_owned()];
        let pickers = pickers(&actions, &["gone".to_owned()]);
        assert_eq!(pickers.len(), 2, "the step, and one to add");
        assert!(pickers[0].contains(&("gone".into(), true)));
        assert!(pickers[1].iter().all(|(_, chosen)| !chosen));
        let odd = windows(Duration::from_secs(90 * 60));
        assert!(
            odd.contains(&("1h30m".into(), "1h 30m".into(), true)),
            "{odd:?}"
        );
        assert_eq!(odd.len(), WINDOWS.len() + 1);
        assert!(windows(Duration::from_secs(3_600)).contains(&(
            "1h".into(),
            "1 hour".into(),
            true
        )));
    }
}
