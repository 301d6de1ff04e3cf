//! The audit, with a client's own list beside it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sink::audit::Audit;

use crate::node::Node;

/// How many missing ids the verdict names.
const NAMED: usize = 5;

/// What an audit came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verdict {
    #[serde(flatten)]
    pub(crate) audit: Audit,
    /// How many ids the client's list held, and how many of them never arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Against>,
    /// The replays, each audited as the lake that it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replays: BTreeMap<String, Audit>,
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
        let mut lines = vec![format!(
            "acknowledged {} = rows {} + dead letters {} + duplicates {} + dropped {} + pending {} \
             + lost {} - doubled {}",
            audit.acknowledged,
            audit.rows,
            audit.dead_letters,
            audit.duplicates,
            audit.dropped,
            audit.pending,
            audit.lost,
            audit.doubled
        )];
        if let Some(Against { ids, missing }) = &self.against {
            lines.push(format!("of {ids} listed ids {missing} never arrived"));
        }
        lines.extend(
            audit
                .findings
                .iter()
                .map(|finding| format!("found: {finding}")),
        );
        for (name, audit) in &self.replays {
            lines.push(format!(
                "replay {name}: offsets {} = rows {} + dead letters {} + duplicates {} + dropped \
                 {} + pending {} + lost {} - doubled {}",
                audit.acknowledged,
                audit.rows,
                audit.dead_letters,
                audit.duplicates,
                audit.dropped,
                audit.pending,
                audit.lost,
                audit.doubled
            ));
            let found = audit.findings.iter();
            lines.extend(found.map(|finding| format!("found in replay {name}: {finding}")));
        }
        lines.push(if self.clean() {
            format!(
                "clean: every acknowledged click is there once ({} objects read)",
                audit.objects
            )
        } else {
            "NOT clean: see what was found".to_owned()
        });
        lines
    }
}

impl Node {
    /// Reads topic and lake, and weighs them.
    pub(crate) async fn audit(&self, against: Option<&Path>) -> anyhow::Result<Verdict> {
        let ids = match against {
            Some(file) => Some(
                std::fs::read_to_string(file)
                    .with_context(|| format!("{} cannot be read", file.display()))?,
            ),
            None => None,
        };
        let ids: Option<Vec<&str>> = ids.as_deref().map(|text| {
            text.lines()
                .map(str::trim)
                .filter(|l| !l.is_empty())
                .collect()
        });
        self.weigh(ids.as_deref()).await
    }

    /// The audit against ids at hand.
    pub(crate) async fn weigh(&self, ids: Option<&[&str]>) -> anyhow::Result<Verdict> {
        let (topic, lake, catalog) = (
            self.topic().await?,
            self.lake().await?,
            self.catalog().await?,
        );
        // Watermarks first: what is committed later can only make `pending` smaller.
        let marks = topic.watermarks().await?;
        let lows = marks
            .iter()
            .map(|(partition, marks)| (*partition, marks.low))
            .collect();
        let ledger = lake.found(topic.identity(), lows).await?;
        catalog.crawl(true).await?;
        let registered: Vec<_> = catalog
            .objects()
            .await?
            .into_iter()
            .map(|object| object.name)
            .collect();
        let mut audit = sink::audit::audit(&lake, &ledger, &registered, &marks, &|_, _| {}).await?;
        match catalog.doubled().await {
            Ok(0) => {}
            Ok(doubled) => {
                audit.doubled += doubled;
                audit.findings.push(format!("{doubled} rows stand twice"));
            }
            Err(error) => audit
                .findings
                .push(format!("the rows cannot be counted: {error}")),
        }
        let against = match ids {
            Some(ids) => Some(self.against(ids, &mut audit).await?),
            None => None,
        };
        let replays = self.weigh_replays().await?;
        Ok(Verdict {
            audit,
            against,
            replays,
        })
    }

    async fn against(&self, ids: &[&str], audit: &mut Audit) -> anyhow::Result<Against> {
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
            audit.findings.push(format!(
                "{} listed ids never arrived: {named}",
                missing.len()
            ));
        }
        Ok(Against {
            ids: ids.len() as u64,
            missing: missing.len() as u64,
        })
    }
}
