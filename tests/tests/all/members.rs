//! Brokers, partitions and members that come and go under load: nothing is lost or doubled, and one
//! visitor's clicks keep their order.

use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewPartitions};
use serde_json::json;
use tests::clickweir::{Place, Process};
use tests::clients::{CLICKS, Clients};
use tests::cluster::{Cluster, Role};
use tests::kafka::{self, Kafka};
use tests::namespace::Namespace;
use tests::proxy::Proxy;
use tests::{real, s3};
use tokio::time::{Instant, sleep};

/// How many visitors' clicks are in the lake in another order than sent. A client's ids count up,
/// and it sends one request after the other.
fn out_of_order(place: &Place) -> serde_json::Value {
    let disordered = "SELECT count(*) FROM (SELECT right(event_id::VARCHAR, 12) AS number, \
        lag(number) OVER (PARTITION BY visitor_id ORDER BY \"offset\") AS earlier FROM clicks) \
        WHERE number <= earlier";
    place.ask(disordered).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fault_11_of_three_brokers_the_leader_is_killed_under_load() {
    let (Some(mut kafka), Some(s3)) = (kafka::start_three().await, s3::shared().await) else {
        return;
    };
    let cluster = Cluster::on(&kafka, s3, "three").with("SINK__MAX_AGE", "500ms");
    let roles = cluster.start(2).unwrap();
    let clients = Clients::start(&roles.producer.url, 4, Duration::from_millis(10));
    cluster.all_commit("the start").await.unwrap();
    for turn in 0..2 {
        let leader = kafka.leader(cluster.topic(), 0).await.unwrap();
        let (acknowledged, since) = (clients.acknowledged(), Instant::now());
        kafka.kill(leader);
        while clients.acknowledged() < acknowledged + 100 {
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "the other two take clicks"
            );
            sleep(Duration::from_millis(50)).await;
        }
        let taken = since.elapsed();
        cluster.all_commit("by the other two").await.unwrap();
        println!(
            "kill {turn}, of broker {}: clicks are taken after {taken:?}, all commit after {:?}",
            leader + 1,
            since.elapsed()
        );
        kafka.revive(leader).await.unwrap();
        cluster.all_commit("it is back").await.unwrap();
    }
    let sent = clients.stop().await;
    let place = &roles.dashboard.place;
    place.settled().await.unwrap();
    place.proves(&sent.acknowledged).unwrap();
    assert_eq!(
        out_of_order(place),
        json!(0),
        "a visitor's clicks keep their order"
    );
    println!(
        "{} clicks, {} tries made again; lost 0, doubled 0, out of order 0",
        sent.acknowledged.len(),
        sent.retried
    );
    roles.end().unwrap();
}

async fn grow(kafka: &Kafka, topic: &str, partitions: usize) {
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
    let more = NewPartitions::new(topic, partitions);
    let grown = kafka
        .admin()
        .create_partitions([&more], &options)
        .await
        .unwrap();
    assert!(grown[0].is_ok(), "{grown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fault_14_partitions_and_workers_added_and_removed_under_load() {
    const CLIENTS: u64 = 4;
    let (Some(kafka), Some(s3)) = (kafka::shared().await, s3::shared().await) else {
        return;
    };
    let cluster = Cluster::on(kafka, s3, "grown").with("SINK__MAX_AGE", "300ms");
    let mut roles = cluster.start(1).unwrap();
    let clients = Clients::start(&roles.producer.url, CLIENTS, Duration::from_millis(10));
    cluster.all_commit("the start").await.unwrap();
    roles
        .transformers
        .push(Role::transformer(cluster.place()).unwrap());
    grow(kafka, cluster.topic(), 6).await;
    let cluster = cluster.with_partitions(6);
    cluster
        .all_commit("with two more partitions")
        .await
        .unwrap();
    roles
        .transformers
        .push(Role::transformer(cluster.place()).unwrap());
    cluster.all_commit("with a third worker").await.unwrap();
    for why in ["one is sent home", "and another"] {
        assert!(roles.transformers.remove(0).process.end().unwrap());
        cluster.all_commit(why).await.unwrap();
    }
    let sent = clients.stop().await;
    let place = &roles.dashboard.place;
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["doubled"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    place.listed(&sent.acknowledged).unwrap();
    // A retry is a duplicate only in the partition of its twin: a request that was sent before and
    // again after its visitor's key moved is in two partitions, as README says. Each client had one
    // request in flight at that moment.
    let twins = "SELECT count(*) - count(DISTINCT (event_id, \"partition\")) FROM clicks";
    assert_eq!(
        place.ask(twins).unwrap(),
        json!(0),
        "none within a partition"
    );
    let twice = place
        .ask("SELECT count(*) - count(DISTINCT event_id) FROM clicks")
        .unwrap();
    println!(
        "{} clicks, 4 to 6 partitions, 1 to 3 to 1 workers; lost 0, doubled 0, retries that \
         straddled the change {twice}",
        sent.acknowledged.len()
    );
    assert!(twice.as_u64().unwrap() <= CLIENTS * CLICKS, "{twice}");
    roles.end().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fault_19_members_that_join_and_leave_every_two_seconds_do_not_stop_it() {
    const TURNS: usize = 10;
    let Some(cluster) = Cluster::shared("churn").await else {
        return;
    };
    let cluster = cluster.with("SINK__MAX_AGE", "300ms");
    let mut roles = cluster.start(1).unwrap();
    let clients = Clients::start(&roles.producer.url, 4, Duration::from_millis(20));
    cluster.all_commit("the start").await.unwrap();
    let before = cluster.newest().await.unwrap();
    let mut every = tokio::time::interval(Duration::from_secs(2));
    for turn in 0..TURNS {
        every.tick().await;
        if turn % 2 == 0 {
            roles
                .transformers
                .push(Role::transformer(cluster.place()).unwrap());
        } else {
            // The oldest and the newest in turn.
            let leaving = roles.transformers.remove(turn / 2 % 2);
            assert!(leaving.process.end().unwrap(), "a member leaves in order");
        }
    }
    let after = cluster.newest().await.unwrap();
    let progressed = before
        .iter()
        .filter(|(partition, first)| after[partition] > **first);
    assert_eq!(
        progressed.count(),
        cluster.partitions(),
        "{before:?} became {after:?}"
    );
    cluster.all_commit("the group is at rest").await.unwrap();
    let sent = clients.stop().await;
    roles.dashboard.place.settled().await.unwrap();
    roles.dashboard.place.proves(&sent.acknowledged).unwrap();
    println!(
        "{TURNS} joins and leaves, {} clicks; lost 0, doubled 0",
        sent.acknowledged.len()
    );
    roles.end().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fault_17_a_worker_cut_from_kafka_and_not_from_the_store_lets_go() {
    const TO_KAFKA: usize = 0;
    let Some(s3) = s3::shared().await else {
        return;
    };
    let space = Namespace::new(&[17, 18]);
    let why_not = space.as_ref().err().map(|error| format!("{error:#}"));
    if !real::have("network namespace", why_not) {
        return;
    }
    let space = space.unwrap();
    let Some(kafka) = kafka::start_behind(&["10.213.17.1:0"]).await else {
        return;
    };
    let server = s3.endpoint().trim_start_matches("http://");
    let store = Proxy::on("10.213.18.1:0", server).await.unwrap();
    let cluster = Cluster::on(&kafka, s3, "cut").with("SINK__MAX_AGE", "300ms");
    let mut roles = cluster.start(1).unwrap();
    let clients = Clients::start(&roles.producer.url, 4, Duration::from_millis(20));
    cluster.all_commit("the start").await.unwrap();
    let place = cluster
        .behind(kafka.proxy(0))
        .with("LAKE__ENDPOINT", &format!("http://{}", store.address()));
    let mut inside = Process::spawn(&mut space.within(&place.command(&["transformer"]))).unwrap();
    inside.line_after("from ").unwrap();
    cluster
        .all_commit("the one inside has joined")
        .await
        .unwrap();
    for turn in ["once", "and again"] {
        space.plug(TO_KAFKA, false).unwrap();
        // It may still commit the batches that it holds; after its session the other has all
        // partitions.
        sleep(kafka::session_timeout()).await;
        let took = cluster
            .all_commit("without the one that is cut off")
            .await
            .unwrap();
        println!("cut from Kafka {turn}: all commit after {took:?}");
        space.plug(TO_KAFKA, true).unwrap();
        cluster.all_commit("it is back").await.unwrap();
    }
    // Alone it must serve all partitions: it is a full member again.
    assert!(roles.transformers.remove(0).process.end().unwrap());
    cluster.all_commit("by the one inside alone").await.unwrap();
    let sent = clients.stop().await;
    roles.dashboard.place.settled().await.unwrap();
    roles.dashboard.place.proves(&sent.acknowledged).unwrap();
    println!("{} clicks; lost 0, doubled 0", sent.acknowledged.len());
    assert!(inside.end().unwrap());
    roles.end().unwrap();
}
