//! The shop of the simulation: edges that accept clicks, and clients that send each click until it
//! is acknowledged, keep their own lists, and sometimes send again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use producer::{Edge, EdgeFacts, PrivacyPolicy};
use tokio::time::{sleep, timeout};
use topic::Topic;

use super::brokers::Brokers;
use super::client::Client;
use super::process::WallClock;
use super::{Dice, Fault, Process};

/// How long a client waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

const FACTS: EdgeFacts<'_> = EdgeFacts {
    format: "native",
    source: "simulated",
    ip: None,
    user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"),
    content_encoding: None,
    request: None,
    shares: Vec::new(),
    privacy: PrivacyPolicy::Ignore,
    redacted: false,
};

/// An edge in a process of its own.
pub struct Server {
    /// Its process.
    pub process: Arc<Process>,
    /// Its machine's clock.
    pub clock: Arc<WallClock>,
    edge: Edge,
}

impl Server {
    /// Starts an edge before these brokers.
    #[must_use]
    pub fn start(brokers: &Arc<Brokers>, config: &producer::Config, clock: WallClock) -> Self {
        let (process, clock) = (Arc::<Process>::default(), Arc::new(clock));
        let writer = Client::new(brokers, &process, None)
            .writer()
            .expect("the model has a writer");
        Self {
            edge: Edge::new(config, writer, clock.clone()),
            process,
            clock,
        }
    }

    /// Sends a request. Returns true if the answer is 2xx.
    async fn post(&self, body: Bytes) -> bool {
        self.process.pass().await;
        let Ok(accepted) = self.edge.accept(&FACTS, body) else {
            return false;
        };
        let durable = accepted.delivery.await.is_ok();
        self.process.pass().await;
        durable
    }
}

/// The shop's clients and their lists.
pub struct Shop {
    dice: Arc<Dice>,
    servers: Mutex<Vec<Arc<Server>>>,
    acknowledged: Mutex<BTreeMap<u128, u64>>,
    /// Clicks that were made and have no answer yet.
    open: Mutex<u64>,
}

impl Shop {
    /// A shop with these edges.
    #[must_use]
    pub fn open(dice: Arc<Dice>, servers: Vec<Server>) -> Arc<Self> {
        Arc::new(Self {
            dice,
            servers: Mutex::new(servers.into_iter().map(Arc::new).collect()),
            acknowledged: Mutex::default(),
            open: Mutex::new(0),
        })
    }

    /// Its edges.
    #[must_use]
    pub fn servers(&self) -> Vec<Arc<Server>> {
        self.servers.lock().clone()
    }

    /// Replaces an edge.
    pub fn replace(&self, place: usize, server: Server) {
        self.servers.lock()[place] = Arc::new(server);
    }

    /// The ids that were acknowledged, and how often.
    #[must_use]
    pub fn acknowledged(&self) -> BTreeMap<u128, u64> {
        self.acknowledged.lock().clone()
    }

    /// Returns true if every click that was made has its answer.
    #[must_use]
    pub fn is_served(&self) -> bool {
        *self.open.lock() == 0
    }

    /// One client: pauses and clicks until the faults end.
    pub async fn visit(self: Arc<Self>, client: u64) {
        let mut clicks = 0;
        while !self.dice.is_calm() {
            sleep(self.dice.millis(100..1_500)).await;
            let count = match self.dice.chance(300) {
                true => self.dice.number(2..8),
                false => 1,
            };
            let ids: Vec<u128> = (clicks..clicks + count).map(|n| id(client, n)).collect();
            clicks += count;
            let items: Vec<String> = ids.iter().map(|id| self.click(client, *id)).collect();
            let body = match items.as_slice() {
                [one] => one.clone(),
                several => format!("[{}]", several.join(",")),
            };
            *self.open.lock() += 1;
            tokio::spawn(self.clone().deliver(ids, body.into()));
        }
    }

    fn click(&self, client: u64, id: u128) -> String {
        let id = uuid(id);
        let visitor = match self.dice.chance(100) {
            true => String::new(),
            false => format!(r#","visitor_id":"visitor-{client}""#),
        };
        let when = match self.dice.strikes(Fault::BadClick, 30) {
            true => r#","occurred_at":"1990-01-01T00:00:00Z""#,
            false => "",
        };
        format!(r#"{{"id":"{id}","action":"view","product_id":"tea"{visitor}{when}}}"#)
    }

    /// Sends a body until it is acknowledged; sometimes once more.
    async fn deliver(self: Arc<Self>, ids: Vec<u128>, body: Bytes) {
        self.send(&body).await;
        for id in &ids {
            *self.acknowledged.lock().entry(*id).or_default() += 1;
        }
        *self.open.lock() -= 1;
        let again = if self.dice.strikes(Fault::ClientRetry, 50) {
            self.dice.millis(0..45_000)
        } else if self.dice.strikes(Fault::ClientRetryLate, 10) {
            self.dice.millis(70_000..100_000)
        } else {
            return;
        };
        *self.open.lock() += 1;
        sleep(again).await;
        self.send(&body).await;
        for id in &ids {
            *self.acknowledged.lock().entry(*id).or_default() += 1;
        }
        *self.open.lock() -= 1;
    }

    async fn send(&self, body: &Bytes) {
        loop {
            let servers = self.servers();
            let server = self.dice.pick(&servers).expect("the shop has an edge");
            let answer = timeout(ANSWER_TIMEOUT, server.post(body.clone())).await;
            if answer.unwrap_or(false) && !self.dice.strikes(Fault::HttpReplyLost, 20) {
                return;
            }
            sleep(self.dice.millis(200..4_000)).await;
        }
    }
}

/// The n-th click of a client.
fn id(client: u64, n: u64) -> u128 {
    (u128::from(client) << 64) | u128::from(n)
}

/// An id as a client writes it and as the lake stores it.
fn uuid(id: u128) -> String {
    let digits = format!("{id:032x}");
    let (a, rest) = digits.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}
