//! The sink's promises, kept on a folder and on real S3 servers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use catalog::Catalog;
use futures::future::join_all;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use sink::{
    Batch, DeadLetter, Error, Footer, Hour, Lake, LakeId, Outcome, Reason, Row, S3, SealedBatch,
};
use tempfile::TempDir;
use tests::defaults::section;
use tests::real;
use tests::s3::{self, S3Server};
use tokio::time::{Instant, sleep};
use topic::{Identity, Offset, Partition, Timestamp, Unit};

/// 2026-11-22T21:00:00Z, in microseconds.
const NOON: i64 = 1_795_381_200_000_000;
const HOUR: i64 = Unit::Hour.micros();
const SILENCE: Duration = Duration::from_secs(60);
/// Lists may lag; this long is a failure.
const LAG: Duration = Duration::from_secs(20);

/// An unused place for a lake.
struct Place {
    config: S3,
    _folder: Option<TempDir>,
}

impl Place {
    /// A lake's own connections, as another process would have them.
    fn lake(&self) -> Lake {
        Lake::open(&self.config).expect("the lake opens")
    }
}

/// A folder, and a prefix on each available S3 server.
async fn places() -> Vec<Place> {
    static USED: AtomicUsize = AtomicUsize::new(0);
    let folder = tempfile::tempdir().expect("a folder");
    let config = S3::in_folder(&folder.path().join("lake"));
    let mut places = vec![Place {
        config,
        _folder: Some(folder),
    }];
    for server in s3::all().await {
        let number = USED.fetch_add(1, Ordering::Relaxed);
        let config = server.lake(&format!("lake-{}-{number}", std::process::id()));
        places.push(Place {
            config,
            _folder: None,
        });
    }
    places
}

fn shop() -> Identity {
    Identity {
        cluster: "here".into(),
        topic: "clicks".into(),
    }
}

fn row(partition: u32, offset: u64, appended_at: Timestamp) -> Row<'static> {
    Row {
        event_id: format!("{partition}-{offset}").into(),
        partition,
        offset,
        appended_at,
        received_at: appended_at,
        occurred_at: appended_at,
        occurred_at_given: true,
        action: Cow::Borrowed("buy"),
        product_id: Some("p-1".into()),
        quantity: Some(2),
        price: Some(9.5),
        visitor_id: Some("v-1".into()),
        ..Row::default()
    }
}

/// A batch of `first..end` whose last record is a dead letter, in the n-th hour.
fn batch(partition: u32, first: u64, end: u64, hour: i64) -> SealedBatch {
    let appended_at = Timestamp::from_micros(NOON + hour * HOUR);
    let mut batch = Batch::new(
        shop(),
        "configuration".into(),
        Partition(partition),
        Offset(first),
        Hour::of(appended_at),
        false,
    );
    for offset in first..end - 1 {
        batch.push(&row(partition, offset, appended_at));
    }
    batch.reject(DeadLetter {
        offset: Offset(end - 1),
        appended_at,
        event_id: None,
        item: None,
        reason: Reason::NotAnObject,
        detail: "it ends too early".into(),
        raw: Some(Bytes::from_static(b"{")),
    });
    batch.seal()
}

async fn commit(lake: &Lake, sealed: SealedBatch) -> Outcome {
    lake.commit(sealed, 0, SILENCE)
        .await
        .expect("the lake answers")
}

fn committed(outcome: Outcome) -> Footer {
    match outcome {
        Outcome::Committed(footer) => *footer,
        other => panic!("it was there: {other:?}"),
    }
}

fn already(outcome: Outcome) -> Footer {
    match outcome {
        Outcome::AlreadyCommitted(footer) => *footer,
        other => panic!("it was made twice: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_26_the_probe_lets_a_fit_store_pass() {
    for place in places().await {
        let (left, right) = (place.lake(), place.lake());
        let since = Instant::now();
        let (left, right) = tokio::join!(left.probe("left"), right.probe("right"));
        // Every start of a worker waits for it; many rivals for one name once took 13 s.
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "{:?}",
            since.elapsed()
        );
        left.expect("one create of each name won");
        right.expect("one create of each name won");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_what_is_committed_again_is_already_committed() {
    for place in places().await {
        let lake = place.lake();
        let first = committed(commit(&lake, batch(3, 10, 15, 0)).await);
        assert_eq!((first.counts.rows, first.counts.dead_letters), (4, 1));
        // The same batch, as after a lost reply.
        assert_eq!(
            already(commit(&place.lake(), batch(3, 10, 15, 0)).await),
            first
        );
        // Another batch from the same offset on, as a zombie would bring it: the answer is the end
        // of the object that is there.
        assert_eq!(
            already(commit(&place.lake(), batch(3, 10, 40, 0)).await),
            first
        );
        // The committed object is the written one, and the letters that it names are there.
        let path = batch(3, 10, 15, 0).name().to_string();
        assert!(
            lake.intact(&path).await.expect("it is there"),
            "{path} is not as written"
        );
        let letters = first.letters.expect("a letter");
        lake.intact(&letters).await.expect("the letters are there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_of_rivals_exactly_one_commits_and_all_believe_it() {
    const RIVALS: u64 = 12;
    for place in places().await {
        for round in 0..8 {
            let first = round * 100;
            // Each has another end and connections of its own.
            let rivals = (0..RIVALS).map(|rival| {
                let lake = place.lake();
                tokio::spawn(
                    async move { commit(&lake, batch(0, first, first + 2 + rival, 0)).await },
                )
            });
            let outcomes: Vec<Outcome> = join_all(rivals)
                .await
                .into_iter()
                .map(|done| done.expect("no panic"))
                .collect();
            let mut won = 0;
            let mut believed = BTreeSet::new();
            for outcome in outcomes {
                won += u32::from(matches!(outcome, Outcome::Committed(_)));
                let (Outcome::Committed(footer) | Outcome::AlreadyCommitted(footer)) = outcome
                else {
                    panic!("nobody wrote the ledger");
                };
                believed.insert(footer.end);
            }
            assert_eq!(won, 1, "round {round} on {}", place.config.url);
            assert_eq!(believed.len(), 1, "round {round} on {}", place.config.url);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_42_a_lake_is_founded_once_and_for_one_topic() {
    for place in places().await {
        assert_eq!(place.lake().ledger().await.expect("an answer"), None);
        let firsts = |first| BTreeMap::from([(Partition(0), Offset(first))]);
        // Many workers begin at once, and see other low watermarks.
        let founders = (0..8).map(|first| {
            let lake = place.lake();
            let new = LakeId::new(first.into());
            async move {
                let ledger = lake.found(&shop(), firsts(first), new).await;
                ledger.expect("a ledger")
            }
        });
        let ledgers = join_all(founders).await;
        assert!(
            ledgers.iter().all(|ledger| *ledger == ledgers[0]),
            "{ledgers:?}"
        );
        let other = Identity {
            topic: "other".into(),
            ..shop()
        };
        let refused = place.lake().found(&other, firsts(0), LakeId::new(9)).await;
        assert!(
            matches!(refused, Err(Error::AnotherTopic { .. })),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_3_the_tips_say_where_each_partition_continues() {
    for place in places().await {
        let lake = place.lake();
        let ledger = lake
            .found(
                &shop(),
                BTreeMap::from([(Partition(2), Offset(5))]),
                LakeId::new(7),
            )
            .await;
        let ledger = ledger.expect("a ledger");
        for (partition, first, end, hour) in [
            (0, 0, 4, -30),
            (1, 0, 9, -1),
            (0, 4, 6, -1),
            (0, 6, 8, 0),
            (0, 8, 11, 0),
        ] {
            committed(commit(&lake, batch(partition, first, end, hour)).await);
        }
        let partitions: BTreeSet<_> = [0, 1, 2].map(Partition).into();
        // Lists may lag behind creates, so the tips may at first be older ones.
        let deadline = Instant::now() + LAG;
        let resumes = loop {
            let tips = place
                .lake()
                .tips(ledger.clone(), &partitions)
                .await
                .expect("tips");
            let resumes = [0, 1, 2].map(|partition| tips.resume(Partition(partition)).0);
            if resumes == [11, 9, 5] || Instant::now() > deadline {
                break resumes;
            }
            sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(resumes, [11, 9, 5], "{}", place.config.url);
        let hours = lake.hours().await.expect("hours");
        let newest = Hour::of(Timestamp::from_micros(NOON));
        assert_eq!(hours, [0, 1, 30].map(|before| Hour(newest.0 - before)));
        assert_eq!(
            lake.hours_since(Some(newest.previous()))
                .await
                .expect("hours"),
            hours[..2]
        );
        let objects = lake.objects(newest).await.expect("objects");
        let firsts: Vec<_> = objects.iter().map(|(name, _)| name.first.0).collect();
        assert_eq!(firsts, [6, 8]);
        assert!(objects.iter().all(|(_, size)| *size > 0), "{objects:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_25_a_refused_key_or_a_missing_bucket_denies_and_skips_nothing() {
    for server in s3::all().await {
        refuses_and_recovers(server).await;
    }
}

async fn refuses_and_recovers(server: &S3Server) {
    let missing = S3 {
        url: "s3://nobody-made-this".into(),
        ..server.lake("")
    };
    let refused = S3 {
        secret_key: "not-this-one".to_owned().into(),
        ..server.lake("refused")
    };
    for config in [missing.clone(), refused] {
        let lake = Lake::open(&config).expect("the lake opens");
        let outcome = lake.commit(batch(0, 0, 3, 0), 0, SILENCE).await;
        assert!(
            matches!(outcome, Err(Error::Denied(_))),
            "{}: {outcome:?}",
            config.url
        );
    }
    if real::env("CLICKWEIR_TEST_S3").is_some() {
        return;
    }
    // Mended, the same batch is committed; made twice, the bucket stays as it is.
    for _ in 0..2 {
        s3::make_bucket(&missing).await.expect("the bucket is made");
    }
    let lake = Lake::open(&missing).expect("the lake opens");
    committed(commit(&lake, batch(0, 0, 3, 0)).await);
    s3::make_bucket(&missing).await.expect("the bucket stays");
    already(commit(&lake, batch(0, 0, 3, 0)).await);
}

/// Tries a lake at this place: `Err` is the sentence with which it is refused at its start.
async fn tried(config: &S3, folder: &TempDir, number: usize) -> Result<(), String> {
    let lake = Lake::open(config).map_err(|error| error.to_string())?;
    let probed = lake.probe(&format!("probe-{number}")).await;
    probed.map_err(|error| error.to_string())?;
    let path = folder.path().join(format!("{number}.duckdb"));
    let path = path.display().to_string();
    let extensions = concat!(env!("CARGO_MANIFEST_DIR"), "/../vendor/extensions");
    let keys = [("path", &*path), ("extensions", extensions)];
    let keys = section::<catalog::Config>("catalog", &keys);
    let keys = keys.expect("the defaults are read");
    let catalog = Catalog::open(keys, lake.clone(), config, topic::clock::system());
    let catalog = catalog.await.expect("the catalog opens");
    let probed = catalog.probe(&format!("probe-{number}")).await;
    probed.map_err(|error| error.to_string())?;
    // What the probe lets pass works to the end.
    let firsts = BTreeMap::from([(Partition(0), Offset(0))]);
    let found = lake.found(&shop(), firsts, LakeId::new(7)).await;
    found.expect("the lake is founded");
    let sealed = batch(0, 0, 4, 0);
    let outcome = lake.commit(sealed, 1, SILENCE).await;
    committed(outcome.expect("the lake answers"));
    let crawl = catalog.crawl(true).await.expect("it is crawled");
    assert_eq!((crawl.registered, crawl.foreign), (1, 0), "{crawl:?}");
    let rows = catalog.query("SELECT count(*) FROM clicks").await;
    let rows = rows.expect("its rows are read");
    assert_eq!(rows.csv().lines().nth(1), Some("3"));
    catalog.publish(None).await.expect("it is published");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn b106_a_prefix_of_any_name_works_or_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let works = [
        "~alice/lake",
        "ünï",
        "50%off",
        "a b",
        "%7Ealice",
        "it's",
        "a=b,c;d",
    ];
    let may = [
        "a+b",
        "q?x=1",
        "[x]*",
        "a#b",
        "a&b",
        "\"q\"",
        "\\back",
        "{b}|^`",
        "ä/.hidden",
    ];
    let never = ["a//b", "../up", "a/./b", "new\nline"];
    let all = works.iter().chain(&may).chain(&never);
    let names: Vec<&str> = all.copied().collect();
    for server in s3::all().await {
        for (number, name) in names.iter().enumerate() {
            let config = server.lake(&format!("names-{}/{name}", std::process::id()));
            let tried = tried(&config, &folder, number).await;
            println!("{name:?}: {tried:?}");
            match tried {
                Ok(()) => assert!(!never.contains(name), "{name:?} is taken"),
                Err(why) => {
                    assert!(!works.contains(name), "{name:?} is refused: {why}");
                    assert!(why.contains("lake.url"), "{name:?}: {why}");
                }
            }
            std::fs::remove_file(folder.path().join(format!("{number}.duckdb"))).ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_10_an_empty_object_and_odd_keys_end_no_listing_of_a_bucket() {
    let hour = Hour(NOON / HOUR);
    let name = |first: u64| format!("clicks/{hour}/00000-{first:020}.parquet");
    for server in s3::all().await {
        let prefix = format!("odd-keys-{}", std::process::id());
        let lake = Lake::open(&server.lake(&prefix)).expect("the lake opens");
        let store = server.store(&prefix).expect("a store");
        // Of S3's own stores some refuse to read the end of an object that has none.
        for key in [
            name(7),
            format!("{}/inner", name(8)),
            format!("{} ", name(9)),
        ] {
            let path = Path::parse(&key).expect("a path");
            let put = store.put(&path, Bytes::new().into()).await;
            put.expect("the store takes it");
        }
        let objects = lake.objects(hour).await.expect("the hour is listed");
        let found: Vec<String> = objects.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(found, [name(7)]);
        assert_eq!(lake.files(None).await.expect("all is listed").len(), 3);
        assert_eq!(lake.hours().await.expect("hours are listed"), [hour]);
        let said = lake
            .footer(&objects[0].0)
            .await
            .expect_err("it is no object");
        assert!(
            said.to_string().contains("is damaged: it is empty"),
            "{said}"
        );
        assert!(!lake.intact(&name(7)).await.expect("it is there"));
    }
}
