use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use topic::{
    AppendError, Envelope, Identity, Offset, Partition, ReadError, Reader, Record, Timestamp,
    Topic, Watermarks, Writer, clock,
};

use super::*;
use crate::accept::edge::Edge;
use crate::import::{AccessLog, Error, ImportFormat};
use crate::testing::{self, FakeWriter};

const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic of one partition that holds what the fake writer took.
struct FakeTopic(Arc<FakeWriter>, Identity);

#[async_trait]
impl Topic for FakeTopic {
    fn identity(&self) -> &Identity {
        &self.1
    }

    async fn watermarks(&self) -> Result<BTreeMap<Partition, Watermarks>, ReadError> {
        let high = Offset(self.0.drafts().len() as u64);
        let low = Offset(0);
        Ok([(Partition(0), Watermarks { low, high })].into())
    }

    async fn offset_at(&self, _: Partition, _: Timestamp) -> Result<Offset, ReadError> {
        Ok(Offset(0))
    }

    async fn fetch(
        &self,
        _: Partition,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let drafts = self.0.drafts().into_iter().zip(0..);
        let records = drafts.skip(from.0 as usize).take(limit);
        let records = records.map(|(draft, offset)| Record {
            offset: Offset(offset),
            appended_at: Timestamp::from_micros(0),
            key: Some(draft.key),
            value: Some(draft.value),
            headers: Vec::new(),
        });
        Ok(records.collect())
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, AppendError> {
        Ok(self.0.clone())
    }

    fn reader(&self, _: &str) -> Result<Box<dyn Reader>, ReadError> {
        Err(ReadError::Closed)
    }
}

/// A folder with a log, and what came of it.
struct FollowedFolder {
    folder: TempDir,
    topic: Arc<FakeWriter>,
    format: ImportFormat,
}

/// A follower that runs.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

impl FollowedFolder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            topic: FakeWriter::new(),
            format: ImportFormat::Ndjson,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        append(&self.path(name), text);
    }

    fn follow(&self) -> Running {
        let job = FollowJob {
            file: self.path("log"),
            format: self.format,
            realtime_fields: Vec::new(),
            max_record: 1 << 20,
            state: self.path("state"),
        };
        let edge = Edge::new(&testing::config(), self.topic.clone(), clock::system());
        let identity = Identity {
            cluster: "c".into(),
            topic: "t".into(),
        };
        let topic = Arc::new(FakeTopic(self.topic.clone(), identity));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task =
            tokio::spawn(
                async move { run(job, Arc::new(edge), topic, stopped, &mut |_| ()).await },
            );
        Running { stop, task }
    }

    /// The clicks that the topic has, in their order.
    fn clicks(&self) -> Vec<String> {
        let drafts = self.topic.drafts();
        let click = drafts
            .iter()
            .map(|draft| Envelope::decode(&draft.value).unwrap().click.to_owned());
        click.collect()
    }

    /// The id of each record, and which item it is.
    fn records(&self) -> Vec<(String, Option<u32>)> {
        let drafts = self.topic.drafts();
        let record = |draft: &topic::Draft| {
            let envelope = Envelope::decode(&draft.value).unwrap();
            (envelope.id.into_owned(), envelope.item)
        };
        drafts.iter().map(record).collect()
    }

    /// Waits until the topic has these clicks and no others.
    async fn has(&self, expect: &[&str]) {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while self.clicks().len() < expect.len() {
            assert!(Instant::now() < deadline, "{:?}", self.clicks());
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.clicks(), expect);
        let mut records = self.records();
        records.sort();
        records.dedup();
        assert_eq!(
            records.len(),
            expect.len(),
            "each line has an id of its own"
        );
    }

    /// What is stored of the log, as JSON.
    fn stored(&self) -> Option<(PathBuf, serde_json::Value)> {
        let mut found = fs::read_dir(self.path("state")).ok()?.flatten();
        let path = found.find_map(|entry| {
            let path = entry.path();
            path.extension()
                .is_some_and(|end| end == "json")
                .then_some(path)
        })?;
        let stored = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some((path, stored))
    }

    /// Waits until this position is stored of the last generation.
    async fn stored_up_to(&self, position: u64) {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let stored = self.stored().map(|(_, stored)| stored);
            let generations = stored.as_ref().map(|stored| &stored["generations"]);
            let last = generations.and_then(|all| all.as_array()?.last());
            if last.is_some_and(|last| last["position"] == position) {
                return;
            }
            assert!(Instant::now() < deadline, "{stored:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn append(path: &Path, text: &str) {
    let file = fs::File::options().create(true).append(true).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_log_is_waited_for_and_a_line_too() {
    let scene = FollowedFolder::new();
    let running = scene.follow();
    scene.write("log", "{\"n\":1}\n{\"n\":");
    scene.has(&[r#"{"n":1}"#]).await;
    scene.write("log", "2}\n\n");
    scene.has(&[r#"{"n":1}"#, r#"{"n":2}"#]).await;
    scene.stored_up_to(17).await;
    running.end().await;
}

#[tokio::test]
async fn a_follower_goes_on_where_it_was_and_only_one_follows() {
    let scene = FollowedFolder::new();
    scene.write("log", "{\"n\":1}\n");
    let running = scene.follow();
    scene.has(&[r#"{"n":1}"#]).await;
    running.end().await;
    scene.write("log", "{\"n\":1}\n");
    let running = scene.follow();
    scene.has(&[r#"{"n":1}"#, r#"{"n":1}"#]).await;
    let other = scene.follow();
    other.stop.cancel();
    let refused = other.task.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("is followed already"), "{refused}");
    running.end().await;
}

#[tokio::test]
async fn what_was_sent_and_not_stored_is_not_sent_again() {
    let scene = FollowedFolder::new();
    scene.write("log", "{\"n\":1}\n");
    let running = scene.follow();
    scene.stored_up_to(8).await;
    let (path, _) = scene.stored().unwrap();
    let before = fs::read_to_string(&path).unwrap();
    scene.write("log", "{\"n\":2}\n{\"n\":3}\n");
    scene.has(&[r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]).await;
    running.end().await;
    // As after a crash after lines were sent and before the position was stored.
    let before = before.replace("\"is_sending\":false", "\"is_sending\":true");
    fs::write(&path, before).unwrap();
    scene.write("log", "{\"n\":4}\n");
    let running = scene.follow();
    let all = [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":4}"#];
    scene.has(&all).await;
    scene.stored_up_to(32).await;
    running.end().await;
    assert_eq!(scene.clicks(), all);
}

#[tokio::test]
async fn items_of_a_line_that_arrived_in_part_are_completed() {
    let scene = FollowedFolder::new();
    let line = r#"{"items":[{"n":1},{"n":2},{"n":3}]}"#;
    scene.write("log", "{}\n");
    let running = scene.follow();
    scene.stored_up_to(3).await;
    let (path, _) = scene.stored().unwrap();
    let before = fs::read_to_string(&path).unwrap();
    scene.write("log", &format!("{line}\n"));
    scene.has(&["{}", line, line, line]).await;
    running.end().await;
    // As after a crash that left one of them.
    let before = before.replace("\"is_sending\":false", "\"is_sending\":true");
    fs::write(&path, before).unwrap();
    scene.topic.keep(2);
    let running = scene.follow();
    scene.stored_up_to(3 + line.len() as u64 + 1).await;
    running.end().await;
    assert_eq!(scene.clicks(), ["{}", line, line, line]);
    let items: Vec<_> = scene.records().into_iter().map(|(_, item)| item).collect();
    assert_eq!(items, [None, Some(0), Some(1), Some(2)]);
}

#[tokio::test]
async fn a_log_that_is_renamed_is_read_to_its_end() {
    let scene = FollowedFolder::new();
    scene.write("log", "{\"n\":1}\n");
    let running = scene.follow();
    scene.has(&[r#"{"n":1}"#]).await;
    fs::rename(scene.path("log"), scene.path("log.1")).unwrap();
    scene.write("log.1", "{\"n\":2}\n");
    scene.has(&[r#"{"n":1}"#, r#"{"n":2}"#]).await;
    // The writer goes on in the old file for a while.
    scene.write("log", "{\"n\":1}\n");
    scene.has(&[r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":1}"#]).await;
    scene.write("log.1", "{\"n\":3}\n");
    let all = [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":1}"#, r#"{"n":3}"#];
    scene.has(&all).await;
    running.end().await;
    assert_eq!(scene.clicks(), all);
}

#[tokio::test]
async fn a_log_that_is_emptied_is_begun_again_and_its_copy_is_read_to_its_end() {
    let scene = FollowedFolder::new();
    scene.write("log", "{\"n\":1}\n{\"n\":2}\n");
    let running = scene.follow();
    scene.has(&[r#"{"n":1}"#, r#"{"n":2}"#]).await;
    scene.stored_up_to(16).await;
    running.end().await;
    // While nobody follows: two lines more, a copy, and the same content again.
    scene.write("log", "{\"n\":3}\n");
    fs::copy(scene.path("log"), scene.path("log.1")).unwrap();
    fs::write(scene.path("log"), "").unwrap();
    scene.write("log", "{\"n\":1}\n{\"n\":5}\n{\"n\":6}\n");
    let running = scene.follow();
    let mut all = vec![
        r#"{"n":1}"#,
        r#"{"n":2}"#,
        r#"{"n":3}"#,
        r#"{"n":1}"#,
        r#"{"n":5}"#,
    ];
    all.push(r#"{"n":6}"#);
    scene.has(&all).await;
    // While it follows.
    fs::copy(scene.path("log"), scene.path("log.1")).unwrap();
    fs::write(scene.path("log"), "").unwrap();
    scene.write("log", "{\"n\":7}\n");
    all.push(r#"{"n":7}"#);
    scene.has(&all).await;
    running.end().await;
}

#[tokio::test]
async fn rotations_while_nobody_follows_lose_nothing() {
    let scene = FollowedFolder::new();
    scene.write("log", "{\"n\":1}\n");
    let running = scene.follow();
    scene.has(&[r#"{"n":1}"#]).await;
    running.end().await;
    scene.write("log", "{\"n\":2}\n");
    // Compressed meanwhile: the file is another one, and its content shows which.
    let packed = fs::File::create(scene.path("log.2.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed
        .write_all(&fs::read(scene.path("log")).unwrap())
        .unwrap();
    packed.finish().unwrap();
    fs::remove_file(scene.path("log")).unwrap();
    sleep(Duration::from_millis(20)).await;
    scene.write("log.1", "{\"n\":3}\n{\"n\":4}\n");
    sleep(Duration::from_millis(20)).await;
    scene.write("log", "{\"n\":5}\n");
    let running = scene.follow();
    let all = [
        r#"{"n":1}"#,
        r#"{"n":2}"#,
        r#"{"n":3}"#,
        r#"{"n":4}"#,
        r#"{"n":5}"#,
    ];
    scene.has(&all).await;
    running.end().await;
}

#[tokio::test]
async fn a_full_edge_is_waited_for_and_what_it_took_is_not_sent_twice() {
    let scene = FollowedFolder::new();
    scene.topic.fail(Some(AppendError::Full));
    let running = scene.follow();
    scene.write("log", "{\"n\":1}\n");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.clicks(), [""; 0]);
    scene.topic.fail(None);
    scene.has(&[r#"{"n":1}"#]).await;
    running.end().await;
}

#[tokio::test]
async fn broken_lines_of_a_log_are_letters_and_its_own_lines_are_none() {
    let mut scene = FollowedFolder::new();
    scene.format = ImportFormat::Log(AccessLog::CloudFront);
    let running = scene.follow();
    scene.write(
        "log",
        "#Fields: date time cs-uri-stem\n2019-12-04\t21:02:31\t/a\ntorn\n",
    );
    let first = r#"{"action":"request","occurred_at":"2019-12-04T21:02:31Z","url":"/a"}"#;
    scene.has(&[first, "\"torn\""]).await;
    running.end().await;
    // The names of the fields are read again.
    scene.write("log", "2019-12-04\t21:02:32\t/b\n");
    let running = scene.follow();
    let second = r#"{"action":"request","occurred_at":"2019-12-04T21:02:32Z","url":"/b"}"#;
    scene.has(&[first, "\"torn\"", second]).await;
    running.end().await;
}

#[tokio::test]
async fn a_csv_file_is_not_followed() {
    let mut scene = FollowedFolder::new();
    scene.format = ImportFormat::Csv;
    let refused = scene.follow().task.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("import it"), "{refused}");
}
