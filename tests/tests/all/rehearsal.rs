//! The containers: what their files promise, and the way of a click through all of them. With
//! `make test-containers` that is a way through containers, else through a rehearsal of them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tests::rehearsal::{Compose, IMAGE, Rehearsal, Service, interpolate};
use tests::{kafka, real, s3};
use tokio::time::{Instant, sleep};

const CLICKS: u64 = 400;
/// `sink.max_age`, a crawl and a loaded machine.
const ARRIVE: Duration = Duration::from_secs(90);

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
}

/// Sends clicks to the edge and waits until the dashboard's API has them all, once.
async fn carry(edge: &str, dashboard: &str, token: &str) {
    let product = format!("rehearsed-{}", std::process::id());
    for body in 0..4 {
        let clicks: Vec<Value> = (0..CLICKS / 4)
            .map(|click| {
                let id = format!("{product}-{body}-{click}");
                json!({ "id": id, "action": "buy", "product_id": product, "visitor_id": id })
            })
            .collect();
        // Sent twice, as by a client that lost the answer.
        for _ in 0..2 {
            let request = client().post(format!("{edge}/v1/events")).json(&clicks);
            let answer = request.send().await.expect("the edge answers");
            assert_eq!(
                answer.status(),
                202,
                "{}",
                answer.text().await.unwrap_or_default()
            );
        }
    }
    let sql = format!(
        "SELECT count(*), count(DISTINCT event_id) FROM clicks WHERE product_id = '{product}'"
    );
    let deadline = Instant::now() + ARRIVE;
    loop {
        let question = client()
            .post(format!("{dashboard}/api/query"))
            .bearer_auth(token)
            .json(&json!({ "sql": sql }));
        let answer: Value = match question.send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(error) => json!(error.to_string()),
        };
        if answer["rows"][0] == json!([CLICKS, CLICKS]) {
            return;
        }
        assert!(Instant::now() < deadline, "the dashboard shows {answer}");
        sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_of_compose_yaml_carry_clicks() {
    // If containers run, the test goes through them.
    if let Some(edge) = real::env("CLICKWEIR_TEST_EDGE") {
        let dashboard = real::env("CLICKWEIR_TEST_DASHBOARD").expect("CLICKWEIR_TEST_DASHBOARD");
        let token = real::env("CLICKWEIR_TEST_TOKEN").expect("CLICKWEIR_TEST_TOKEN");
        return carry(&edge, &dashboard, &token).await;
    }
    let (Some(kafka), Some(s3)) = (kafka::shared().await, s3::shared().await) else {
        return;
    };
    let compose = Compose::read("compose.yaml").expect("compose.yaml");
    let key = |name: &str| interpolate(&compose.services["minio"].environment[name]).unwrap();
    let keys = [key("MINIO_ROOT_USER"), key("MINIO_ROOT_PASSWORD")];
    // A topic and a bucket of this run's own, since the servers may outlive it.
    let run = std::process::id();
    let topic = format!("{}/rehearsed-{run}", kafka.brokers());
    let lake = format!("s3://rehearsed-{run}/lake");
    let instead = [
        ("redpanda:9092/clicks", topic.as_str()),
        ("s3://clickweir/lake", lake.as_str()),
        ("http://minio:9000", s3.endpoint()),
        (keys[0].as_str(), s3.keys().0),
        (keys[1].as_str(), s3.keys().1),
    ];
    let rehearsal = Rehearsal::start(&compose, &instead)
        .await
        .expect("every service is healthy");
    let [edge, dashboard] = ["producer", "dashboard"].map(|name| rehearsal.url(name).expect(name));
    let token = &compose.services["dashboard"].environment["CLICKWEIR__DASHBOARD__TOKEN"];
    let token = interpolate(token).unwrap();
    carry(&edge, &dashboard, &token).await;
    let audit = rehearsal
        .exec("dashboard", &["audit", "--json"])
        .expect("the audit is clean");
    let audit: Value = serde_json::from_str(&audit).expect("json");
    assert_eq!(
        (&audit["lost"], &audit["doubled"]),
        (&json!(0), &json!(0)),
        "{audit}"
    );
    assert!(audit["rows"].as_u64() >= Some(CLICKS), "{audit}");
    assert!(audit["duplicates"].as_u64() >= Some(CLICKS), "{audit}");
    for (service, status) in rehearsal.stop().await.expect("every service ends in time") {
        assert!(status.success(), "{service} ended with {status}");
    }
}

#[test]
fn what_the_compose_files_say_is_whole() {
    let compose = Compose::read("compose.yaml").expect("compose.yaml");
    let ours: Vec<_> = compose.ours().expect("an order");
    let members: usize = ours
        .iter()
        .map(|(_, service)| service.deploy.replicas.unwrap_or(1))
        .sum();
    assert_eq!(ours[0].0, "prepare", "the topic and the bucket come first");
    assert_eq!(
        members, 6,
        "one that prepares, one edge, two transformers, one dashboard, one compactor"
    );
    for (name, service) in &compose.services {
        check(name, service, &compose);
    }
    // The other store takes the place, the port and the credentials of the first. Its lake is
    // another one, so the catalog is another one too.
    let other = Compose::read("compose.seaweedfs.yaml").expect("compose.seaweedfs.yaml");
    let changed: Vec<_> = other.services.keys().collect();
    assert_eq!(changed, ["dashboard", "minio"]);
    let volumes = |compose: &Compose| compose.services["dashboard"].volumes.clone();
    let (first, second) = (volumes(&compose), volumes(&other));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second, "each lake has a catalog of its own");
    let (first, other) = (&compose.services["minio"], &other.services["minio"]);
    assert_eq!(first.ports, other.ports);
    let values = |service: &Service| {
        service
            .environment
            .values()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(values(first), values(other));
    let dockerfile = include_str!("../../../compose/Dockerfile");
    assert!(dockerfile.contains("\nUSER clickweir\n"), "not as root");
}

fn check(name: &str, service: &Service, compose: &Compose) {
    assert!(
        service.image == IMAGE || service.image.contains(':'),
        "{name} has no pinned tag"
    );
    assert!(
        !service.image.ends_with(":latest"),
        "{name} has no pinned tag"
    );
    assert!(
        !service.restart.is_empty(),
        "{name} stays down once it is down"
    );
    for port in &service.ports {
        assert!(
            port.starts_with("127.0.0.1:"),
            "{name} listens on the network at {port}"
        );
    }
    for volume in &service.volumes {
        let (volume, _) = volume.split_once(':').expect("VOLUME:PATH");
        assert!(
            compose.volumes.contains_key(volume),
            "{name}: {volume} is not declared"
        );
    }
    assert!(
        !service.stop_grace_period.is_empty(),
        "{name}: the engine chooses how long it may take to end"
    );
    // A service that stays has a health check for those that wait for it.
    let ends = name == "prepare";
    assert_eq!(service.healthcheck.is_none(), ends, "{name}");
    for (needed, dependency) in &service.depends_on {
        let expect = if needed == "prepare" {
            "service_completed_successfully"
        } else {
            "service_healthy"
        };
        assert_eq!(dependency.condition, expect, "{name} waits for {needed}");
    }
    if service.image == IMAGE {
        assert!(service.read_only, "{name} may write anywhere");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        let (folder, _) = service.environment["CLICKWEIR__CATALOG__PATH"]
            .rsplit_once('/')
            .expect("a path in the container");
        assert!(service.writable().contains(&folder), "{name}: {folder}");
    }
    if service.image == IMAGE && !ends {
        assert!(
            service.depends_on.contains_key("prepare"),
            "{name} may start too early"
        );
    }
}

#[test]
fn a_variable_becomes_its_default() {
    let check = |text: &str, expect: Option<&str>| {
        assert_eq!(interpolate(text).ok().as_deref(), expect, "{text}");
    };
    check("plain", Some("plain"));
    check("${NAME:-word}", Some("word"));
    check("a ${NAME:-} b ${OTHER:-c:-d}", Some("a  b c:-d"));
    check("${NAME}", None);
    check("${NAME:-open", None);
}
