//! What the writer promises.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::fixture::{
    EVENT_TIMEOUT, Fixture, append, contents, draft, drafts, everything, settled, text,
};
use crate::clock::{Clock, SystemClock};
use crate::{AppendError, Draft, Offset, Partition};

pub(super) async fn what_is_placed_is_read_back(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(3).await;
    let sent = drafts(0..500);
    let mut placed = Vec::new();
    for request in sent.chunks(70) {
        placed.extend(append(&topic, request.to_vec()).await);
    }
    let all = everything(&topic).await;
    assert_eq!(all.len(), sent.len(), "every draft is there once");
    assert_eq!(placed.len(), sent.len(), "every draft has its place");
    for (draft, place) in sent.iter().zip(&placed) {
        let record = &all[&(place.partition, place.offset)];
        assert_eq!(record.key.as_ref(), Some(&draft.key));
        assert_eq!(record.value.as_ref(), Some(&draft.value));
    }
    for (partition, marks) in topic.watermarks().await.expect("watermarks answer") {
        let last = contents(&topic, partition)
            .await
            .last()
            .map(|record| record.offset.next());
        assert_eq!(marks.low, Offset(0));
        assert_eq!(
            Some(marks.high),
            last,
            "high is the offset after the last record"
        );
    }
}

pub(super) async fn a_key_keeps_its_order_and_its_partition(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(4).await;
    let writer = topic.writer().expect("the topic gives its writer");
    // Sent without waiting: order must hold also among appends in flight.
    let mut deliveries = Vec::new();
    for turn in 0..50 {
        let request = (0..8).map(|key| draft(&format!("visitor-{key}"), &turn.to_string()));
        deliveries.push(
            writer
                .append(request.collect())
                .expect("the queue has room"),
        );
    }
    for delivery in deliveries {
        settled(delivery).await;
    }
    let mut keys: BTreeMap<Bytes, (BTreeSet<Partition>, Vec<String>)> = BTreeMap::new();
    for ((partition, _), record) in everything(&topic).await {
        let (partitions, turns) = keys
            .entry(record.key.clone().expect("every draft has a key"))
            .or_default();
        partitions.insert(partition);
        turns.push(text(&record));
    }
    let expected: Vec<String> = (0..50).map(|turn: u32| turn.to_string()).collect();
    assert_eq!(keys.len(), 8);
    for (key, (partitions, turns)) in keys {
        assert_eq!(partitions.len(), 1, "{key:?} stays in one partition");
        assert_eq!(turns, expected, "{key:?} keeps its order");
    }
}

pub(super) async fn keyless_drafts_are_taken_and_spread(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    let mut partitions = BTreeSet::new();
    for number in 0..40 {
        let placed = append(&topic, vec![draft("", &number.to_string())]).await;
        partitions.insert(placed[0].partition);
        if partitions.len() == 2 {
            break;
        }
    }
    assert_eq!(
        partitions.len(),
        2,
        "keyless drafts do not all go to one partition"
    );
    assert!(
        everything(&topic)
            .await
            .values()
            .all(|record| record.key.is_none())
    );
}

pub(super) async fn many_appenders_at_once_share_no_offset(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    let appenders = (0..20).map(|appender| {
        let topic = Arc::clone(&topic);
        tokio::spawn(async move {
            let mut placed = Vec::new();
            for turn in 0..10 {
                placed.extend(
                    append(
                        &topic,
                        vec![draft(&format!("{appender}"), &format!("{turn}"))],
                    )
                    .await,
                );
            }
            placed
        })
    });
    let mut places = BTreeSet::new();
    for placed in join_all(appenders).await {
        let placed = placed.expect("an appender ends well");
        for pair in placed.windows(2) {
            assert!(pair[0].offset < pair[1].offset, "offsets of one key grow");
        }
        for place in placed {
            assert!(
                places.insert((place.partition, place.offset)),
                "an offset is given once"
            );
        }
    }
    assert_eq!(places.len(), 200);
}

pub(super) async fn append_times_lie_within_the_clock(fixture: &mut dyn Fixture) {
    // A broker's clock may differ a little from ours, and counts milliseconds.
    let slack = 5_000_000;
    let topic = fixture.fresh(1).await;
    let before = SystemClock.now().micros() - slack;
    for number in 0..5 {
        append(&topic, drafts(number..number + 1)).await;
    }
    let after = SystemClock.now().micros() + slack;
    let records = contents(&topic, Partition(0)).await;
    let times: Vec<i64> = records
        .iter()
        .map(|record| record.appended_at.micros())
        .collect();
    assert_eq!(times.len(), 5);
    assert!(
        times.is_sorted(),
        "with a steady clock append times do not step back"
    );
    assert!(
        times.iter().all(|time| (before..=after).contains(time)),
        "{before} {times:?} {after}"
    );
}

pub(super) async fn an_empty_append_is_settled(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    assert_eq!(append(&topic, Vec::new()).await, Vec::new());
}

pub(super) async fn a_record_over_the_limit_is_too_large(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    let limit = fixture.max_record();
    let writer = topic.writer().expect("the topic gives its writer");
    let large = |size: usize| Draft {
        key: "k".into(),
        value: vec![b'x'; size - 1].into(),
    };
    match writer.append(vec![draft("k", "small"), large(limit + 1)]) {
        Err(AppendError::TooLarge { size, limit: told }) => {
            assert_eq!((size, told), (limit + 1, limit));
        }
        other => panic!("expected it to be too large, not {other:?}"),
    }
    let placed = append(&topic, vec![large(limit)]).await;
    let records = topic
        .fetch(Partition(0), placed[0].offset, 1)
        .await
        .expect("a fetch answers");
    assert_eq!(records[0].value.as_ref().map(Bytes::len), Some(limit - 1));
    assert_eq!(
        contents(&topic, Partition(0)).await.len(),
        1,
        "a refused append writes nothing"
    );
}

pub(super) async fn a_full_queue_says_so_quickly_and_recovers(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    let writer = topic.writer().expect("the topic gives its writer");
    let size = fixture.max_record().min(fixture.queue() / 8);
    let value = Bytes::from(vec![b'x'; size]);
    let mut deliveries = Vec::new();
    let full = loop {
        let started = tokio::time::Instant::now();
        let taken = writer.append(vec![Draft {
            key: Bytes::new(),
            value: value.clone(),
        }]);
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "an append never blocks"
        );
        match taken {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
        assert!(deliveries.len() < 10_000, "the queue is bounded");
    };
    assert!(matches!(full, AppendError::Full), "{full}");
    let taken = deliveries.len();
    for delivery in deliveries {
        settled(delivery).await;
    }
    append(&topic, vec![draft("k", "after")]).await;
    assert_eq!(contents(&topic, Partition(0)).await.len(), taken + 1);
    writer.ready().expect("an empty queue is ready");
}

pub(super) async fn a_flush_waits_for_what_was_taken(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    let writer = topic.writer().expect("the topic gives its writer");
    let mut delivery = writer.append(drafts(0..10)).expect("the queue has room");
    assert!(writer.flush(EVENT_TIMEOUT).await, "a flush ends in time");
    let settled = futures::poll!(&mut delivery);
    assert!(
        settled.is_ready(),
        "what was taken before a flush is settled after it"
    );
    assert_eq!(everything(&topic).await.len(), 10);
}
