//! The parts of a soak that faults disturb.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::clients::{CLICKS, Clients};
use crate::cluster::{Cluster, Role};
use crate::kafka::Kafka;
use crate::proxy::{Link, Proxy};

/// How many clients there are.
pub(super) const CLIENTS: u64 = 8;
/// How long the lag may last after the faults.
pub(super) const LAG_TIMEOUT: Duration = Duration::from_secs(180);
/// The kinds of cut, by the names that the tally gives them.
pub(super) const CUTS: &[(&str, Link)] = &[
    ("stall", Link::Stall),
    ("reset", Link::Reset),
    ("reply dropped", Link::DropReply),
    ("delay", Link::Delay(Duration::from_millis(300))),
    ("cut after 20 kB", Link::CutAfter(20_000)),
];

/// The parts that faults disturb. A fault locks its part, so that no other fault has the same part;
/// different parts are disturbed at the same time.
pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) clients: Clients,
    pub(super) kafka: Arc<Mutex<Kafka>>,
    pub(super) edge: Arc<Mutex<Role>>,
    pub(super) members: Vec<Arc<Mutex<Role>>>,
    pub(super) dashboard: Arc<Mutex<Role>>,
    /// The proxies before the broker, for the edge and each member.
    pub(super) brokers: Vec<Arc<Mutex<Proxy>>>,
    /// The proxies before the store, for each member.
    pub(super) stores: Vec<Arc<Mutex<Proxy>>>,
}

impl Scene {
    /// Waits until the catalog shows the topic's records, except the newest requests of the
    /// clients.
    pub(super) async fn lag_ends(&self) -> Result<()> {
        lag_ends(&self.dashboard, CLIENTS * CLICKS).await
    }
}

/// Waits until the catalog lacks at most `but` of the topic's records.
pub(super) async fn lag_ends(dashboard: &Mutex<Role>, but: u64) -> Result<()> {
    let deadline = Instant::now() + LAG_TIMEOUT;
    loop {
        let lag = dashboard.lock().await.lag().await;
        if lag.is_some_and(|lag| lag <= but) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the lag stays: {lag:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

pub(super) fn share<T>(one: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(one))
}
