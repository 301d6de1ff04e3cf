//! The arithmetic audit: is every acknowledged click in the lake, once?
//!
//! Watermarks come from the topic, the list of registered objects from the catalog, the rule of
//! the window from the transformer; all are handed in. The lake is read object by
//! object, in the order of each partition's offsets: bytes against hashes, names and rows against
//! footers, ids against the ids shortly before. A few objects and one partition's window are in
//! memory at a time.

mod chain;
mod finding;
mod ids;
mod inspect;
mod listing;
mod report;
mod swapped;

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use topic::{Partition, Watermarks};

use self::chain::Link;
use self::ids::{Ids, Judged};
use self::inspect::{Inspected, heavy};
use crate::{Error, Lake, Ledger, ObjectName};

pub use self::finding::{Finding, restore};
pub use self::ids::{RecentIds, Twin, WindowRule};
pub use self::listing::{ListedObject, Listing};
pub use self::report::Audit;

/// How many objects are read ahead.
const READ_AHEAD_OBJECTS: usize = 3;

/// How many files with other names than objects have are named.
const MAX_NAMED_FILES: usize = 100;

/// What the audit compares the lake with.
#[derive(Debug, Clone)]
pub struct Reference<'a> {
    /// The lake's ledger.
    pub ledger: &'a Ledger,
    /// What the topic holds, asked after [`Survey::of`]: what is appended later is pending.
    pub watermarks: &'a BTreeMap<Partition, Watermarks>,
    /// What the catalog lists, asked before [`Survey::of`]; `None` without a catalog. What is
    /// committed later may be missing there.
    pub catalog: Option<&'a Listing>,
    /// The rule of duplicates; `None` if it is not known.
    pub window: Option<WindowRule>,
}

/// What is in the lake's folder of click objects at one moment.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The objects and their sizes in bytes.
    objects: BTreeMap<ObjectName, u64>,
    /// Files whose names are not those of objects.
    foreign: BTreeSet<String>,
}

impl Survey {
    /// Lists the lake.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(lake: &Lake) -> Result<Self, Error> {
        let mut survey = Self::default();
        for (path, bytes) in lake.files(None).await? {
            match ObjectName::parse(&path).filter(|name| name.to_string() == path) {
                Some(name) => drop(survey.objects.insert(name, bytes)),
                None => drop(survey.foreign.insert(path)),
            }
        }
        Ok(survey)
    }

    /// The objects' names, by partition and first.
    #[must_use]
    pub fn names(&self) -> Vec<ObjectName> {
        sorted(self.objects.keys().copied())
    }
}

/// The objects of each partition, in the order of their firsts.
type Chains = BTreeMap<Partition, Vec<Link>>;

fn sorted(names: impl Iterator<Item = ObjectName>) -> Vec<ObjectName> {
    let mut names: Vec<ObjectName> = names.collect();
    names.sort_unstable_by_key(|name| (name.partition, name.first, name.hour));
    names.dedup();
    names
}

/// Audits the surveyed objects, and those that only the catalog lists, so that a missing object
/// is found. `progress` gets the number of objects so far,
/// and of all.
///
/// # Errors
/// The store's. What is wrong with the lake is no error but a finding.
pub async fn audit(
    lake: &Lake,
    survey: &Survey,
    reference: &Reference<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Audit, Error> {
    let mut audit = Audit::default();
    audit.foreign(survey);
    // What came after its offsets were given up counts for nothing, and so does what was replaced.
    let ledger = reference.ledger;
    let mut listed = listed(reference);
    listed.retain(|name, _| !ledger.gives_up(name.partition, name.first));
    let mut objects = survey.objects.clone();
    objects.retain(|name, _| !ledger.gives_up(name.partition, name.first));
    let names = sorted(objects.keys().chain(listed.keys()).copied());
    audit.objects = names.len() as u64;
    let reading = stream::iter(names.into_iter().map(|name| async move {
        let found = lake.inspect(name, &ledger.topic).await?;
        Ok::<_, Error>((name, found))
    }));
    let mut reading = reading.buffered(READ_AHEAD_OBJECTS);
    let mut ids = reference.window.clone().map(Ids::new);
    let mut chains = Chains::new();
    let mut reached = ledger.firsts.clone();
    let mut done = 0;
    while let Some((name, mut found)) = reading.try_next().await? {
        done += 1;
        progress(done, audit.objects);
        let at = reached.entry(name.partition).or_default();
        *at = ledger.past(name.partition, *at);
        let footer = found.as_ref().and_then(|found| found.footer.as_ref());
        if footer.is_some_and(|footer| !ledger.counts(footer, *at)) {
            objects.remove(&name);
            continue;
        }
        if let Some(found) = &mut found
            && let Some(known) = ids.take()
        {
            ids = Some(audit.judge(name, found, known).await?);
        }
        let link = audit.object(name, found, listed.get(&name).copied(), reference);
        *at = link.as_ref().map_or(*at, |link| link.end.max(*at));
        chains.entry(name.partition).or_default().extend(link);
    }
    audit.swapped(lake, reference, &mut chains).await?;
    audit.partitions(reference, chains);
    if let Some(catalog) = reference.catalog {
        audit.compare(ledger, catalog, &objects);
    }
    Ok(audit)
}

/// The objects that the catalog lists, by name.
fn listed<'a>(reference: &Reference<'a>) -> BTreeMap<ObjectName, &'a ListedObject> {
    let objects = reference
        .catalog
        .iter()
        .flat_map(|catalog| &catalog.objects);
    objects
        .filter_map(|listed| Some((ObjectName::parse(&listed.path)?, listed)))
        .collect()
}

impl Audit {
    /// Files whose names are not those of objects.
    fn foreign(&mut self, survey: &Survey) {
        let mend = "move it out of the lake: clickweir did not write it, and no query reads it";
        for path in survey.foreign.iter().take(MAX_NAMED_FILES) {
            let finding = Finding::new("no object has such a name", mend);
            self.findings.push(finding.object(path));
        }
        let more = survey.foreign.len().saturating_sub(MAX_NAMED_FILES);
        if more > 0 {
            let what = format!("{more} more files have names that no object has");
            self.findings.push(Finding::new(what, mend));
        }
    }

    /// Adds every partition up; one that the topic does not have is another topic's.
    fn partitions(&mut self, reference: &Reference<'_>, mut chains: Chains) {
        for (partition, marks) in reference.watermarks {
            let chain = chains.remove(partition).unwrap_or_default();
            self.partition(reference.ledger, *partition, *marks, &chain);
        }
        for (partition, chain) in chains {
            for link in chain {
                let what = format!("the lake holds partition {partition}, the topic does not");
                let finding = Finding::new(what, "give this topic a lake.url of its own");
                self.findings.push(finding.object(link.path));
            }
        }
    }

    /// Compares an object's ids with those before them.
    async fn judge(
        &mut self,
        name: ObjectName,
        found: &mut Inspected,
        mut ids: Ids,
    ) -> Result<Ids, Error> {
        let Some(footer) = found.footer.clone() else {
            return Ok(ids);
        };
        let rows = std::mem::take(&mut found.rows);
        let judged;
        (ids, judged) = heavy(move || {
            let judged = ids.judge(name, &footer, &rows);
            (ids, judged)
        })
        .await?;
        match judged {
            Judged::Unknown => self.other_windows += 1,
            Judged::Repeated(rows, finding) => {
                self.repeated += rows;
                self.findings.extend(finding);
            }
        }
        Ok(ids)
    }

    /// Notes what is wrong with an object by itself. Returns its range; `None` if that is not known.
    fn object(
        &mut self,
        name: ObjectName,
        found: Option<Inspected>,
        listed: Option<&ListedObject>,
        reference: &Reference<'_>,
    ) -> Option<Link> {
        let (path, marks) = (name.to_string(), reference.watermarks.get(&name.partition));
        let known = listed.and_then(|listed| listed.footer.as_ref().ok());
        let Inspected {
            footer, mut faults, ..
        } = found.unwrap_or_else(Inspected::missing);
        let sound = faults.is_empty();
        if let (Some(footer), Some(listed), true) = (&footer, listed, sound) {
            self.findings.extend(listed.contradiction(footer));
        }
        let end = footer.as_ref().or(known).map(|footer| footer.end);
        for fault in faults.drain(..) {
            let back = || restore(name.first, marks).to_owned();
            let mut finding = Finding::new(fault.what, fault.mend.unwrap_or_else(back))
                .object(fault.object.unwrap_or_else(|| path.clone()));
            if let Some((first, end)) = fault.offsets.or(Some(name.first).zip(end)) {
                finding = finding.range(name.partition, first, end);
            }
            self.findings.push(finding);
        }
        match (&footer, known) {
            (Some(footer), _) => Some(Link::new(path, footer, sound)),
            (None, Some(known)) => Some(Link::stand_in(path, known)),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
