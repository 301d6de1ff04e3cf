//! What the edge's rules did, as the pages show it.

use std::sync::Arc;

use ::dashboard::{EdgeHit, EdgeRules, RuleActivity, RuleCount};
use ::producer::{Firewall, RuleHit};

/// Shows the firewall of this process.
pub(super) fn of(firewall: Arc<Firewall>) -> EdgeRules {
    EdgeRules::Here(Arc::new(move || {
        let report = firewall.report();
        let rules = report.rules.into_iter();
        RuleActivity {
            source: report.source,
            stale: report.stale,
            rules: rules
                .map(|(rule, action, requests)| RuleCount {
                    rule,
                    action,
                    requests,
                })
                .collect(),
            hits: report.hits.into_iter().map(shown).collect(),
        }
    }))
}

fn shown(hit: RuleHit) -> EdgeHit {
    EdgeHit {
        at: hit.at,
        rule: hit.rule,
        action: hit.action,
        method: hit.method,
        path: hit.path,
        address: hit.address,
        reason: hit.reason,
    }
}
