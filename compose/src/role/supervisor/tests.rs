use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

fn stages() -> Stages {
    Stages::with(Signals::default(), DEADLINE)
}

/// A stage that runs until its token is cancelled, and then takes `time`.
fn start(stages: &mut Stages, name: &'static str, time: Duration) {
    stages.start(name, move |stop| async move {
        stop.cancelled().await;
        tokio::time::sleep(time).await;
        anyhow::Ok(())
    });
}

async fn failure(stages: Stages) -> String {
    let failed = stages.run_until_signal().await.unwrap_err();
    format!("{failed:#}")
}

#[tokio::test(start_paused = true)]
async fn stages_stop_one_after_the_other_in_the_order_of_their_start() {
    let mut stages = stages();
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    for name in ["edge", "transformer", "dashboard"] {
        let order = order.clone();
        stages.start(name, move |stop| async move {
            stop.cancelled().await;
            order.lock().push(name);
            anyhow::Ok(())
        });
    }
    let hooked = order.clone();
    stages.on_stop(move || hooked.lock().push("jobs"));
    stages.signals().stop.cancel();
    let code = stages.run_until_signal().await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(*order.lock(), ["jobs", "edge", "transformer", "dashboard"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_work_stops_the_stages_and_is_the_exit_code() {
    let mut stages = stages();
    start(&mut stages, "edge", Duration::ZERO);
    let code = stages.run(async { Ok(ExitCode::from(7)) }).await.unwrap();
    assert_eq!(code, ExitCode::from(7));
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_ends_by_itself_ends_the_process() {
    let mut stages = stages();
    start(&mut stages, "edge", Duration::ZERO);
    stages.start("crawler", |_| async { anyhow::Ok(()) });
    assert_eq!(failure(stages).await, "the crawler ended by itself");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_fails_ends_the_process_with_its_reason() {
    let mut stages = stages();
    start(&mut stages, "edge", Duration::ZERO);
    stages.start("tail", |_| async { Err::<(), _>(anyhow!("no topic")) });
    assert_eq!(failure(stages).await, "the tail failed: no topic");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_panics_ends_the_process_with_its_message() {
    let mut stages = stages();
    start(&mut stages, "edge", Duration::ZERO);
    stages.start("crawler", |_| async {
        assert_eq!(1, 2, "numbers differ");
        anyhow::Ok(())
    });
    let said = failure(stages).await;
    assert!(said.starts_with("the crawler panicked: "), "{said}");
    assert!(said.contains("numbers differ"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_fails_while_it_stops_fails_the_process_after_the_others_stopped() {
    let mut stages = stages();
    stages.start("edge", |stop| async move {
        stop.cancelled().await;
        Err::<(), _>(anyhow!("drafts are left"))
    });
    let stopped: Arc<Mutex<bool>> = Arc::default();
    let told = stopped.clone();
    stages.start("transformer", |stop| async move {
        stop.cancelled().await;
        *told.lock() = true;
        anyhow::Ok(())
    });
    stages.signals().stop.cancel();
    assert_eq!(failure(stages).await, "the edge failed: drafts are left");
    assert!(*stopped.lock());
}

#[tokio::test(start_paused = true)]
async fn one_deadline_holds_for_all_stages_together() {
    for (each, expect) in [
        (10, None),
        (16, Some("the transformer did not end within 30s")),
    ] {
        let mut stages = stages();
        for name in ["edge", "transformer"] {
            start(&mut stages, name, Duration::from_secs(each));
        }
        stages.signals().stop.cancel();
        let ended = stages.run_until_signal().await.map_err(|e| e.to_string());
        match expect {
            None => assert_eq!(ended, Ok(ExitCode::SUCCESS)),
            Some(sentence) => assert!(ended.unwrap_err().starts_with(sentence)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_cuts_the_stages_off() {
    let mut stages = stages();
    start(&mut stages, "edge", Duration::from_secs(20));
    let signals = stages.signals();
    signals.stop.cancel();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        signals.now.cancel();
    });
    let begun = Instant::now();
    let said = failure(stages).await;
    assert!(said.starts_with("the edge was cut off by a second signal"));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}
