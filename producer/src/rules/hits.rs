//! The newest hits of rules, for the page that shows them. What was before is counted only.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use topic::Timestamp;

/// How many hits are kept.
const MAX_HITS: usize = 50;

/// A request that a rule meant. What a client sent of it is short and holds no secret. A page has
/// to escape it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleHit {
    /// When it came.
    #[serde(serialize_with = "as_micros")]
    pub at: Timestamp,
    /// The rule's name.
    pub rule: String,
    /// What became of the request: `counted`, `blocked` or `throttled`.
    pub action: &'static str,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The network of its client; `None` if it is not known or not kept.
    pub address: Option<String>,
    /// Why the rule meant it.
    pub reason: String,
}

fn as_micros<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.micros())
}

/// The newest hits.
#[derive(Debug, Default)]
pub(super) struct HitRing {
    hits: Mutex<VecDeque<RuleHit>>,
}

impl HitRing {
    pub(super) fn push(&self, hit: RuleHit) {
        let mut hits = self.hits.lock();
        if hits.len() == MAX_HITS {
            hits.pop_back();
        }
        hits.push_front(hit);
    }

    /// The hits, the newest first.
    pub(super) fn newest(&self) -> Vec<RuleHit> {
        self.hits.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_hits_are_kept_and_no_more() {
        let ring = HitRing::default();
        for n in 0..120 {
            ring.push(RuleHit {
                at: Timestamp::from_micros(n),
                rule: "a".into(),
                action: "counted",
                method: "GET".into(),
                path: "/".into(),
                address: None,
                reason: String::new(),
            });
        }
        let at: Vec<_> = ring.newest().iter().map(|hit| hit.at.micros()).collect();
        assert_eq!(at, (70..120).rev().collect::<Vec<_>>());
    }
}
