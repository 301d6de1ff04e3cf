//! The watch over the file of rules: a change is taken without a stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::firewall::Firewall;

/// How often the file is read. It is small; its content is compared and not its time, which a copy
/// or a mounted volume may leave as it was.
const READ_PERIOD: Duration = Duration::from_secs(2);

/// Takes changed rules until `shutdown`.
pub(crate) async fn watch(firewall: Arc<Firewall>, shutdown: CancellationToken) {
    let mut ticks = interval(READ_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let reading = firewall.clone();
        let read = tokio::task::spawn_blocking(move || reading.reload());
        if read.await.is_err() {
            return;
        }
    }
}
