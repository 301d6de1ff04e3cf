//! Maps by partition, as the entries of the ledger have them.

use std::collections::BTreeMap;

use serde::Deserialize;
use topic::Partition;

/// JSON's keys are texts, and serde does not read them as numbers in a tagged enum.
pub(crate) fn by_partition<'de, D, V>(deserializer: D) -> Result<BTreeMap<Partition, V>, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Deserialize<'de>,
{
    let texts = BTreeMap::<String, V>::deserialize(deserializer)?;
    let parsed = texts.into_iter().map(|(key, value)| {
        let partition = key.parse().map_err(serde::de::Error::custom)?;
        Ok((Partition(partition), value))
    });
    parsed.collect()
}
