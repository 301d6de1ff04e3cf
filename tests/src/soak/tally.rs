//! The result of a soak.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::fault::Met;
use crate::clients::Sent;
use crate::commits::told;

/// Faults by kind, times, clicks and the audit's verdict.
#[derive(Debug, Default)]
pub struct Tally {
    /// Clicks a second from the clients to the catalog, without a pause.
    pub full_load: f64,
    faults: BTreeMap<String, u64>,
    times: BTreeMap<&'static str, Vec<Duration>>,
    clicks: usize,
    repeated: u64,
    retried: u64,
    length: Duration,
    pub(super) verdict: Value,
}

impl Tally {
    pub(super) fn met(&mut self, met: Met) {
        *self.faults.entry(met.name).or_default() += 1;
        if let Some((what, took)) = met.took {
            self.times.entry(what).or_default().push(took);
        }
    }

    pub(super) fn sent(&mut self, sent: &Sent, length: Duration) {
        self.clicks = sent.acknowledged.len();
        self.repeated = sent.repeated;
        self.retried = sent.retried;
        self.length = length;
    }

    /// How many faults of a kind there were: `kill`, `freeze`, `cut`.
    #[must_use]
    pub fn count(&self, kind: &str) -> u64 {
        let of_kind = self
            .faults
            .iter()
            .filter(|(name, _)| name.starts_with(kind));
        of_kind.map(|(_, count)| count).sum()
    }

    /// How many clicks were acknowledged.
    #[must_use]
    pub const fn clicks(&self) -> usize {
        self.clicks
    }

    /// Returns true if the audit counts nothing lost and nothing doubled.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.verdict["lost"] == 0 && self.verdict["doubled"] == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.1} minutes at half of {:.0} clicks a second (acknowledged without a pause, over \
             the time until the catalog shows them; clients and servers on the same cores)",
            self.length.as_secs_f64() / 60.0,
            self.full_load,
        )?;
        writeln!(
            f,
            "kills {}, freezes {}, cuts {}, orderly restarts {}",
            self.count("kill"),
            self.count("freeze"),
            self.count("cut"),
            self.count("restart")
        )?;
        for (name, count) in &self.faults {
            writeln!(f, "  {count:4} {name}")?;
        }
        writeln!(
            f,
            "acknowledged {} clicks, {} requests sent again although acknowledged, {} tries made \
             again; lost {}, doubled {}, duplicates left out {}",
            self.clicks,
            self.repeated,
            self.retried,
            self.verdict["lost"],
            self.verdict["doubled"],
            self.verdict["duplicates"]
        )?;
        for (what, times) in &self.times {
            writeln!(f, "{what}: {}", told(times))?;
        }
        Ok(())
    }
}
