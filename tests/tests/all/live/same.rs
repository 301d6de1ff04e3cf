//! The tail hands over what the lake gets, wherever the tail begins: the same rows, without the
//! same duplicates and dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::json;
use sink::{Lake, LakeId, PendingRows, S3};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{Draft, Offset, Open, Partition, Topic, clock};
use transformer::tail::{self, RowSink};
use transformer::{Components, Enrichment, Status};

const RECORDS: u64 = 1_500;
/// So short that most begin in the middle of one.
const WINDOW: u64 = 40;
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The offsets of rows, by partition.
type Rows = BTreeMap<Partition, BTreeSet<u64>>;

/// Keeps offsets only, and checks that the ranges chain.
struct Noted {
    from: BTreeMap<Partition, Offset>,
    ends: Mutex<BTreeMap<Partition, Offset>>,
    rows: Mutex<Rows>,
}

impl RowSink for Noted {
    fn wanted(&self) -> Option<BTreeMap<Partition, Offset>> {
        Some(self.from.clone())
    }

    fn begin(&self, partition: Partition, first: Offset) {
        self.ends.lock().insert(partition, first);
    }

    fn take(&self, stretch: PendingRows) {
        let before = self.ends.lock().insert(stretch.partition, stretch.end);
        assert_eq!(before, Some(stretch.first), "stretches chain");
        let offsets = stretch.rows.column_by_name("offset").unwrap();
        let offsets = offsets.as_primitive::<Int64Type>().values().iter();
        let mut rows = self.rows.lock();
        let rows = rows.entry(stretch.partition).or_default();
        for offset in offsets {
            assert!(rows.insert(offset.cast_unsigned()), "{offset} twice");
        }
    }
}

fn config() -> transformer::Config {
    let keys = json!({ "group": "g", "window": "60s", "window_records": WINDOW });
    serde_json::from_value(keys).unwrap()
}

/// Clicks of which some come again, within the window or after it, and some are no valid clicks.
async fn fill(topic: &dyn Topic) {
    let click = |n: u64| {
        let id = match n % 11 {
            4 => n - 4,
            7 => n.saturating_sub(77),
            _ => n,
        };
        let click = match n % 13 {
            5 => r#"{"action":"view","occurred_at":"never"}"#,
            _ => r#"{"action":"view"}"#,
        };
        Draft {
            key: Bytes::from_static(b"one visitor"),
            value: Bytes::from(format!(
                r#"{{"v":1,"id":"click-{id}","received_at":1795000000000000,"format":"native","source":"test","click":{click}}}"#
            )),
        }
    };
    let writer = topic.writer().unwrap();
    let drafts = (0..RECORDS).map(click).collect();
    writer.append(drafts).unwrap().await.unwrap();
}

/// The lake's rows, and the ends of its objects.
async fn landed(topic: &Arc<dyn Topic>, lake: &Lake) -> (Rows, Vec<(Partition, Offset)>) {
    let sink: sink::Config = tests::defaults::section("sink", &[("max_rows", "97")]).unwrap();
    let stop = CancellationToken::new();
    let status = Arc::<Status>::default();
    let components = Components {
        topic: topic.clone(),
        reader: topic.reader("g").unwrap(),
        lake: lake.clone(),
        new_lake: LakeId::new(7),
        enrichment: Enrichment::default().alone(),
        status,
        pulse: Box::new(|| {}),
    };
    let member = tokio::spawn(transformer::run(config(), sink, components, stop.clone()));
    let since = Instant::now();
    loop {
        // Asked before the objects are listed: the last batch is sealed when the worker ends.
        let ended = stop.is_cancelled() && member.is_finished();
        let (mut rows, mut ends, mut counted) = (Rows::new(), Vec::new(), 0);
        for hour in lake.hours().await.unwrap() {
            for (name, _) in lake.objects(hour).await.unwrap() {
                let contents = lake.contents(&name, topic.identity()).await.unwrap();
                let contents = contents.unwrap();
                counted += contents.footer.first.distance(contents.footer.end);
                ends.push((name.partition, contents.footer.end));
                let offsets = contents.rows.offsets.iter().map(|offset| offset.0);
                rows.entry(name.partition).or_default().extend(offsets);
            }
        }
        if ended {
            assert_eq!(counted, RECORDS);
            return (rows, ends);
        }
        if counted + 97 * 2 > RECORDS {
            stop.cancel();
        }
        assert!(since.elapsed() < WAIT_TIMEOUT, "{counted} of {RECORDS}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn invariant_5_wherever_the_tail_begins_its_rows_are_those_that_the_lake_gets() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("file:{}", folder.path().join(name).display());
    let keys = [("url", url("topic")), ("partitions", "2".into())];
    let keys: Vec<_> = keys
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let topic: topic::Config = tests::defaults::section("topic", &keys).unwrap();
    let with = Open {
        clock: clock::system(),
        create: true,
    };
    let topic = topic::open(&topic, with).await.unwrap();
    let lake: S3 = tests::defaults::section("lake", &[("url", &url("lake"))]).unwrap();
    let lake = Lake::open(&lake).unwrap();
    fill(topic.as_ref()).await;
    let (truth, mut ends) = landed(&topic, &lake).await;
    let marks = topic.watermarks().await.unwrap();
    assert!(ends.len() > 10, "the lake's objects are small: {ends:?}");
    let all: usize = truth.values().map(BTreeSet::len).sum();
    assert!(
        all > 500 && all < 1_300,
        "some of {RECORDS} are no rows: {all}"
    );
    // Registered ends are ends of objects; a batch that is kept already may end anywhere.
    let some = ends[0].0;
    ends.extend((0..20).map(|n| (some, Offset(n * 7))));
    for (number, &(partition, from)) in ends.iter().enumerate() {
        let noted = Arc::new(Noted {
            from: BTreeMap::from([(partition, from)]),
            ends: Mutex::default(),
            rows: Mutex::default(),
        });
        let components = tail::TailComponents {
            topic: topic.clone(),
            reader: topic.reader(&format!("tail-{number}")).unwrap(),
            lake: lake.clone(),
            enrichment: Enrichment::default().alone(),
            rows: noted.clone(),
        };
        let stop = CancellationToken::new();
        let reading = tokio::spawn(tail::run(config(), components, stop.clone()));
        let since = Instant::now();
        while noted.ends.lock().get(&partition) != Some(&marks[&partition].high) {
            assert!(since.elapsed() < WAIT_TIMEOUT, "it reads to the end");
            sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
        reading.await.unwrap().unwrap();
        let mut expected = truth[&partition].clone();
        expected.retain(|offset| *offset >= from.0);
        let found = noted.rows.lock().remove(&partition).unwrap_or_default();
        assert_eq!(found, expected, "partition {partition} from {from}");
    }
}
