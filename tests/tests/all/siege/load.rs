//! A steady load of clicks, and how long each request took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// 500 clicks a second.
const SENDERS: u64 = 4;
const CLICKS: u64 = 5;
const EVERY: Duration = Duration::from_millis(40);

/// Clients that send without an end.
pub(super) struct Load {
    shared: Arc<LoadState>,
    senders: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct LoadState {
    next: AtomicU64,
    done: AtomicBool,
    times: Mutex<Vec<Duration>>,
    acknowledged: Mutex<Vec<String>>,
}

impl Load {
    pub(super) fn start(client: &Client, shop: &str) -> Self {
        let shared = Arc::new(LoadState::default());
        let sender = |_| {
            let (client, url) = (client.clone(), format!("{shop}/v1/events"));
            tokio::spawn(send(client, url, Arc::clone(&shared)))
        };
        let senders = (0..SENDERS).map(sender).collect();
        Self { shared, senders }
    }

    /// How long the requests since the last call took.
    pub(super) fn take_times(&self) -> Vec<Duration> {
        std::mem::take(&mut self.shared.times.lock())
    }

    /// Ends the load. Returns the ids of all clicks that were acknowledged.
    pub(super) async fn stop(self) -> Vec<String> {
        self.shared.done.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        std::mem::take(&mut self.shared.acknowledged.lock())
    }
}

async fn send(client: Client, url: String, shared: Arc<LoadState>) {
    let mut turns = interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shared.done.load(Ordering::Relaxed) {
        turns.tick().await;
        let first = shared.next.fetch_add(CLICKS, Ordering::Relaxed);
        let numbers = first..first + CLICKS;
        let ids: Vec<String> = numbers
            .map(|number| format!("00000000-0000-4000-9000-{number:012}"))
            .collect();
        let clicks: Vec<Value> = ids
            .iter()
            .map(|id| json!({ "id": id, "action": "view", "visitor_id": &id[30..] }))
            .collect();
        let since = Instant::now();
        let answer = client.post(&url).json(&clicks).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{:?}", answer.text().await);
        shared.times.lock().push(since.elapsed());
        shared.acknowledged.lock().extend(ids);
    }
}
