//! What a broker and its groups do to a reader and a writer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tests::kafka;
use tokio::time::Instant;
use topic::{AppendError, Draft, Event, Offset, Partition, Reader, Record, Topic};

use crate::kafka_conformance::{fresh, open};

const PATIENCE: Duration = Duration::from_secs(60);

fn draft(key: &str, value: usize) -> Draft {
    Draft { key: key.to_owned().into(), value: value.to_string().into() }
}

/// The client's part: tries until it is acknowledged.
async fn acknowledged(topic: &Arc<dyn Topic>, drafts: &[Draft]) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match topic.writer().expect("a writer").append(drafts.to_vec()) {
            Ok(delivery) => match delivery.await {
                Ok(_) => return tries,
                Err(error) => error,
            },
            Err(error) => error,
        };
        assert!(matches!(error, AppendError::Full | AppendError::Closed(_)), "{error}");
        assert!(Instant::now() < deadline, "an append is acknowledged in time: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads, seeking what is assigned to `tips`, until `enough` or nothing for `patience`.
async fn read_on(
    reader: &mut Box<dyn Reader>,
    tips: &mut BTreeMap<Partition, Offset>,
    mut enough: impl FnMut(&[(Partition, Record)], usize) -> bool,
) -> Vec<(Partition, Record)> {
    let (mut all, mut owned) = (Vec::new(), 0);
    let deadline = Instant::now() + PATIENCE;
    while !enough(&all, owned) {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = tokio::time::timeout(left, reader.next()).await.expect("in time");
        match event {
            Ok(Event::Assigned { partitions }) => {
                for partition in partitions {
                    owned += 1;
                    reader
                        .seek(partition, tips.get(&partition).copied().unwrap_or_default())
                        .expect("a seek");
                }
            }
            Ok(Event::Records { partition, records }) => {
                for record in records {
                    tips.insert(partition, record.offset.next());
                    all.push((partition, record));
                }
            }
            Ok(Event::Revoked { partitions, ack }) => {
                owned -= partitions.len();
                ack.acknowledge();
            }
            // The broker is away for a while.
            Err(topic::ReadError::Unavailable(_)) => {}
            Err(error) => panic!("reading failed: {error}"),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_11_a_broker_that_is_killed_and_comes_back_keeps_order_and_doubles_nothing() {
    const COUNT: usize = 400;
    let Some(mut kafka) = kafka::start().await else { return };
    if !kafka.is_own() {
        return;
    }
    let mut config = fresh(&kafka, 2);
    // Longer than the broker is away: then the producer's own retries are what is tested.
    config.append_timeout = PATIENCE;
    let topic = open(&config).await;
    let mut reader = topic.reader("fault-11").expect("a reader");
    let mut tips = BTreeMap::new();
    let mut all = read_on(&mut reader, &mut tips, |_, owned| owned == 2).await;

    let writing = tokio::spawn({
        let topic = Arc::clone(&topic);
        async move {
            let mut deliveries = Vec::new();
            let writer = topic.writer().expect("a writer");
            for number in 0..COUNT {
                let drafts = (0..4).map(|key| draft(&format!("visitor-{key}"), number)).collect();
                deliveries.push(writer.append(drafts).expect("the queue has room"));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for delivery in deliveries {
                delivery.await.expect("every append outlives the restart");
            }
        }
    });
    all.extend(read_on(&mut reader, &mut tips, |all, _| all.len() > COUNT).await);
    kafka.kill();
    kafka.revive().await.expect("the broker comes back");
    writing.await.expect("writing ends well");
    let before = all.len();
    all.extend(read_on(&mut reader, &mut tips, |more, _| before + more.len() >= 4 * COUNT).await);

    let mut turns: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (_, record) in &all {
        let value = String::from_utf8(record.value.clone().expect("a value").to_vec());
        let value = value.expect("text").parse().expect("a number");
        turns.entry(record.key.clone()).or_default().push(value);
    }
    assert_eq!(turns.len(), 4);
    for (key, turns) in turns {
        assert_eq!(turns, (0..COUNT).collect::<Vec<_>>(), "{key:?} in order, each once");
    }
    let marks = topic.watermarks().await.expect("watermarks");
    let held: u64 = marks.values().map(|marks| marks.low.distance(marks.high)).sum();
    assert_eq!(held, 4 * COUNT as u64, "the topic itself holds each once");
    // A client that comes later finds the writer ready by itself.
    acknowledged(&topic, &[draft("k", 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_holds_although_the_broker_answers_late() {
    // librdkafka once asked for the beginning after the seek, and went there.
    let Some(kafka) = kafka::shared().await else { return };
    let topic = open(&fresh(kafka, 1)).await;
    let drafts: Vec<_> = (0..2_000).map(|number| draft("k", number)).collect();
    acknowledged(&topic, &drafts).await;
    let mut reader = topic.reader("late").expect("a reader");
    let mut tips = BTreeMap::from([(Partition(0), Offset(1_990))]);
    let first = read_on(&mut reader, &mut tips, |all, _| all.len() >= 10).await;
    assert_eq!(first[0].1.offset, Offset(1_990));
    // Beyond the end nothing may be read silently, least of all from the beginning.
    reader.seek(Partition(0), Offset(5_000)).expect("a seek");
    let told = tokio::time::timeout(PATIENCE, reader.next()).await.expect("told in time");
    assert!(matches!(told, Err(topic::ReadError::OutOfRange { .. })), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_never_answers_loses_its_partitions_and_the_rest_goes_on() {
    let Some(kafka) = kafka::shared().await else { return };
    let topic = open(&fresh(kafka, 4)).await;
    let mut first = topic.reader("deaf").expect("a reader");
    let mut tips = BTreeMap::new();
    read_on(&mut first, &mut tips, |_, owned| owned == 4).await;
    // From here on the first never reads its events, so it never acknowledges.
    let mut second = topic.reader("deaf").expect("a reader");
    read_on(&mut second, &mut BTreeMap::new(), |_, owned| owned == 2).await;
    // And then it dies.
    tokio::task::spawn_blocking(move || drop(first)).await.expect("it goes");
    read_on(&mut second, &mut BTreeMap::new(), |_, owned| owned == 2).await;
}
