//! How fast records come in and are committed: for each partition, and in words for all.

use std::time::Duration;

use catalog::{Rate, Timestamp};

use crate::view::balance::Balance;
use crate::view::grid::{Cell, Grid};
use crate::view::human;

/// Rates are measured from the newest object that is older than this.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(300);

/// What happens in a second, and in an hour.
#[derive(Debug, Clone, Copy, Default)]
struct Throughput {
    /// Records that came into the topic; `None` if the topic was not asked.
    incoming: Option<f64>,
    rows: f64,
    bytes: f64,
    /// In an hour.
    objects: f64,
}

impl Throughput {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    fn of(rate: &Rate, balance: &Balance, now: Timestamp) -> Option<Self> {
        let seconds = now.since(rate.since).as_secs_f64();
        // A shorter time says nothing.
        if seconds < 1.0 {
            return None;
        }
        let each = |count: u64| count as f64 / seconds;
        let high = balance.high(rate.partition.0);
        Some(Self {
            incoming: high.map(|high| each(high.saturating_sub(rate.end.0))),
            rows: each(rate.rows),
            bytes: each(rate.bytes),
            objects: each(rate.objects) * 3_600.0,
        })
    }
}

/// One row for each partition that has an object.
pub(crate) fn table(rates: &[Rate], balance: &Balance, now: Timestamp) -> Grid {
    let row = |rate: &Rate| {
        let throughput = Throughput::of(rate, balance, now);
        let cell =
            |of: fn(Throughput) -> f64| throughput.map_or(Cell::Empty, |one| Cell::Rate(of(one)));
        let incoming = throughput.and_then(|one| one.incoming);
        vec![
            Cell::Count(rate.partition.0.into()),
            Cell::Lasting(now.since(rate.since)),
            incoming.map_or(Cell::Empty, Cell::Rate),
            cell(|one| one.rows),
            throughput.map_or(Cell::Empty, |one| Cell::Size(one.bytes as u64)),
            cell(|one| one.objects),
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
    Grid::new(columns, rates.iter().map(row).collect())
}

/// Over which time the rates are averaged, in words.
pub(crate) fn averaged_over(rates: &[Rate], now: Timestamp) -> String {
    let longest = rates.iter().map(|rate| now.since(rate.since)).max();
    let seconds = longest.unwrap_or(RATE_WINDOW).as_secs();
    let (number, unit) = match seconds {
        0..=119 => (seconds, "seconds"),
        120..=7_199 => (seconds / 60, "minutes"),
        _ => (seconds / 3_600, "hours"),
    };
    format!("average of the last {} {unit}", human::count(number))
}

/// The sum over all partitions, in a sentence.
pub(crate) fn summary(rates: &[Rate], balance: &Balance, now: Timestamp) -> String {
    let throughputs: Vec<Throughput> = rates
        .iter()
        .filter_map(|rate| Throughput::of(rate, balance, now))
        .collect();
    let sum = |of: fn(&Throughput) -> f64| throughputs.iter().map(of).sum::<f64>();
    let incoming: Option<f64> = throughputs.iter().map(|one| one.incoming).sum();
    let incoming = match incoming {
        Some(incoming) => format!("{incoming:.1} records a second come in"),
        None => {
            "The rate of incoming records is unknown, because the topic was not asked".to_owned()
        }
    };
    format!(
        "{incoming}; {:.1} rows and {} a second are committed, in {} objects an hour.",
        sum(|one| one.rows),
        human::size(sum(|one| one.bytes) as u64),
        human::count(sum(|one| one.objects).round() as u64),
    )
}

#[cfg(test)]
mod tests {
    use catalog::{Accounting, Offset, Partition};

    use super::*;
    use crate::command::Span;
    use crate::tests::fixture::at;

    #[test]
    fn records_since_an_object_give_a_rate() {
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
        let known = Balance::of(&Accounting::default(), &[], Ok(&topic));
        let now = at("2026-11-22T21:01:00Z");
        assert_eq!(
            averaged_over(std::slice::from_ref(&rate), now),
            "average of the last 60 seconds"
        );
        assert_eq!(
            summary(std::slice::from_ref(&rate), &known, now),
            "10.0 records a second come in; 5.0 rows and 500 bytes a second are committed, in 300 objects an hour."
        );
        let cells: Vec<String> = table(std::slice::from_ref(&rate), &known, now).rows[0]
            .iter()
            .map(|cell| cell.display().into_owned())
            .collect();
        assert_eq!(cells, ["0", "60 s", "10.0", "5.0", "500 bytes", "300.0"]);
        // Without an answer of the topic the rate is unknown, not 0.
        let silent = Balance::of(&Accounting::default(), &[], Err("it is away".into()));
        let said = summary(std::slice::from_ref(&rate), &silent, now);
        assert!(
            said.starts_with("The rate of incoming records is unknown"),
            "{said}"
        );
        let at_once = table(&[rate], &known, at("2026-11-22T21:00:00Z"));
        assert!(at_once.rows[0][2..].iter().all(Cell::is_empty));
    }
}
