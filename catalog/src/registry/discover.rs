//! What the lake holds that is not registered: list it, read its footers, follow its chains.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use sink::{ColumnSet, Footer, Lake, Ledger, ObjectName};

use crate::error::Error;
use crate::registry::state::{CrawlState, Discovered, HASH_MISMATCH};

/// How many footers are read at once.
const CONCURRENT_FOOTERS: usize = 16;

/// A crawler for a fold of the lake that is kept elsewhere than in the catalog's tables.
#[derive(Debug)]
pub struct Crawler {
    lake: Lake,
    state: CrawlState,
    /// True if the next run begins the fold anew.
    rebuild: bool,
}

/// What a run adds to the fold.
#[derive(Debug)]
pub struct NewObjects {
    /// True if the fold is to be built anew, from these objects.
    pub rebuild: bool,
    /// Objects, in the order of their partitions' chains.
    pub objects: Vec<(ObjectName, Footer)>,
}

impl Crawler {
    /// A crawler that continues after a fold of these objects.
    #[must_use]
    pub fn new(lake: Lake, registered: impl IntoIterator<Item = (ObjectName, Footer)>) -> Self {
        let mut registered: Vec<_> = registered.into_iter().collect();
        // By their chains, not by their names: hours may go back.
        registered.sort_unstable_by_key(|(name, _)| (name.partition, name.first));
        let mut state = CrawlState::default();
        for (name, footer) in registered {
            state.topic = Some(footer.topic.to_string());
            state.register(&name, &footer);
        }
        Self {
            lake,
            state,
            rebuild: false,
        }
    }

    /// One run. What it returns counts as registered. `full` lists the whole lake, not only its
    /// newest hours.
    ///
    /// # Errors
    /// The lake's; then nothing is registered.
    pub async fn run(&mut self, full: bool) -> Result<NewObjects, Error> {
        let mut objects = Vec::new();
        let Some(ledger) = self.lake.ledger().await? else {
            let rebuild = false;
            return Ok(NewObjects { rebuild, objects });
        };
        if self.state.outdated(&ledger).is_some() {
            self.state = CrawlState::default();
            self.rebuild = true;
        }
        let full = full || self.state.ends.is_empty();
        self.state.discover(&self.lake, &ledger, full).await?;
        self.state.pass(&ledger);
        for object in self.state.chain(&ledger) {
            self.state.register(&object.name, &object.footer);
            objects.push((object.name, object.footer));
        }
        self.state.belongs_to(&ledger);
        let rebuild = std::mem::take(&mut self.rebuild);
        Ok(NewObjects { rebuild, objects })
    }
}

/// The names in the lake that are not registered.
#[derive(Debug, Default)]
pub(crate) struct Unregistered {
    /// Names of objects.
    pub(crate) found: BTreeSet<ObjectName>,
    /// Files that are not named like an object.
    pub(crate) foreign: Vec<String>,
}

/// A new object, whose footer is to be read.
struct Unread {
    name: ObjectName,
    bytes: u64,
    /// True if it was refused before.
    again: bool,
}

impl CrawlState {
    /// Lists the lake and reads the footers of new objects. Each of them is then among the held or
    /// the refused ones.
    pub(crate) async fn discover(
        &mut self,
        lake: &Lake,
        ledger: &Ledger,
        full: bool,
    ) -> Result<Unregistered, Error> {
        let files = self.files(lake, full).await?;
        let (mut listed, unread) = self.sort_out(files, ledger, full);
        // Each is a task of its own, since parsing a footer takes longer than fetching it.
        let mut footers = stream::iter(unread)
            .map(|object| {
                let lake = lake.clone();
                tokio::spawn(async move {
                    let read = read_footer(&lake, &object).await;
                    (object, read)
                })
            })
            .buffer_unordered(CONCURRENT_FOOTERS);
        while let Some(read) = footers.next().await {
            let (Unread { name, bytes, .. }, read) = read.expect("reading a footer does not panic");
            match read {
                Ok(Some((footer, columns))) => self.hold(
                    Discovered {
                        name,
                        bytes,
                        footer,
                        current: columns == ColumnSet::Current,
                    },
                    ledger,
                ),
                // It was deleted after it was listed.
                Ok(None) => drop(listed.found.remove(&name)),
                Err(sink::Error::Damaged { detail, .. } | sink::Error::Unfit(detail)) => {
                    self.refused.insert(name, (bytes, detail));
                }
                Err(sink::Error::InTheWay(obstacle)) => {
                    self.refused.insert(name, (bytes, obstacle.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(listed)
    }

    /// The lake's files, or those of its newest hours, with their sizes.
    async fn files(&self, lake: &Lake, full: bool) -> Result<Vec<(String, u64)>, Error> {
        let Some(since) = self.since().filter(|_| !full) else {
            return Ok(lake.files(None).await?);
        };
        let mut files = Vec::new();
        for hour in lake.hours_since(Some(since)).await? {
            files.extend(lake.files(Some(hour)).await?);
        }
        Ok(files)
    }

    /// Which files are not registered, and of which the footer is to be read. A refused object is
    /// read again when its size has changed, and by a full run.
    fn sort_out(
        &mut self,
        files: Vec<(String, u64)>,
        ledger: &Ledger,
        full: bool,
    ) -> (Unregistered, Vec<Unread>) {
        let (mut listed, mut unread) = (Unregistered::default(), Vec::new());
        for (path, bytes) in files {
            let Some(name) = ObjectName::parse(&path) else {
                listed.foreign.push(path);
                continue;
            };
            // What a swap has replaced stays for a while, and a commit may come too late.
            let covered = ledger.coverage.holding(name.partition, name.first);
            if covered.is_some() || self.known.contains(&name) {
                continue;
            }
            listed.found.insert(name);
            let refused = self.refused.get(&name);
            let unchanged = refused.is_some_and(|(size, _)| *size == bytes);
            if !self.held.contains_key(&name) && (full || !unchanged) {
                let again = self.refused.remove(&name).is_some();
                unread.push(Unread { name, bytes, again });
            }
        }
        (listed, unread)
    }

    /// Holds an object until it continues its partition; refuses another topic's.
    fn hold(&mut self, object: Discovered, ledger: &Ledger) {
        if object.footer.topic == ledger.topic {
            self.held.insert(object.name, object);
        } else {
            let why = format!("it belongs to topic {}", object.footer.topic);
            self.refused.insert(object.name, (object.bytes, why));
        }
    }
}

/// Reads an object's footer, and which columns it has.
/// An object that was refused before is read whole: its footer may be sound and its rows damaged.
async fn read_footer(
    lake: &Lake,
    object: &Unread,
) -> Result<Option<(Footer, ColumnSet)>, sink::Error> {
    let path = object.name.path();
    if object.again && !lake.intact(path.as_ref()).await? {
        return Err(sink::Error::Damaged {
            path: path.to_string(),
            detail: HASH_MISMATCH.to_owned(),
        });
    }
    lake.described(&object.name).await
}
