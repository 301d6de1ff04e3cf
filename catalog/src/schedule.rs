//! The crawler on time: crawls, full passes and publications, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Catalog, Crawl};

/// How long it rests after a crawl before a commit makes it crawl again: partitions commit one
/// after the other.
const REST: Duration = Duration::from_millis(100);

/// Crawls every `config.every`, and at once when `landed` is told that this process has written
/// an object; the whole lake every `config.full_every`. Publishes every `config.publish_every`,
/// and when a replay was promoted or rolled back. An error is logged and the next turn tries
/// again. `progress` is told of every run that succeeded. Ends with one last crawl, when
/// `shutdown` says so.
pub async fn run(
    catalog: Catalog,
    landed: Arc<Notify>,
    shutdown: CancellationToken,
    mut progress: impl FnMut(&Crawl) + Send,
) {
    let config = catalog.config().clone();
    let mut turns = interval(config.every.max(Duration::from_millis(10)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut full_at = Instant::now();
    let mut publish_at = Instant::now();
    let mut rested = Instant::now();
    loop {
        let told = async {
            landed.notified().await;
            sleep_until(rested).await;
        };
        let stopping = tokio::select! {
            biased;
            () = shutdown.cancelled() => true,
            _ = turns.tick() => false,
            () = told => false,
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
            }
            Err(error) => tracing::warn!(%error, "the lake could not be crawled"),
        }
        if stopping {
            return;
        }
        rested = Instant::now() + REST;
        if promoted || now >= publish_at {
            match catalog.publish(None).await {
                Ok(()) => publish_at = now + config.publish_every,
                Err(error) => tracing::warn!(%error, "the catalog could not be published"),
            }
        }
    }
}
