//! What a deployment refuses, each with a sentence that names the remedy, and what cannot
//! mislead it.

use std::sync::Arc;

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use tests::clickweir::Place;
use tests::kafka;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use topic::{Offset, Partition, clock};

use crate::kafka_conformance::fresh;
use crate::shore::{ASK, Shore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_offsets_set_back_forward_or_deleted_change_nothing() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    shore.send(300).await;
    shore.land().await.unwrap();
    for change in ["to 0", "forward", "deleted"] {
        match change {
            "to 0" => shore.set_group(0),
            "forward" => shore.set_group(1_000_000),
            _ => shore.delete_group().await,
        }
        shore.send(200).await;
        shore.land().await.unwrap();
        let (audit, deep) = shore.audit().await;
        assert!(
            audit.clean() && deep.clean(),
            "{change}: {audit:?} {deep:?}"
        );
        assert_eq!(
            (audit.rows, audit.pending),
            (shore.sent, 0),
            "{change}: {audit:?}"
        );
        assert_eq!(deep.rows, shore.sent, "{change}: {deep:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_a_topic_that_was_deleted_and_made_anew_is_refused_on_kafka() {
    const REMEDY: &str = "give it a lake.url of its own";
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    shore.send(300).await;
    shore.land().await.unwrap();
    let (before, _) = shore.audit().await;
    shore.recreate().await;
    shore.send(20).await;
    let said = shore.refused().await;
    assert!(
        said.contains("the topic ends at") && said.contains(REMEDY),
        "{said}"
    );
    // It grows beyond the lake's end: the record at that offset is another one.
    shore.send(2_000).await;
    let said = shore.refused().await;
    assert!(
        said.contains("was appended at") && said.contains(REMEDY),
        "{said}"
    );
    let (after, _) = shore.audit().await;
    assert_eq!(after.rows, before.rows, "nothing was landed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_13_a_topic_trimmed_past_the_tip_is_refused_until_the_gap_is_accepted_on_kafka() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    shore.send(300).await;
    shore.land().await.unwrap();
    shore.send(300).await;
    let marks = shore.topic.watermarks().await.unwrap();
    let high = marks[&Partition(0)].high;
    let low = Offset(high.0 - 20);
    let trimmed = shore.kafka.trim(shore.name(), Partition(0), low).await;
    trimmed.unwrap();
    let said = shore.refused().await;
    assert!(
        said.contains("clickweir gap accept --partition 0"),
        "{said}"
    );
    let (audit, _) = shore.audit().await;
    assert!(audit.lost > 0, "{audit:?}");
    let now = clock::system().now();
    let accepted = shore.lake.accept_gap(Partition(0), low, now).await.unwrap();
    let (first, end) = accepted.unwrap();
    assert_eq!(end, low);
    shore.land().await.unwrap();
    let (audit, deep) = shore.audit().await;
    assert!(audit.clean() && deep.clean(), "{audit:?} {deep:?}");
    assert_eq!(audit.rows, shore.sent - first.distance(low), "{audit:?}");
    assert_eq!(deep.rows + deep.gone, audit.rows, "{deep:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_is_refused_on_kafka() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let config = fresh(kafka, 1);
    let (_, name) = config.url.rsplit_once('/').unwrap();
    let compacted = NewTopic::new(name, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("message.timestamp.type", "LogAppendTime");
    let options = AdminOptions::new().operation_timeout(Some(ASK));
    let made = kafka
        .admin()
        .create_topics(&[compacted], &options)
        .await
        .unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let place = Place::new().unwrap().with("TOPIC__URL", &config.url);
    for role in ["prepare", "transformer", "producer"] {
        let refused = place.run(&[role]).unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{role}");
        assert!(said.contains("is compacted"), "{role}: {said}");
        assert!(
            said.contains("--add-config cleanup.policy=delete"),
            "{role}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_42_two_deployments_on_one_prefix_the_second_is_refused() {
    let lake = tempfile::tempdir().unwrap();
    let url = format!("file:{}", lake.path().display());
    let deployment = || Place::new().unwrap().with("LAKE__URL", &url);
    let (first, second) = (deployment(), deployment());
    first.must(&["up", "--visitors", "2", "--once"]).unwrap();
    let refused = second.run(&["up", "--visitors", "2", "--once"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("give each topic a lake.url of its own"),
        "{said}"
    );
    assert!(first.must(&["audit", "--deep"]).unwrap().contains("clean"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_26_a_server_that_ignores_if_none_match_is_refused_by_every_role_that_commits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(obey(stream));
        }
    });
    let place = Place::new()
        .unwrap()
        .with("LAKE__URL", "s3://shop/lake")
        .with("LAKE__ENDPOINT", &endpoint)
        .with("LAKE__ACCESS_KEY", "who")
        .with("LAKE__SECRET_KEY", "what");
    let place = Arc::new(place);
    for role in ["up", "transformer", "prepare"] {
        let at = place.clone();
        let refused = tokio::task::spawn_blocking(move || at.run(&[role]).unwrap());
        let refused = refused.await.unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{role}");
        assert!(said.contains("ignores If-None-Match"), "{role}: {said}");
        assert!(said.contains("use another store"), "{role}: {said}");
    }
    serving.abort();
}

/// An S3 server that answers 200 to every request: one request a connection.
async fn obey(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(());
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
        if body.len() >= length || read == 0 {
            break;
        }
    }
    let answer = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).await
}
