//! What other programs may write into a Kafka topic: each record is a row, a dead letter, or an
//! offset that holds no record, and the audit can show it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tests::kafka::Kafka;
use tokio::time::{Instant, sleep, timeout};
use transformer::deep::Deep;

use crate::shore::{ASK, Shore};

/// An envelope as the edge writes it.
fn envelope(id: &str) -> String {
    format!(
        r#"{{"v":1,"id":"{id}","received_at":1795000000000000,"format":"native","source":"test","click":{{"action":"view"}}}}"#
    )
}

fn producer(kafka: &Kafka, settings: &[(&str, &str)]) -> FutureProducer {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", kafka.brokers());
    for (key, value) in settings {
        client.set(*key, *value);
    }
    client.create().unwrap()
}

async fn send(producer: &FutureProducer, record: FutureRecord<'_, str, str>) {
    let sent = producer.send(record, ASK).await;
    sent.map_err(|(error, _)| error).unwrap();
}

/// Sends clicks with these ids in one transaction, which is committed, aborted, or left open.
async fn transaction(producer: &FutureProducer, topic: &str, ids: &[String], end: Option<bool>) {
    producer.begin_transaction().unwrap();
    for id in ids {
        let value = envelope(id);
        send(
            producer,
            FutureRecord::to(topic)
                .key(id.as_str())
                .payload(value.as_str()),
        )
        .await;
    }
    match end {
        Some(true) => producer.commit_transaction(ASK).unwrap(),
        Some(false) => producer.abort_transaction(ASK).unwrap(),
        None => {}
    }
}

fn ids(what: &str, count: u32) -> Vec<String> {
    (0..count)
        .map(|number| format!("{what}-{number}"))
        .collect()
}

/// Lands everything, and checks that each of these many rows is there, and nothing is missing.
async fn landed(shore: &Shore, rows: u64) -> Deep {
    shore.land().await.unwrap();
    let (audit, deep) = shore.audit().await;
    assert!(audit.clean() && deep.clean(), "{audit:?} {deep:?}");
    assert_eq!((audit.rows, audit.pending), (rows, 0), "{audit:?}");
    deep
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b110_aborted_transactions_and_control_records_are_no_rows_and_nothing_waits_for_them() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    let name = shore.name().to_owned();
    let id = format!("transactions-of-{name}");
    let settings = [("transactional.id", id.as_str())];
    let writer = producer(shore.kafka, &settings);
    writer.init_transactions(ASK).unwrap();
    transaction(&writer, &name, &ids("kept", 30), Some(true)).await;
    transaction(&writer, &name, &ids("aborted", 30), Some(false)).await;
    transaction(&writer, &name, &ids("also-kept", 30), Some(true)).await;
    shore.send(20).await;
    landed(&shore, 80).await;
    // The last offsets of the partitions hold marks of the brokers and no records.
    transaction(&writer, &name, &ids("aborted-last", 30), Some(false)).await;
    landed(&shore, 80).await;
    // A producer that dies in a transaction: the brokers abort it, and what follows comes then.
    let dies = [
        ("transactional.id", "dies"),
        ("transaction.timeout.ms", "2000"),
    ];
    let dying = producer(shore.kafka, &dies);
    dying.init_transactions(ASK).unwrap();
    transaction(&dying, &name, &ids("open", 10), None).await;
    drop(dying);
    shore.send(20).await;
    // The brokers look for such producers every ten seconds. What follows waits so long.
    let deadline = Instant::now() + Duration::from_secs(60);
    while shore.audit().await.0.rows < 100 {
        assert!(Instant::now() < deadline, "what follows comes in time");
        shore.land().await.unwrap();
        sleep(Duration::from_millis(200)).await;
    }
    landed(&shore, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_codec_header_and_timestamp_is_read_and_a_record_without_a_click_is_a_letter() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    let name = shore.name().to_owned();
    let mut rows = 0;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let writer = producer(
            shore.kafka,
            &[("compression.type", codec), ("linger.ms", "20")],
        );
        let all = ids(codec, 200);
        let values: Vec<String> = all.iter().map(|id| envelope(id)).collect();
        let sent = values.iter().zip(&all).map(|(value, id)| {
            send(
                &writer,
                FutureRecord::to(&name)
                    .key(id.as_str())
                    .payload(value.as_str()),
            )
        });
        futures::future::join_all(sent).await;
        rows += 200;
    }
    let writer = producer(shore.kafka, &[]);
    // The brokers' time counts, whatever the client says of its own.
    let next_year = 1_830_000_000_000;
    for (number, timestamp) in [-1, 0, 1, next_year, i64::MAX].into_iter().enumerate() {
        let value = envelope(&format!("time-{number}"));
        let mut record = FutureRecord::to(&name).key("time").payload(value.as_str());
        record.timestamp = Some(timestamp);
        send(&writer, record).await;
        rows += 1;
    }
    let value = envelope("headers");
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "trace",
            value: Some(b"\xff\x00".as_slice()),
        })
        .insert(Header {
            key: "trace",
            value: None::<&[u8]>,
        });
    send(
        &writer,
        FutureRecord::to(&name)
            .key("h")
            .payload(value.as_str())
            .headers(headers),
    )
    .await;
    let value = envelope("without-a-key");
    send(
        &writer,
        FutureRecord::<str, str>::to(&name).payload(value.as_str()),
    )
    .await;
    rows += 2;
    // A null value, an empty one, and texts that are no envelope.
    send(&writer, FutureRecord::<str, str>::to(&name).key("null")).await;
    for value in ["", "{}", "no JSON", "[1]", r#"{"v":1}"#] {
        send(&writer, FutureRecord::to(&name).key("bad").payload(value)).await;
    }
    let bytes = FutureRecord::<str, [u8]>::to(&name).payload(b"\xff\xfe\x00");
    let sent = writer.send(bytes, ASK).await;
    sent.map_err(|(error, _)| error).unwrap();
    shore.send(10).await;
    landed(&shore, rows + 10).await;
    let (audit, _) = shore.audit().await;
    assert_eq!(audit.dead_letters, 7, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b112_a_topic_that_is_compacted_while_it_is_read_ends_the_worker_with_the_remedy() {
    let Some(mut shore) = Shore::new().await else {
        return;
    };
    for (setting, value, good) in [
        ("cleanup.policy", "compact", "delete"),
        ("message.timestamp.type", "CreateTime", "LogAppendTime"),
    ] {
        shore.send(40).await;
        shore.land().await.unwrap();
        let mut reader = shore.topic.reader(&shore.group).unwrap();
        let alter = async |value: &str| {
            let resource = AlterConfig::new(ResourceSpecifier::Topic(shore.name()))
                .set("message.timestamp.type", "LogAppendTime")
                .set(setting, value);
            let options = AdminOptions::new().request_timeout(Some(ASK));
            let altered = shore
                .kafka
                .admin()
                .alter_configs([&resource], &options)
                .await;
            assert!(altered.unwrap()[0].is_ok());
        };
        alter(value).await;
        let since = Instant::now();
        let ended = async {
            loop {
                if let Err(error @ topic::ReadError::Unfit(_)) = reader.next().await {
                    return error.to_string();
                }
            }
        };
        let said = timeout(Duration::from_secs(60), ended).await;
        let said = said.unwrap_or_else(|_| panic!("{setting} is noticed in time"));
        assert!(
            said.contains(&format!("--add-config {setting}={good}")),
            "{said}"
        );
        println!("{setting}={value} is noticed after {:?}", since.elapsed());
        drop(reader);
        alter(good).await;
    }
}
