//! The tail, between the topic and the catalog: what the one reads is what the other keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytesize::ByteSize;
use tokio_util::sync::CancellationToken;
use topic::{Offset, Partition};
use transformer::Enrichment;
use transformer::tail::{RowSink, TailComponents};

use crate::node::Node;
use crate::settings::Sections;

struct Kept(catalog::Tail);

impl RowSink for Kept {
    fn wanted(&self) -> Option<BTreeMap<Partition, Offset>> {
        self.0.wanted()
    }

    fn begin(&self, partition: Partition, first: Offset) {
        self.0.begin(partition, first);
    }

    fn take(&self, stretch: sink::PendingRows) {
        self.0.take(stretch);
    }
}

/// Starts the tail of this process, which feeds its catalog.
pub(crate) async fn tail(
    node: &Node,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = Result<(), transformer::Error>> + Send + 'static> {
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    // A group of this process alone: its one member has every partition, and reports nothing.
    let group = format!(
        "{}-tail-{:016x}",
        node.group().await?,
        rand::random::<u64>()
    );
    let components = TailComponents {
        reader: topic.reader(&group)?,
        topic,
        lake: node.lake().await?,
        enrichment: Enrichment::default(),
        rows: Arc::new(Kept(catalog.tail().clone())),
    };
    let config = node.settings.sections.transformer.clone();
    Ok(transformer::tail::run(config, components, shutdown))
}

/// Lets the tail and the batches of one process share `sink.max_memory`: the tail's part is what
/// `catalog.tail_memory` says, and at most two thirds.
pub(crate) fn share(sections: &mut Sections) {
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
