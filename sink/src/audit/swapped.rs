//! What swaps cover: their objects are read whole, and their rows compared with what the ledger
//! says of each range.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use topic::Partition;

use super::chain::Link;
use super::finding::Finding;
use super::inspect::heavy;
use super::listing::Listing;
use super::report::Audit;
use super::{Chains, READ_AHEAD_OBJECTS, Reference};
use crate::ledger::entry::path as entry_path;
use crate::object::contents::LetterRecord;
use crate::object::fetched::FetchedObject;
use crate::object::swapped::RangeSums;
use crate::{Covered, Error, Lake, SwapLetters};

/// What to do about an object that is not as it was written.
const PUT_BACK: &str = "`clickweir repair` rebuilds it from the topic, if that still holds its \
                        records; or put it back from a copy";
/// … and about an entry that does not say what its objects, whose hashes fit, hold.
const LEDGER_BACK: &str = "put the ledger back from a copy";

impl Audit {
    /// Adds up what swaps cover: the ranges take their places in the chains of their partitions.
    pub(super) async fn swapped(
        &mut self,
        lake: &Lake,
        reference: &Reference<'_>,
        chains: &mut Chains,
    ) -> Result<(), Error> {
        let coverage = &reference.ledger.coverage;
        let mut sums = RangeSums::of(
            coverage
                .ranges()
                .map(|Covered { range, .. }| ((range.partition, range.first), range.end)),
        );
        let paths = coverage.objects().map(|object| object.path().to_string());
        let paths: Vec<String> = paths.collect();
        let reading = stream::iter(paths.into_iter().map(|path| async move {
            let read = whole(lake, &path).await?;
            Ok::<_, Error>((path, read))
        }));
        // As they come: one that was read keeps others from being read until it is added.
        let mut reading = reading.buffer_unordered(READ_AHEAD_OBJECTS);
        let mut damaged = BTreeMap::new();
        while let Some((path, read)) = reading.try_next().await? {
            self.objects += 1;
            let added = match read {
                Ok(fetched) => {
                    let mut adding = sums.clone();
                    let added = heavy(move || {
                        adding.add_object(fetched)?;
                        Ok(adding)
                    });
                    added.await?
                }
                Err(why) => Err(why),
            };
            match added {
                Ok(added) => sums = added,
                Err(why) => {
                    damaged.insert(path, why);
                }
            }
        }
        let findings = damaged.iter();
        let findings =
            findings.map(|(path, why)| Finding::new(why.as_str(), PUT_BACK).object(path));
        self.findings.extend(findings);
        if let Some((partition, offset)) = sums.stray() {
            let what = "an object of a swap holds this row, and no swap covers it";
            let finding = Finding::new(what, LEDGER_BACK);
            self.findings
                .push(finding.range(partition, offset, offset.next()));
        }
        let has_damaged = |number| {
            let objects = coverage.parts(number).objects;
            let mut paths = objects.iter().map(|object| object.path());
            paths.any(|path| damaged.contains_key(path.as_ref()))
        };
        for covered in coverage.ranges() {
            let mend = match !damaged.is_empty() && has_damaged(covered.number) {
                true => PUT_BACK,
                false => LEDGER_BACK,
            };
            let link = self.covered(covered, &sums, mend);
            let chain = chains.entry(covered.range.partition).or_default();
            chain.push(link);
        }
        for chain in chains.values_mut() {
            chain.sort_by_key(|link| link.first);
        }
        self.letters_of_swaps(lake, reference).await?;
        if let Some(listing) = reference.catalog {
            self.compare_swapped(listing, reference);
        }
        Ok(())
    }

    /// The range of a swap, whose rows should be those that the ledger says; `mend` says what to do if
    /// they are not.
    fn covered(&mut self, covered: &Covered, sums: &RangeSums, mend: &'static str) -> Link {
        let (range, path) = (&covered.range, entry_path(covered.number).to_string());
        let (digest, rows) = sums.sum(range.partition, range.first);
        let counted = range.counts.counts.rows + range.counts.mended;
        let sound = digest == range.digest && rows == counted;
        if !sound {
            let what = match rows == counted {
                true => "its rows are not those that its swap has proved".to_owned(),
                false => format!("its swap counts {counted} rows, its objects hold {rows}"),
            };
            let finding = Finding::new(what, mend).object(&path);
            self.findings
                .push(finding.range(range.partition, range.first, range.end));
        }
        Link::covered(path, range, sound)
    }

    /// The dead letters that swaps name: whole, and as many as their ranges count.
    async fn letters_of_swaps(
        &mut self,
        lake: &Lake,
        reference: &Reference<'_>,
    ) -> Result<(), Error> {
        let coverage = &reference.ledger.coverage;
        let mut counted: BTreeMap<Partition, (u64, u64)> = BTreeMap::new();
        for covered in coverage.ranges() {
            let count = counted.entry(covered.range.partition).or_default();
            count.0 += covered.range.counts.counts.dead_letters;
        }
        for letters in coverage.letters() {
            counted.entry(letters.partition).or_default().1 += letters.dead_letters;
            if let Some(why) = unsound(lake, letters).await? {
                self.findings
                    .push(Finding::new(why, PUT_BACK).object(&letters.path));
            }
        }
        for (partition, (ranges, named)) in counted {
            if ranges != named {
                let what = format!(
                    "partition {partition}: its swaps count {ranges} dead letters, the objects \
                     that they name hold {named}"
                );
                self.findings.push(Finding::new(what, LEDGER_BACK));
            }
        }
        Ok(())
    }

    /// The objects of swaps that the catalog lists should be those of the ledger.
    fn compare_swapped(&mut self, listing: &Listing, reference: &Reference<'_>) {
        let coverage = &reference.ledger.coverage;
        // A catalog that has not read the newest swaps lists what they replaced.
        if listing.swaps != coverage.swaps() {
            return;
        }
        let mend = "delete the catalog's file (catalog.path) and start again: it is rebuilt from \
                    the lake";
        let mut listed = listing.swapped.clone();
        for object in coverage.objects() {
            let path = object.path().to_string();
            let what = match listed.remove(&path) {
                Some(bytes) if bytes == object.bytes => continue,
                Some(bytes) => format!("the catalog lists {bytes} bytes, it has {}", object.bytes),
                None => "it counts, and the catalog does not list it".to_owned(),
            };
            self.findings.push(Finding::new(what, mend).object(path));
        }
        for path in listed.into_keys() {
            let what = "the catalog lists it, and the ledger does not";
            self.findings.push(Finding::new(what, mend).object(path));
        }
    }
}

/// An object of a swap, whose bytes are those that were written; `Err` says what is wrong.
async fn whole(lake: &Lake, path: &str) -> Result<Result<FetchedObject, String>, Error> {
    match lake.fetched(path).await {
        Ok(Some(fetched)) => Ok(Ok(fetched)),
        Ok(None) => Ok(Err("a swap names it, and it is not there".to_owned())),
        Err(Error::Damaged { detail, .. }) => Ok(Err(format!("it is damaged: {detail}"))),
        Err(error) => Err(error),
    }
}

/// What is wrong with an object of dead letters. `None` if nothing is.
async fn unsound(lake: &Lake, letters: &SwapLetters) -> Result<Option<String>, Error> {
    let fetched = match whole(lake, &letters.path).await? {
        Ok(fetched) => fetched,
        Err(why) => return Ok(Some(why)),
    };
    let counted = letters.dead_letters;
    Ok(
        match heavy(move || LetterRecord::read_all(fetched)).await? {
            Ok(there) if there.len() as u64 == counted => None,
            Ok(there) => Some(format!(
                "its swap counts {counted} dead letters, it holds {}",
                there.len()
            )),
            Err(why) => Some(format!("it cannot be read: {why}")),
        },
    )
}
