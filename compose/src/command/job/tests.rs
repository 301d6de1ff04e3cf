use super::*;

fn job() -> Arc<CommandJob<u64, String>> {
    Arc::new(CommandJob::new())
}

#[tokio::test(start_paused = true)]
async fn a_job_shows_its_progress_and_then_its_end() {
    let job = job();
    job.update(|progress| *progress = 7);
    assert_eq!(job.poll().await, JobState::Running(7));
    job.end(Ok("done".into()));
    job.update(|progress| *progress = 8);
    assert_eq!(job.poll().await, JobState::Done("done".into()));
}

#[tokio::test(start_paused = true)]
async fn a_poll_returns_as_soon_as_the_job_ends() {
    let job = job();
    let asked = tokio::spawn({
        let job = job.clone();
        async move { job.poll().await }
    });
    tokio::task::yield_now().await;
    job.end(Err("no".into()));
    assert_eq!(asked.await.unwrap(), JobState::Failed("no".into()));
}

#[tokio::test(start_paused = true)]
async fn a_job_knows_when_nobody_watches_it() {
    let (every, timeout) = (Duration::from_millis(50), Duration::from_secs(1));
    let job = job();
    let watched = job.clone();
    let watching = tokio::spawn(async move {
        for _ in 0..20 {
            watched.poll().await;
        }
    });
    let begun = Instant::now();
    job.until_unwatched(every, timeout).await;
    assert!(watching.is_finished());
    assert!(begun.elapsed() >= 20 * POLL_INTERVAL + timeout - every);
}

#[test]
fn an_exclusive_job_runs_alone_and_others_run_beside_each_other() {
    let jobs = Jobs::default();
    let first = job();
    jobs.add("import", true, first.clone()).unwrap();
    let refused = jobs.add("import", true, job()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "another import is running; try again when it has ended"
    );
    jobs.add("replay", true, job()).unwrap();
    first.end(Ok(String::new()));
    jobs.add("import", true, job()).unwrap();
    jobs.add("audit", false, job()).unwrap();
    jobs.add("audit", false, job()).unwrap();
}

#[test]
fn ended_jobs_are_kept_up_to_a_number_and_running_ones_always() {
    let jobs = Jobs::default();
    let running = jobs.add("audit", false, job()).unwrap();
    let ids: Vec<u64> = (0..MAX_ENDED_JOBS + 3)
        .map(|_| {
            let ended = job();
            ended.end(Ok(String::new()));
            jobs.add("audit", false, ended).unwrap()
        })
        .collect();
    let there = |id| jobs.get::<u64, String>("audit", id).is_ok();
    assert!(there(running));
    assert_eq!(ids.iter().filter(|id| there(**id)).count(), MAX_ENDED_JOBS);
    assert!(there(*ids.last().unwrap()));
    let other = jobs.get::<u64, u64>("replay", running).map(drop);
    assert!(other.unwrap_err().to_string().contains("start it again"));
}

#[test]
fn stop_reaches_every_job() {
    let jobs = Jobs::default();
    let (one, two) = (job(), job());
    jobs.add("import", true, one.clone()).unwrap();
    jobs.add("replay", true, two.clone()).unwrap();
    jobs.stop();
    assert!(one.stop.is_cancelled() && two.stop.is_cancelled());
}
