//! The soak: every role in a process of its own on a real Kafka and a real S3 server, clients at
//! half load, and every few seconds a kill, a freeze or a cut; then both audits.

mod fault;
mod scene;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, interval, sleep};

use self::fault::{Fault, Met};
use self::scene::{CLIENTS, LAG_TIMEOUT, Scene, lag_ends, share};
pub use self::tally::Tally;
use crate::clients::{CLICKS, Clients};
use crate::cluster::{Cluster, Role};
use crate::kafka;
use crate::proxy::Proxy;
use crate::s3;

/// The time from one fault to the next.
const FAULT_INTERVAL: Duration = Duration::from_secs(3);
/// How many members the group has.
const MEMBERS: usize = 2;
/// How long the clients send as fast as they can, to measure full load.
const FULL_LOAD_TIME: Duration = Duration::from_secs(5);

/// Everything, running.
pub struct Soak {
    scene: Arc<Scene>,
    tally: Tally,
}

impl Soak {
    /// Starts everything and measures half load; `None` if Kafka or the store is missing.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start() -> Result<Option<Self>> {
        let proxies = ["127.0.0.1:0"; 1 + MEMBERS];
        let Some(s3) = s3::shared().await else {
            return Ok(None);
        };
        let Some(mut kafka) = kafka::start_behind(&proxies).await else {
            return Ok(None);
        };
        let cluster = Cluster::on(&kafka, s3, "soak").with("SINK__MAX_AGE", "500ms");
        cluster.prepare()?;
        let brokers = kafka.take_proxies();
        let edge = Role::edge(cluster.behind(&brokers[0]))?;
        let (mut stores, mut members) = (Vec::new(), Vec::new());
        for proxy in &brokers[1..] {
            let store = Proxy::start(s3.endpoint().trim_start_matches("http://")).await?;
            let endpoint = format!("http://{}", store.address());
            let place = cluster.behind(proxy).with("LAKE__ENDPOINT", &endpoint);
            members.push(share(Role::transformer(place)?));
            stores.push(share(store));
        }
        let dashboard = Role::dashboard(cluster.place())?;
        let scene = Scene {
            clients: Clients::start(&edge.url, CLIENTS, Duration::ZERO),
            cluster,
            kafka: share(kafka),
            edge: share(edge),
            members,
            dashboard: share(dashboard),
            brokers: brokers.into_iter().map(share).collect(),
            stores,
        };
        let mut soak = Self {
            scene: Arc::new(scene),
            tally: Tally::default(),
        };
        soak.halve().await?;
        Ok(Some(soak))
    }

    /// Full load is the rate of acknowledged clicks without pauses, over the time until the catalog
    /// shows them all. From then on the clients send half of it.
    async fn halve(&mut self) -> Result<()> {
        let Scene {
            cluster, clients, ..
        } = self.scene.as_ref();
        cluster.all_commit("the start").await?;
        let (before, since) = (clients.acknowledged(), Instant::now());
        sleep(FULL_LOAD_TIME).await;
        // Each sends one more request, and then none for so long.
        clients.pace(LAG_TIMEOUT);
        self.scene.lag_ends().await?;
        let seconds = since.elapsed().as_secs_f64();
        let full = f64::from(u32::try_from(clients.acknowledged() - before)?) / seconds;
        self.tally.full_load = full;
        let every = f64::from(u32::try_from(CLIENTS * CLICKS)?) / (full / 2.0);
        clients.pace(Duration::from_secs_f64(every));
        Ok(())
    }

    /// Disturbs everything for `length`, mends it, and proves that nothing was lost or doubled. The
    /// same `seed` draws the same faults.
    ///
    /// # Errors
    /// If something was, with the audit's words, or if a part does not come back.
    pub async fn run(self, length: Duration, seed: u64) -> Result<Tally> {
        let Self { scene, mut tally } = self;
        let mut choices = StdRng::seed_from_u64(seed);
        let mut faults = JoinSet::<Result<Met>>::new();
        let (end, mut every) = (Instant::now() + length, interval(FAULT_INTERVAL));
        for turn in 0.. {
            every.tick().await;
            if Instant::now() >= end {
                break;
            }
            while let Some(met) = faults.try_join_next() {
                tally.met(met??);
            }
            if let Some(fault) = Fault::draw(&scene, turn, &mut choices) {
                faults.spawn(fault.play(Arc::clone(&scene)));
            }
        }
        while let Some(met) = faults.join_next().await {
            tally.met(met??);
        }
        scene.cluster.all_commit("when all is mended").await?;
        let scene = Arc::into_inner(scene).context("no fault goes on")?;
        let sent = scene.clients.stop().await;
        tally.sent(&sent, length);
        lag_ends(&scene.dashboard, 0).await?;
        let dashboard = scene.dashboard.lock().await;
        let place = &dashboard.place;
        tally.verdict = block_in_place(|| place.audit())?;
        block_in_place(|| place.proves(&sent.acknowledged)).with_context(|| tally.to_string())?;
        ensure!(tally.clean(), "{tally}");
        Ok(tally)
    }
}
