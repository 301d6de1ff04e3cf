//! The funnel: how many visitors go from one step to the next.

use std::time::Duration;

use catalog::{Breakdown, Reached};

use crate::http::problem::Problem;
use crate::select::selection::Selection;
use crate::select::window::TimeWindow;
use crate::site::Site;
use crate::view::grid::{Cell, Grid};
use crate::view::human;

/// The steps that the page starts with, as far as they occur.
const USUAL_STEPS: [&str; 3] = ["view", "details", "buy"];

/// A step as a bar.
pub(crate) struct StepBar {
    pub(crate) action: String,
    pub(crate) visitors: String,
    /// The share of the first step's visitors, and of the step before.
    pub(crate) rates: String,
    /// Of a hundred.
    pub(crate) width: u64,
}

/// All actions, and the funnel's steps: those that the selection names, else the usual ones.
///
/// # Errors
/// The catalog's.
pub(crate) async fn steps(
    site: &Site,
    selection: &Selection,
) -> Result<(Vec<String>, Vec<String>), Problem> {
    let actions = site.catalog.actions().await?;
    if !selection.steps.is_empty() {
        return Ok((actions, selection.steps.clone()));
    }
    let occurs = |usual: &&str| actions.iter().any(|action| action == usual);
    let usual: Vec<String> = USUAL_STEPS
        .iter()
        .copied()
        .filter(|one| occurs(one))
        .map(String::from)
        .collect();
    let steps = match usual.len() {
        0 | 1 if actions.len() > 1 => actions.iter().take(USUAL_STEPS.len()).cloned().collect(),
        0 | 1 => vec!["view".to_owned(), "buy".to_owned()],
        _ => usual,
    };
    Ok((actions, steps))
}

/// How many visitors reached each step.
///
/// # Errors
/// The catalog's.
pub(crate) async fn reached(
    site: &Site,
    window: &TimeWindow,
    steps: &[String],
    within: Duration,
) -> Result<Vec<Reached>, Problem> {
    Ok(site.catalog.funnel(&window.filter, steps, within).await?)
}

/// The products that were viewed and never bought.
///
/// # Errors
/// The catalog's.
pub(crate) async fn unbought(
    site: &Site,
    window: &TimeWindow,
    n: usize,
) -> Result<Breakdown, Problem> {
    Ok(site.catalog.unbought(&window.filter, n).await?)
}

/// The funnel with one row for each step.
pub(crate) fn table(reached: &[Reached]) -> Grid {
    let first = reached.first().map_or(0, |step| step.visitors);
    let mut before = first;
    let row = |step: &Reached| {
        let rate = |whole| human::percent(step.visitors, whole).map_or(Cell::Empty, Cell::Number);
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
    Grid::new(columns, reached.iter().map(row).collect())
}

/// The funnel as bars.
pub(crate) fn bars(reached: &[Reached]) -> Vec<StepBar> {
    let first = reached.first().map_or(0, |step| step.visitors);
    let bar = |(place, step): (usize, &Reached)| {
        let share = |of: usize| {
            let rate = human::percent(step.visitors, reached[of].visitors);
            format!("{} of step {}", rate.as_deref().unwrap_or("–"), of + 1)
        };
        StepBar {
            action: step.action.clone(),
            visitors: human::count(step.visitors),
            rates: match place {
                0 => "start".to_owned(),
                1 => share(0),
                _ => format!("{}, {}", share(0), share(place - 1)),
            },
            width: step.visitors.saturating_mul(100) / first.max(1),
        }
    };
    reached.iter().enumerate().map(bar).collect()
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
        let csv = table(&reached).csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines[1], "view,200,100.0 %,100.0 %,0");
        assert_eq!(lines[3], "buy,10,5.0 %,20.0 %,40");
        let bars = bars(&reached);
        assert_eq!(bars[0].rates, "start");
        assert_eq!(bars[1].rates, "25.0 % of step 1");
        assert_eq!(bars[2].rates, "5.0 % of step 1, 20.0 % of step 2");
        assert_eq!((bars[0].width, bars[2].width), (100, 5));
        assert_eq!(
            table(&[step("view", 0), step("buy", 0)]).rows[1][2],
            Cell::Empty
        );
    }
}
