//! What the lake holds that is not registered: listed, its footers read, its chains followed.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use sink::{Footer, Lake, Ledger, ObjectName};

use crate::error::Error;
use crate::registry::state::{CHANGED, Marks, Seen};

/// How many footers are read at once.
const FOOTERS: usize = 16;

/// The crawler for those who keep the fold of the lake elsewhere than in the catalog's tables.
#[derive(Debug)]
pub struct Crawler {
    lake: Lake,
    marks: Marks,
    /// Whether the next run's fold begins anew.
    afresh: bool,
}

/// What a run adds to the fold.
#[derive(Debug)]
pub struct Found {
    /// Whether the fold is to be built anew, of these objects.
    pub afresh: bool,
    /// Objects, in the order of their partitions' chains.
    pub objects: Vec<(ObjectName, Footer)>,
}

impl Crawler {
    /// A crawler that takes up where a fold of these objects ended.
    #[must_use]
    pub fn new(lake: Lake, registered: impl IntoIterator<Item = (ObjectName, Footer)>) -> Self {
        let mut registered: Vec<_> = registered.into_iter().collect();
        // By their chains, not by their names: hours may step back.
        registered.sort_unstable_by_key(|(name, _)| (name.partition, name.first));
        let mut marks = Marks::default();
        for (name, footer) in registered {
            marks.topic = Some(footer.topic.to_string());
            marks.register(&name, &footer);
        }
        Self {
            lake,
            marks,
            afresh: false,
        }
    }

    /// One run: what it gives is registered. `full` looks at the whole lake, else at its newest
    /// hours.
    ///
    /// # Errors
    /// The lake's; then nothing is registered.
    pub async fn run(&mut self, full: bool) -> Result<Found, Error> {
        let mut objects = Vec::new();
        let Some(ledger) = self.lake.ledger().await? else {
            let afresh = false;
            return Ok(Found { afresh, objects });
        };
        if self.marks.outdated(&ledger).is_some() {
            self.marks = Marks::default();
            self.afresh = true;
        }
        let full = full || self.marks.ends.is_empty();
        self.marks.discover(&self.lake, &ledger, full).await?;
        self.marks.pass_gaps(&ledger);
        for seen in self.marks.chain(&ledger) {
            self.marks.register(&seen.name, &seen.footer);
            objects.push((seen.name, seen.footer));
        }
        self.marks.topic = Some(ledger.topic.to_string());
        let afresh = std::mem::take(&mut self.afresh);
        Ok(Found { afresh, objects })
    }
}

/// What a list showed that is not registered.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) found: BTreeSet<ObjectName>,
    pub(crate) foreign: Vec<String>,
}

impl Marks {
    /// Lists, and reads the footer of what is new. What was found stands in `held` or
    /// `refused` afterwards.
    pub(crate) async fn discover(
        &mut self,
        lake: &Lake,
        ledger: &Ledger,
        full: bool,
    ) -> Result<Listed, Error> {
        let mut listed = Listed::default();
        let mut files = Vec::new();
        match self.since().filter(|_| !full) {
            None => files = lake.files(None).await?,
            since => {
                for hour in lake.hours_since(since).await? {
                    files.extend(lake.files(Some(hour)).await?);
                }
            }
        }
        let mut fresh = Vec::new();
        for (path, bytes) in files {
            let Some(name) = ObjectName::parse(&path) else {
                listed.foreign.push(path);
                continue;
            };
            if self.known.contains(&name) {
                continue;
            }
            listed.found.insert(name);
            // What was refused is looked at again when it has changed, and by a full pass.
            let same = self
                .refused
                .get(&name)
                .is_some_and(|(size, _)| *size == bytes);
            if !self.held.contains_key(&name) && (full || !same) {
                let again = self.refused.remove(&name).is_some();
                fresh.push((name, bytes, again));
            }
        }
        // Each is a task of its own, since to parse one takes longer than to fetch it.
        let mut footers = stream::iter(fresh)
            .map(|(name, bytes, again)| {
                let lake = lake.clone();
                tokio::spawn(async move { (name, bytes, look(&lake, &name, again).await) })
            })
            .buffer_unordered(FOOTERS);
        while let Some(read) = footers.next().await {
            let (name, bytes, footer) = read.expect("to read a footer does not panic");
            match footer {
                Ok(Some((footer, current))) => match unfit(&footer, ledger) {
                    None => {
                        self.held.insert(
                            name,
                            Seen {
                                name,
                                bytes,
                                footer,
                                current,
                            },
                        );
                    }
                    Some(why) => drop(self.refused.insert(name, (bytes, why))),
                },
                // It was deleted after the list was made.
                Ok(None) => drop(listed.found.remove(&name)),
                Err(sink::Error::Damaged { detail, .. } | sink::Error::Unfit(detail)) => {
                    self.refused.insert(name, (bytes, detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(listed)
    }
}

/// An object's footer and whether its columns are those of now. One that was refused once is
/// looked at as a whole: its footer may be sound and its rows not.
async fn look(
    lake: &Lake,
    name: &ObjectName,
    again: bool,
) -> Result<Option<(Footer, bool)>, sink::Error> {
    let path = name.path();
    if again && !lake.intact(path.as_ref()).await? {
        return Err(sink::Error::Damaged {
            path: path.to_string(),
            detail: CHANGED.to_owned(),
        });
    }
    lake.described(name).await
}

fn unfit(footer: &Footer, ledger: &Ledger) -> Option<String> {
    (footer.topic != ledger.topic).then(|| format!("it is of topic {}", footer.topic))
}
