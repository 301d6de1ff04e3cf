//! One run of the crawler: list the lake, read footers, register the objects that continue their
//! partitions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sink::{Ledger, Offset, Partition, Timestamp};
use tokio::time::Instant;

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::discover::Unregistered;
use crate::registry::load::load;
use crate::registry::register::{Registration, register};
use crate::registry::runs::Run;
use crate::registry::schema;
use crate::registry::state::{CrawlState, Discovered, HASH_MISMATCH, RegisteredEnd};
use crate::registry::writer::RegistryWriter;
use crate::tables::piece::fitting;

/// How many objects one transaction registers.
const TRANSACTION_OBJECTS: u64 = 10_000;
/// How many names a run's detail lists.
const MAX_DETAIL_NAMES: usize = 20;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawl {
    /// Objects that were listed and not registered yet.
    pub found: u64,
    /// Objects that this run registered.
    pub registered: u64,
    /// Objects that wait for the object before them.
    pub held: u64,
    /// Objects that are damaged, another topic's or out of place; they stay where they are.
    pub refused: u64,
    /// Files that are not named like an object.
    pub foreign: u64,
    /// True if this run exchanged objects as a swap of the ledger says.
    #[serde(default)]
    pub swapped: bool,
    /// Why the tables do not show all of the replays. `None` if they do.
    #[serde(default)]
    pub unshown: Option<String>,
    /// The held, refused and foreign names, and why.
    pub detail: String,
}

/// When a run began, by both clocks.
type Begun = (Timestamp, Instant);

impl RegistryWriter {
    /// Registers what the lake committed since the last run, in one transaction, or in several if
    /// it is much. `on_registered` gets the partitions' registered ends.
    pub(crate) async fn crawl(
        &self,
        full: bool,
        on_registered: impl FnOnce(BTreeMap<Partition, Offset>),
    ) -> Result<Crawl, Error> {
        let mut slot = self.state.lock().await;
        let begun = (self.clock.now(), Instant::now());
        let known = slot.take();
        let ledger = match known.as_ref().and_then(|state| state.ledger.clone()) {
            Some(read) => self.lake.follow(read).await?,
            None => self.lake.ledger().await?,
        };
        let Some(ledger) = ledger else {
            *slot = known;
            on_registered(BTreeMap::new());
            return Ok(Crawl::default());
        };
        let mut state = match known {
            Some(state) => state,
            None => self.read(|session| load(session, None)).await?,
        };
        if let Some(why) = state.outdated(&ledger) {
            tracing::warn!("{why}; the catalog is built anew");
            let wipe = |session: &mut Session| Ok(schema::wipe(&session.connection)?);
            self.write(wipe).await?;
            state = CrawlState::default();
        }
        let swapped = self.show_swaps(None, &self.lake, &mut state, &ledger);
        let swapped = swapped.await?;
        let read = state.ledger.as_ref().map(|read| read.next);
        let changed = full || read != Some(ledger.next);
        state.ledger = Some(ledger.clone());
        // If anything below fails, the next run reads the state from the database again.
        let mut run = self.register_new(&mut state, &ledger, full, begun).await?;
        run.swapped = swapped;
        on_registered(state.registered(&ledger));
        match self.follow_replays(&mut state, &ledger, changed).await {
            Ok(()) => *slot = Some(state),
            // The live rows are registered whatever a replay is like.
            Err(error) => {
                tracing::error!(%error, "the replays cannot be followed");
                run.unshown = Some(error.to_string());
            }
        }
        Ok(run)
    }

    /// Discovers objects and registers those that continue their partitions.
    async fn register_new(
        &self,
        state: &mut CrawlState,
        ledger: &Ledger,
        full: bool,
        begun: Begun,
    ) -> Result<Crawl, Error> {
        let full = full || state.ends.is_empty();
        let listed = state.discover(&self.lake, ledger, full).await?;
        let moved = state.pass(ledger);
        let mut registered = 0;
        loop {
            let chain = state.chain(ledger);
            let crawl = listed.summary(state, registered + chain.len());
            let run = run(&crawl, full, begun.0);
            let done = self.register_chain(state, ledger, chain, &moved, (run, begun.1));
            let done = done.await?;
            registered += done.registered;
            // Without the damaged objects, the chain ends earlier.
            if done.whole {
                return Ok(crawl);
            }
        }
    }

    /// Registers a chain in transactions of at most [`TRANSACTION_OBJECTS`]. If one of them fails,
    /// the objects that are damaged are refused and the others are held again.
    async fn register_chain(
        &self,
        state: &mut CrawlState,
        ledger: &Ledger,
        mut chain: Vec<Discovered>,
        moved: &[(Partition, RegisteredEnd)],
        run: (Run, Instant),
    ) -> Result<Chained, Error> {
        let (mut registered, of) = (0, chain.len());
        loop {
            let rest = chain.split_off(fitting(&chain, TRANSACTION_OBJECTS, |_| 1));
            let last = rest.is_empty();
            let registration = Registration {
                replay: None,
                ledger: ledger.clone(),
                objects: chain.clone(),
                moved: moved.to_owned(),
                location: self.lake.location().clone(),
                fold_rows: self.fold_rows,
                run: last.then(|| run.clone()),
            };
            let work = move |session: &mut Session| register(session, &registration);
            if let Err(error) = self.write(work).await {
                for object in rest {
                    state.held.insert(object.name, object);
                }
                // A footer may be sound and the rows before it damaged.
                if self.refuse_damaged(state, chain).await? == 0 {
                    return Err(error);
                }
                return Ok(Chained {
                    registered,
                    whole: false,
                });
            }
            state.belongs_to(ledger);
            for object in &chain {
                state.register(&object.name, &object.footer);
            }
            registered += chain.len();
            if last {
                return Ok(Chained {
                    registered,
                    whole: true,
                });
            }
            tracing::info!(registered, of, "objects are registered, more follow");
            chain = rest;
        }
    }

    /// Holds the sound objects of a chain again, refuses the damaged ones, and returns how many
    /// those are.
    async fn refuse_damaged(
        &self,
        state: &mut CrawlState,
        chain: Vec<Discovered>,
    ) -> Result<usize, Error> {
        let mut refused = 0;
        for object in chain {
            if self.lake.intact(object.name.path().as_ref()).await? {
                state.held.insert(object.name, object);
            } else {
                let why = (object.bytes, HASH_MISMATCH.to_owned());
                state.refused.insert(object.name, why);
                refused += 1;
            }
        }
        Ok(refused)
    }
}

/// What became of a chain.
struct Chained {
    registered: usize,
    /// True if all of it is registered.
    whole: bool,
}

/// The run's row in the history, before it is known how long the run took.
fn run(crawl: &Crawl, full: bool, started_at: Timestamp) -> Run {
    Run {
        started_at,
        took_ms: 0,
        full,
        found: crawl.found,
        registered: crawl.registered,
        held: crawl.held,
        refused: crawl.refused,
        foreign: crawl.foreign,
        detail: crawl.detail.clone(),
    }
}

impl Unregistered {
    fn summary(&self, state: &CrawlState, registered: usize) -> Crawl {
        let mut names = Vec::new();
        let (mut held, mut refused) = (0, 0);
        for name in &self.found {
            if let Some((_, why)) = state.refused.get(name) {
                refused += 1;
                names.push(format!("refused {name}: {why}"));
            } else if state.held.contains_key(name) {
                held += 1;
                names.push(format!("held {name}: the object before it is missing"));
            }
        }
        names.extend(self.foreign.iter().map(|path| format!("foreign {path}")));
        let more = names.len().saturating_sub(MAX_DETAIL_NAMES);
        names.truncate(MAX_DETAIL_NAMES);
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        Crawl {
            found: self.found.len() as u64,
            registered: registered as u64,
            held,
            refused,
            foreign: self.foreign.len() as u64,
            swapped: false,
            unshown: None,
            detail: names.join("\n"),
        }
    }
}
