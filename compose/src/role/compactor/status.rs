//! What the compactor did, for metrics and health.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sink::{Compacted, Expired, Timestamp};

/// A gauge of counts.
type CountGauge = Gauge<u64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnLabels {
    outcome: &'static str,
}

/// What the compactor did so far.
pub(super) struct CompactorStatus {
    turns: Family<TurnLabels, Counter>,
    merged: Counter,
    replaced: Counter,
    read_bytes: Counter,
    written_bytes: Counter,
    rows: Counter,
    swept: Counter,
    expired_rows: Counter,
    expired_letters: Counter,
    waiting: CountGauge,
    left: CountGauge,
    ended: CountGauge,
    state: Mutex<TurnState>,
}

/// How the last turn ended, and what was counted of the one that runs.
#[derive(Default)]
struct TurnState {
    failure: Option<String>,
    counted: Compacted,
}

impl Default for CompactorStatus {
    fn default() -> Self {
        let turns = Family::default();
        for outcome in ["ok", "failed"] {
            let _: Counter = turns.get_or_create_owned(&TurnLabels { outcome });
        }
        Self {
            turns,
            merged: Counter::default(),
            replaced: Counter::default(),
            read_bytes: Counter::default(),
            written_bytes: Counter::default(),
            rows: Counter::default(),
            swept: Counter::default(),
            expired_rows: Counter::default(),
            expired_letters: Counter::default(),
            waiting: Gauge::default(),
            left: Gauge::default(),
            ended: Gauge::default(),
            state: Mutex::default(),
        }
    }
}

impl CompactorStatus {
    /// Names the metrics.
    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("clickweir");
        registry.register(
            "compactor_turns",
            "Turns of the compactor, by outcome",
            self.turns.clone(),
        );
        registry.register(
            "compactor_merged",
            "Hours, days and months that were merged",
            self.merged.clone(),
        );
        registry.register(
            "compactor_replaced_objects",
            "Objects that were replaced",
            self.replaced.clone(),
        );
        registry.register(
            "compactor_read_bytes",
            "Bytes of objects that were replaced",
            self.read_bytes.clone(),
        );
        registry.register(
            "compactor_written_bytes",
            "Bytes of objects that took their place",
            self.written_bytes.clone(),
        );
        registry.register("compactor_rows", "Rows that were merged", self.rows.clone());
        registry.register(
            "compactor_swept_objects",
            "Replaced objects that were deleted after lake.grace",
            self.swept.clone(),
        );
        registry.register(
            "compactor_expired_rows",
            "Rows that were taken out because they were too old",
            self.expired_rows.clone(),
        );
        registry.register(
            "compactor_expired_letters",
            "Dead letters that were taken out because they were too old",
            self.expired_letters.clone(),
        );
        registry.register(
            "compactor_waiting",
            "Closed hours, days and months that the turn under way has still to merge",
            self.waiting.clone(),
        );
        registry.register(
            "compactor_left",
            "What the newest turn left as it is, and why is in the log",
            self.left.clone(),
        );
        registry.register(
            "compactor_ended_seconds",
            "Unix time at which the newest turn without an error ended",
            self.ended.clone(),
        );
    }

    /// Counts what a turn did since it was asked last.
    pub(super) fn progress(&self, done: &Compacted) {
        let mut state = self.state.lock();
        let before = &state.counted;
        self.merged.inc_by(done.periods() - before.periods());
        self.replaced.inc_by(done.replaced - before.replaced);
        self.read_bytes
            .inc_by(done.replaced_bytes - before.replaced_bytes);
        self.written_bytes.inc_by(done.bytes - before.bytes);
        self.rows.inc_by(done.rows - before.rows);
        self.waiting.set(done.waiting());
        state.counted = done.clone();
    }

    /// Ends a turn.
    pub(super) fn done(&self, done: &Compacted, now: Timestamp) {
        self.progress(done);
        self.turn("ok", None);
        self.left.set(done.left.len() as u64);
        self.ended
            .set(u64::try_from(now.micros() / 1_000_000).unwrap_or(0));
    }

    /// Ends a turn that failed.
    pub(super) fn failed(&self, why: String) {
        self.turn("failed", Some(why));
    }

    fn turn(&self, outcome: &'static str, failure: Option<String>) {
        self.turns
            .get_or_create_owned(&TurnLabels { outcome })
            .inc();
        *self.state.lock() = TurnState {
            failure,
            counted: Compacted::default(),
        };
    }

    pub(super) fn expired(&self, done: &Expired) {
        self.expired_rows.inc_by(done.rows);
        self.expired_letters.inc_by(done.letters);
    }

    pub(super) fn swept(&self, objects: u64) {
        self.swept.inc_by(objects);
    }

    /// Checks that the last turn did not fail.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.state.lock().failure {
            Some(why) => Err(format!("the lake could not be compacted: {why}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_is_counted_once_however_often_it_tells_its_progress() {
        let status = CompactorStatus::default();
        let turn = |merged| Compacted {
            hours: merged,
            closed: 3,
            replaced: merged * 10,
            ..Compacted::default()
        };
        for merged in 0..=3 {
            status.progress(&turn(merged));
            assert_eq!(status.waiting.get(), 3 - merged);
        }
        status.done(&turn(3), Timestamp::from_micros(5_000_000));
        status.progress(&turn(1));
        status.failed("away".to_owned());
        assert_eq!((status.merged.get(), status.replaced.get()), (4, 40));
        assert_eq!(status.ended.get(), 5);
        assert!(status.check().is_err_and(|why| why.ends_with("away")));
        status.done(&turn(0), Timestamp::from_micros(6_000_000));
        assert_eq!(status.check(), Ok(()));
    }
}
