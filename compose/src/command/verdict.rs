//! What an audit came to, and a client's own list beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sink::audit::{Audit, Finding};
use transformer::deep::Deep;

use crate::node::Node;

/// How many missing ids the verdict names.
const NAMED: usize = 5;

/// What an audit came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verdict {
    #[serde(flatten)]
    pub(crate) audit: Audit,
    /// How long the arithmetic took, in seconds.
    pub(crate) seconds: f64,
    /// What the topic says, record by record, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deep: Option<Compared>,
    /// How many ids the client's list held, and how many of them never arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Against>,
    /// The replays, each audited as the lake that it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replays: BTreeMap<String, Audit>,
}

/// A deep audit and how long it took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Compared {
    #[serde(flatten)]
    pub(crate) deep: Deep,
    pub(crate) seconds: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Against {
    pub(crate) ids: u64,
    pub(crate) missing: u64,
}

impl Verdict {
    /// Whether nothing was found.
    pub(crate) fn clean(&self) -> bool {
        self.audit.clean()
            && self.deep.as_ref().is_none_or(|deep| deep.deep.clean())
            && self.replays.values().all(Audit::clean)
            && self
                .against
                .as_ref()
                .is_none_or(|against| against.missing == 0)
    }
}

impl Verdict {
    /// The verdict as a person reads it.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let audit = &self.audit;
        let mut lines = vec![format!("acknowledged {}", sums(audit))];
        if let Some(Against { ids, missing }) = &self.against {
            lines.push(format!("of {ids} listed ids {missing} never arrived"));
        }
        if let Some(Compared { deep, seconds }) = &self.deep {
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

/// What the offsets came to.
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
            " (and {} that nobody can tell any more from other records)",
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

impl Node {
    /// Holds a client's own list against the lake.
    pub(crate) async fn against(&self, ids: &[&str], audit: &mut Audit) -> anyhow::Result<Against> {
        let bytes: Vec<[u8; 16]> = ids.iter().map(|id| transformer::event_id(id)).collect();
        let arrived = self.arrived(&bytes).await?;
        let missing: Vec<&str> = ids
            .iter()
            .zip(&arrived)
            .filter(|(_, arrived)| !**arrived)
            .map(|(id, _)| *id)
            .collect();
        if !missing.is_empty() {
            let named = missing
                .iter()
                .take(NAMED)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            audit.findings.push(Finding::new(
                format!("{} listed ids never arrived: {named}", missing.len()),
                "send them again with the same ids; what did arrive is then a duplicate",
            ));
        }
        Ok(Against {
            ids: ids.len() as u64,
            missing: missing.len() as u64,
        })
    }
}
