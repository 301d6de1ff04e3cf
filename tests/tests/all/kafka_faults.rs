//! Faults of a broker and its groups, as a reader and a writer meet them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use rdkafka::admin::AdminOptions;
use sink::{Lake, Location};
use tests::kafka::{self, Kafka};
use tests::proxy::{Link, Proxy};
use tokio::time::Instant;
use topic::{AppendError, Config, Draft, Event, Offset, Partition, Reader, Record, Topic};

use crate::commit_faults::worker;
use crate::kafka_conformance::{fresh, open};

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

fn draft(key: &str, value: usize) -> Draft {
    Draft {
        key: key.to_owned().into(),
        value: value.to_string().into(),
    }
}

/// Tries until it is acknowledged, as a client does.
async fn acknowledged(topic: &Arc<dyn Topic>, drafts: &[Draft]) -> usize {
    let deadline = Instant::now() + WAIT_TIMEOUT;
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
        assert!(
            matches!(error, AppendError::Full | AppendError::Closed(_)),
            "{error}"
        );
        assert!(
            Instant::now() < deadline,
            "an append is acknowledged in time: {error}"
        );
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
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while !enough(&all, owned) {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = tokio::time::timeout(left, reader.next())
            .await
            .expect("in time");
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
                // Records of an earlier call are not counted here.
                owned = owned.saturating_sub(partitions.len());
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
    let Some(mut kafka) = kafka::start().await else {
        return;
    };
    if !kafka.is_own() {
        return;
    }
    let mut config = fresh(&kafka, 2);
    // Longer than the broker is away: then the producer's own retries are what is tested.
    config.append_timeout = WAIT_TIMEOUT;
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
                let drafts = (0..4)
                    .map(|key| draft(&format!("visitor-{key}"), number))
                    .collect();
                deliveries.push(writer.append(drafts).expect("the queue has room"));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for delivery in deliveries {
                delivery.await.expect("every append outlives the restart");
            }
        }
    });
    all.extend(read_on(&mut reader, &mut tips, |all, _| all.len() > COUNT).await);
    kafka.kill(0);
    kafka.revive(0).await.expect("the broker comes back");
    writing.await.expect("writing ends well");
    let before = all.len();
    all.extend(
        read_on(&mut reader, &mut tips, |more, _| {
            before + more.len() >= 4 * COUNT
        })
        .await,
    );

    let mut turns: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (_, record) in &all {
        let value = String::from_utf8(record.value.clone().expect("a value").to_vec());
        let value = value.expect("text").parse().expect("a number");
        turns.entry(record.key.clone()).or_default().push(value);
    }
    assert_eq!(turns.len(), 4);
    for (key, turns) in turns {
        assert_eq!(
            turns,
            (0..COUNT).collect::<Vec<_>>(),
            "{key:?} in order, each once"
        );
    }
    let marks = topic.watermarks().await.expect("watermarks");
    let held: u64 = marks
        .values()
        .map(|marks| marks.low.distance(marks.high))
        .sum();
    assert_eq!(held, 4 * COUNT as u64, "the topic itself holds each once");
    // A client that comes later finds the writer ready by itself.
    acknowledged(&topic, &[draft("k", 0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_holds_although_the_broker_answers_late() {
    // librdkafka once asked for the beginning after the seek, and went there.
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let topic = open(&fresh(kafka, 1)).await;
    let drafts: Vec<_> = (0..2_000).map(|number| draft("k", number)).collect();
    acknowledged(&topic, &drafts).await;
    let mut reader = topic.reader("late").expect("a reader");
    let mut tips = BTreeMap::from([(Partition(0), Offset(1_990))]);
    let first = read_on(&mut reader, &mut tips, |all, _| all.len() >= 10).await;
    assert_eq!(first[0].1.offset, Offset(1_990));
    // Beyond the end nothing may be read silently, least of all from the beginning.
    reader.seek(Partition(0), Offset(5_000)).expect("a seek");
    let told = tokio::time::timeout(WAIT_TIMEOUT, reader.next())
        .await
        .expect("told in time");
    assert!(
        matches!(told, Err(topic::ReadError::OutOfRange { .. })),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_never_answers_loses_its_partitions_and_the_rest_goes_on() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let topic = open(&fresh(kafka, 4)).await;
    let mut first = topic.reader("deaf").expect("a reader");
    let mut tips = BTreeMap::new();
    read_on(&mut first, &mut tips, |_, owned| owned == 4).await;
    // From here on the first member reads no events, so it never acknowledges.
    let mut second = topic.reader("deaf").expect("a reader");
    read_on(&mut second, &mut BTreeMap::new(), |_, owned| owned == 2).await;
    // Then it dies.
    tokio::task::spawn_blocking(move || drop(first))
        .await
        .expect("it goes");
    read_on(&mut second, &mut BTreeMap::new(), |_, owned| owned == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_10_a_loop_that_does_not_read_is_waited_for_and_misses_nothing() {
    const COUNT: usize = 500;
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let topic = open(&fresh(kafka, 1)).await;
    let writer = topic.writer().expect("a writer");
    // 25 MB, three times the hand-over's limit.
    let value = vec![b'x'; 50_000];
    for _ in 0..COUNT / 5 {
        let drafts = vec![
            Draft {
                key: "k".into(),
                value: value.clone().into()
            };
            5
        ];
        writer
            .append(drafts)
            .expect("room")
            .await
            .expect("acknowledged");
    }
    let mut reader = topic.reader("slow").expect("a reader");
    let mut tips = BTreeMap::new();
    let mut all = read_on(&mut reader, &mut tips, |all, _| !all.is_empty()).await;
    // Like a loop whose store is away: longer than the polling thread waits before it pauses. It
    // must go on polling meanwhile.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let before = all.len();
    all.extend(
        read_on(&mut reader, &mut tips, |more, _| {
            before + more.len() >= COUNT
        })
        .await,
    );
    let offsets: Vec<u64> = all.iter().map(|(_, record)| record.offset.0).collect();
    assert_eq!(offsets, (0..COUNT as u64).collect::<Vec<_>>());
}

/// Flips the last bit of the batch that follows the first one in a segment.
fn damage_second_batch(segment: &std::path::Path) {
    let mut bytes = std::fs::read(segment).expect("the broker's segment");
    // A batch: its first offset in 8 bytes, the length of the rest in 4, the rest.
    let end_of_batch = |start: usize| {
        let length: [u8; 4] = bytes[start + 8..start + 12].try_into().expect("four bytes");
        start + 12 + usize::try_from(u32::from_be_bytes(length)).expect("a length")
    };
    let end = end_of_batch(end_of_batch(0));
    bytes[end - 1] ^= 1;
    use std::io::{Seek, SeekFrom, Write};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(segment)
        .expect("it opens");
    file.seek(SeekFrom::Start(end as u64 - 1))
        .expect("it has that place");
    file.write_all(&bytes[end - 1..end])
        .expect("it takes a byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_33_a_damaged_batch_stops_its_partition_and_no_other() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let topic = open(&fresh(kafka, 2)).await;
    let name = topic.identity().topic.clone();
    let Some(segment) = kafka.segment(&name, 0) else {
        return;
    };
    // Four batches of numbered records in each partition.
    let mut counts = BTreeMap::<Partition, u64>::new();
    let mut number = 0;
    while counts.len() < 2 || counts.values().any(|count| *count < 4) {
        let writer = topic.writer().expect("a writer");
        let delivery = writer.append(vec![draft(&format!("visitor-{number}"), number)]);
        let placed = delivery.expect("room").await.expect("acknowledged")[0];
        *counts.entry(placed.partition).or_default() += 1;
        number += 1;
    }
    damage_second_batch(&segment);

    let mut reader = topic.reader("damaged").expect("a reader");
    let (mut read, mut told) = (BTreeMap::<Partition, Vec<u64>>::new(), None);
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while told.is_none()
        || read.get(&Partition(1)).map(Vec::len) < Some(counts[&Partition(1)] as usize)
    {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, reader.next())
            .await
            .expect("in time")
        {
            Ok(Event::Assigned { partitions }) => {
                for partition in partitions {
                    reader.seek(partition, Offset(0)).expect("a seek");
                }
            }
            Ok(Event::Records { partition, records }) => {
                read.entry(partition)
                    .or_default()
                    .extend(records.iter().map(|r| r.offset.0));
            }
            Err(topic::ReadError::Corrupt {
                partition, offset, ..
            }) => {
                told = Some((partition, offset));
            }
            other => panic!("not {other:?}"),
        }
    }
    assert_eq!(told, Some((Partition(0), Offset(1))));
    assert_eq!(
        read[&Partition(0)],
        [0],
        "nothing behind the damage is read"
    );
    assert_eq!(
        read[&Partition(1)],
        (0..counts[&Partition(1)]).collect::<Vec<_>>()
    );
    let fetched = topic.fetch(Partition(0), Offset(1), 10).await;
    assert!(
        matches!(fetched, Err(topic::ReadError::Corrupt { .. })),
        "{fetched:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_open_within_seconds_each_time() {
    // librdkafka waits for its first metadata, and may sleep through their arrival: then the
    // cluster's id once came only when the whole time-out was over, ten seconds later.
    const OPENS: usize = 60;
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let config = fresh(kafka, 1);
    open(&config).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..OPENS / 6 {
        let six = (0..6).map(|_| async {
            let since = Instant::now();
            open(&config).await;
            since.elapsed()
        });
        let took = futures::future::join_all(six).await;
        slowest = slowest.max(took.into_iter().max().expect("six"));
    }
    println!("the slowest of {OPENS} opens took {slowest:?}");
    assert!(slowest < Duration::from_secs(6), "{slowest:?}");
}

/// `prepare` beside a broker that was just starting once failed after ten seconds: "the brokers
/// did not tell their cluster's id".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_just_starting_are_waited_for() {
    /// Longer than one question to the brokers takes.
    const START: Duration = Duration::from_secs(12);
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let proxy = Proxy::start(kafka.brokers()).await.expect("a proxy");
    proxy.set(Link::Reset);
    let mut config = fresh(kafka, 1);
    let behind = proxy.address().to_string();
    config.url = config.url.replace(kafka.brokers(), &behind);
    let opening = tokio::spawn(async move { open(&config).await });
    tokio::time::sleep(START).await;
    assert!(!opening.is_finished(), "it waits");
    proxy.set(Link::Pass);
    let topic = tokio::time::timeout(WAIT_TIMEOUT, opening).await;
    let topic = topic.expect("in time").expect("no panic");
    assert_eq!(topic.watermarks().await.expect("watermarks").len(), 1);
}

/// A session time-out that no default broker takes was once "reading is delayed" for ever, and
/// the member healthy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_50_a_member_that_can_never_join_ends_with_the_remedy() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let config = Config {
        session_timeout: Duration::from_secs(40 * 60),
        ..fresh(kafka, 1)
    };
    let topic = open(&config).await;
    let lake = Lake::new(
        Arc::new(InMemory::new()),
        Location::Folder("/simulated".into()),
    );
    let (_stop, _status, running) = worker(&topic, &lake, "fault-50");
    let ended = tokio::time::timeout(WAIT_TIMEOUT, running).await;
    let ended = ended.expect("it ends by itself").expect("no panic");
    let error = ended.expect_err("a refusal").to_string();
    for part in [
        "topic.session_timeout is 40m",
        "group.max.session.timeout.ms",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

async fn delete(kafka: &Kafka, topic: &str) {
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(10)))
        .operation_timeout(Some(Duration::from_secs(10)));
    let deleted = kafka.admin().delete_topics(&[topic], &options).await;
    assert!(deleted.expect("an answer")[0].is_ok());
}

/// The end of the lake's partition, and why it stopped.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while !is().await {
        assert!(Instant::now() < deadline, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_a_topic_that_was_made_anew_stops_its_partition_with_a_sentence() {
    let Some(kafka) = kafka::shared().await else {
        return;
    };
    let config = fresh(kafka, 1);
    let topic = open(&config).await;
    let lake = Lake::new(
        Arc::new(InMemory::new()),
        Location::Folder("/simulated".into()),
    );
    let drafts: Vec<_> = (0..20).map(|number| draft("k", number)).collect();
    acknowledged(&topic, &drafts).await;
    let (stop, status, running) = worker(&topic, &lake, "fault-12");
    let committed = || {
        let status = status.partitions();
        status.get(&Partition(0)).map(|status| status.committed)
    };
    until("all of it is committed", async || {
        committed() == Some(Offset(20))
    })
    .await;
    stop.cancel();
    running.await.expect("it ends").expect("in order");
    delete(kafka, &topic.identity().topic).await;
    drop(topic);

    // As long as the old topic, and shorter: the time of the lake's last record gives away the
    // first, the end of the topic the second.
    for (count, sentence) in [(30, "was appended at"), (5, "the lake ends at 20")] {
        let mut anew = None;
        until("the broker lets go of the name", async || {
            let with = topic::Open {
                clock: topic::clock::system(),
                create: true,
            };
            anew = topic::open(&config, with).await.ok();
            anew.is_some()
        })
        .await;
        let topic = anew.expect("it is open");
        let drafts: Vec<_> = (0..count).map(|number| draft("k", number)).collect();
        acknowledged(&topic, &drafts).await;
        let (stop, status, running) = worker(&topic, &lake, "fault-12");
        let said = || {
            let status = status.partitions();
            status
                .get(&Partition(0))
                .and_then(|status| Some(status.stopped.clone()?.why))
        };
        until("the partition stops", async || {
            said().is_some_and(|said| said.contains("this is another topic"))
        })
        .await;
        let said = said().expect("it is stopped");
        assert!(
            said.contains(sentence) && said.contains("lake.url"),
            "{said}"
        );
        stop.cancel();
        running.await.expect("it ends").expect("in order");
        let hours = lake.hours().await.expect("hours");
        assert_eq!(lake.objects(hours[0]).await.expect("objects").len(), 1);
        delete(kafka, &topic.identity().topic).await;
    }
}
