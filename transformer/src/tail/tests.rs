//! The tail over a topic and a reader that a test writes down.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sink::{LakeId, S3};
use tokio::time::sleep;
use topic::{AppendError, Identity, Timestamp, Writer};

use super::*;
use crate::Enrichment;

const P: Partition = Partition(0);

fn record(offset: u64, id: u64) -> Record {
    let value = format!(
        r#"{{"v":1,"id":"{id}","received_at":1795000000000000,"format":"native","source":"t","click":{{"action":"view"}}}}"#
    );
    Record {
        offset: Offset(offset),
        appended_at: Timestamp::from_micros(1_795_000_000_000_000 + i64::try_from(offset).unwrap()),
        key: None,
        value: Some(Bytes::from(value)),
        headers: Vec::new(),
    }
}

/// A topic of one partition, whose offsets before `low` are gone.
struct Written {
    identity: Identity,
    low: u64,
    records: Vec<Record>,
}

#[async_trait]
impl Topic for Written {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        let marks = Watermarks {
            low: Offset(self.low),
            high: Offset(self.records.len() as u64),
        };
        Ok(BTreeMap::from([(P, marks)]))
    }

    async fn offset_at(&self, _: Partition, time: Timestamp) -> Result<Offset, ReadError> {
        let before = self.records.iter().take_while(|r| r.appended_at < time);
        Ok(Offset(self.low.max(before.count() as u64)))
    }

    async fn fetch(
        &self,
        _: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let from = from.max(Offset(self.low));
        let there = self.records.iter().filter(|r| r.offset >= from);
        Ok(there.take(limit).cloned().collect())
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        Err(AppendError::Full)
    }

    fn reader(&self, _: &str) -> Result<Box<dyn Reader>, ReadError> {
        Err(ReadError::Closed)
    }
}

/// Gives the planned answers first, then what is behind each seek.
struct Told {
    topic: Arc<Written>,
    first: VecDeque<Result<Event, ReadError>>,
    sought: Arc<Mutex<Vec<Offset>>>,
    at: Option<usize>,
}

#[async_trait]
impl Reader for Told {
    async fn next(&mut self) -> Result<Event, ReadError> {
        if let Some(first) = self.first.pop_front() {
            return first;
        }
        let Some(record) = self.at.and_then(|at| self.topic.records.get(at)) else {
            return std::future::pending().await;
        };
        self.at = self.at.map(|at| at + 1);
        Ok(Event::Records {
            partition: P,
            records: vec![record.clone()],
        })
    }

    fn seek(&mut self, _: Partition, offset: Offset) -> Result<(), ReadError> {
        self.sought.lock().push(offset);
        self.at = usize::try_from(offset.0).ok();
        Ok(())
    }

    fn pause(&mut self, _: Partition) -> Result<(), ReadError> {
        Ok(())
    }

    fn resume(&mut self, _: Partition) -> Result<(), ReadError> {
        Ok(())
    }

    fn report(&mut self, _: Partition, _: Offset) {
        panic!("a tail tells the group nothing");
    }
}

/// Wants a fixed position, after it was asked `late` times in vain.
#[derive(Default)]
struct Kept {
    late: Mutex<u32>,
    wanted: BTreeMap<Partition, Offset>,
    begun: Mutex<Vec<Offset>>,
    taken: Mutex<Vec<(u64, u64, usize)>>,
}

impl RowSink for Kept {
    fn wanted(&self) -> Option<BTreeMap<Partition, Offset>> {
        let mut late = self.late.lock();
        let early = *late > 0;
        *late = late.saturating_sub(1);
        (!early).then(|| self.wanted.clone())
    }

    fn begin(&self, _: Partition, first: Offset) {
        self.begun.lock().push(first);
    }

    fn take(&self, range: PendingRows) {
        let range = (range.first.0, range.end.0, range.rows.num_rows());
        self.taken.lock().push(range);
    }
}

/// Runs a tail until it has handed over up to the topic's end, or fails; what it sought.
async fn run_over(
    low: u64,
    ids: &[u64],
    first: Vec<Result<Event, ReadError>>,
    kept: &Arc<Kept>,
    lake_of: &str,
) -> Result<Vec<Offset>, Error> {
    let topic = |cluster: &str| Identity {
        cluster: cluster.into(),
        topic: "t".into(),
    };
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(&S3::in_folder(folder.path()));
    let lake = lake.unwrap();
    let firsts = BTreeMap::from([(P, Offset(0))]);
    let new = LakeId::new(7);
    lake.found(&topic(lake_of), firsts, new).await.unwrap();
    let records = (0..).zip(ids).map(|(offset, id)| record(offset, *id));
    let written = Arc::new(Written {
        identity: topic("c"),
        low,
        records: records.collect(),
    });
    let sought = Arc::new(Mutex::new(Vec::new()));
    let reader = Told {
        topic: written.clone(),
        first: first.into(),
        sought: sought.clone(),
        at: None,
    };
    let components = TailComponents {
        topic: written,
        reader: Box::new(reader),
        lake,
        enrichment: Enrichment::default().alone(),
        rows: kept.clone(),
    };
    let config = Config {
        group: String::new(),
        window: Duration::from_secs(60),
        window_records: 3,
        plain: String::new(),
    };
    let stop = CancellationToken::new();
    let running = run(config, components, stop.clone());
    let high = ids.len() as u64;
    let arrived = async {
        while kept.taken.lock().last().is_none_or(|taken| taken.1 < high) {
            sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
    };
    let both = async {
        tokio::pin!(running);
        tokio::select! {
            failed = &mut running => failed,
            () = arrived => running.await,
        }
    };
    let bounded = tokio::time::timeout(Duration::from_secs(20), both);
    bounded.await.expect("it comes to its end in time")?;
    let sought = sought.lock().clone();
    Ok(sought)
}

fn assigned() -> Result<Event, ReadError> {
    Ok(Event::Assigned {
        partitions: vec![P],
    })
}

#[tokio::test]
async fn it_begins_where_it_is_wanted_and_reads_the_window_before_that() {
    // At 4 comes the twin of 2, and at 5 one of 0, which is three offsets too old.
    let ids = [10, 11, 12, 13, 12, 10, 14];
    let check = async |low: u64, wanted: u64, sought: u64, begun: u64, rows: usize| {
        let kept = Arc::new(Kept {
            late: Mutex::new(2),
            wanted: BTreeMap::from([(P, Offset(wanted))]),
            ..Kept::default()
        });
        let found = run_over(low, &ids, vec![assigned()], &kept, "c").await;
        assert_eq!(found.unwrap(), [Offset(sought)], "{low} {wanted}");
        assert_eq!(*kept.begun.lock(), [Offset(begun)], "{low} {wanted}");
        let taken = kept.taken.lock();
        let all: usize = taken.iter().map(|taken| taken.2).sum();
        assert_eq!((taken[0].0, all), (begun, rows), "{low} {wanted}");
    };
    check(0, 0, 0, 0, 6).await;
    check(0, 4, 1, 4, 2).await;
    check(0, 5, 2, 5, 2).await;
    // Retention has taken the window's range, or what was wanted.
    check(3, 4, 3, 4, 3).await;
    check(5, 4, 5, 5, 2).await;
}

#[tokio::test]
async fn what_is_out_of_range_is_asked_for_again_and_another_topics_lake_is_refused() {
    let kept = Arc::<Kept>::default();
    let out = || Err(ReadError::OutOfRange { partition: None });
    let silent = Err(ReadError::Unavailable("nobody answers".into()));
    let first = vec![silent, assigned(), out()];
    let sought = run_over(0, &[1, 2, 3], first, &kept, "c").await.unwrap();
    assert_eq!(sought, [Offset(0), Offset(0)]);
    let refused = run_over(0, &[1], vec![assigned()], &Arc::default(), "another").await;
    assert!(matches!(
        refused,
        Err(Error::Lake(sink::Error::AnotherTopic { .. }))
    ));
}
