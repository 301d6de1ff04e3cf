//! While clicks come and objects are swapped, each answer of each engine is one published state.

use std::fs;
use std::time::Duration;

use tests::clickweir::Place;
use tests::clients::Clients;
use tokio::time::Instant;

use super::reader::{Published, engines};
use super::scene::{LETTERS_PER_HOUR, PER_HOUR, VISITORS, aged, replay};
use super::watch::{State, Watch};

/// Hours before now in which clicks came; retention takes the first two.
const HOURS: [i64; 4] = [50, 49, 4, 3];
const RETENTION: &str = "[[retention]]\nolder_than = \"1day\"\n";
/// Rows of each hour, and what is left of them without a visitor.
const ALL: u64 = (PER_HOUR - LETTERS_PER_HOUR) as u64;
const LEFT: u64 = ALL - (PER_HOUR / VISITORS) as u64;
const VISITOR: &str = "v3";
/// A client sends five clicks in each of these.
const EVERY: Duration = Duration::from_millis(100);

/// A lake that changes while engines read it.
struct Scene<'s> {
    place: &'s Place,
    watch: Watch,
    /// The hours that are past, as states name them.
    past: Vec<u64>,
    shown: State,
}

impl Scene<'_> {
    /// Runs a command that swaps objects, and waits until every engine shows what it did to the
    /// hours that are past.
    async fn swap(&mut self, command: &[&str], rows: [u64; HOURS.len()]) {
        let swaps = self.shown.swaps;
        let begun = Instant::now();
        self.place.must(command).unwrap();
        let took = begun.elapsed();
        self.place.must(&["publish"]).unwrap();
        self.shown = self.watch.shown(swaps + 1).await;
        let by_hour = self.shown.by_hour();
        let of_hour = |hour| by_hour.get(hour).copied().unwrap_or_default();
        let found: Vec<u64> = self.past.iter().map(of_hour).collect();
        assert_eq!(found, rows, "{command:?}");
        println!(
            "{}: {took:?}, shown {:?} later",
            command[0],
            begun.elapsed() - took
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_clicks_come_each_answer_is_one_published_state_whatever_is_swapped() {
    let Some(mut engines) = engines() else { return };
    engines.retain(|engine| !engine.reads_files);
    let place = Place::new()
        .unwrap()
        .with("COMPACTION__ENABLED", "false")
        // Few objects, so that an engine that takes seconds for each answer keeps up.
        .with("SINK__MAX_AGE", "3s")
        .with("CATALOG__PUBLISH_EVERY", "1s");
    fs::write(place.path().join("clickweir.toml"), RETENTION).unwrap();
    let lake = aged(&place, &HOURS, None).await;
    let up = place.up(&[]).unwrap();
    place.settled().await.unwrap();
    place.must(&["publish"]).unwrap();
    let at = Published {
        lake,
        catalog: format!("{}/iceberg", up.dashboard),
        ..Published::default()
    };
    let watch = Watch::start(&engines, &at);
    let clients = Clients::start(&up.shop, 1, EVERY);
    let shown = watch.shown(0).await;
    let by_hour = shown.by_hour();
    let past = by_hour.keys().copied().take(HOURS.len()).collect();
    let mut scene = Scene {
        place: &place,
        watch,
        past,
        shown,
    };
    scene.swap(&["compact"], [ALL; 4]).await;
    scene.swap(&["expire"], [0, 0, ALL, ALL]).await;
    replay(&place, "again", 2);
    scene.swap(&["promote", "again"], [ALL; 4]).await;
    scene.swap(&["rollback", "again"], [0, 0, ALL, ALL]).await;
    // What is erased is deleted at once: an engine that reads it at that time may fail.
    let begun = Instant::now();
    let forget = ["forget", "--visitor", VISITOR, "--yes"];
    scene.swap(&forget, [0, 0, LEFT, LEFT]).await;
    scene.watch.excuse(begun);
    let begun = Instant::now();
    let lost = scene.shown.files.first().unwrap();
    fs::remove_file(lost.trim_start_matches("file://")).unwrap();
    scene.swap(&["repair"], [0, 0, LEFT, LEFT]).await;
    scene.watch.excuse(begun);
    let sent = clients.stop().await;
    place.settled().await.unwrap();
    place.listed(&sent.acknowledged).unwrap();
    scene.watch.check();
    assert!(up.process.end().unwrap());
}
