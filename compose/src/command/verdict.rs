//! What an audit came to, for people and for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sink::audit::Audit;
use transformer::deep::Deep;

/// What an audit came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditVerdict {
    pub(crate) audit: Audit,
    /// How long the arithmetic took, in seconds.
    pub(crate) seconds: f64,
    /// The topic compared record by record. `None` if that was not asked for.
    pub(crate) deep: Option<DeepAudit>,
    /// The client's own list. `None` if there was none.
    pub(crate) against: Option<ListedIds>,
    /// The replays by name, each audited as the lake that it is.
    pub(crate) replays: BTreeMap<String, Audit>,
}

/// A deep audit and how long it took, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeepAudit {
    pub(crate) deep: Deep,
    pub(crate) seconds: f64,
}

/// How many ids a client's list holds, and how many of them never arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListedIds {
    pub(crate) ids: u64,
    pub(crate) missing: u64,
}

/// A verdict as `audit --json` prints it: the audit's own fields on top.
#[derive(Serialize)]
pub(crate) struct FlatAuditVerdict<'a> {
    #[serde(flatten)]
    audit: &'a Audit,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deep: Option<FlatDeepAudit<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<ListedIds>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    replays: &'a BTreeMap<String, Audit>,
}

#[derive(Serialize)]
struct FlatDeepAudit<'a> {
    #[serde(flatten)]
    deep: &'a Deep,
    seconds: f64,
}

impl AuditVerdict {
    /// Returns true if nothing was found.
    pub(crate) fn clean(&self) -> bool {
        self.audit.clean()
            && self.deep.as_ref().is_none_or(|deep| deep.deep.clean())
            && self.replays.values().all(Audit::clean)
            && self
                .against
                .as_ref()
                .is_none_or(|against| against.missing == 0)
    }

    /// The verdict as `audit --json` prints it.
    pub(crate) fn flat(&self) -> FlatAuditVerdict<'_> {
        FlatAuditVerdict {
            audit: &self.audit,
            seconds: self.seconds,
            deep: self
                .deep
                .as_ref()
                .map(|DeepAudit { deep, seconds }| FlatDeepAudit {
                    deep,
                    seconds: *seconds,
                }),
            against: self.against,
            replays: &self.replays,
        }
    }

    /// The verdict as a person reads it.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let audit = &self.audit;
        let mut lines = vec![format!("acknowledged {}", sums(audit))];
        if let Some(ListedIds { ids, missing }) = &self.against {
            lines.push(format!("of {ids} listed ids {missing} never arrived"));
        }
        if let Some(DeepAudit { deep, seconds }) = &self.deep {
            lines.push(deep_sentence(deep, *seconds));
        }
        let deep = self.deep.iter().flat_map(|deep| &deep.deep.findings);
        let findings = audit.findings.iter().chain(deep);
        lines.extend(findings.map(|finding| format!("found: {finding}")));
        for (name, audit) in &self.replays {
            lines.push(format!("replay {name}: offsets {}", sums(audit)));
            let found = audit.findings.iter();
            lines.extend(found.map(|finding| format!("found in replay {name}: {finding}")));
        }
        if audit.other_windows > 0 {
            lines.push(format!(
                "the ids of {} objects were not compared: another configuration decided them",
                audit.other_windows
            ));
        }
        lines.push(if self.clean() {
            format!(
                "clean: every acknowledged click is there once ({} objects read in {:.1} s)",
                audit.objects, self.seconds
            )
        } else {
            "NOT clean: see what was found".to_owned()
        });
        lines
    }
}

/// The sum of the offsets.
fn sums(audit: &Audit) -> String {
    let Audit {
        acknowledged,
        rows,
        dead_letters,
        duplicates,
        dropped,
        pending,
        lost,
        doubled,
        ..
    } = audit;
    format!(
        "{acknowledged} = rows {rows} + dead letters {dead_letters} + duplicates {duplicates} \
         + dropped {dropped} + pending {pending} + lost {lost} - doubled {doubled}"
    )
}

fn deep_sentence(deep: &Deep, seconds: f64) -> String {
    let unproven = if deep.unproven > 0 {
        format!(
            " (and {} that cannot be told from other records any more)",
            deep.unproven
        )
    } else {
        String::new()
    };
    format!(
        "compared {} records of the topic in {seconds:.1} s: rows {} + dead letters {} + \
         duplicates {}{unproven} + dropped {} + missing {}; {} rows or letters are strangers",
        deep.records,
        deep.rows,
        deep.dead_letters,
        deep.duplicates,
        deep.dropped,
        deep.missing,
        deep.strangers
    )
}
