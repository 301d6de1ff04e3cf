//! Kills: whatever was acknowledged is in the lake, once.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tests::clickweir::Place;
use tests::real;
use tokio::time::sleep;

/// How many kills a run makes; `CLICKWEIR_KILLS` asks for more.
fn kills() -> u64 {
    real::env("CLICKWEIR_KILLS").and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// Clients that send numbered clicks, retry what was not acknowledged, and keep the list of
/// what was.
#[derive(Clone, Default)]
struct Clients {
    shop: Arc<Mutex<String>>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    sequence: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Clients {
    async fn send(self, client: u64) {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        while !self.done.load(Ordering::Relaxed) {
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
            let ids: Vec<String> =
                (0..5).map(|i| format!("{client:08x}-0000-4000-8000-{:012x}", sequence * 5 + i)).collect();
            let body: Vec<String> = ids
                .iter()
                .map(|id| format!(r#"{{"id":"{id}","visitor_id":"{client}-{}","action":"view"}}"#, sequence % 7))
                .collect();
            let body = format!("[{}]", body.join(","));
            // A client retries for a while, within the window; then it gives up and forgets.
            for _try in 0..40 {
                let shop = self.shop.lock().unwrap().clone();
                let sent = http.post(format!("{shop}/v1/events")).body(body.clone()).send().await;
                if sent.is_ok_and(|answer| answer.status().as_u16() == 202) {
                    self.acknowledged.lock().unwrap().extend(ids);
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_45_everything_killed_at_once_again_and_again() {
    let place = Place::new().unwrap().with("SINK__MAX_AGE", "200ms");
    let clients = Clients::default();
    let mut choices = StdRng::seed_from_u64(45);
    let mut up = place.up(&[]).unwrap();
    *clients.shop.lock().unwrap() = up.shop.clone();
    let senders: Vec<_> = (0..4).map(|n| tokio::spawn(clients.clone().send(n))).collect();
    for _kill in 0..kills() {
        sleep(Duration::from_millis(choices.random_range(50..1_500))).await;
        up.process.kill().unwrap();
        up = place.up(&[]).unwrap();
        *clients.shop.lock().unwrap() = up.shop.clone();
    }
    sleep(Duration::from_secs(1)).await;
    clients.done.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let verdict = place.settled().await.unwrap();
    let acknowledged = clients.acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 100, "the clients got through: {}", acknowledged.len());
    let list = place.path().join("acknowledged");
    fs::write(&list, acknowledged.join("\n")).unwrap();
    let proof = place.run(&["audit", "--against", list.to_str().unwrap()]).unwrap();
    assert!(proof.status.success(), "{verdict}: {}", String::from_utf8_lossy(&proof.stdout));
    let twice = "SELECT count(*) - count(DISTINCT event_id) FROM clicks";
    assert_eq!(place.ask(twice).unwrap(), 0, "a retry within the window is one click");
    assert!(up.process.end().unwrap());
}
