//! The tail: rows that the topic has and the lake does not have yet, kept by the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytesize::ByteSize;
use topic::{Offset, Partition};
use transformer::tail::{RowSink, TailComponents};

use super::supervisor::Stages;
use crate::node::Node;
use crate::settings::Sections;

struct CatalogTail(catalog::Tail);

impl RowSink for CatalogTail {
    fn wanted(&self) -> Option<BTreeMap<Partition, Offset>> {
        self.0.wanted()
    }

    fn begin(&self, partition: Partition, first: Offset) {
        self.0.begin(partition, first);
    }

    fn take(&self, rows: sink::PendingRows) {
        self.0.take(rows);
    }
}

/// Starts the tail of this process, which feeds its catalog.
pub(super) async fn start(stages: &mut Stages, node: &Node) -> anyhow::Result<()> {
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    // The tail is the only member of a group of its own, so every partition is its; it commits
    // no offsets.
    let group = format!(
        "{}-tail-{:016x}",
        node.group().await?,
        rand::random::<u64>()
    );
    let components = TailComponents {
        reader: topic.reader(&group)?,
        topic,
        lake: node.lake().await?,
        enrichment: node.enrichment().await?.feed(),
        rows: Arc::new(CatalogTail(catalog.tail().clone())),
    };
    let config = node.settings.sections.transformer.clone();
    stages.start("tail", |stop| {
        transformer::tail::run(config, components, stop)
    });
    Ok(())
}

/// Divides `sink.max_memory` between the tail and the batches of one process. The tail gets
/// `catalog.tail_memory`, at most two thirds.
pub(super) fn share(sections: &mut Sections) {
    let whole = sections.sink.max_memory.as_u64();
    let tail = sections.catalog.tail_memory.as_u64().min(whole / 3 * 2);
    sections.catalog.tail_memory = ByteSize(tail);
    sections.sink.max_memory = ByteSize(whole - tail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn invariant_10_tail_and_batches_share_one_budget() {
        let check = |set: &[&str], batches: u64, tail: u64| {
            let set: Vec<String> = set.iter().map(|pair| (*pair).to_owned()).collect();
            let mut sections = Settings::load(None, &set).unwrap().sections;
            let whole = sections.sink.max_memory.as_u64();
            share(&mut sections);
            let shared = (
                sections.sink.max_memory.as_u64() >> 20,
                sections.catalog.tail_memory.as_u64() >> 20,
            );
            assert_eq!(shared, (batches, tail), "{set:?}");
            let both = sections.sink.max_memory.as_u64() + sections.catalog.tail_memory.as_u64();
            assert_eq!(both, whole);
        };
        check(&[], 40, 56);
        check(&["sink.max_memory=12MiB"], 4, 8);
        check(&["catalog.tail_memory=0B"], 96, 0);
    }
}
