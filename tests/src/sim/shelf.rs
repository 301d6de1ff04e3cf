//! The catalog of the simulation: the product's crawler, with memory in the place of tables. It can
//! be killed during a run, and lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::Crawler;
use parking_lot::Mutex;
use sink::{Footer, Lake, Ledger, ObjectName, Offset, Partition};
use tokio::time::{sleep, timeout};

use super::store::Bucket;
use super::worker::lake;
use super::{Bug, Dice, Fault};

/// The registered objects, and the violations.
pub struct Shelf {
    lake: Lake,
    dice: Arc<Dice>,
    bug: Option<Bug>,
    registered: Mutex<BTreeMap<ObjectName, Footer>>,
    wrong: Mutex<Vec<String>>,
}

impl Shelf {
    /// An empty catalog of the bucket's lake.
    #[must_use]
    pub fn new(bucket: &Arc<Bucket>, dice: Arc<Dice>, bug: Option<Bug>) -> Arc<Self> {
        Arc::new(Self {
            lake: lake(bucket, &Arc::default(), None),
            dice,
            bug,
            registered: Mutex::default(),
            wrong: Mutex::default(),
        })
    }

    /// Crawls every few seconds, for ever.
    pub async fn crawl(self: Arc<Self>) {
        let mut crawler = self.start();
        loop {
            sleep(self.dice.millis(500..5_000)).await;
            if self.dice.strikes(Fault::CatalogLost, 20) {
                self.registered.lock().clear();
                crawler = self.start();
            }
            let patience = match self.dice.strikes(Fault::CrawlKilled, 50) {
                true => self.dice.millis(1..200),
                false => Duration::from_secs(600),
            };
            let full = self.dice.chance(50);
            match timeout(patience, self.run(&mut crawler, full)).await {
                Ok(true) => self.check().await,
                // Its memory is lost with it; the registered objects stay.
                Ok(false) | Err(_) => crawler = self.start(),
            }
        }
    }

    fn start(&self) -> Crawler {
        Crawler::new(self.lake.clone(), self.registered.lock().clone())
    }

    /// Crawls once. Returns false if the lake did not answer.
    async fn run(&self, crawler: &mut Crawler, full: bool) -> bool {
        if self.bug == Some(Bug::Unchained) {
            return self.run_unchained().await;
        }
        let Ok(found) = crawler.run(full).await else {
            return false;
        };
        let mut registered = self.registered.lock();
        if found.rebuild {
            registered.clear();
        }
        self.dice.note(&("registered", found.objects.len()));
        registered.extend(found.objects);
        true
    }

    /// A planted bug: registers whatever a list shows.
    async fn run_unchained(&self) -> bool {
        let Ok(files) = self.lake.files(None).await else {
            return false;
        };
        for name in files.iter().filter_map(|(path, _)| ObjectName::parse(path)) {
            if let Ok(Some(footer)) = self.lake.footer(&name).await {
                self.registered.lock().insert(name, footer);
            }
        }
        true
    }

    /// Whatever was listed late or killed: what is registered is the beginning of the lake.
    async fn check(&self) {
        let Ok(Some(ledger)) = self.lake.ledger().await else {
            return;
        };
        let mut ends: BTreeMap<Partition, Offset> = BTreeMap::new();
        let mut registered: Vec<_> = self.registered.lock().clone().into_iter().collect();
        registered.sort_by_key(|(name, _)| (name.partition, name.first));
        for (name, footer) in registered {
            // Given up after the run: the next one builds the fold anew.
            if ledger.past_gaps(name.partition, name.first) != name.first {
                return;
            }
            if ledger.gives_up(name.partition, name.first) {
                continue;
            }
            let end = ends
                .entry(name.partition)
                .or_insert(ledger.first(name.partition));
            let end = std::mem::replace(end, footer.end);
            let (end, first) = (ledger.past(name.partition, end), name.first);
            if first != end {
                let why = format!("invariant 6: {name} is registered after {end}");
                self.wrong.lock().push(why);
            }
        }
    }

    /// What is wrong with the catalog once nothing fails any more: it must hold the lake's
    /// objects, all of them, and nothing was ever registered out of its chain.
    pub async fn audit(&self, ledger: &Ledger) -> Vec<String> {
        let mut wrong = self.wrong.lock().clone();
        let files = self.lake.files(None).await.expect("the store answers");
        let names = files.iter().filter_map(|(path, _)| ObjectName::parse(path));
        let mut names: Vec<ObjectName> = names.collect();
        names.sort_unstable_by_key(|name| (name.partition, name.first));
        let (mut there, mut ends) = (Vec::new(), ledger.firsts.clone());
        for name in names {
            // What was replaced is no part of a chain.
            if ledger.gives_up(name.partition, name.first) {
                continue;
            }
            let footer = self.lake.footer(&name).await.expect("the store answers");
            let footer = footer.expect("it was listed");
            let end = ends.entry(name.partition).or_default();
            *end = ledger.past(name.partition, *end);
            if ledger.counts(&footer, *end) {
                *end = footer.end;
                there.push(name);
            }
        }
        there.sort_unstable();
        let registered = self.counting(ledger);
        if registered != there {
            wrong.push(format!(
                "invariant 6: the lake holds {} objects, the catalog {}",
                there.len(),
                registered.len()
            ));
        }
        wrong
    }

    /// What is registered, without what swaps have replaced.
    fn counting(&self, ledger: &Ledger) -> Vec<ObjectName> {
        let registered = self.registered.lock();
        let counts = |name: &&ObjectName| !ledger.gives_up(name.partition, name.first);
        registered.keys().filter(counts).copied().collect()
    }

    /// The paths of what is registered, without what swaps have replaced.
    #[must_use]
    pub fn paths(&self, ledger: &Ledger) -> Vec<String> {
        let counting = self.counting(ledger);
        counting.iter().map(ToString::to_string).collect()
    }
}
