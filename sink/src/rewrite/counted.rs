//! Which commits count: those that continue one another, and that neither a gap nor a swap takes.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use topic::{Offset, Partition};

use crate::{Error, Footer, Lake, Ledger, ObjectName};

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
        for (path, bytes) in self.files(None).await? {
            if let Some(name) = ObjectName::parse(&path).filter(&wanted) {
                named.entry(name.partition).or_default().push((name, bytes));
            }
        }
        Ok(named)
    }

    /// Of the objects of one partition, given with their sizes, those that count, in their order. It
    /// ends at the first that cannot be read or does not continue the one before it; `left` gets
    /// why. An object of another version of clickweir counts and is not returned.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn chained(
        &self,
        ledger: &Ledger,
        mut names: Vec<(ObjectName, u64)>,
        left: &mut Vec<String>,
    ) -> Result<Vec<Commit>, Error> {
        names.retain(|(name, _)| !ledger.gives_up(name.partition, name.first));
        names.sort_unstable_by_key(|(name, _)| name.first);
        let footers = stream::iter(names).map(|(name, bytes)| async move {
            let described = match self.described(&name).await {
                Ok(described) => Ok(described),
                Err(Error::Damaged { detail, .. } | Error::Unfit(detail)) => Err(detail),
                Err(error) => return Err(error),
            };
            Ok::<_, Error>((name, bytes, described))
        });
        let mut footers = footers.buffered(CONCURRENT_FOOTERS);
        let mut chain: Vec<Commit> = Vec::new();
        let mut at: Option<Offset> = None;
        while let Some((name, bytes, described)) = footers.try_next().await? {
            let expected = at.unwrap_or_else(|| ledger.first(name.partition));
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
                Ok(Some((footer, current))) => {
                    at = Some(footer.end);
                    if current {
                        chain.push(Commit {
                            name,
                            bytes,
                            footer,
                        });
                    } else {
                        left.push(format!("{name}: another version of clickweir wrote it"));
                    }
                    continue;
                }
                Err(detail) => detail,
            };
            // What is behind it in the partition waits.
            left.push(format!("{name}: {why}"));
            break;
        }
        Ok(chain)
    }
}
