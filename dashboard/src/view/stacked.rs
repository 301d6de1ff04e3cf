//! Clicks by step and action, stacked.

use std::collections::{BTreeMap, HashMap};

use catalog::{Bucket, Filter, Step};
use serde::Serialize;

use crate::select::axis::{from_seconds, step_starts, to_seconds};
use crate::select::words::step_word;
use crate::view::grid::{Cell, Grid};

/// How many actions have a series of their own. The others share one.
const MAX_SERIES: usize = 7;
/// How many rows the table behind a chart has.
pub(crate) const MAX_TABLE_ROWS: usize = 400;

/// Clicks by step and action, ready to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StackedChart {
    /// The step's word.
    step: &'static str,
    /// The steps' starts, in seconds since the epoch.
    times: Vec<i64>,
    /// The actions, most frequent first.
    series: Vec<ActionSeries>,
}

/// One action's clicks in each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ActionSeries {
    action: String,
    clicks: Vec<u64>,
}

impl StackedChart {
    /// The buckets over the filter's range. Steps without clicks are zeros.
    pub(crate) fn of(buckets: &[Bucket], filter: &Filter, step: Step) -> Self {
        let times = match buckets {
            [] => Vec::new(),
            _ => step_starts(filter.from, filter.to, step),
        };
        let place: HashMap<i64, usize> = times.iter().enumerate().map(|(i, &at)| (at, i)).collect();
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for bucket in buckets {
            *sums.entry(&bucket.action).or_default() += bucket.clicks;
        }
        let mut ranked: Vec<_> = sums.into_iter().collect();
        ranked.sort_by_key(|&(action, clicks)| (std::cmp::Reverse(clicks), action));
        let mut series: Vec<ActionSeries> = ranked
            .iter()
            .take(MAX_SERIES)
            .map(|&(action, _)| ActionSeries {
                action: action.into(),
                clicks: vec![0; times.len()],
            })
            .collect();
        if ranked.len() > MAX_SERIES {
            let action = format!("{} others", ranked.len() - MAX_SERIES);
            series.push(ActionSeries {
                action,
                clicks: vec![0; times.len()],
            });
        }
        let rank: HashMap<&str, usize> = ranked
            .iter()
            .enumerate()
            .map(|(i, &(action, _))| (action, i.min(MAX_SERIES)))
            .collect();
        for bucket in buckets {
            if let Some(&at) = place.get(&to_seconds(bucket.at)) {
                series[rank[bucket.action.as_str()]].clicks[at] += bucket.clicks;
            }
        }
        Self {
            step: step_word(step),
            times,
            series,
        }
    }

    /// The same numbers as a table, newest first, and a sentence if rows were cut off.
    pub(crate) fn newest_table(&self, step: Step) -> (Grid, Option<String>) {
        let columns = std::iter::once("from").chain(self.series.iter().map(|one| &*one.action));
        let rows = self.times.iter().enumerate().rev().map(|(i, &at)| {
            let start = Cell::Begin(from_seconds(at), step);
            let counts = self.series.iter().map(|one| Cell::Count(one.clicks[i]));
            std::iter::once(start).chain(counts).collect()
        });
        let cut = cut_note(self.times.len());
        (
            Grid::new(columns, rows.take(MAX_TABLE_ROWS).collect()).verbatim(),
            cut,
        )
    }
}

/// The buckets as programs read them, one for each row.
pub(crate) fn long_table(buckets: &[Bucket], step: Step) -> Grid {
    let row = |bucket: &Bucket| {
        vec![
            Cell::Begin(bucket.at, step),
            Cell::Text(bucket.action.clone()),
            Cell::Count(bucket.clicks),
        ]
    };
    Grid::new(
        ["at", "action", "clicks"],
        buckets.iter().map(row).collect(),
    )
}

/// What a page says about the rows that its table lacks; `None` if it lacks none.
pub(crate) fn cut_note(steps: usize) -> Option<String> {
    (steps > MAX_TABLE_ROWS).then(|| {
        format!(
            "The table shows the newest {MAX_TABLE_ROWS} of {steps} steps. The CSV has all of them."
        )
    })
}

/// A chart's numbers as JSON for a `script` element. Nothing in it can end the element.
pub(crate) fn script_json(chart: &impl Serialize) -> String {
    let json = serde_json::to_string(chart).expect("a chart is plain text and numbers");
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use catalog::Timestamp;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn filter(from: &str, to: &str) -> Filter {
        Filter {
            from: at(from),
            to: at(to),
            ..Filter::default()
        }
    }

    fn bucket(moment: &str, action: &str, clicks: u64) -> Bucket {
        Bucket {
            at: at(moment),
            action: action.into(),
            clicks,
        }
    }

    #[test]
    fn quiet_steps_are_zeros() {
        let buckets = [
            bucket("2026-11-22T20:00:00Z", "view", 5),
            bucket("2026-11-22T22:00:00Z", "buy", 1),
            bucket("2026-11-22T22:00:00Z", "view", 2),
        ];
        let filter = filter("2026-11-22T19:30:00Z", "2026-11-22T23:10:00Z");
        let chart = StackedChart::of(&buckets, &filter, Step::Hour);
        assert_eq!(chart.times.len(), 5, "19:00 to 23:00");
        assert_eq!(
            chart.series[0],
            ActionSeries {
                action: "view".into(),
                clicks: vec![0, 5, 0, 2, 0]
            }
        );
        assert_eq!(
            chart.series[1],
            ActionSeries {
                action: "buy".into(),
                clicks: vec![0, 0, 0, 1, 0]
            }
        );
    }

    #[test]
    fn months_step_by_the_calendar() {
        let buckets = [bucket("2011-02-01T00:00:00Z", "buy", 9)];
        let chart = StackedChart::of(
            &buckets,
            &filter("2010-12-15T00:00:00Z", "2011-04-01T00:00:00Z"),
            Step::Month,
        );
        let (table, cut) = chart.newest_table(Step::Month);
        let months: Vec<_> = table
            .rows
            .iter()
            .map(|row| row[0].display().into_owned())
            .collect();
        assert_eq!(months, ["2011-03", "2011-02", "2011-01", "2010-12"]);
        assert_eq!(cut, None);
    }

    #[test]
    fn rare_actions_share_a_series_and_no_click_is_lost() {
        let buckets: Vec<_> = (0..20u64)
            .map(|n| bucket("2026-11-22T20:00:00Z", &format!("action{n:02}"), n + 1))
            .collect();
        let chart = StackedChart::of(
            &buckets,
            &filter("2026-11-22T20:00:00Z", "2026-11-22T21:00:00Z"),
            Step::Hour,
        );
        assert_eq!(chart.series.len(), 8);
        assert_eq!(chart.series[7].action, "13 others");
        let sum: u64 = chart.series.iter().flat_map(|one| &one.clicks).sum();
        assert_eq!(sum, (1..=20).sum::<u64>());
    }

    #[test]
    fn input_29_an_action_cannot_leave_its_script_element() {
        let buckets = [bucket(
            "2026-11-22T20:00:00Z",
            "</script><script>alert(1)</script>&",
            1,
        )];
        let chart = StackedChart::of(
            &buckets,
            &filter("2026-11-22T20:00:00Z", "2026-11-22T21:00:00Z"),
            Step::Hour,
        );
        let text = script_json(&chart);
        assert!(!text.contains(['<', '>', '&']), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read["series"][0]["action"],
            "</script><script>alert(1)</script>&"
        );
    }
}
