//! Faults between a worker and its store while it keeps its membership: nothing is skipped or
//! doubled, and it goes on by itself.

use std::time::Duration;

use tests::clients::Clients;
use tests::cluster::{Cluster, Role};
use tests::commits::{self, Newest};
use tests::kafka;
use tests::proxy::{Link, Proxy};
use tests::{s3, usage};
use tokio::time::{Instant, sleep};

/// One worker that reaches its store through a proxy, under load.
struct Stage {
    cluster: Cluster,
    group: String,
    store: Proxy,
    edge: Role,
    worker: Role,
    dashboard: Role,
    clients: Clients,
}

impl Stage {
    async fn new(name: &str) -> Option<Self> {
        let (kafka, s3) = (kafka::shared().await?, s3::shared().await?);
        let group = format!("{name}-{}", std::process::id());
        let cluster = Cluster::on(kafka, s3, name)
            .with("SINK__MAX_AGE", "300ms")
            .with("SINK__MAX_MEMORY", "2MiB")
            .with("TRANSFORMER__GROUP", &group);
        cluster.prepare().unwrap();
        let server = s3.endpoint().trim_start_matches("http://");
        let store = Proxy::start(server).await.unwrap();
        let edge = Role::edge(cluster.place()).unwrap();
        let endpoint = format!("http://{}", store.address());
        let place = cluster.place().with("LAKE__ENDPOINT", &endpoint);
        let worker = Role::transformer(place).unwrap();
        let dashboard = Role::dashboard(cluster.place()).unwrap();
        let clients = Clients::start(&edge.url, 4, Duration::from_millis(20));
        cluster.all_commit("the start").await.unwrap();
        Some(Self {
            cluster,
            group,
            store,
            edge,
            worker,
            dashboard,
            clients,
        })
    }

    async fn members(&self) -> Vec<String> {
        let kafka = kafka::shared().await.unwrap();
        kafka.members(&self.group).await.unwrap()
    }

    async fn newest(&self) -> Newest {
        self.cluster.newest().await.unwrap()
    }

    /// After the mend it goes on by itself, and the audits prove the lake. Returns how many extra
    /// tries the clients' requests needed.
    async fn proves(self, why: &str) {
        self.store.set(Link::Pass);
        let since = Instant::now();
        self.cluster.all_commit(why).await.unwrap();
        let took = since.elapsed();
        let sent = self.clients.stop().await;
        let place = &self.dashboard.place;
        let verdict = place.settled().await.unwrap();
        place.proves(&sent.acknowledged).unwrap();
        println!(
            "{why}: {} cut or refused, {} clicks, lost {}, doubled {}; all commit after {took:?}",
            self.store.cut(),
            sent.acknowledged.len(),
            verdict["lost"],
            verdict["doubled"]
        );
        assert!(self.edge.process.end().unwrap());
        assert!(self.worker.process.end().unwrap());
        assert!(self.dashboard.process.end().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_18_a_worker_cut_from_the_store_holds_its_bound_and_hands_over_in_time() {
    let Some(stage) = Stage::new("fault-18").await else {
        return;
    };
    let members = stage.members().await;
    assert_eq!(members.len(), 1);
    let memory = usage::memory(stage.worker.process.id()).unwrap();
    stage.store.set(Link::Stall);
    // A create in flight may still land; then the lake does not change.
    sleep(Duration::from_millis(500)).await;
    let before = stage.newest().await;
    sleep(2 * kafka::session_timeout()).await;
    assert_eq!(stage.newest().await, before, "it has no store");
    assert_eq!(
        stage.members().await,
        members,
        "and is a member all the same"
    );
    let grown = usage::peak(stage.worker.process.id()).unwrap() - memory;
    println!(
        "cut from the store for {:?}: memory +{grown:.0} MB",
        2 * kafka::session_timeout()
    );
    assert!(
        grown < 64.0,
        "2 MiB twice, and what the client read ahead: +{grown:.0} MB"
    );
    // A second member joins meanwhile, and gets its half although the first cannot commit.
    let since = Instant::now();
    let second = Role::transformer(stage.cluster.place()).unwrap();
    let deadline = since + Duration::from_secs(30);
    loop {
        let now = stage.newest().await;
        let newer = now
            .iter()
            .filter(|(partition, first)| before.get(partition) < Some(first));
        if newer.count() == stage.cluster.partitions() / 2 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the second has its half: {now:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
    println!(
        "the second member committed its half after {:?}",
        since.elapsed()
    );
    // The hand-over's 3 s, a process's start, two rebalances and a batch.
    assert!(
        since.elapsed() < Duration::from_secs(15),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(stage.members().await.len(), 2);
    stage.proves("the store is back").await;
    assert!(second.process.end().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_20_uploads_that_outlast_the_session_cost_no_membership() {
    let Some(stage) = Stage::new("fault-20").await else {
        return;
    };
    let (members, before) = (stage.members().await, stage.newest().await);
    // Each direction is so late that every create takes twice that.
    stage.store.set(Link::Delay(kafka::session_timeout()));
    stage
        .cluster
        .commit_since(&before, "slow uploads")
        .await
        .unwrap();
    stage
        .cluster
        .all_commit("slow uploads go on")
        .await
        .unwrap();
    assert_eq!(stage.members().await, members, "it was polled meanwhile");
    stage.proves("uploads are quick again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_21_creates_whose_reply_is_lost_are_read_and_believed() {
    let Some(stage) = Stage::new("fault-21").await else {
        return;
    };
    for _ in 0..20 {
        stage.store.set(Link::DropReply);
        sleep(Duration::from_millis(150)).await;
        stage.store.set(Link::Pass);
        sleep(Duration::from_millis(350)).await;
    }
    assert!(
        stage.store.cut() >= 10,
        "replies were lost: {}",
        stage.store.cut()
    );
    stage.proves("replies come again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_24_a_store_that_slows_down_and_conflicts_is_asked_again() {
    let Some(stage) = Stage::new("fault-24").await else {
        return;
    };
    stage.store.set(Link::Refuse {
        asked: "PUT ",
        percent: 30,
        with: &[503, 429, 409],
    });
    for turn in 0..4 {
        let why = format!("a third is refused, turn {turn}");
        stage.cluster.all_commit(&why).await.unwrap();
    }
    assert!(stage.store.cut() >= 6, "{} refused", stage.store.cut());
    stage.proves("nothing is refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_25_a_key_that_is_refused_stops_the_partitions_until_it_is_mended() {
    let Some(stage) = Stage::new("fault-25").await else {
        return;
    };
    stage.store.set(Link::Refuse {
        asked: "",
        percent: 100,
        with: &[403],
    });
    sleep(Duration::from_secs(1)).await;
    let before = commits::newest(&stage.cluster.lake()).await.unwrap();
    sleep(2 * kafka::session_timeout()).await;
    assert_eq!(
        stage.newest().await,
        before,
        "nothing is committed, nothing skipped"
    );
    assert!(stage.store.cut() > 0);
    stage.proves("the key is good again").await;
}
