//! The crawler on time: crawls, full passes and publications, external trees and data sets,
//! until it is told to stop.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::registry::crawl::Crawl;

/// How long it rests at least after a crawl before a commit makes it crawl again: partitions
/// commit one after the other.
const REST: Duration = Duration::from_millis(100);
/// How many times as long as the crawl took it rests, so that a large catalog is left time for
/// whoever asks.
const CALM: u32 = 3;

/// Crawls every `config.every`, and at once when `landed` is told that this process has written
/// an object; the whole lake every `config.full_every`. Between crawls, folds the backlog.
/// Publishes every `config.publish_every`, and when a replay was promoted or rolled back. Beside
/// that, crawls the external trees and makes the data sets as each says. An error is logged and
/// the next turn tries again. `progress` is told of every run that succeeded. Ends with one last
/// crawl, when `shutdown` says so.
pub async fn run(
    catalog: Catalog,
    landed: Arc<Notify>,
    shutdown: CancellationToken,
    progress: impl FnMut(&Crawl) + Send,
) {
    let registered = Notify::new();
    tokio::join!(
        crawls(&catalog, &landed, &shutdown, progress, &registered),
        derived(&catalog, &shutdown, &registered)
    );
}

async fn crawls(
    catalog: &Catalog,
    landed: &Notify,
    shutdown: &CancellationToken,
    mut progress: impl FnMut(&Crawl) + Send,
    registered: &Notify,
) {
    let config = catalog.config().clone();
    let mut turns = interval(config.every.max(Duration::from_millis(10)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut full_at = Instant::now();
    let mut publish_at = Instant::now();
    let mut rested = Instant::now();
    let mut backlog = 0;
    loop {
        // In this order, a turn that ends the waiting takes no notice away.
        let told = async {
            sleep_until(rested).await;
            landed.notified().await;
        };
        let stopping = tokio::select! {
            biased;
            () = shutdown.cancelled() => true,
            _ = turns.tick() => false,
            () = told => false,
            () = ready(()), if backlog > 0 => {
                backlog = fold(catalog).await;
                continue;
            }
        };
        let now = Instant::now();
        let full = now >= full_at && !stopping;
        let mut promoted = false;
        match catalog.crawl(full).await {
            Ok(crawl) => {
                promoted = crawl.promoted;
                if full {
                    full_at = now + config.full_every;
                    if let Err(error) = catalog.sweep().await {
                        tracing::warn!(%error, "stray dead letters could not be swept");
                    }
                }
                progress(&crawl);
                if crawl.registered > 0 || crawl.promoted {
                    registered.notify_one();
                }
                backlog = match catalog.backlog().await {
                    Ok(backlog) => backlog,
                    Err(error) => {
                        tracing::warn!(%error, "whether anything waits to be folded is not known");
                        0
                    }
                };
            }
            Err(error) => tracing::warn!(%error, "the lake could not be crawled"),
        }
        if stopping {
            return;
        }
        rested = Instant::now() + REST.max(now.elapsed() * CALM);
        if promoted || now >= publish_at {
            match catalog.publish(None).await {
                Ok(()) => publish_at = now + config.publish_every,
                Err(error) => tracing::warn!(%error, "the catalog could not be published"),
            }
        }
    }
}

/// Folds a slice of the backlog, and says how much is left; after an error nothing, until the
/// next crawl.
async fn fold(catalog: &Catalog) -> u64 {
    match catalog.fold().await {
        Ok(0) => {
            tracing::info!("all that is registered is folded");
            0
        }
        Ok(left) => {
            tracing::info!(left, "objects wait to be folded into the rollups");
            left
        }
        Err(error) => {
            tracing::warn!(%error, "the backlog could not be folded");
            0
        }
    }
}

/// How often it is looked whether an external tree or a data set is due.
const LOOK: Duration = Duration::from_secs(1);

/// What is made of the lake's tables and of others': it may take its time, and no crawl waits.
async fn derived(catalog: &Catalog, shutdown: &CancellationToken, registered: &Notify) {
    let config = catalog.config();
    if config.externals.is_empty() && config.datasets.is_empty() {
        return;
    }
    let mut turns = interval(LOOK);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due: Vec<Instant> = config.externals.iter().map(|_| Instant::now()).collect();
    loop {
        let mut changed = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = registered.notified() => true,
            _ = turns.tick() => false,
        };
        for (external, due) in config.externals.iter().zip(&mut due) {
            if Instant::now() < *due {
                continue;
            }
            *due = Instant::now() + external.every;
            match catalog.adopt(external).await {
                Ok(run) => changed |= run.found + run.gone > 0,
                Err(error) => {
                    tracing::warn!(table = external.name, %error, "a tree could not be crawled");
                }
            }
        }
        if let Err(error) = catalog.refresh_due(changed).await {
            tracing::warn!(%error, "the data sets could not be made");
        }
    }
}
