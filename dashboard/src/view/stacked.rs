//! Clicks by step and action, stacked.

use std::collections::{BTreeMap, HashMap};

use catalog::{Bucket, Filter, Step};
use serde::Serialize;

use crate::select::axis::{moment, seconds, steps};
use crate::select::selection::word;
use crate::view::table::{Cell, Sheet};

/// Actions with a series of their own; the others share one.
const SERIES: usize = 7;
/// Rows of the table behind the chart.
pub(crate) const TABLE: usize = 400;

/// Clicks by step and action, ready to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Stacked {
    /// The step's word.
    step: &'static str,
    /// The steps' begins, in seconds since the epoch.
    times: Vec<i64>,
    /// The actions, most frequent first.
    series: Vec<Series>,
}

/// One action's clicks, one number a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Series {
    action: String,
    clicks: Vec<u64>,
}

impl Stacked {
    /// Lays the buckets out over the filter's range.
    pub(crate) fn lay(buckets: &[Bucket], filter: &Filter, step: Step) -> Self {
        let times = match buckets {
            [] => Vec::new(),
            _ => steps(filter.from, filter.to, step),
        };
        let place: HashMap<i64, usize> = times.iter().enumerate().map(|(i, &at)| (at, i)).collect();
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for bucket in buckets {
            *sums.entry(&bucket.action).or_default() += bucket.clicks;
        }
        let mut ranked: Vec<_> = sums.into_iter().collect();
        ranked.sort_by_key(|&(action, clicks)| (std::cmp::Reverse(clicks), action));
        let mut series: Vec<Series> = ranked
            .iter()
            .take(SERIES)
            .map(|&(action, _)| Series {
                action: action.into(),
                clicks: vec![0; times.len()],
            })
            .collect();
        if ranked.len() > SERIES {
            let action = format!("{} others", ranked.len() - SERIES);
            series.push(Series {
                action,
                clicks: vec![0; times.len()],
            });
        }
        let rank: HashMap<&str, usize> = ranked
            .iter()
            .enumerate()
            .map(|(i, &(action, _))| (action, i.min(SERIES)))
            .collect();
        for bucket in buckets {
            if let Some(&at) = place.get(&seconds(bucket.at)) {
                series[rank[bucket.action.as_str()]].clicks[at] += bucket.clicks;
            }
        }
        Self {
            step: word(step),
            times,
            series,
        }
    }

    /// The same numbers as a table, newest first, and a sentence where it is cut.
    pub(crate) fn table(&self, step: Step) -> (Sheet, Option<String>) {
        let columns = std::iter::once("from").chain(self.series.iter().map(|one| &*one.action));
        let rows = self.times.iter().enumerate().rev().map(|(i, &at)| {
            let begin = Cell::Begin(moment(at), step);
            let counts = self.series.iter().map(|one| Cell::Count(one.clicks[i]));
            std::iter::once(begin).chain(counts).collect()
        });
        let cut = cut(self.times.len());
        (
            Sheet::new(columns, rows.take(TABLE).collect()).verbatim(),
            cut,
        )
    }
}

/// The buckets in the long form that programs read.
pub(crate) fn long(buckets: &[Bucket], step: Step) -> Sheet {
    let row = |bucket: &Bucket| {
        vec![
            Cell::Begin(bucket.at, step),
            Cell::Text(bucket.action.clone()),
            Cell::Count(bucket.clicks),
        ]
    };
    Sheet::new(
        ["at", "action", "clicks"],
        buckets.iter().map(row).collect(),
    )
}

/// What a table says of the rows that it does not show.
pub(crate) fn cut(steps: usize) -> Option<String> {
    (steps > TABLE)
        .then(|| format!("The table shows the newest {TABLE} of {steps} steps; the CSV holds all."))
}

/// A chart's numbers as text inside a `script` element: nothing in it can end the element.
pub(crate) fn inline(chart: &impl Serialize) -> String {
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
        let chart = Stacked::lay(&buckets, &filter, Step::Hour);
        assert_eq!(chart.times.len(), 5, "19:00 to 23:00");
        assert_eq!(
            chart.series[0],
            Series {
                action: "view".into(),
                clicks: vec![0, 5, 0, 2, 0]
            }
        );
        assert_eq!(
            chart.series[1],
            Series {
                action: "buy".into(),
                clicks: vec![0, 0, 0, 1, 0]
            }
        );
    }

    #[test]
    fn months_step_by_the_calendar() {
        let buckets = [bucket("2011-02-01T00:00:00Z", "buy", 9)];
        let chart = Stacked::lay(
            &buckets,
            &filter("2010-12-15T00:00:00Z", "2011-04-01T00:00:00Z"),
            Step::Month,
        );
        let (sheet, cut) = chart.table(Step::Month);
        let months: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| row[0].shown().into_owned())
            .collect();
        assert_eq!(months, ["2011-03", "2011-02", "2011-01", "2010-12"]);
        assert_eq!(cut, None);
    }

    #[test]
    fn rare_actions_share_a_series_and_no_click_is_lost() {
        let buckets: Vec<_> = (0..20u64)
            .map(|n| bucket("2026-11-22T20:00:00Z", &format!("action{n:02}"), n + 1))
            .collect();
        let chart = Stacked::lay(
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
        let chart = Stacked::lay(
            &buckets,
            &filter("2026-11-22T20:00:00Z", "2026-11-22T21:00:00Z"),
            Step::Hour,
        );
        let text = inline(&chart);
        assert!(!text.contains(['<', '>', '&']), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read["series"][0]["action"],
            "</script><script>alert(1)</script>&"
        );
    }
}
