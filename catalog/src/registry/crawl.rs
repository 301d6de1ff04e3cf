//! One run of the crawler: list, read footers, see what chains, register it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sink::{Ledger, Timestamp};
use tokio::time::Instant;

use crate::catalog::{Catalog, Inner};
use crate::db::engine::{Mode, PATIENCE};
use crate::error::Error;
use crate::registry::discover::Listed;
use crate::registry::load::load;
use crate::registry::register;
use crate::registry::runs::Run;
use crate::registry::state::{CHANGED, Marks, Seen};
use crate::tables::piece::fitting;

/// How many objects are registered in one transaction.
const AT_ONCE: u64 = 10_000;
/// How many names a run's row lists.
const NAMED: usize = 20;

/// What a run did. `found` counts the objects that it had not registered before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawl {
    /// Objects that were listed and not registered yet.
    pub found: u64,
    /// Those that this run registered.
    pub registered: u64,
    /// Those that wait for the object before them.
    pub held: u64,
    /// Those that are damaged, another topic's or out of place; they stay where they are.
    pub refused: u64,
    /// Files among the objects that are none by their name.
    pub foreign: u64,
    /// Whether this run changed what the tables show of the replays.
    #[serde(default)]
    pub promoted: bool,
    /// Why the tables do not show the replays as the ledger says, where they do not.
    #[serde(default)]
    pub unshown: Option<String>,
    /// What was held, refused or foreign, and why.
    pub detail: String,
}

impl Catalog {
    /// Registers what the lake committed since the last run, in one transaction, or in some one
    /// after the other where it is much; the same crawl again changes nothing. `full` looks at
    /// the whole lake, else at its newest hours. Much is left for [`Catalog::fold`] to fold.
    ///
    /// # Errors
    /// The lake's and the database's; then the transaction that met it registered nothing.
    pub async fn crawl(&self, full: bool) -> Result<Crawl, Error> {
        let inner = &self.inner;
        let mut slot = inner.marks.lock().await;
        let started = (inner.clock.now(), Instant::now());
        let known = slot.take();
        let Some(ledger) = inner.lake.ledger().await? else {
            *slot = known;
            inner.tail.registered(BTreeMap::new());
            return Ok(Crawl::default());
        };
        let mut marks = match known {
            Some(marks) => marks,
            None => {
                inner
                    .engine
                    .run(Mode::Read, PATIENCE, |session| load(session, None))
                    .await?
            }
        };
        if let Some(why) = marks.outdated(&ledger) {
            tracing::warn!("{why}; the catalog is built anew");
            inner
                .engine
                .run(Mode::Write, PATIENCE, register::empty)
                .await?;
            marks = Marks::default();
        }
        // Should anything below fail, the marks are read from the database again.
        let mut run = inner
            .discover_and_register(&mut marks, &ledger, full, started)
            .await?;
        inner.tail.registered(marks.registered(&ledger));
        match inner.follow(&mut marks, &ledger, full).await {
            Ok((promoted, unshown)) => {
                (run.promoted, run.unshown) = (promoted, unshown);
                *slot = Some(marks);
            }
            // The live rows are registered whatever a replay is like; the next run tries again.
            Err(error) => {
                tracing::error!(%error, "the replays cannot be followed");
                run.unshown = Some(error.to_string());
            }
        }
        Ok(run)
    }
}

impl Inner {
    async fn discover_and_register(
        &self,
        marks: &mut Marks,
        ledger: &Ledger,
        full: bool,
        (started_at, clock): (Timestamp, Instant),
    ) -> Result<Crawl, Error> {
        let full = full || marks.ends.is_empty();
        let listed = marks.discover(&self.lake, ledger, full).await?;
        let moved = marks.pass_gaps(ledger);
        let mut registered = 0;
        loop {
            let mut waiting = marks.chain(ledger);
            let crawl = listed.summary(marks, registered + waiting.len());
            loop {
                let fit = fitting(&waiting, AT_ONCE, |_| 1);
                let rest = waiting.split_off(fit);
                let took_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
                let run = rest.is_empty().then(|| Run {
                    started_at,
                    took_ms,
                    full,
                    found: crawl.found,
                    registered: crawl.registered,
                    held: crawl.held,
                    refused: crawl.refused,
                    foreign: crawl.foreign,
                    detail: crawl.detail.clone(),
                });
                let batch = register::Batch {
                    replay: None,
                    ledger: ledger.clone(),
                    objects: waiting.clone(),
                    moved: moved.clone(),
                    location: self.lake.location().clone(),
                    most: self.config.fold_rows,
                    run,
                };
                let register = move |session: &mut _| register::register(session, &batch);
                if let Err(error) = self.engine.run(Mode::Write, PATIENCE, register).await {
                    // A footer may be whole and the rows behind it not.
                    for seen in rest {
                        marks.held.insert(seen.name, seen);
                    }
                    if self.refuse_damaged(marks, waiting).await? == 0 {
                        return Err(error);
                    }
                    break;
                }
                marks.topic = Some(ledger.topic.to_string());
                for seen in &waiting {
                    marks.register(&seen.name, &seen.footer);
                }
                registered += waiting.len();
                if rest.is_empty() {
                    return Ok(crawl);
                }
                tracing::info!(
                    registered,
                    of = crawl.registered,
                    "objects are registered, more follow"
                );
                waiting = rest;
            }
        }
    }

    /// Puts the sound ones of `chained` back among the held and refuses the others. How many
    /// were refused.
    async fn refuse_damaged(&self, marks: &mut Marks, chained: Vec<Seen>) -> Result<usize, Error> {
        let mut refused = 0;
        for seen in chained {
            if self.lake.intact(seen.name.path().as_ref()).await? {
                marks.held.insert(seen.name, seen);
            } else {
                marks
                    .refused
                    .insert(seen.name, (seen.bytes, CHANGED.to_owned()));
                refused += 1;
            }
        }
        Ok(refused)
    }
}

impl Listed {
    fn summary(&self, marks: &Marks, registered: usize) -> Crawl {
        let mut words = Vec::new();
        let (mut held, mut refused) = (0, 0);
        for name in &self.found {
            if let Some((_, why)) = marks.refused.get(name) {
                refused += 1;
                words.push(format!("refused {name}: {why}"));
            } else if marks.held.contains_key(name) {
                held += 1;
                words.push(format!("held {name}: the object before it is missing"));
            }
        }
        words.extend(self.foreign.iter().map(|path| format!("foreign {path}")));
        let more = words.len().saturating_sub(NAMED);
        words.truncate(NAMED);
        if more > 0 {
            words.push(format!("and {more} more"));
        }
        Crawl {
            found: self.found.len() as u64,
            registered: registered as u64,
            held,
            refused,
            foreign: self.foreign.len() as u64,
            promoted: false,
            unshown: None,
            detail: words.join("\n"),
        }
    }
}
