//! The metrics of rules.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What rules count into. A clone counts into the same.
#[derive(Debug, Clone, Default)]
pub struct RuleMetrics {
    hits: Family<RuleLabels, Counter>,
    in_force: Gauge<u64, AtomicU64>,
    stale: Gauge<u64, AtomicU64>,
    cut: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
    action: &'static str,
}

impl RuleMetrics {
    /// Makes the metrics and names them in `registry`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let hits = metrics.hits.clone();
        registry.register(
            "rule_hits",
            "Requests that a rule meant, by what became of them; clicks that it left out if sampled",
            hits,
        );
        let in_force = metrics.in_force.clone();
        registry.register("rules", "Rules in force", in_force);
        registry.register(
            "rules_stale",
            "1 if the file of rules changed and could not be read, so that older rules are in force",
            metrics.stale.clone(),
        );
        registry.register(
            "rules_cut",
            "Requests with more text than the patterns look at",
            metrics.cut.clone(),
        );
        metrics
    }

    /// A counter at zero for each rule and each of its actions, so that the first hit is an
    /// increase.
    pub(super) fn prepare<'r>(&self, rules: impl Iterator<Item = (&'r str, &'static str)>) {
        let mut count = 0;
        for (rule, action) in rules {
            let _: Counter = self.hits.get_or_create_owned(&RuleLabels {
                rule: rule.to_owned(),
                action,
            });
            count += 1;
        }
        self.in_force.set(count);
    }

    pub(super) fn hits(&self, rule: &str, action: &'static str, count: u64) {
        let rule = rule.to_owned();
        let hits = self.hits.get_or_create(&RuleLabels { rule, action });
        hits.inc_by(count);
    }

    pub(super) fn cut(&self) {
        self.cut.inc();
    }

    pub(super) fn set_stale(&self, is_stale: bool) {
        self.stale.set(is_stale.into());
    }

    /// How often each rule meant a request, by what became of it.
    pub(super) fn hits_of(&self, rule: &str, action: &'static str) -> u64 {
        let rule = rule.to_owned();
        self.hits.get_or_create(&RuleLabels { rule, action }).get()
    }
}
