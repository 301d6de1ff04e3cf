//! The catalog's list of objects, compared with the lake.

use std::collections::BTreeMap;

use topic::{Offset, Partition};

use super::finding::Finding;
use super::report::Audit;
use crate::{Footer, Ledger, ObjectName};

/// What to do if the catalog and the lake disagree.
const REBUILD: &str = "end the process that owns the catalog, delete the catalog's file \
                       (catalog.path) and start again: it is rebuilt from the lake";

/// What the catalog lists.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<ListedObject>,
    /// How many swaps its tables show.
    pub swaps: u64,
    /// The objects of swaps, and their bytes, by path.
    pub swapped: BTreeMap<String, u64>,
    /// How far each partition is registered.
    pub ends: BTreeMap<Partition, Offset>,
}

/// An object as the catalog lists it.
#[derive(Debug, Clone)]
pub struct ListedObject {
    /// Its path in the lake.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What the catalog's columns say of it, or why they say nothing.
    pub footer: Result<Footer, String>,
}

impl Audit {
    /// Objects that the catalog should list and does not, and rows of it that name none; `lake`
    /// is what is there, and how large.
    pub(super) fn compare(
        &mut self,
        ledger: &Ledger,
        listing: &Listing,
        lake: &BTreeMap<ObjectName, u64>,
    ) {
        let mut listed = BTreeMap::new();
        for one in &listing.objects {
            match ObjectName::parse(&one.path) {
                Some(name) if ledger.gives_up(name.partition, name.first) => {}
                Some(name) => drop(listed.insert(name, one)),
                None => self.findings.push(
                    Finding::new(
                        "it is in the catalog, and no object has such a name",
                        REBUILD,
                    )
                    .object(&one.path),
                ),
            }
        }
        for (name, one) in &listed {
            let of = |what: String| Finding::new(what, REBUILD).object(&one.path);
            if let Err(why) = &one.footer {
                self.findings
                    .push(of(format!("the catalog's row of it: {why}")));
            }
            let size = lake.get(name).filter(|size| **size != one.bytes);
            if let Some(size) = size {
                let what = format!("the catalog lists {} bytes, it has {size}", one.bytes);
                self.findings.push(of(what));
            }
        }
        for name in lake.keys() {
            let end = listing
                .ends
                .get(&name.partition)
                .copied()
                .unwrap_or_default();
            if name.first < end && !listed.contains_key(name) {
                self.findings.push(
                    Finding::new(
                        format!(
                            "it is not in the catalog, which is registered up to {end} of \
                             partition {}",
                            name.partition
                        ),
                        format!(
                            "where another object holds its range too, delete it; else {REBUILD}"
                        ),
                    )
                    .object(name.to_string()),
                );
            }
        }
    }
}

impl ListedObject {
    /// The finding if the object's own footer says something else; `None` if they agree.
    pub(super) fn contradiction(&self, footer: &Footer) -> Option<Finding> {
        let differs = self.footer.as_ref().is_ok_and(|listed| listed != footer);
        differs.then(|| {
            Finding::new("the catalog says of it what its footer does not", REBUILD)
                .object(&self.path)
        })
    }
}
