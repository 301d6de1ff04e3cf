//! Clients that send numbered clicks, retry those that were not acknowledged (and now and then one
//! that was), and list the acknowledged ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// How many clicks one request carries.
pub const CLICKS: u64 = 5;
/// One request of so many is sent again although it was acknowledged: five in a hundred.
const AGAIN: u64 = 20;
/// How long a client waits for an answer, and before it asks again.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// How long a request may stay unanswered after the clients were asked to end: all faults are
/// mended by then.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends one body of clicks to the edge at `shop`: the answer's status and its JSON, or null if it
/// has none.
///
/// # Panics
/// If no answer comes.
pub async fn post(shop: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client without options is one");
    let request = client.post(format!("{shop}/v1/events")).body(body);
    let answer = request.send().await.expect("the edge answers");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// Clients at work, until [`Clients::stop`].
pub struct Clients {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the clients did.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// The ids of all clicks that were acknowledged.
    pub acknowledged: Vec<String>,
    /// Requests that were sent again although they had been acknowledged.
    pub repeated: u64,
    /// Tries that had no answer, or a status other than 202, and were repeated.
    pub retried: u64,
}

#[derive(Default)]
struct Shared {
    shop: Mutex<String>,
    sent: Mutex<Sent>,
    sequence: AtomicU64,
    done: AtomicBool,
    /// From the beginning of a client's request to that of its next one.
    every: watch::Sender<Duration>,
}

impl Clients {
    /// Starts `count` clients. Each sends its next request to the edge at `shop`
    /// (`http://host:port`) when the one before is acknowledged, and at most one in each `every`.
    #[must_use]
    pub fn start(shop: &str, count: u64, every: Duration) -> Self {
        let shared = Arc::new(Shared {
            shop: Mutex::new(shop.to_owned()),
            ..Shared::default()
        });
        let tasks = (0..count)
            .map(|client| tokio::spawn(shared.clone().work(client)))
            .collect();
        let clients = Self { shared, tasks };
        clients.pace(every);
        clients
    }

    /// From now on the edge is at `shop`.
    pub fn turn_to(&self, shop: &str) {
        shop.clone_into(&mut self.shared.shop.lock());
    }

    /// From now on each client sends at most one request in each `every`.
    pub fn pace(&self, every: Duration) {
        self.shared.every.send_replace(every);
    }

    /// How many clients there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    /// How many clicks are acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.shared.sent.lock().acknowledged.len()
    }

    /// Lets each client finish its request and returns what they did.
    ///
    /// # Panics
    /// If a request is not acknowledged a minute later.
    pub async fn stop(self) -> Sent {
        self.shared.done.store(true, Ordering::Relaxed);
        self.pace(Duration::ZERO);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.sent.lock())
    }
}

impl Shared {
    async fn work(self: Arc<Self>, client: u64) {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .build();
        let http = http.expect("a client without options is one");
        while !self.done.load(Ordering::Relaxed) {
            let since = Instant::now();
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
            let numbers = (0..CLICKS).map(|i| sequence * CLICKS + i);
            let ids: Vec<String> = numbers
                .map(|number| format!("{client:08x}-0000-4000-8000-{number:012x}"))
                .collect();
            let click = |id: &String| {
                let visitor = format!("{client}-{}", sequence % 7);
                format!(r#"{{"id":"{id}","visitor_id":"{visitor}","action":"view"}}"#)
            };
            let body = format!("[{}]", ids.iter().map(click).collect::<Vec<_>>().join(","));
            self.send(&http, &body).await;
            self.sent.lock().acknowledged.extend(ids);
            if sequence.is_multiple_of(AGAIN) {
                self.send(&http, &body).await;
                self.sent.lock().repeated += 1;
            }
            self.wait(since).await;
        }
    }

    /// Waits until the next request may follow one that began at `since`.
    async fn wait(&self, since: Instant) {
        let mut every = self.every.subscribe();
        loop {
            let next = since + *every.borrow_and_update();
            tokio::select! {
                () = sleep_until(next) => return,
                _ = every.changed() => {}
            }
        }
    }

    /// Sends a body until it is acknowledged.
    async fn send(&self, http: &reqwest::Client, body: &str) {
        let mut ending = None;
        loop {
            let url = format!("{}/v1/events", self.shop.lock());
            let sent = http.post(url).body(body.to_owned()).send().await;
            if sent.is_ok_and(|answer| answer.status().as_u16() == 202) {
                return;
            }
            self.sent.lock().retried += 1;
            if self.done.load(Ordering::Relaxed) {
                let deadline = *ending.get_or_insert_with(|| Instant::now() + LAST_ANSWER_TIMEOUT);
                assert!(
                    Instant::now() < deadline,
                    "a request is acknowledged when all is mended"
                );
            }
            sleep(PAUSE).await;
        }
    }
}
