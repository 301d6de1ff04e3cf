//! Clients that send numbered clicks, retry what was not acknowledged, and keep the list of
//! what was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How many clicks one request carries.
const CLICKS: u64 = 5;
/// How often a client sends a request again before it gives up and forgets it.
const TRIES: u32 = 40;

/// Sends one body of clicks to the edge at `shop`: the answer's status and its JSON, null where
/// it has none.
///
/// # Panics
/// Where there is no answer.
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

#[derive(Default)]
struct Shared {
    shop: Mutex<String>,
    acknowledged: Mutex<Vec<String>>,
    sequence: AtomicU64,
    done: AtomicBool,
    pause: Duration,
}

impl Clients {
    /// So many clients, each sending one request after the other to the edge at `shop`
    /// (`http://host:port`), with a `pause` after each.
    #[must_use]
    pub fn start(shop: &str, count: u64, pause: Duration) -> Self {
        let shop = Mutex::new(shop.to_owned());
        let shared = Arc::new(Shared {
            shop,
            pause,
            ..Shared::default()
        });
        let tasks = (0..count)
            .map(|client| tokio::spawn(shared.clone().send(client)))
            .collect();
        Self { shared, tasks }
    }

    /// The edge is elsewhere now.
    pub fn turn_to(&self, shop: &str) {
        shop.clone_into(&mut self.shared.shop.lock());
    }

    /// How many clicks are acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.shared.acknowledged.lock().len()
    }

    /// Lets each finish its request, and gives the ids of all clicks that were acknowledged.
    ///
    /// # Panics
    /// Where a client did.
    pub async fn stop(self) -> Vec<String> {
        self.shared.done.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.acknowledged.lock())
    }
}

impl Shared {
    async fn send(self: Arc<Self>, client: u64) {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build();
        let http = http.expect("a client without options is one");
        while !self.done.load(Ordering::Relaxed) {
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
            for _try in 0..TRIES {
                let url = format!("{}/v1/events", self.shop.lock());
                let sent = http.post(url).body(body.clone()).send().await;
                if sent.is_ok_and(|answer| answer.status().as_u16() == 202) {
                    self.acknowledged.lock().extend(ids);
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
            sleep(self.pause).await;
        }
    }
}
