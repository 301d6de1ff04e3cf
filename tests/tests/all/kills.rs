//! Kills: every acknowledged click is in the lake once.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tests::clickweir::Place;
use tests::clients::Clients;
use tests::real;
use tokio::time::{Instant, sleep};

/// How many kills a run makes; `CLICKWEIR_KILLS` asks for more.
fn kills() -> u64 {
    real::env("CLICKWEIR_KILLS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(8)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_45_everything_killed_at_once_again_and_again() {
    let place = Place::new().unwrap().with("SINK__MAX_AGE", "200ms");
    let mut choices = StdRng::seed_from_u64(45);
    let mut up = place.up(&[]).unwrap();
    let clients = Clients::start(&up.shop, 4, Duration::ZERO);
    let mut longest = Duration::ZERO;
    for _kill in 0..kills() {
        sleep(Duration::from_millis(choices.random_range(50..1_500))).await;
        up.process.kill().unwrap();
        let killed = Instant::now();
        up = place.up(&[]).unwrap();
        longest = longest.max(killed.elapsed());
        clients.turn_to(&up.shop);
    }
    sleep(Duration::from_secs(1)).await;
    let sent = clients.stop().await;
    let acknowledged = sent.acknowledged;
    place.settled().await.unwrap();
    let count = acknowledged.len();
    assert!(count > 100, "the clients got through: {count}");
    let late = place.proves(&acknowledged).unwrap();
    println!(
        "{} kills of everything, {count} clicks, {} requests repeated, {} retried; lost 0, doubled 0, {late} clicks retried after the window; from a kill to serving again at most {longest:?}",
        kills(),
        sent.repeated,
        sent.retried
    );
    assert!(up.process.end().unwrap());
}
