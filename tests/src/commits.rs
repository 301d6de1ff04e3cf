//! Watches a lake for new commits, and measures how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use sink::Lake;
use tokio::time::{Instant, sleep};

/// Where the newest object of each partition begins.
pub type Newest = BTreeMap<u32, u64>;

/// How often the lake is listed, and so how exact a time is.
const LOOK: Duration = Duration::from_millis(100);

/// Where the newest object of each partition begins.
///
/// # Errors
/// If the store fails.
pub async fn newest(lake: &Lake) -> Result<Newest> {
    let mut newest = Newest::new();
    // Two hours, since a partition may not have turned with the others yet.
    for hour in lake.hours().await?.into_iter().take(2) {
        for (name, _) in lake.objects(hour).await? {
            let first = newest.entry(name.partition.0).or_default();
            *first = name.first.0.max(*first);
        }
    }
    Ok(newest)
}

/// Waits until each of so many partitions has a newer object than before; returns how long that
/// took.
///
/// # Errors
/// If one has none `within` that time, or the store fails.
pub async fn commit_since(
    lake: &Lake,
    partitions: usize,
    before: &Newest,
    within: Duration,
) -> Result<Duration> {
    let since = Instant::now();
    loop {
        let now = newest(lake).await?;
        let newer = |(partition, first): (&u32, &u64)| before.get(partition) < Some(first);
        if now.len() == partitions && now.iter().all(newer) {
            return Ok(since.elapsed());
        }
        ensure!(
            since.elapsed() < within,
            "{before:?} became {now:?} and no more"
        );
        sleep(LOOK).await;
    }
}

/// The times in one line: their number, and p50 and p99 (the nearest rank) in seconds.
#[must_use]
pub fn told(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map_or(0.0, Duration::as_secs_f64)
    };
    format!(
        "{} times, p50 {:.1} s, p99 {:.1} s",
        sorted.len(),
        rank(50),
        rank(99)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_secs).collect();
        assert_eq!(told(&times), "200 times, p50 100.0 s, p99 198.0 s");
        assert_eq!(told(&times[..1]), "1 times, p50 200.0 s, p99 200.0 s");
        assert_eq!(told(&[]), "0 times, p50 0.0 s, p99 0.0 s");
    }
}
