//! The embedded topic against the suite, and what only it promises.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::join_all;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::conformance::{self, Fixture, append, drafts};

/// A clock that a test moves; what it adds to the machine's clock, in microseconds.
#[derive(Default)]
pub(super) struct Shifted(AtomicI64);

impl Shifted {
    pub(super) fn shift(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().micros() + self.0.load(Ordering::SeqCst))
    }
}

pub(super) const DAY: i64 = 86_400_000_000;
/// How long a topic that was dropped may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn config(partitions: u32) -> Config {
    Config {
        url: "file:unused".into(),
        format: crate::RecordFormat::Envelope,
        json_id: String::new(),
        json_visitor: String::new(),
        partitions,
        retention: Duration::from_secs(7 * 86_400),
        retention_size: ByteSize(0),
        queue: ByteSize::kib(512),
        max_record: ByteSize::kib(64),
        append_timeout: Duration::from_secs(5),
        linger: Duration::from_millis(2),
        session_timeout: Duration::from_secs(10),
        security: "plaintext".into(),
        sasl_mechanism: String::new(),
        sasl_username: String::new(),
        sasl_password: String::new().into(),
        ca: PathBuf::new(),
    }
}

/// A folder of a test's own, the clock and the configuration of its topic.
pub(super) struct Folder {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: Arc<Shifted>,
    pub(super) config: Config,
    pub(super) open: std::sync::Weak<Embedded>,
}

impl Folder {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
            config: config(1),
            open: std::sync::Weak::new(),
        }
    }

    pub(super) async fn try_open(&mut self) -> Result<Arc<Embedded>, ReadError> {
        let with = Open {
            clock: self.clock.clone(),
            create: true,
        };
        let topic = open(&self.config, self.folder.path(), with).await?;
        self.open = Arc::downgrade(&topic);
        Ok(topic)
    }

    /// The topic, once the one before has closed: its last handles go a moment after it.
    pub(super) async fn topic(&mut self) -> Arc<Embedded> {
        let since = tokio::time::Instant::now();
        loop {
            match self.try_open().await {
                Ok(topic) => return topic,
                Err(ReadError::Unfit(why)) if why.starts_with("another") => {
                    assert!(since.elapsed() < CLOSE_TIMEOUT, "{why}");
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The lake has what is before `end` of the first partition.
    fn in_lake(&self, end: Offset) {
        let open = self.open.upgrade().unwrap();
        open.shared.committed.lock().insert(Partition(0), end);
    }

    /// Lets retention look, and returns why appends must wait.
    async fn retain(&self) -> Option<String> {
        let open = self.open.upgrade().unwrap();
        open.shared.retain().await.unwrap()
    }
}

/// The first offset that the topic's only partition keeps.
async fn low(topic: &Arc<Embedded>) -> u64 {
    topic.watermarks().await.unwrap()[&Partition(0)].low.0
}

#[async_trait]
impl Fixture for Folder {
    async fn fresh(&mut self, partitions: u32) -> Arc<dyn Topic> {
        self.config.partitions = partitions;
        self.topic().await
    }

    async fn reopen(&mut self) -> Arc<dyn Topic> {
        self.topic().await
    }

    async fn expire(&mut self, _: &Arc<dyn Topic>) -> bool {
        self.clock.shift(9 * DAY);
        self.in_lake(Offset(u64::MAX));
        self.retain().await;
        true
    }

    fn queue(&self) -> usize {
        512 << 10
    }

    fn max_record(&self) -> usize {
        64 << 10
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_topic_conforms() {
    let failed = conformance::run(Folder::new).await;
    assert_eq!(failed, Vec::<&str>::new());
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_made_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let with = Open {
        clock: crate::clock::system(),
        create: false,
    };
    let error = open(&config(1), &folder.path().join("no"), with)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, ReadError::Unfit(said) if said.contains("there is no topic")),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_open_is_told_who_has_it() {
    let mut folder = Folder::new();
    let _first = folder.topic().await;
    let error = folder.try_open().await.err().unwrap();
    assert!(
        matches!(&error, ReadError::Unfit(said) if said.contains("another clickweir")),
        "{error}"
    );
}

#[tokio::test]
async fn fault_14_added_partitions_start_at_zero() {
    let mut folder = Folder::new();
    let topic: Arc<dyn Topic> = folder.topic().await;
    append(&topic, drafts(0..10)).await;
    let identity = topic.identity().clone();
    drop(topic);
    folder.config.partitions = 3;
    let topic: Arc<dyn Topic> = folder.topic().await;
    let marks = topic.watermarks().await.unwrap();
    let highs: Vec<u64> = marks.values().map(|marks| marks.high.0).collect();
    assert_eq!((highs, topic.identity()), (vec![10, 0, 0], &identity));
    drop(topic);
    folder.config.partitions = 2;
    assert_eq!(folder.topic().await.watermarks().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_that_fill_at_once_go_to_files() {
    let mut folder = Folder::new();
    folder.config.partitions = 64;
    folder.config.queue = ByteSize::mib(64);
    let topic = folder.topic().await;
    let value = "x".repeat(32 << 10);
    // More than all segments may hold in memory, with nearly every partition in every commit.
    for _ in 0..24 {
        let all = (0..128).map(|number| conformance::draft(&format!("key-{number}"), &value));
        append(&(topic.clone() as Arc<dyn Topic>), all.collect()).await;
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let files = || {
        let tables = folder.folder.path().join("keyspaces");
        let tables = std::fs::read_dir(tables).unwrap();
        let tables =
            tables.filter_map(|one| std::fs::read_dir(one.unwrap().path().join("tables")).ok());
        tables.flatten().count()
    };
    while files() < 32 {
        assert!(tokio::time::Instant::now() < deadline, "{} files", files());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_retention_of_minutes_keeps_minutes_and_nothing_that_the_lake_lacks_is_dropped() {
    const MINUTE: i64 = 60_000_000;
    let mut folder = Folder::new();
    folder.config.retention = Duration::from_secs(16 * 60);
    let topic = folder.topic().await;
    // One record a minute for an hour.
    for number in 0..60 {
        append(
            &(topic.clone() as Arc<dyn Topic>),
            drafts(number..number + 1),
        )
        .await;
        folder.clock.shift(MINUTE);
    }
    assert_eq!(folder.retain().await, None);
    assert_eq!(low(&topic).await, 0, "the lake has nothing yet");
    folder.in_lake(Offset(21));
    // The writer may look at the same time, so four looks drop what one would.
    join_all([(); 4].map(|()| folder.retain())).await;
    let kept = low(&topic).await;
    assert!(
        (19..=21).contains(&kept),
        "the lake has what is before 21: {kept}"
    );
    folder.in_lake(Offset(60));
    folder.retain().await;
    // 16 minutes, and at most an eighth of them more.
    let kept = 60 - low(&topic).await;
    assert!((15..=18).contains(&kept), "{kept} minutes are kept");
    drop(topic);

    // A restart cuts no longer segments, and what is too old goes once the lake is known.
    folder.clock.shift(60 * MINUTE);
    let topic = folder.topic().await;
    folder.in_lake(Offset(60));
    folder.retain().await;
    assert_eq!(low(&topic).await, 60, "nothing is left after the retention");
}

#[tokio::test]
async fn a_partition_at_its_bound_drops_what_the_lake_has_or_refuses() {
    let mut folder = Folder::new();
    folder.config.retention_size = ByteSize::kib(64);
    let topic: Arc<dyn Topic> = folder.topic().await;
    let open = folder.open.upgrade().unwrap();
    let writer = topic.writer().unwrap();
    let text = "x".repeat(1_000);
    let send = async |number: u64| {
        let draft = conformance::draft(&format!("key-{number}"), &text);
        writer.append(vec![draft])?.await
    };
    let mut sent = 0;
    let refused = loop {
        match send(sent).await {
            Ok(_) => sent += 1,
            Err(error) => break error.to_string(),
        }
        assert!(sent < 200, "it holds 64 KiB");
    };
    assert!(sent > 60, "{sent}");
    for part in ["partition 0", "of the 64.0 KiB", "topic.retention_size"] {
        assert!(refused.contains(part), "{refused}");
    }
    folder.in_lake(Offset(sent));
    let ready = || writer.ready().is_ok();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !ready() {
        assert!(tokio::time::Instant::now() < deadline, "it has room again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kept = sent - low(&open).await;
    assert!(
        (50..60).contains(&kept),
        "an eighth was dropped: {kept} are kept"
    );
}

#[tokio::test]
async fn without_a_size_the_disk_sets_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention {
        age: Duration::from_secs(60),
        bytes: None,
    };
    let (whole, quarter) = (
        retention.bound(folder.path(), 0, 1),
        retention.bound(folder.path(), 0, 4),
    );
    // Others write to the same disk meanwhile.
    let ratio = whole as f64 / quarter as f64;
    assert!(
        whole > 1 << 20 && (3.9..4.1).contains(&ratio),
        "{whole} {quarter}"
    );
}
