//! A metric along a range of time, and along the period before.

use std::collections::HashMap;

use catalog::{Filter, Metric, Point, Step};
use futures::try_join;
use serde::Serialize;

use crate::http::problem::Problem;
use crate::select::axis::{from_seconds, step_starts, to_seconds};
use crate::select::window::TimeWindow;
use crate::select::words::{metric_word, step_word};
use crate::site::Site;
use crate::view::cards::metric_label;
use crate::view::grid::{Cell, Grid};
use crate::view::stacked::{MAX_TABLE_ROWS, cut_note};

/// Both periods, step by step: the first step of one beside the first step of the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Periods {
    step: &'static str,
    metric: &'static str,
    /// The metric's name on the page.
    label: &'static str,
    /// The steps' starts, in seconds since the epoch.
    times: Vec<i64>,
    now: Vec<f64>,
    /// Starts and values of the steps of the period before; `None` if there is no such period.
    before: Option<Vec<(i64, f64)>>,
    #[serde(skip)]
    kind: (Metric, Step),
}

impl Periods {
    /// Reads both from the catalog.
    ///
    /// # Errors
    /// The catalog's.
    pub(crate) async fn of(
        site: &Site,
        window: &TimeWindow,
        metric: Metric,
    ) -> Result<Self, Problem> {
        let (catalog, step) = (&site.catalog, window.step);
        let before = whole_before(window);
        let (now, earlier) = try_join!(catalog.series(&window.filter, step, metric), async {
            match &before {
                Some(before) => Ok(Some(catalog.series(before, step, metric).await?)),
                None => Ok(None),
            }
        })?;
        Ok(Self::join(window, metric, &now, earlier.as_deref()))
    }

    fn join(window: &TimeWindow, metric: Metric, now: &[Point], before: Option<&[Point]>) -> Self {
        let (filter, step) = (&window.filter, window.step);
        let times = step_starts(filter.from, filter.to, step);
        let before = whole_before(window).zip(before).map(|(earlier, points)| {
            let times = step_starts(earlier.from, earlier.to, step);
            let values = filled(&times, points);
            times.into_iter().zip(values).collect()
        });
        Self {
            step: step_word(step),
            metric: metric_word(metric),
            label: metric_label(metric),
            now: filled(&times, now),
            times,
            before,
            kind: (metric, step),
        }
    }

    /// Returns true if nothing happened in either period.
    pub(crate) fn quiet(&self) -> bool {
        let before = self.before.iter().flatten().map(|(_, value)| value);
        self.now.iter().chain(before).all(|value| *value == 0.0)
    }

    /// The newest steps first, and a sentence if rows were cut off.
    pub(crate) fn newest_table(&self) -> (Grid, Option<String>) {
        let mut table = self.table();
        table.rows.reverse();
        table.rows.truncate(MAX_TABLE_ROWS);
        (table, cut_note(self.times.len()))
    }

    /// Every step of both periods, oldest first.
    pub(crate) fn table(&self) -> Grid {
        let (metric, step) = self.kind;
        let start = |at: i64| Cell::Begin(from_seconds(at), step);
        let value = |value: f64| match metric {
            Metric::Revenue => Cell::Money(value),
            _ => Cell::whole(value),
        };
        let mut columns = vec!["at", self.metric];
        if self.before.is_some() {
            columns.extend(["before_at", "before"]);
        }
        let row = |(place, (&at, &now)): (usize, (&i64, &f64))| {
            let mut row = vec![start(at), value(now)];
            if let Some(before) = &self.before {
                row.extend(match before.get(place) {
                    Some(&(at, before)) => [start(at), value(before)],
                    None => [Cell::Empty, Cell::Empty],
                });
            }
            row
        };
        let rows = self.times.iter().zip(&self.now).enumerate().map(row);
        Grid::new(columns, rows.collect())
    }
}

/// The whole period before, even if this one is not over yet.
fn whole_before(window: &TimeWindow) -> Option<Filter> {
    let before = window.before.clone()?;
    Some(Filter {
        to: window.filter.from,
        ..before
    })
}

/// A value for every step: zero if there is no point.
fn filled(times: &[i64], points: &[Point]) -> Vec<f64> {
    let at: HashMap<i64, f64> = points
        .iter()
        .map(|one| (to_seconds(one.at), one.value))
        .collect();
    times
        .iter()
        .map(|time| at.get(time).copied().unwrap_or(0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use catalog::Timestamp;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn point(text: &str, value: f64) -> Point {
        Point {
            at: at(text),
            value,
        }
    }

    fn window() -> TimeWindow {
        let filter = Filter {
            from: at("2026-11-22T20:30:00Z"),
            to: at("2026-11-22T22:30:00Z"),
            ..Filter::default()
        };
        TimeWindow {
            before: Some(filter.earlier(Duration::from_secs(7_200))),
            filter,
            step: Step::Hour,
            too_fine: None,
        }
    }

    #[test]
    fn the_periods_are_side_by_side_and_quiet_steps_are_zeros() {
        let now = [
            point("2026-11-22T20:00:00Z", 3.0),
            point("2026-11-22T22:00:00Z", 1.0),
        ];
        let before = [point("2026-11-22T19:00:00Z", 2.0)];
        let periods = Periods::join(&window(), Metric::Revenue, &now, Some(&before));
        assert_eq!(periods.now, [3.0, 0.0, 1.0]);
        let values: Vec<_> = periods.before.iter().flatten().map(|one| one.1).collect();
        assert_eq!(values, [0.0, 2.0, 0.0]);
        let csv = periods.table().csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines[0], "at,revenue,before_at,before");
        assert_eq!(
            lines[2],
            "2026-11-22T21:00:00.000000Z,0.00,2026-11-22T19:00:00.000000Z,2.00"
        );
        assert_eq!(lines.len(), 4);
        let (table, cut) = periods.newest_table();
        assert_eq!(
            (table.rows[0][0].display().as_ref(), cut),
            ("2026-11-22 22:00", None)
        );
    }

    #[test]
    fn without_a_period_before_there_is_one_column() {
        let periods = Periods::join(&window(), Metric::Visitors, &[], None);
        assert!(periods.quiet());
        assert_eq!(periods.table().columns, ["at", "visitors"]);
    }
}
