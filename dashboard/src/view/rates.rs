//! How fast records come in and are committed: by partition, and in words for all of them.

use std::time::Duration;

use catalog::{Rate, Timestamp};

use crate::view::balance::Balance;
use crate::view::human;
use crate::view::table::{Cell, Sheet};

/// Rates are measured from the newest object that is older.
pub(crate) const TIME: Duration = Duration::from_secs(300);

/// What happened in a second, and in an hour.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    /// Records that the topic took a second; none where it was not asked.
    taken: Option<f64>,
    rows: f64,
    bytes: f64,
    /// An hour.
    objects: f64,
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    fn of(rate: &Rate, balance: &Balance, now: Timestamp) -> Option<Self> {
        let seconds = now.since(rate.since).as_secs_f64();
        // Less says nothing.
        if seconds < 1.0 {
            return None;
        }
        let each = |count: u64| count as f64 / seconds;
        let high = balance.high(rate.partition.0);
        Some(Self {
            taken: high.map(|high| each(high.saturating_sub(rate.end.0))),
            rows: each(rate.rows),
            bytes: each(rate.bytes),
            objects: each(rate.objects) * 3_600.0,
        })
    }
}

/// One row a partition that has an object.
pub(crate) fn sheet(rates: &[Rate], balance: &Balance, now: Timestamp) -> Sheet {
    let row = |rate: &Rate| {
        let pace = Pace::of(rate, balance, now);
        let cell = |of: fn(Pace) -> f64| pace.map_or(Cell::Empty, |pace| Cell::Rate(of(pace)));
        let taken = pace.and_then(|pace| pace.taken);
        vec![
            Cell::Count(rate.partition.0.into()),
            Cell::Lasting(now.since(rate.since)),
            taken.map_or(Cell::Empty, Cell::Rate),
            cell(|pace| pace.rows),
            pace.map_or(Cell::Empty, |pace| Cell::Size(pace.bytes as u64)),
            cell(|pace| pace.objects),
        ]
    };
    let columns = [
        "partition",
        "measured_over",
        "records_in_a_second",
        "rows_committed_a_second",
        "bytes_a_second",
        "objects_an_hour",
    ];
    Sheet::new(columns, rates.iter().map(row).collect())
}

/// All partitions in a sentence.
pub(crate) fn sentence(rates: &[Rate], balance: &Balance, now: Timestamp) -> String {
    let paces: Vec<Pace> = rates
        .iter()
        .filter_map(|rate| Pace::of(rate, balance, now))
        .collect();
    let sum = |of: fn(&Pace) -> f64| paces.iter().map(of).sum::<f64>();
    let taken: Option<f64> = paces.iter().map(|pace| pace.taken).sum();
    let taken = match taken {
        Some(taken) => format!("{taken:.1} records a second come in"),
        None => "How many records come in is not known: the topic was not asked".to_owned(),
    };
    format!(
        "{taken}; {:.1} rows and {} a second are committed, in {} objects an hour.",
        sum(|pace| pace.rows),
        human::size(sum(|pace| pace.bytes) as u64),
        human::count(sum(|pace| pace.objects).round() as u64),
    )
}

#[cfg(test)]
mod tests {
    use catalog::{Accounting, Offset, Partition};

    use super::*;
    use crate::command::Span;
    use crate::tests::fixture::at;

    #[test]
    fn what_happened_since_an_object_is_told_by_the_second() {
        let rate = Rate {
            partition: Partition(0),
            since: at("2026-11-22T21:00:00Z"),
            end: Offset(400),
            rows: 300,
            objects: 5,
            bytes: 30_000,
        };
        let topic = [Span {
            partition: 0,
            low: 0,
            high: 1_000,
        }];
        let known = Balance::strike(&Accounting::default(), &[], Ok(&topic));
        let now = at("2026-11-22T21:01:00Z");
        assert_eq!(
            sentence(std::slice::from_ref(&rate), &known, now),
            "10.0 records a second come in; 5.0 rows and 500 bytes a second are committed, in 300 objects an hour."
        );
        let cells: Vec<String> = sheet(std::slice::from_ref(&rate), &known, now).rows[0]
            .iter()
            .map(|cell| cell.shown().into_owned())
            .collect();
        assert_eq!(cells, ["0", "60 s", "10.0", "5.0", "500 bytes", "300.0"]);
        // What is not known is not said.
        let silent = Balance::strike(&Accounting::default(), &[], Err("it is away".into()));
        let said = sentence(std::slice::from_ref(&rate), &silent, now);
        assert!(
            said.starts_with("How many records come in is not known"),
            "{said}"
        );
        let at_once = sheet(&[rate], &known, at("2026-11-22T21:00:00Z"));
        assert!(at_once.rows[0][2..].iter().all(Cell::absent));
    }
}
