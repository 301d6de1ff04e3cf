//! What members of one group promise each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::fixture::{
    EVENT_TIMEOUT, Fixture, append, assigned_all, drafts, event, everything, join, read, revoked,
    silent,
};
use crate::{Event, Offset, Partition, Reader};

/// Where a group continues, kept by the test as the lake keeps it in the product.
type Tips = Arc<Mutex<BTreeMap<Partition, Offset>>>;

/// What a worker saw.
#[derive(Default)]
struct Worked {
    records: Vec<(Partition, Offset)>,
    owned: BTreeSet<Partition>,
}

/// Works as the loop does, for one event: seeks to the tip, "commits" what it reads.
fn work(reader: &mut Box<dyn Reader>, tips: &Tips, seen: &mut Worked, event: Event) {
    match event {
        Event::Assigned { partitions } => {
            for partition in partitions {
                assert!(seen.owned.insert(partition), "a partition is assigned once");
                let tip = tips.lock().get(&partition).copied().unwrap_or_default();
                reader
                    .seek(partition, tip)
                    .expect("an assigned partition is sought");
            }
        }
        Event::Records { partition, records } => {
            assert!(
                seen.owned.contains(&partition),
                "records come from assigned partitions only"
            );
            for record in records {
                tips.lock().insert(partition, record.offset.next());
                seen.records.push((partition, record.offset));
            }
        }
        Event::Revoked { partitions, ack } => {
            for partition in partitions {
                assert!(
                    seen.owned.remove(&partition),
                    "only what is owned is revoked"
                );
            }
            ack.acknowledge();
        }
    }
}

pub(super) async fn two_members_share_the_partitions(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(4).await;
    append(&topic, drafts(0..200)).await;
    let tips = Tips::default();
    let mut readers = [join(&topic), join(&topic)];
    let mut seen = [Worked::default(), Worked::default()];
    let deadline = tokio::time::Instant::now() + EVENT_TIMEOUT;
    let mut sent = 200;
    loop {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the group settles and reads all"
        );
        for (reader, seen) in readers.iter_mut().zip(&mut seen) {
            let next = tokio::time::timeout(Duration::from_millis(20), reader.next()).await;
            if let Ok(Ok(event)) = next {
                work(reader, &tips, seen, event);
            }
        }
        let shares = [seen[0].owned.len(), seen[1].owned.len()];
        if shares == [2, 2] && sent == 200 {
            append(&topic, drafts(200..400)).await;
            sent = 400;
        }
        if sent == 400 && seen[0].records.len() + seen[1].records.len() >= 400 {
            break;
        }
    }
    assert!(
        seen[0].owned.is_disjoint(&seen[1].owned),
        "no partition has two owners"
    );
    let [one, two] = seen;
    let mut found: Vec<_> = one.records.iter().chain(&two.records).copied().collect();
    found.sort_unstable();
    let expected: Vec<_> = everything(&topic).await.into_keys().collect();
    assert_eq!(
        found, expected,
        "every record is read by exactly one member"
    );
    assert!(
        !one.records.is_empty() && !two.records.is_empty(),
        "both members read"
    );
}

pub(super) async fn a_member_that_dies_frees_its_partitions(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    let mut first = join(&topic);
    assigned_all(&mut first, 2).await;
    let second = join(&topic);
    let (gone, ack) = revoked(&mut first).await;
    assert_eq!(gone.len(), 1, "two partitions are split evenly");
    ack.acknowledge();
    // The other never looks at its assignment and dies.
    drop(second);
    assert_eq!(assigned_all(&mut first, 1).await, gone);
    append(&topic, drafts(0..20)).await;
    for partition in [Partition(0), Partition(1)] {
        reader_at_start(&mut first, partition);
    }
    assert_eq!(read(&mut first, 20).await.len(), 20);
}

fn reader_at_start(reader: &mut Box<dyn Reader>, partition: Partition) {
    reader
        .seek(partition, Offset(0))
        .expect("an assigned partition is sought");
}

pub(super) async fn a_revoke_waits_for_its_acknowledgement(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    append(&topic, drafts(0..20)).await;
    let mut first = join(&topic);
    for partition in assigned_all(&mut first, 2).await {
        reader_at_start(&mut first, partition);
    }
    read(&mut first, 20).await;
    let mut second = join(&topic);
    let revoke = async {
        loop {
            if let Event::Revoked { partitions, ack } = event(&mut first).await {
                return (partitions, ack);
            }
        }
    };
    // The newcomer is polled too: some backends join only when they are.
    let (gone, ack) = tokio::select! {
        revoked = revoke => revoked,
        early = second.next() => panic!("the newcomer was given {early:?} before the other let go"),
    };
    silent(&mut second).await;
    ack.acknowledge();
    let both = async {
        loop {
            if let Event::Revoked { .. } = event(&mut first).await {
                panic!("nothing more is revoked");
            }
        }
    };
    let given = tokio::select! {
        () = both => Vec::new(),
        given = assigned_all(&mut second, gone.len()) => given,
    };
    assert_eq!(given, gone, "what was let go is assigned to the other");
}

pub(super) async fn two_groups_do_not_disturb_each_other(fixture: &mut dyn Fixture) {
    let topic = fixture.fresh(2).await;
    append(&topic, drafts(0..20)).await;
    let mut one = join(&topic);
    let mut other = topic.reader("another-group").expect("a reader joins");
    for reader in [&mut one, &mut other] {
        for partition in assigned_all(reader, 2).await {
            reader_at_start(reader, partition);
        }
        assert_eq!(read(reader, 20).await.len(), 20);
    }
    one.report(Partition(0), Offset(1));
    silent(&mut one).await;
}
