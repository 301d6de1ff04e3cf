//! The records that a condition found: an object of the live lake that lists their offsets.

use std::collections::BTreeMap;

use object_store::path::Path;
use sha2::{Digest, Sha256};
use topic::{Offset, Partition};

use crate::ledger::forget::{ForgottenRecords, SubjectHash};
use crate::object::names::{DIGEST_DIGITS, LEDGER};
use crate::{Error, Lake};

/// How the names of lists begin, in the ledger's folder.
pub(crate) const RECORDS: &str = "records-";
/// The largest list that is read, some thirty million records.
const MAX_LIST_BYTES: u64 = 512 << 20;

/// Records by their places: the offsets of each partition, in order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordList(BTreeMap<Partition, Vec<Offset>>);

impl RecordList {
    /// Returns true if it lists that record.
    #[must_use]
    pub fn holds(&self, partition: Partition, offset: Offset) -> bool {
        let offsets = self.0.get(&partition);
        offsets.is_some_and(|offsets| offsets.binary_search(&offset).is_ok())
    }

    /// How many records it lists.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.values().map(|offsets| offsets.len() as u64).sum()
    }

    /// Returns true if it lists none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves out what is at these ends or beyond.
    pub fn cut(&mut self, ends: &BTreeMap<Partition, Offset>) {
        for (partition, offsets) in &mut self.0 {
            let end = ends.get(partition).copied().unwrap_or_default();
            offsets.retain(|at| *at < end);
        }
        self.0.retain(|_, offsets| !offsets.is_empty());
    }

    pub(super) fn of(&self, partition: Partition) -> &[Offset] {
        self.0.get(&partition).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<(Partition, Offset)> for RecordList {
    fn from_iter<I: IntoIterator<Item = (Partition, Offset)>>(records: I) -> Self {
        let mut list: BTreeMap<Partition, Vec<Offset>> = BTreeMap::new();
        for (partition, offset) in records {
            list.entry(partition).or_default().push(offset);
        }
        for offsets in list.values_mut() {
            offsets.sort_unstable();
            offsets.dedup();
        }
        Self(list)
    }
}

impl Lake {
    /// Stores a list beside the ledger, so that an entry can name it.
    ///
    /// # Errors
    /// The store's.
    pub async fn store_records(
        &self,
        list: &RecordList,
        condition: SubjectHash,
    ) -> Result<ForgottenRecords, Error> {
        let json = serde_json::to_vec(&list.0).expect("a list is plain numbers");
        let digest = format!("{:x}", Sha256::digest(&json));
        let path = format!("{LEDGER}/{RECORDS}{}.json", &digest[..DIGEST_DIGITS]);
        // Its name holds the hash of its content, so what is there already is the same.
        self.create(&Path::from(path.as_str()), json.into()).await?;
        let records = list.len();
        Ok(ForgottenRecords {
            path,
            records,
            condition,
        })
    }

    /// The list that an entry names.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not there or cannot be read, else the store's.
    pub async fn stored_records(&self, named: &ForgottenRecords) -> Result<RecordList, Error> {
        let damaged = |detail: String| Error::Damaged {
            path: named.path.clone(),
            detail: format!("{detail}; put it back from a copy"),
        };
        let path = Path::from(named.path.as_str());
        let bytes = self.read_if_there(&path, MAX_LIST_BYTES).await?;
        let bytes = bytes.ok_or_else(|| damaged("it is not there".to_owned()))?;
        let list: BTreeMap<Partition, Vec<Offset>> =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let list = Self::listed_records(list);
        match list.len() == named.records {
            true => Ok(list),
            false => Err(damaged(format!(
                "it lists {} records, its entry says {}",
                list.len(),
                named.records
            ))),
        }
    }

    fn listed_records(list: BTreeMap<Partition, Vec<Offset>>) -> RecordList {
        let each = list.into_iter();
        each.flat_map(|(of, offsets)| offsets.into_iter().map(move |at| (of, at)))
            .collect()
    }
}
