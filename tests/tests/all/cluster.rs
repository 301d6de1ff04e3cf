//! The same way on a real Kafka and a real S3 server, every role a process of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sink::Lake;
use tests::clickweir::{Place, Process};
use tests::clients::{Clients, post};
use tests::kafka::{self, Kafka};
use tests::real;
use tests::seaweed::{self, Seaweed};
use tokio::time::{Instant, sleep};

use crate::imports::imports_online_retail;

const PARTITIONS: usize = 4;
/// When a silent member loses its partitions, in the tests.
const SESSION: Duration = Duration::from_secs(3);
/// How long the group may need until every partition is committed again: the session of
/// the member that is gone, a rebalance and a batch; on an idle machine some five seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A topic and a lake of the test's own on the servers that tests share.
pub(crate) struct Cluster {
    kafka: &'static Kafka,
    seaweed: &'static Seaweed,
    name: &'static str,
    max_age: &'static str,
}

impl Cluster {
    pub(crate) async fn new(name: &'static str, max_age: &'static str) -> Option<Self> {
        let (kafka, seaweed) = (kafka::shared().await?, seaweed::shared().await?);
        Some(Self {
            kafka,
            seaweed,
            name,
            max_age,
        })
    }

    /// A name that nobody else has where the servers outlive this run.
    fn unique(&self) -> String {
        format!("{}-{}", self.name, std::process::id())
    }

    /// A folder of a role's own; what the roles share is in the environment.
    pub(crate) fn place(&self) -> Place {
        let lake = self.seaweed.lake(&self.unique());
        let (access_key, secret_key) = self.seaweed.keys();
        Place::new()
            .unwrap()
            .with(
                "TOPIC__URL",
                &format!("kafka://{}/{}", self.kafka.brokers(), self.unique()),
            )
            .with("TOPIC__PARTITIONS", &PARTITIONS.to_string())
            .with("TOPIC__SESSION_TIMEOUT", &format!("{}s", SESSION.as_secs()))
            .with("LAKE__URL", &lake.url)
            .with("LAKE__ENDPOINT", &lake.endpoint)
            .with("LAKE__ACCESS_KEY", access_key)
            .with("LAKE__SECRET_KEY", secret_key)
            .with("SINK__MAX_AGE", self.max_age)
    }

    pub(crate) fn lake(&self) -> Lake {
        Lake::open(&self.seaweed.lake(&self.unique())).unwrap()
    }

    /// Starts a producer, as many transformers and a dashboard.
    pub(crate) fn start(&self, transformers: usize) -> Roles {
        let prepared = self.place().must(&["prepare"]).unwrap();
        assert!(
            prepared.contains(&format!("with {PARTITIONS} partitions")),
            "{prepared}"
        );
        assert!(
            self.place().must(&["prepare"]).is_ok(),
            "prepared again, it stays as it is"
        );
        let mut producer = Process::start(&self.place(), &["producer"]).unwrap();
        let shop = producer.line_after("edge on ").unwrap();
        let transformers = (0..transformers)
            .map(|_| Transformer::start(self.place()))
            .collect();
        let place = self.place();
        let mut dashboard = Process::start(&place, &["dashboard"]).unwrap();
        dashboard.line_after("dashboard on ").unwrap();
        Roles {
            producer,
            transformers,
            dashboard,
            place,
            shop,
        }
    }
}

/// A member of the group, in a folder that it keeps when it is started again.
struct Transformer {
    place: Place,
    process: Process,
}

impl Transformer {
    fn start(place: Place) -> Self {
        let process = Self::run(&place);
        Self { place, process }
    }

    fn run(place: &Place) -> Process {
        let mut process = Process::start(place, &["transformer"]).unwrap();
        process.line_after("from ").unwrap();
        process
    }

    fn start_again(&mut self) {
        self.process = Self::run(&self.place);
    }
}

/// The processes of a cluster.
pub(crate) struct Roles {
    producer: Process,
    transformers: Vec<Transformer>,
    dashboard: Process,
    /// The dashboard's folder: commands that are typed here ask its catalog.
    pub(crate) place: Place,
    pub(crate) shop: String,
}

impl Roles {
    /// Ends them in the order of the data; each must end in time and say so.
    pub(crate) fn end(self) {
        assert!(self.producer.end().unwrap(), "the producer ends in order");
        for transformer in self.transformers {
            assert!(
                transformer.process.end().unwrap(),
                "a transformer ends in order"
            );
        }
        assert!(self.dashboard.end().unwrap(), "the dashboard ends in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_a_click_is_the_same_on_a_cluster() {
    let Some(cluster) = Cluster::new("way", "500ms").await else {
        return;
    };
    let roles = cluster.start(2);
    let click = r#"{"id":"0190bbbb-0000-7000-8000-000000000001","action":"buy","product_id":"mug","visitor_id":"v1","quantity":2}"#;
    for body in [click, click, r#"[{"action":"view","visitor_id":"v2"},42]"#] {
        assert_eq!(post(&roles.shop, body).await.0, 202, "{body}");
    }
    let verdict = roles.place.settled().await.unwrap();
    let count = |key: &str| verdict[key].as_u64().unwrap();
    assert_eq!(
        [
            "acknowledged",
            "rows",
            "dead_letters",
            "duplicates",
            "lost",
            "doubled"
        ]
        .map(count),
        [4, 2, 1, 1, 0, 0],
        "invariant 4: {verdict}"
    );
    assert_eq!(
        roles.place.ask("SELECT sum(quantity) FROM clicks").unwrap(),
        json!(2)
    );
    // Each row's record is where the row says, and says what the client said.
    let row = "SELECT \"partition\" || ' ' || \"offset\" FROM clicks WHERE action = 'buy'";
    let row = roles.place.ask(row).unwrap();
    let (partition, offset) = row.as_str().unwrap().split_once(' ').unwrap();
    let end = (offset.parse::<u64>().unwrap() + 1).to_string();
    let read = [
        "topic",
        "read",
        "--partition",
        partition,
        "--from-offset",
        offset,
        "--to-offset",
        &end,
    ];
    let record: Value = serde_json::from_str(&roles.place.must(&read).unwrap()).unwrap();
    let said: Value = serde_json::from_str(click).unwrap();
    assert_eq!(
        (&record["offset"].to_string()[..], &record["value"]["click"]),
        (offset, &said)
    );
    // A catalog of another process, made now, is equal: here nobody owns one yet.
    let elsewhere = cluster.place();
    let sum =
        "SELECT count(*) || '/' || bit_xor(hash(event_id, \"offset\", occurred_at)) FROM clicks";
    assert_eq!(
        elsewhere.ask(sum).unwrap(),
        roles.place.ask(sum).unwrap(),
        "invariant 6"
    );
    assert!(elsewhere.must(&["audit"]).unwrap().contains("clean"));
    for (place, role) in [
        (&roles.transformers[0].place, "transformer"),
        (&roles.place, "crawl"),
    ] {
        assert!(place.must(&["health", role]).is_ok(), "{role} is well");
    }
    roles.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn online_retail_is_in_the_lake_whole_and_once_on_a_cluster() {
    let Some(cluster) = Cluster::new("retail", "2s").await else {
        return;
    };
    let roles = cluster.start(2);
    imports_online_retail(&roles.place).await;
    let cpu = |process: &Process| process.cpu().unwrap();
    let transformers = roles.transformers.iter();
    println!(
        "transformers: {:?} CPU-seconds, dashboard: {}",
        transformers
            .map(|one| cpu(&one.process))
            .collect::<Vec<_>>(),
        cpu(&roles.dashboard)
    );
    roles.end();
}

/// How many kills a run makes; `CLICKWEIR_KILLS` asks for more.
fn kills() -> usize {
    real::env("CLICKWEIR_KILLS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(6)
}

/// Where the newest object of each partition begins.
async fn newest(lake: &Lake) -> BTreeMap<u32, u64> {
    let mut newest = BTreeMap::new();
    // Two hours, since a partition may not have turned with the others yet.
    for hour in lake.hours().await.unwrap().into_iter().take(2) {
        for (name, _) in lake.objects(hour).await.unwrap() {
            let first = newest.entry(name.partition.0).or_default();
            *first = name.first.0.max(*first);
        }
    }
    newest
}

/// Waits until every partition has a newer object than it has now.
async fn all_commit(lake: &Lake, why: &str) {
    commit_since(lake, &newest(lake).await, why).await;
}

/// Waits until every partition has a newer object than it had.
async fn commit_since(lake: &Lake, before: &BTreeMap<u32, u64>, why: &str) {
    let since = Instant::now();
    loop {
        let now = newest(lake).await;
        let newer = |(partition, first): (&u32, &u64)| before.get(partition) < Some(first);
        if now.len() == PARTITIONS && now.iter().all(newer) {
            return;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{why}: {before:?} became {now:?} and no more"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_16_members_killed_frozen_and_sent_home_lose_and_double_nothing() {
    let Some(cluster) = Cluster::new("kills", "300ms").await else {
        return;
    };
    let mut roles = cluster.start(2);
    let lake = cluster.lake();
    let clients = Clients::start(&roles.shop, 4, Duration::from_millis(20));
    all_commit(&lake, "the start").await;
    let mut choices = StdRng::seed_from_u64(16);
    let mut recoveries = Vec::new();
    for kill in 0..kills() {
        sleep(Duration::from_millis(choices.random_range(50..2_000))).await;
        let member = &mut roles.transformers[kill % 2];
        member.process.kill().unwrap();
        let (killed, before) = (Instant::now(), newest(&lake).await);
        member.start_again();
        // Now and then the next kill comes while the group still settles.
        if kill % 3 != 2 {
            commit_since(&lake, &before, "after a kill").await;
            recoveries.push(killed.elapsed());
        }
    }
    all_commit(&lake, "after the kills").await;
    for frozen in 0..2 {
        let member = &mut roles.transformers[frozen];
        member.process.signal("STOP").unwrap();
        // Past its session, or else its own partitions would not go on.
        all_commit(&lake, "while a member is frozen").await;
        member.process.signal("CONT").unwrap();
        all_commit(&lake, "when it was woken").await;
    }
    let home = roles.transformers.remove(0);
    assert!(
        home.process.end().unwrap(),
        "a member that is sent home ends in order"
    );
    let sent_home = Instant::now();
    all_commit(&lake, "when a member was sent home").await;
    let handed_over = sent_home.elapsed();
    roles.transformers.push(Transformer::start(home.place));
    all_commit(&lake, "when it is back").await;
    let acknowledged = clients.stop().await;
    assert!(
        acknowledged.len() > 1_000,
        "the clients got through: {}",
        acknowledged.len()
    );
    roles.place.settled().await.unwrap();
    roles.place.proves(&acknowledged).unwrap();
    println!(
        "{} clicks; from a kill until all commit again: {recoveries:?}",
        acknowledged.len()
    );
    println!("after a member was sent home: {handed_over:?}");
    roles.end();
}
