//! The funnel's page: who goes from one step to the next, and what is looked at and left.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use askama::Template;
use catalog::{Breakdown, Dimension, MAX_FUNNEL_STEPS, Reached};
use futures::try_join;

use crate::http::nav::Nav;
use crate::http::params::Asked;
use crate::http::problem::{self, PageProblem, Problem, html};
use crate::page::controls::Controls;
use crate::page::overview::{Hint, hint, range_text};
use crate::select::selection::{Selection, Window};
use crate::site::Site;
use crate::view::cards::{Card, Measure};
use crate::view::human;
use crate::view::panels::LISTED;
use crate::view::table::{Cell, Sheet};

/// The steps that a shop asks for first, as far as they occur.
const USUAL: [&str; 3] = ["view", "details", "buy"];
/// The windows that the page offers, in minutes.
const WINDOWS: [(u64, &str); 7] = [
    (15, "15 minutes"),
    (60, "1 hour"),
    (360, "6 hours"),
    (1_440, "1 day"),
    (4_320, "3 days"),
    (10_080, "7 days"),
    (43_200, "30 days"),
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
    /// What the form of steps sends along.
    fields: Vec<(&'static str, String)>,
    /// A list of choices for each step, and one to add.
    pickers: Vec<Vec<(String, bool)>>,
    windows: Vec<(String, String, bool)>,
    bars: Vec<StepBar>,
    sheet: Sheet,
    unbought: Card,
}

/// A step as a bar.
struct StepBar {
    action: String,
    visitors: String,
    /// Of the first step's visitors, and of the step's before.
    rates: String,
    width: u64,
}

/// `GET /funnel`
pub(crate) async fn page(
    site: Data<Site>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageProblem> {
    let selection = Selection::read(&asked)?;
    if asked.get("where").is_some() {
        return Ok(problem::see(&format!("/funnel{}", selection.query())));
    }
    let span = site.catalog.span().await.map_err(Problem::from)?;
    let now = site.clock.now();
    let window = selection.window(now, span)?;
    let (actions, steps) = steps(&site, &selection).await?;
    let (reached, unbought, totals) = try_join!(
        reached(&site, &window, &steps, selection.window),
        unbought(&site, &window, LISTED),
        async { Ok(site.catalog.totals(&window.filter).await?) },
    )?;
    let mut left = Card::of(Dimension::Product, &unbought, &selection, Measure::Views);
    left.title = "Viewed and never bought";
    left.csv = selection.query();
    let page = FunnelPage {
        nav: Nav {
            here: "/funnel",
            query: selection.query(),
        },
        as_of: human::clock(now),
        controls: Controls::of("/funnel", &selection),
        hint: hint(span, totals.clicks, &selection, "/funnel"),
        first_click: crate::page::overview::first_click(&site.sources.edge),
        range_text: range_text(&window),
        mark: selection.query(),
        fields: selection.fields(&["then", "within"]),
        pickers: pickers(&actions, &steps),
        windows: windows(selection.window),
        bars: bars(&reached),
        sheet: sheet(&reached),
        unbought: left,
    };
    Ok(html(StatusCode::OK, &page))
}

/// The actions that there are, and the steps: those that are asked for, else the usual ones.
pub(crate) async fn steps(
    site: &Site,
    selection: &Selection,
) -> Result<(Vec<String>, Vec<String>), Problem> {
    let actions = site.catalog.actions().await?;
    if !selection.steps.is_empty() {
        return Ok((actions, selection.steps.clone()));
    }
    let occurs = |usual: &&str| actions.iter().any(|action| action == usual);
    let usual: Vec<String> = USUAL
        .iter()
        .copied()
        .filter(|one| occurs(one))
        .map(String::from)
        .collect();
    let steps = match usual.len() {
        0 | 1 if actions.len() > 1 => actions.iter().take(USUAL.len()).cloned().collect(),
        0 | 1 => vec!["view".to_owned(), "buy".to_owned()],
        _ => usual,
    };
    Ok((actions, steps))
}

/// The funnel over a window of the lake.
pub(crate) async fn reached(
    site: &Site,
    window: &Window,
    steps: &[String],
    within: Duration,
) -> Result<Vec<Reached>, Problem> {
    Ok(site.catalog.funnel(&window.filter, steps, within).await?)
}

/// What was viewed and never bought.
pub(crate) async fn unbought(site: &Site, window: &Window, n: usize) -> Result<Breakdown, Problem> {
    Ok(site.catalog.unbought(&window.filter, n).await?)
}

/// The funnel, one row a step; the rates are of a hundred.
pub(crate) fn sheet(reached: &[Reached]) -> Sheet {
    let first = reached.first().map_or(0, |step| step.visitors);
    let mut before = first;
    let row = |step: &Reached| {
        let rate = |whole| human::share(step.visitors, whole).map_or(Cell::Empty, Cell::Number);
        let row = vec![
            Cell::Text(step.action.clone()),
            Cell::Count(step.visitors),
            rate(first),
            rate(before),
            Cell::Count(before - step.visitors),
        ];
        before = step.visitors;
        row
    };
    let columns = [
        "step",
        "visitors",
        "of_the_first",
        "of_the_one_before",
        "left",
    ];
    Sheet::new(columns, reached.iter().map(row).collect())
}

fn bars(reached: &[Reached]) -> Vec<StepBar> {
    let first = reached.first().map_or(0, |step| step.visitors);
    let mut before = None;
    let bar = |step: &Reached| {
        let of = |whole| human::share(step.visitors, whole).unwrap_or_else(|| "–".into());
        let rates = match before {
            None => "they begin here".to_owned(),
            Some(before) => format!(
                "{} of the first, {} of the step before",
                of(first),
                of(before)
            ),
        };
        before = Some(step.visitors);
        StepBar {
            action: step.action.clone(),
            visitors: human::count(step.visitors),
            rates,
            width: step.visitors.saturating_mul(100) / first.max(1),
        }
    };
    reached.iter().map(bar).collect()
}

/// The actions to choose from at each step, the chosen one also where it does not occur.
fn pickers(actions: &[String], steps: &[String]) -> Vec<Vec<(String, bool)>> {
    let chosen = steps.iter().map(Some).chain([None]).take(MAX_FUNNEL_STEPS);
    let picker = |chosen: Option<&String>| {
        let unlisted = chosen.filter(|chosen| !actions.contains(chosen));
        let all = actions.iter().chain(unlisted);
        all.map(|action| (action.clone(), Some(action) == chosen))
            .collect()
    };
    chosen.map(picker).collect()
}

/// The windows to choose from, the chosen one also where it is none of the usual.
fn windows(chosen: Duration) -> Vec<(String, String, bool)> {
    let minutes = chosen.as_secs() / 60;
    let unlisted = (!WINDOWS.iter().any(|&(usual, _)| usual == minutes))
        .then(|| (minutes, human::lasting(chosen)));
    let listed = WINDOWS
        .iter()
        .map(|&(usual, label)| (usual, label.to_owned()));
    let mut all: Vec<_> = listed.chain(unlisted).collect();
    all.sort_unstable_by_key(|&(minutes, _)| minutes);
    let choice = |(usual, label): (u64, String)| (format!("{usual}m"), label, usual == minutes);
    all.into_iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: &str, visitors: u64) -> Reached {
        Reached {
            action: action.into(),
            visitors,
        }
    }

    #[test]
    fn a_step_is_measured_against_the_first_and_the_one_before() {
        let reached = [step("view", 200), step("details", 50), step("buy", 10)];
        let csv = sheet(&reached).csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines[1], "view,200,100.0 %,100.0 %,0");
        assert_eq!(lines[3], "buy,10,5.0 %,20.0 %,40");
        let bars = bars(&reached);
        assert_eq!(
            bars[2].rates,
            "5.0 % of the first, 20.0 % of the step before"
        );
        assert_eq!((bars[0].width, bars[2].width), (100, 5));
        assert_eq!(
            sheet(&[step("view", 0), step("buy", 0)]).rows[1][2],
            Cell::Empty
        );
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
            odd.contains(&("90m".into(), "90 min".into(), true)),
            "{odd:?}"
        );
        assert_eq!(odd.len(), WINDOWS.len() + 1);
    }
}
