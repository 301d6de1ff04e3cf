//! What a single reader, and reading without a group, promise.

use std::time::Duration;

use super::fixture::{
    EVENT_TIMEOUT, Fixture, append, assigned_all, contents, draft, drafts, join, out_of_range,
    read, records, silent, text,
};
use crate::{Offset, Partition, Timestamp};

const P: Partition = Partition(0);

pub(super) async fn a_fetch_goes_to_the_end_and_not_beyond(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    assert_eq!(
        topic
            .fetch(P, Offset(0), 10)
            .await
            .expect("a fetch answers"),
        Vec::new()
    );
    append(&topic, drafts(0..20)).await;
    append(&topic, drafts(20..25)).await;
    let marks = topic.watermarks().await.expect("watermarks answer")[&P];
    for (from, limit, expected) in [
        (0, 7, 0..7),
        (0, 1, 0..1),
        (18, 4, 18..22),
        (24, 9, 24..25),
        (25, 9, 0..0),
        (3, 900, 3..25),
    ] {
        let mut found: Vec<u64> = Vec::new();
        // A backend may give less than the limit, but never nothing before the end.
        while found.len() < expected.clone().count() {
            let next = Offset(from + found.len() as u64);
            let more = topic
                .fetch(P, next, limit - found.len())
                .await
                .expect("a fetch answers");
            assert!(!more.is_empty(), "a fetch before the end gives something");
            found.extend(more.iter().map(|record| record.offset.0));
        }
        assert_eq!(
            found,
            expected.collect::<Vec<_>>(),
            "from {from}, at most {limit}"
        );
    }
    let end = topic
        .fetch(P, marks.high, 10)
        .await
        .expect("a fetch answers");
    assert_eq!(end, Vec::new(), "nothing at the end");
}

pub(super) async fn a_time_finds_the_first_offset_at_or_after_it(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    for number in 0..12 {
        append(&topic, drafts(number * 3..number * 3 + 3)).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let all = contents(&topic, P).await;
    let high = topic.watermarks().await.expect("watermarks answer")[&P].high;
    let mut times: Vec<i64> = all
        .iter()
        .map(|record| record.appended_at.micros())
        .collect();
    times.extend([0, times[0] - 1_000_000, times[times.len() - 1] + 1_000_000]);
    for time in times.iter().flat_map(|time| [time - 1, *time, time + 1]) {
        let time = Timestamp::from_micros(time.max(0));
        let expected = all.iter().find(|record| record.appended_at >= time);
        let found = topic
            .offset_at(P, time)
            .await
            .expect("a search by time answers");
        assert_eq!(
            found,
            expected.map_or(high, |record| record.offset),
            "at {time}"
        );
    }
}

pub(super) async fn an_assigned_partition_is_silent_until_it_is_sought(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    append(&topic, drafts(0..10)).await;
    let mut reader = join(&topic);
    assert_eq!(assigned_all(&mut reader, 1).await, [P]);
    silent(&mut reader).await;
    append(&topic, drafts(10..12)).await;
    silent(&mut reader).await;
    reader
        .seek(P, Offset(4))
        .expect("an assigned partition is sought");
    let found = read(&mut reader, 8).await;
    let offsets: Vec<u64> = found.iter().map(|(_, record)| record.offset.0).collect();
    assert_eq!(offsets, (4..12).collect::<Vec<_>>());
    silent(&mut reader).await;
}

pub(super) async fn after_a_seek_no_record_of_the_old_position_comes(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    for request in drafts(0..3_000).chunks(300) {
        append(&topic, request.to_vec()).await;
    }
    let mut reader = join(&topic);
    assigned_all(&mut reader, 1).await;
    reader
        .seek(P, Offset(0))
        .expect("an assigned partition is sought");
    for target in [2_900, 5, 2_999, 1_500, 0] {
        records(&mut reader).await;
        reader
            .seek(P, Offset(target))
            .expect("an assigned partition is sought");
        let (_, first) = records(&mut reader).await;
        assert_eq!(
            first[0].offset,
            Offset(target),
            "the first record after a seek is the one sought"
        );
        reader
            .seek(P, Offset(0))
            .expect("an assigned partition is sought");
    }
}

pub(super) async fn a_paused_partition_is_silent_and_keeps_its_position(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    append(&topic, drafts(0..5)).await;
    let mut reader = join(&topic);
    assigned_all(&mut reader, 1).await;
    reader
        .seek(P, Offset(0))
        .expect("an assigned partition is sought");
    read(&mut reader, 5).await;
    reader.pause(P).expect("an assigned partition is paused");
    append(&topic, drafts(5..8)).await;
    silent(&mut reader).await;
    reader.resume(P).expect("a paused partition is resumed");
    let found = read(&mut reader, 3).await;
    assert_eq!(
        found
            .iter()
            .map(|(_, record)| text(record))
            .collect::<Vec<_>>(),
        ["value-5", "value-6", "value-7"]
    );
}

pub(super) async fn a_reader_meets_records_that_come_later(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    let mut reader = join(&topic);
    for partition in assigned_all(&mut reader, 2).await {
        reader
            .seek(partition, Offset(0))
            .expect("an assigned partition is sought");
    }
    silent(&mut reader).await;
    for number in 0..20 {
        let placed = append(&topic, drafts(number..number + 1)).await[0];
        let found = read(&mut reader, 1).await;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].0, found[0].1.offset),
            (placed.partition, placed.offset)
        );
    }
}

pub(super) async fn a_dropped_call_loses_nothing(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    let mut reader = join(&topic);
    assigned_all(&mut reader, 1).await;
    reader
        .seek(P, Offset(0))
        .expect("an assigned partition is sought");
    let mut found = Vec::new();
    let deadline = tokio::time::Instant::now() + EVENT_TIMEOUT;
    for number in 0..30 {
        append(&topic, vec![draft("k", &number.to_string())]).await;
        // Far too short on purpose: most calls are dropped half-way.
        for _ in 0..20 {
            let next = tokio::time::timeout(Duration::from_micros(30), reader.next()).await;
            if let Ok(Ok(crate::Event::Records { records, .. })) = next {
                found.extend(records);
            }
        }
    }
    while found.len() < 30 && tokio::time::Instant::now() < deadline {
        found.extend(records(&mut reader).await.1);
    }
    let values: Vec<String> = found.iter().map(text).collect();
    assert_eq!(
        values,
        (0..30)
            .map(|number: u32| number.to_string())
            .collect::<Vec<_>>()
    );
}

pub(super) async fn a_position_beyond_the_end_is_out_of_range(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    append(&topic, drafts(0..3)).await;
    let mut reader = join(&topic);
    assigned_all(&mut reader, 1).await;
    out_of_range(&mut reader, Offset(1_000)).await;
    reader
        .seek(P, Offset(1))
        .expect("a right position is sought after a wrong one");
    assert_eq!(read(&mut reader, 2).await[0].1.offset, Offset(1));
}
