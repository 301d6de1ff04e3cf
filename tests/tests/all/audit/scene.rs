//! A real lake in the default folders: written by the real transformer from a real topic, with
//! letters and duplicates in several objects of several partitions, and with a catalog. A test's
//! changes can be undone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::Catalog;
use sink::audit::{self, Audit, Survey};
use sink::{Contents, Lake, ObjectName, S3};
use tests::clickweir::Place;
use tests::defaults::section;
use tests::landing::land;
use topic::{Draft, Open, Topic, clock};
use transformer::deep::{self, Deep};

const PARTITIONS: &str = "3";
const RECORDS: u64 = 3_000;
const GROUP: &str = "audited";
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// The lake, its topic, and their state before any fault.
pub(super) struct Scene {
    pub(super) place: Place,
    pub(super) topic: Arc<dyn Topic>,
    pub(super) lake: Lake,
    /// The objects by partition and first offset, and their contents.
    pub(super) objects: Vec<(ObjectName, Contents)>,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let place = Place::new().unwrap().with("TOPIC__PARTITIONS", PARTITIONS);
        let topic = open_topic(place.path()).await;
        fill(topic.as_ref()).await;
        let lake = Lake::open(&store(place.path())).unwrap();
        // A hundred records an object.
        let sink = [("max_rows", "100"), ("max_age", "300ms")];
        land(&topic, &lake, GROUP, &sink, WAIT_TIMEOUT)
            .await
            .unwrap();
        let mut objects = Vec::new();
        for name in Survey::of(&lake).await.unwrap().names() {
            let contents = lake.contents(&name, topic.identity()).await.unwrap();
            objects.push((name, contents.unwrap()));
        }
        let scene = Self {
            place,
            topic,
            lake,
            objects,
        };
        scene.catalog().await.crawl(true).await.unwrap();
        copy(&scene.folder("lake"), &scene.folder("whole")).unwrap();
        fs::copy(scene.database(), scene.folder("whole.duckdb")).unwrap();
        scene
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.place.path().join("data").join(name)
    }

    /// The catalog's file.
    pub(super) fn database(&self) -> PathBuf {
        self.folder("catalog.duckdb")
    }

    /// The file of a path of the lake.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.folder("lake").join(path)
    }

    /// Restores the lake and the catalog.
    pub(super) fn mend(&self) {
        fs::remove_dir_all(self.folder("lake")).unwrap();
        copy(&self.folder("whole"), &self.folder("lake")).unwrap();
        self.forget_catalog();
        fs::copy(self.folder("whole.duckdb"), self.database()).unwrap();
    }

    /// Removes the catalog: the next one is built from the lake as it is then.
    pub(super) fn forget_catalog(&self) {
        for end in ["", ".wal"] {
            let mut path = self.database().into_os_string();
            path.push(end);
            let _ = fs::remove_file(path);
        }
    }

    async fn catalog(&self) -> Catalog {
        let path = self.database();
        let config = section("catalog", &[("path", path.to_str().unwrap())]).unwrap();
        let s3 = store(self.place.path());
        Catalog::open(config, self.lake.clone(), &s3, clock::system())
            .await
            .unwrap()
    }

    /// Both audits, as the command runs them.
    pub(super) async fn audit(&self) -> (Audit, Deep) {
        let catalog = self.catalog().await;
        catalog.crawl(true).await.unwrap();
        let listing = catalog.listing(None).await.unwrap();
        let ledger = self.lake.ledger().await.unwrap().unwrap();
        let survey = Survey::of(&self.lake).await.unwrap();
        let marks = self.topic.watermarks().await.unwrap();
        let against = audit::Reference {
            ledger: &ledger,
            watermarks: &marks,
            catalog: Some(&listing),
            window: Some(transformer().audited()),
        };
        let audit = audit::audit(&self.lake, &survey, &against, &|_, _| {});
        let deep = deep::deep(
            self.topic.as_ref(),
            &self.lake,
            &survey,
            &against,
            &|_, _| {},
        );
        (audit.await.unwrap(), deep.await.unwrap())
    }
}

fn transformer() -> transformer::Config {
    section("transformer", &[("group", GROUP)]).unwrap()
}

fn store(folder: &Path) -> S3 {
    let url = format!("file:{}", folder.join("data/lake").display());
    section("lake", &[("url", &url)]).unwrap()
}

async fn open_topic(folder: &Path) -> Arc<dyn Topic> {
    let url = format!("file:{}", folder.join("data/topic").display());
    let config = section("topic", &[("url", &url), ("partitions", PARTITIONS)]).unwrap();
    let with = Open {
        clock: clock::system(),
        create: true,
    };
    topic::open(&config, with).await.unwrap()
}

/// Clicks: every tenth repeats a recent one, and every thirtieth is no valid click.
async fn fill(topic: &dyn Topic) {
    let drafts = (0..RECORDS).map(|n| {
        let id = if n % 10 == 9 { n - 3 } else { n };
        let visitor = id % 60;
        let click = match n % 90 {
            20 => "42".to_owned(),
            50 => r#"{"quantity":"many"}"#.to_owned(),
            80 => "{".to_owned(),
            10 => r#"{"action":"view","x":1e999,"y":1234567890123456789012345678901234567890}"#.to_owned(),
            _ => format!(r#"{{"action":"view","visitor_id":"{visitor}"}}"#),
        };
        Draft {
            key: Bytes::from(format!("visitor-{visitor}")),
            value: Bytes::from(format!(
                r#"{{"v":1,"id":"click-{id}","received_at":1795000000000000,"format":"native","source":"test","click":{click}}}"#
            )),
        }
    });
    let delivery = topic.writer().unwrap().append(drafts.collect()).unwrap();
    delivery.await.unwrap();
}

/// Copies a folder with all below it.
pub(super) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}

/// The objects that verdicts name.
pub(super) fn named(audit: &Audit, deep: &Deep) -> (BTreeSet<String>, BTreeSet<String>) {
    let objects = |findings: &[audit::Finding]| {
        let named = findings.iter().filter_map(|finding| finding.object.clone());
        named.collect()
    };
    (objects(&audit.findings), objects(&deep.findings))
}
