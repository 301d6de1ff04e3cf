//! A Kafka topic that others write becomes a lake: plain JSON records with keys and headers.

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use tests::clickweir::{Place, Process};
use tests::kafka;

use crate::kafka_conformance::fresh;
use crate::shore::ASK;

/// A place whose topic others write.
async fn place(settings: &[(&str, &str)]) -> Option<(Place, FutureProducer, String)> {
    let kafka = kafka::shared().await?;
    let url = fresh(kafka, 2).url;
    let topic = url.rsplit('/').next().unwrap().to_owned();
    let place = Place::new().unwrap().with("TOPIC__URL", &url);
    let place = place.with("TOPIC__PARTITIONS", "2");
    let place = settings
        .iter()
        .fold(place, |place, (key, value)| place.with(key, value));
    place.must(&["prepare"]).unwrap();
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", kafka.brokers());
    Some((place, client.create().unwrap(), topic))
}

/// Sends a value with its key and a header.
async fn send(producer: &FutureProducer, topic: &str, key: Option<&str>, value: &[u8]) {
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "trace",
            value: Some("abc"),
        })
        .insert(Header {
            key: "raw",
            value: Some(&b"\xff\x00"[..]),
        });
    let record = FutureRecord::<str, [u8]>::to(topic)
        .payload(value)
        .headers(headers);
    let record = match key {
        Some(key) => record.key(key),
        None => record,
    };
    let sent = producer.send(record, ASK).await;
    sent.map_err(|(error, _)| error).unwrap();
}

/// Starts a role, and waits until it says so.
fn started(place: &Place, role: &str, says: &str) -> Process {
    let mut process = Process::start(place, &[role]).unwrap();
    process.line_after(says).unwrap();
    process
}

fn cell(place: &Place, what: &str) -> Value {
    place
        .ask(&format!("SELECT ({what})::VARCHAR FROM clicks"))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_plain_records_is_a_lake_exactly_once() {
    let settings = [
        ("TOPIC__FORMAT", "json"),
        ("TOPIC__JSON_ID", "event"),
        ("TOPIC__JSON_VISITOR", "key"),
    ];
    let Some((place, producer, topic)) = place(&settings).await else {
        return;
    };
    for number in 0..200 {
        let value = format!(
            r#"{{"event":"e{}","action":"view","price":"9.5","size":"L"}}"#,
            number % 190
        );
        let key = format!("visitor-{}", number % 7);
        // An id that comes again has the key of the first.
        let key = if number >= 190 {
            format!("visitor-{}", (number - 190) % 7)
        } else {
            key
        };
        send(&producer, &topic, Some(&key), value.as_bytes()).await;
    }
    for value in [
        r#"{"action":"buy"}"#,
        r#"{"action":"buy"}"#,
        r#"{"event":null,"action":"buy"}"#,
    ] {
        send(&producer, &topic, None, value.as_bytes()).await;
    }
    for value in [&b"[1]"[..], b"text", b"{\"a\":", b"\xff"] {
        send(&producer, &topic, None, value).await;
    }
    let mut worker = started(&place, "transformer", "from ");
    let mut pages = started(&place, "dashboard", "dashboard on ");
    let verdict = place.settled().await.unwrap();
    assert_eq!(
        [&verdict["lost"], &verdict["doubled"]],
        [&json!(0), &json!(0)],
        "{verdict}"
    );
    worker.kill().unwrap();
    worker = started(&place, "transformer", "from ");
    send(
        &producer,
        &topic,
        Some("visitor-1"),
        br#"{"event":"last","action":"view"}"#,
    )
    .await;
    place.settled().await.unwrap();
    assert_eq!(cell(&place, "count(*)"), json!("194"));
    assert_eq!(cell(&place, "count(DISTINCT event_id)"), json!("194"));
    assert_eq!(cell(&place, "count(*) FILTER (id_generated)"), json!("3"));
    assert_eq!(
        cell(&place, "count(*) FILTER (id_generated AND action = 'buy')"),
        json!("3")
    );
    assert_eq!(cell(&place, "count(DISTINCT visitor_id)"), json!("7"));
    assert_eq!(
        cell(
            &place,
            "count(*) FILTER ((properties->>'size') = 'L' AND price = 9.5)"
        ),
        json!("190")
    );
    let headers = "count(*) FILTER ((properties->>'$.headers.trace') = 'abc' AND (properties->>'$.headers.raw') = '/wA=')";
    assert_eq!(cell(&place, headers), json!("194"));
    assert_eq!(
        cell(&place, "count(*) FILTER (received_at = appended_at)"),
        json!("194")
    );
    let letters = "SELECT count(*) FILTER (reason = 'not_an_envelope' AND detail LIKE '%not a JSON object%') FROM dead_letters";
    assert_eq!(place.ask(letters).unwrap(), json!(4));
    place.must(&["audit", "--deep"]).unwrap();
    // A replay gives the same rows, those with an id of ours too.
    let all = [
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2099-01-01T00:00:00Z",
    ];
    place
        .must(&[&["replay", "--into", "again"][..], &all].concat())
        .unwrap();
    place.must(&["diff", "again"]).unwrap();
    // Nothing of ours writes there.
    let refused = |task: &[&str]| {
        let output = place.run(task).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{task:?}");
        assert!(said.contains("topic.format is \"json\""), "{said}");
    };
    refused(&["producer"]);
    refused(&["up"]);
    std::fs::write(place.path().join("a.ndjson"), "{\"id\":\"a\"}\n").unwrap();
    refused(&["import", "a.ndjson"]);
    assert!(worker.stop().unwrap() && pages.stop().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_record_in_a_topic_of_envelopes_is_a_letter_that_names_the_key() {
    let Some((place, producer, topic)) = place(&[]).await else {
        return;
    };
    send(&producer, &topic, None, br#"{"id":"a","action":"view"}"#).await;
    let mut worker = started(&place, "transformer", "from ");
    let mut pages = started(&place, "dashboard", "dashboard on ");
    place.settled().await.unwrap();
    let why = place
        .ask("SELECT reason || ': ' || detail FROM dead_letters")
        .unwrap();
    let why = why.as_str().unwrap();
    assert!(why.starts_with("not_an_envelope: missing field"), "{why}");
    assert!(why.contains("topic.format = \"json\""), "{why}");
    assert!(worker.stop().unwrap() && pages.stop().unwrap());
}
