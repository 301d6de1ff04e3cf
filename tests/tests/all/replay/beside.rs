//! A replay beside live traffic: compared, promoted, rolled back and published, while clients
//! send and readers read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::clickweir::{Place, Up};
use tests::clients::{Clients, post};
use tokio::task::JoinHandle;

use super::{NO_WINDOW, clicks, diff, replay, replayed, same, send};

/// The rows of the replayed range: each has a visitor whose name is a `v` and a digit.
const REPLAYED: &str = "SELECT count(*) FROM clicks WHERE visitor_id ~ 'v[0-9]'";

/// A running node, and the range of its topic that is replayed: everything before `until`.
struct Scene {
    place: Place,
    up: Up,
    until: String,
    rows: u64,
    duplicates: u64,
}

impl Scene {
    /// Sends clicks, duplicates and bad clicks, and waits until the lake has them.
    async fn start() -> Self {
        let place = Place::new().unwrap().with("SINK__MAX_AGE", "200ms");
        let up = place.up(&[]).unwrap();
        let [rows, duplicates, letters] = send(&up.shop, 20).await;
        let verdict = place.settled().await.unwrap();
        assert_eq!(
            [
                &verdict["rows"],
                &verdict["duplicates"],
                &verdict["dead_letters"]
            ],
            [rows, duplicates, letters].map(|n| json!(n)).each_ref()
        );
        let mark = r#"{"id":"mark","visitor_id":"mark"}"#;
        assert_eq!(post(&up.shop, mark).await.0, 202);
        place.settled().await.unwrap();
        let until = "SELECT strftime(appended_at, '%Y-%m-%dT%H:%M:%S.%fZ') FROM clicks
            WHERE visitor_id = 'mark'";
        let until = place.ask(until).unwrap().as_str().unwrap().to_owned();
        Self {
            place,
            up,
            until,
            rows,
            duplicates,
        }
    }

    fn range(&self) -> [&str; 4] {
        ["--from", "2020-01-01T00:00:00Z", "--to", &self.until]
    }

    /// A replay with the same configuration has the same rows, and run again it lands nothing.
    fn replays_the_same(&self) {
        replayed(&self.place, "same", &self.range());
        same(&self.place, "same");
        let again = replay(&self.place, "same", &self.range());
        let again = String::from_utf8_lossy(&again.stdout).into_owned();
        assert!(again.contains(" 0 offsets read again now"), "{again}");
    }

    /// A replay without a window has the duplicates as rows, and the comparison counts them.
    fn replays_with_the_doubles(&self) {
        let (place, rows, duplicates) = (&self.place, self.rows, self.duplicates);
        let range = [&self.range()[..], &NO_WINDOW].concat();
        replayed(place, "doubles", &range);
        let (told, equal) = diff(place, "doubles");
        assert!(!equal);
        let told = &told["clicks"];
        assert_eq!(
            [&told["only_replay"], &told["only_live"], &told["differing"]],
            [&json!(duplicates), &json!(0), &json!(0)]
        );
        assert_eq!(
            place.ask("SELECT count(*) FROM clicks_doubles").unwrap(),
            rows + duplicates
        );
        let shown = place.must(&["audit"]).unwrap();
        assert!(
            shown.contains("replay doubles: ") && shown.contains("clean"),
            "{shown}"
        );
    }

    /// The replayed rows as a process with a catalog of its own counts them.
    fn counted_elsewhere(&self) -> u64 {
        let other = ["--set", "catalog.path=elsewhere/catalog.duckdb"];
        let command = [&["query", REPLAYED, "--format", "csv"], &other[..]].concat();
        let answer = self.place.must(&command).unwrap();
        answer.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Promotions and rollbacks switch all readers at once, and what arrives meanwhile is
    /// there.
    async fn promotes_and_rolls_back(&self) {
        let (place, up) = (&self.place, &self.up);
        let (live, both) = (self.rows, self.rows + self.duplicates);
        let (done, reading) = readers(up, REPLAYED, [live, both]);
        assert_eq!(self.counted_elsewhere(), live);
        for turn in 0..3 {
            place.must(&["promote", "doubles"]).unwrap();
            assert_eq!(place.ask(REPLAYED).unwrap(), both);
            assert_eq!(self.counted_elsewhere(), both, "another process follows");
            let panels = reqwest::Client::builder().no_proxy().build().unwrap();
            let accounting = panels.get(format!("{}/api/accounting", up.dashboard));
            let accounting: Value = accounting.send().await.unwrap().json().await.unwrap();
            assert_eq!(accounting["adds_up"], json!(true), "{accounting}");
            let late = format!(r#"{{"id":"late-{turn}","visitor_id":"late"}}"#);
            assert_eq!(post(&up.shop, late).await.0, 202);
            place.must(&["rollback", "doubles"]).unwrap();
            assert_eq!(place.ask(REPLAYED).unwrap(), live);
        }
        place.must(&["promote", "same"]).unwrap();
        done.store(true, Ordering::Relaxed);
        let mut seen = [0, 0];
        for reading in reading {
            let [old, new] = reading.await.unwrap();
            seen = [seen[0] + old, seen[1] + new];
        }
        println!(
            "readers met the live rows {} times, the replay's {} times",
            seen[0], seen[1]
        );
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }

    /// Everything that was acknowledged beside the replays is in the lake once.
    async fn loses_nothing(&self, acknowledged: &[String]) {
        let place = &self.place;
        place.settled().await.unwrap();
        place.proves(acknowledged).unwrap();
        let late = "SELECT count(*) FROM clicks WHERE visitor_id = 'late'";
        assert_eq!(place.ask(late).unwrap(), json!(3));
        assert!(place.must(&["audit"]).unwrap().contains("clean"));
        let promoted = "SELECT count(DISTINCT partition) FROM covered";
        assert_eq!(place.ask(promoted).unwrap(), json!(4));
    }

    /// The published copy shows the same as the catalog.
    fn publishes_what_is_promoted(&self) {
        let place = &self.place;
        let published = place.path().join("data/lake/published/clickweir.duckdb");
        let told = |sql: &str| {
            let reader = duckdb::Connection::open_in_memory().unwrap();
            let attach = format!(
                "ATTACH '{}' AS shop (READ_ONLY); USE shop",
                published.display()
            );
            reader.execute_batch(&attach).unwrap();
            reader
                .query_row(sql, [], |row| row.get::<_, u64>(0))
                .unwrap()
        };
        place.must(&["promote", "doubles"]).unwrap();
        assert_eq!(told(REPLAYED), self.rows + self.duplicates);
        place.must(&["rollback", "doubles"]).unwrap();
        assert_eq!(told(REPLAYED), self.rows);
        place.must(&["publish"]).unwrap();
        assert_eq!(told("SELECT count(*) FROM clicks"), clicks(place));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_43_a_replay_beside_live_traffic_leaves_it_alone_and_both_pass_the_checker() {
    let scene = Scene::start().await;
    let clients = Clients::start(&scene.up.shop, 2, Duration::from_millis(20));
    let before = clients.acknowledged();
    scene.replays_the_same();
    scene.replays_with_the_doubles();
    scene.promotes_and_rolls_back().await;
    let during = clients.acknowledged() - before;
    let acknowledged = clients.stop().await.acknowledged;
    assert!(during > 100, "the clients got through meanwhile: {during}");
    scene.loses_nothing(&acknowledged).await;
    scene.publishes_what_is_promoted();
    assert!(scene.up.process.end().unwrap());
}

/// Readers over HTTP, until they are stopped: each must see one of the `versions`.
fn readers(up: &Up, sql: &'static str, versions: [u64; 2]) -> (Arc<AtomicBool>, Vec<Reading>) {
    let done = Arc::new(AtomicBool::new(false));
    let read = || {
        let (url, done) = (format!("{}/api/query", up.dashboard), Arc::clone(&done));
        tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut seen = [0; 2];
            while !done.load(Ordering::Relaxed) {
                let request = client.post(&url).json(&json!({ "sql": sql }));
                let answer = request.send().await.unwrap();
                assert!(
                    answer.status().is_success(),
                    "{}",
                    answer.text().await.unwrap()
                );
                let answer: Value = answer.json().await.unwrap();
                let count = answer["rows"][0][0].as_u64().unwrap();
                let version = versions.iter().position(|version| *version == count);
                seen[version.unwrap_or_else(|| panic!("{count} is none of {versions:?}"))] += 1;
            }
            seen
        })
    };
    let reading = (0..2).map(|_| read()).collect();
    (done, reading)
}

type Reading = JoinHandle<[u64; 2]>;
