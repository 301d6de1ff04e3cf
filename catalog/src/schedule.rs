//! Runs crawls, full crawls and publications, external tables and data sets on time.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::dataset;
use crate::error::Error;
use crate::registry::crawl::Crawl;

/// The least time between a crawl and one that a commit asks for: partitions commit one after
/// the other.
const MIN_REST: Duration = Duration::from_millis(100);
/// The least time between them, as a multiple of the crawl's own time. It leaves time for queries
/// to a large catalog.
const REST_FACTOR: u32 = 3;

/// Crawls every `config.every`, and at once when `landed` is notified, which says that this process
/// committed an object; the whole lake every `config.full_every`. Between crawls it folds the
/// backlog. It publishes every `config.publish_every`, and when a swap has exchanged
/// objects. Beside that it runs over the external tables and makes the data sets, as each says. An
/// error is logged, and the next turn tries again. `progress` is called after every crawl that
/// succeeded. When `shutdown` is cancelled, it ends with one last crawl.
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
        // In this order, a turn that ends the waiting does not consume a notification.
        let committed = async {
            sleep_until(rested).await;
            landed.notified().await;
        };
        let stopping = tokio::select! {
            biased;
            () = shutdown.cancelled() => true,
            _ = turns.tick() => false,
            () = committed => false,
            () = ready(()), if backlog > 0 => {
                backlog = fold(catalog).await;
                continue;
            }
        };
        let now = Instant::now();
        let full = now >= full_at && !stopping;
        let mut swapped = false;
        match catalog.crawl(full).await {
            Ok(crawl) => {
                swapped = crawl.swapped;
                if full {
                    full_at = now + config.full_every;
                    sweep(catalog).await;
                }
                progress(&crawl);
                if crawl.registered > 0 || crawl.swapped {
                    registered.notify_one();
                }
                backlog = unfolded(catalog).await;
            }
            Err(error) => tracing::warn!(%error, "the lake could not be crawled"),
        }
        if stopping {
            return;
        }
        rested = Instant::now() + MIN_REST.max(now.elapsed() * REST_FACTOR);
        if swapped || now >= publish_at {
            match catalog.publish(None).await {
                Ok(()) => publish_at = now + config.publish_every,
                Err(error) => tracing::warn!(%error, "the catalog could not be published"),
            }
        }
    }
}

/// Folds a slice of the backlog, and returns how many objects are left; zero after an error, so
/// that the next crawl comes first.
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

/// How many objects are in the backlog; zero after an error.
async fn unfolded(catalog: &Catalog) -> u64 {
    catalog.backlog().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the backlog could not be counted");
        0
    })
}

async fn sweep(catalog: &Catalog) {
    if let Err(error) = catalog.sweep().await {
        tracing::warn!(%error, "stray dead letters could not be swept");
    }
}

/// How often external tables and data sets are checked for being due.
const DUE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs over the external tables and makes the data sets. It may take its time: crawls do not wait
/// for it.
async fn derived(catalog: &Catalog, shutdown: &CancellationToken, registered: &Notify) {
    let config = catalog.config();
    if config.externals.is_empty() && config.datasets.is_empty() {
        return;
    }
    let mut turns = interval(DUE_CHECK_INTERVAL);
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
                    tracing::warn!(table = external.name, %error, "an external table could not be read");
                }
            }
        }
        changed |= catalog.inner.externals.take_change();
        if let Err(error) = refresh_due(catalog, changed).await {
            tracing::warn!(%error, "the data sets could not be made");
        }
    }
}

/// Makes the data sets that are due. `changed` is true if there are new rows.
pub(crate) async fn refresh_due(catalog: &Catalog, changed: bool) -> Result<(), Error> {
    let states = catalog.datasets().await?;
    let now = catalog.inner.clock.now();
    for dataset in dataset::due(&catalog.config().datasets, states, now, changed) {
        let run = catalog.refresh(&dataset.name).await?;
        if let Some(error) = run.error {
            tracing::warn!(dataset = dataset.name, error, "a data set was not made");
        }
    }
    Ok(())
}
