//! The soak, short unless `CLICKWEIR_SOAK_MINUTES` says how long (`make soak MINUTES=60`).

use std::time::Duration;

use tests::real;
use tests::soak::Soak;

/// How long the faults go on.
fn length() -> Duration {
    let minutes = real::env("CLICKWEIR_SOAK_MINUTES").and_then(|text| text.parse::<f64>().ok());
    minutes.map_or(Duration::from_secs(36), |minutes| {
        Duration::from_secs_f64(minutes * 60.0)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_soak_kills_freezes_and_cuts_and_nothing_is_lost_or_doubled() {
    let Some(soak) = Soak::start().await.unwrap() else {
        return;
    };
    let tally = soak.run(length(), 3).await.unwrap();
    println!("{tally}");
    for kind in ["kill", "freeze", "cut"] {
        assert!(tally.count(kind) > 0, "no {kind}: {tally}");
    }
    assert!(tally.clicks() > 1_000, "{tally}");
}
