//! Which commits count: those that continue one another, and that neither a gap nor a swap takes.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use topic::{Offset, Partition};

use crate::object::names::CLICKS;
use crate::object::read::ColumnSet;
use crate::{Error, Footer, Hour, Lake, Ledger, ObjectName};

/// How many footers are read at once.
const CONCURRENT_FOOTERS: usize = 16;

/// A commit that counts.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) name: ObjectName,
    pub(crate) bytes: u64,
    pub(crate) footer: Footer,
}

impl Lake {
    /// The commits of these names, with their sizes, by partition, in no order.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn commit_names(
        &self,
        wanted: impl Fn(&ObjectName) -> bool,
    ) -> Result<BTreeMap<Partition, Vec<(ObjectName, u64)>>, Error> {
        let mut named: BTreeMap<Partition, Vec<(ObjectName, u64)>> = BTreeMap::new();
        let mut listed = self.store().list(Some(&Path::from(CLICKS)));
        while let Some(meta) = listed.try_next().await? {
            if let Some(name) = ObjectName::parse(meta.location.as_ref()).filter(&wanted) {
                named
                    .entry(name.partition)
                    .or_default()
                    .push((name, meta.size));
            }
        }
        Ok(named)
    }

    /// Of the objects of one partition, given with their sizes, those that count: see
    /// [`Chain::read`].
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn chained(
        &self,
        ledger: &Ledger,
        names: Vec<(ObjectName, u64)>,
        left: &mut Vec<String>,
    ) -> Result<Vec<Commit>, Error> {
        let (mut all, mut chain) = (Vec::new(), Chain::of(names));
        let take = |commit| {
            all.push(commit);
            true
        };
        chain.read(self, ledger, Hour(i64::MAX), left, take).await?;
        Ok(all)
    }
}

/// The objects of one partition, whose footers are read one after another, as far as somebody asks.
#[derive(Debug)]
pub(crate) struct Chain {
    /// In their order, each with its size, and with the earliest hour of it and of all behind it.
    names: Vec<(ObjectName, u64, Hour)>,
    next: usize,
    /// Where the commit that was read last ends; `None` if none was read.
    at: Option<Offset>,
}

impl Chain {
    pub(crate) fn of(mut names: Vec<(ObjectName, u64)>) -> Self {
        names.sort_unstable_by_key(|(name, _)| name.first);
        let mut earliest = Hour(i64::MAX);
        let mut chain: Vec<(ObjectName, u64, Hour)> = Vec::with_capacity(names.len());
        for (name, bytes) in names.into_iter().rev() {
            earliest = earliest.min(name.hour);
            chain.push((name, bytes, earliest));
        }
        chain.reverse();
        Self {
            names: chain,
            next: 0,
            at: None,
        }
    }

    /// Gives `take` those that count, in their order, until it returns false or all of that hour and
    /// of earlier ones were read. It ends at the first that cannot be read or does not continue the one
    /// before it; `left` gets why. An object of a newer clickweir counts and is not given.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read(
        &mut self,
        lake: &Lake,
        ledger: &Ledger,
        last: Hour,
        left: &mut Vec<String>,
        mut take: impl FnMut(Commit) -> bool,
    ) -> Result<(), Error> {
        let rest = self.names[self.next..].iter().copied();
        let rest = rest.take_while(|(.., earliest)| *earliest <= last);
        let footers = stream::iter(rest).map(|(name, bytes, _)| async move {
            // What is given up counts for nothing, and may be gone.
            if ledger.gives_up(name.partition, name.first) {
                return Ok((name, bytes, None));
            }
            let described = match lake.described(&name).await {
                Ok(described) => Ok(described),
                Err(Error::Damaged { detail, .. } | Error::Unfit(detail)) => Err(detail),
                Err(error) => return Err(error),
            };
            Ok::<_, Error>((name, bytes, Some(described)))
        });
        let mut footers = footers.buffered(CONCURRENT_FOOTERS);
        while let Some((name, bytes, described)) = footers.try_next().await? {
            self.next += 1;
            let Some(described) = described else {
                continue;
            };
            let expected = self.at.unwrap_or_else(|| ledger.first(name.partition));
            let expected = ledger.past(name.partition, expected);
            let why = match described {
                Ok(None) => "it was deleted meanwhile: somebody else is at work".into(),
                Ok(Some((footer, _))) if footer.topic != ledger.topic => {
                    "it is of another topic".into()
                }
                // What nothing reaches counts for nothing.
                Ok(Some((footer, _))) if footer.first < expected => continue,
                Ok(Some((footer, _))) if footer.first > expected => {
                    format!("the objects from {expected} on are missing before it")
                }
                Ok(Some((footer, columns))) => {
                    self.at = Some(footer.end);
                    if columns == ColumnSet::Other {
                        left.push(format!("{name}: a newer clickweir wrote it"));
                    } else if !take(Commit {
                        name,
                        bytes,
                        footer,
                    }) {
                        break;
                    }
                    continue;
                }
                Err(detail) => detail,
            };
            // What is behind it in the partition waits.
            left.push(format!("{name}: {why}"));
            drop(footers);
            self.names.truncate(self.next);
            break;
        }
        Ok(())
    }
}
