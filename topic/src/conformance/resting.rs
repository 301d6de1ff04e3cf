//! What outlives a process, and what does not outlive its time.

use super::fixture::{Fixture, append, assigned_all, drafts, everything, join, out_of_range, read};
use crate::{Offset, Partition};

pub(super) async fn a_restart_keeps_everything(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(3).await;
    for request in drafts(0..300).chunks(25) {
        append(&topic, request.to_vec()).await;
    }
    let identity = topic.identity().clone();
    let marks = topic.watermarks().await.expect("watermarks answer");
    let before = everything(&topic).await;
    drop(topic);

    let topic = fixture.reopen().await;
    assert_eq!(
        topic.identity(),
        &identity,
        "a topic stays the one that it is"
    );
    assert_eq!(topic.watermarks().await.expect("watermarks answer"), marks);
    assert_eq!(everything(&topic).await, before, "records are as they were");
    let placed = append(&topic, drafts(300..400)).await;
    for place in placed {
        assert!(
            place.offset >= marks[&place.partition].high,
            "an offset is never given twice"
        );
    }
    assert_eq!(everything(&topic).await.len(), 400);
}

pub(super) async fn retention_moves_low_and_below_it_is_out_of_range(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(1).await;
    append(&topic, drafts(0..50)).await;
    if !fixture.expire(&topic).await {
        return;
    }
    let partition = Partition(0);
    let marks = topic.watermarks().await.expect("watermarks answer")[&partition];
    assert!(marks.low > Offset(0), "low moved");
    assert!(marks.high >= Offset(50), "high never steps back");
    let mut reader = join(&topic);
    assigned_all(&mut reader, 1).await;
    out_of_range(&mut reader, Offset(0)).await;
    let placed = append(&topic, drafts(50..51)).await[0];
    assert_eq!(placed.offset, marks.high, "offsets go on");
    reader
        .seek(partition, marks.high)
        .expect("high is a right position");
    assert_eq!(read(&mut reader, 1).await[0].1.offset, placed.offset);
    let fetched = topic
        .fetch(partition, Offset(0), 1_000)
        .await
        .expect("a fetch answers");
    assert_eq!(
        fetched[0].offset.max(marks.low),
        fetched[0].offset,
        "a fetch begins at low"
    );
    drop(reader);
    drop(topic);

    let topic = fixture.reopen().await;
    let kept = topic.watermarks().await.expect("watermarks answer")[&partition];
    assert!(kept.low >= marks.low, "low survives a restart");
    assert!(kept.high > marks.high, "high survives a restart");
}
