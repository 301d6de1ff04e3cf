mod exploded;
mod mending;
mod reading;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use topic::{AppendError, Draft, Envelope, clock};
use uuid::Uuid;

use super::*;
use crate::testing::{self, FakeWriter};

/// A lake and a topic that know what the fake writer holds.
struct Known<'t>(&'t FakeWriter);

#[async_trait]
impl Lookup for Known<'_> {
    async fn held(
        &self,
        ranges: &[RangeInclusive<[u8; 16]>],
    ) -> Result<Vec<HeldRecord>, LookupError> {
        let drafts = self.0.drafts();
        let held = drafts.iter().filter_map(|draft| {
            let envelope = Envelope::decode(&draft.value).unwrap();
            let id: Uuid = envelope.id.parse().unwrap();
            let is_asked = ranges.iter().any(|range| range.contains(id.as_bytes()));
            let held = match Strict.defect(draft) {
                Some(_) => HeldAs::Letter,
                None => HeldAs::Row,
            };
            is_asked.then_some(HeldRecord {
                id: id.into_bytes(),
                item: envelope.item,
                held,
            })
        });
        Ok(held.collect())
    }
}

/// A transformer that wants objects, RFC 3339 and numbers.
struct Strict;

impl Judge for Strict {
    fn defect(&self, draft: &Draft) -> Option<LineDefect> {
        let envelope = Envelope::decode(&draft.value).unwrap();
        let defect = |reason: &str, detail: &str| {
            let (reason, detail) = (reason.to_owned(), detail.to_owned());
            Some(LineDefect { reason, detail })
        };
        type Fields<'r> = BTreeMap<&'r str, &'r RawValue>;
        let Ok(mut fields) = serde_json::from_str::<Fields<'_>>(envelope.click) else {
            return defect("not_an_object", "the click is not a JSON object");
        };
        if let Some(item) = envelope.item {
            let items: Vec<Fields<'_>> = serde_json::from_str(fields["items"].get()).unwrap();
            fields.extend(&items[item as usize]);
        }
        let text = |field: &str| fields.get(field).map(|raw| raw.get());
        if text("price").is_some_and(|price| price.starts_with('"')) {
            return defect("wrong_type", "price: text where a number is due");
        }
        let time = text("occurred_at").map(|time| time.trim_matches('"'));
        if time.is_some_and(|time| chrono::DateTime::parse_from_rfc3339(time).is_err()) {
            return defect("bad_time", "occurred_at: not RFC 3339");
        }
        None
    }
}

fn ids_of(topic: &FakeWriter) -> Vec<String> {
    let drafts = topic.drafts();
    let id = |draft: &Draft| Envelope::decode(&draft.value).unwrap().id.into_owned();
    drafts.iter().map(id).collect()
}

fn clicks_of(topic: &FakeWriter) -> Vec<String> {
    let drafts = topic.drafts();
    let click = |draft: &Draft| Envelope::decode(&draft.value).unwrap().click.to_owned();
    drafts.iter().map(click).collect()
}

fn edge(topic: &Arc<FakeWriter>) -> Arc<Edge> {
    Arc::new(Edge::new(
        &testing::config(),
        topic.clone(),
        clock::system(),
    ))
}

fn import(file: &Path, format: ImportFormat, map: Option<&str>, state: &Path) -> Import {
    Import {
        file: file.to_owned(),
        name: None,
        format,
        map: map.map(|map| ColumnMap::parse(map).unwrap()),
        realtime_fields: Vec::new(),
        max_record: 1 << 20,
        state: state.to_owned(),
    }
}

async fn imported(import: Import, topic: &Arc<FakeWriter>) -> Result<ImportReport, Error> {
    run(
        import,
        edge(topic),
        Arc::new(Strict),
        &Known(topic),
        CancellationToken::new(),
        &mut |_| (),
    )
    .await
}

const MAP: &str = "[columns.product_id]\nfrom = \"p\"\n[columns.visitor_id]\nfrom = \"v\"";

#[tokio::test]
async fn twins_stay_and_repeats_meet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.csv");
    std::fs::write(&file, "p,v\ntea,ada\ntea,ada\ntorn\nmug,\n").unwrap();
    let topic = FakeWriter::new();
    let job = import(
        &file,
        ImportFormat::Csv,
        Some(MAP),
        &folder.path().join("state"),
    );

    let first = imported(job.clone(), &topic).await.unwrap();
    assert_eq!(
        (first.lines, first.sent, first.skipped, first.rejected),
        (4, 4, 0, 1)
    );
    assert_eq!(first.letters.reasons[0].first[0].0, 4);
    assert!(first.complete);
    let expect = [
        r#"{"product_id":"tea","visitor_id":"ada"}"#,
        r#"{"product_id":"tea","visitor_id":"ada"}"#,
        "\"torn\"",
        r#"{"product_id":"mug"}"#,
    ];
    assert_eq!(clicks_of(&topic), expect);
    let ids: HashSet<_> = ids_of(&topic).into_iter().collect();
    assert_eq!(ids.len(), 4, "twins have ids of their own");
    let drafts = topic.drafts();
    assert_eq!(
        (&*drafts[0].key, &*drafts[1].key),
        (&b"ada"[..], &b"ada"[..])
    );
    assert_eq!(drafts[3].key, ids_of(&topic)[3]);

    // Again, again without its state, and again compressed: nothing new.
    let again = imported(job.clone(), &topic).await.unwrap();
    assert_eq!((again.lines, again.sent, again.skipped), (4, 0, 4));
    std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    let again = imported(job, &topic).await.unwrap();
    assert_eq!((again.sent, again.skipped, again.rejected), (0, 4, 0));
    let packed = folder.path().join("clicks.csv.zst");
    std::fs::write(
        &packed,
        zstd::encode_all(std::fs::File::open(&file).unwrap(), 1).unwrap(),
    )
    .unwrap();
    let other = import(
        &packed,
        ImportFormat::Csv,
        Some(MAP),
        &folder.path().join("other"),
    );
    assert_eq!(imported(other, &topic).await.unwrap().sent, 0);
    assert_eq!(topic.drafts().len(), 4);
}

#[tokio::test]
async fn ndjson_goes_as_it_is_or_by_a_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.ndjson");
    let mut text = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    text.write_all(b"{\"p\" : \"tea\", \"v\":7, \"n\":[1]}\n\nnope\n{\"p\":{}}")
        .unwrap();
    std::fs::write(&file, text.finish().unwrap()).unwrap();

    let topic = FakeWriter::new();
    let report = imported(
        import(&file, ImportFormat::Ndjson, None, folder.path()),
        &topic,
    )
    .await
    .unwrap();
    assert_eq!(
        (
            report.sent,
            report.rejected,
            report.letters.reasons[0].first[0].0
        ),
        (3, 1, 3)
    );
    let expect = [
        r#"{"p" : "tea", "v":7, "n":[1]}"#,
        "\"nope\"",
        r#"{"p":{}}"#,
    ];
    assert_eq!(clicks_of(&topic), expect);

    let topic = FakeWriter::new();
    let job = import(&file, ImportFormat::Ndjson, Some(MAP), folder.path());
    imported(job, &topic).await.unwrap();
    let expect = r#"{"product_id":"tea","visitor_id":"7","properties":{"n":[1]}}"#;
    assert_eq!(clicks_of(&topic)[0], expect);
}

#[tokio::test]
async fn an_import_that_was_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.csv");
    let lines: String = (0..30_000).map(|n| format!("tea,{n}\n")).collect();
    std::fs::write(&file, format!("p,v\n{lines}")).unwrap();
    let topic = FakeWriter::new();
    let job = import(&file, ImportFormat::Csv, Some(MAP), folder.path());

    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let mut progress = move |progress: ImportProgress| {
        if progress.lines >= 3_000 {
            stop.cancel();
        }
    };
    let known = Known(&topic);
    let judge = Arc::new(Strict);
    let stopped = run(
        job.clone(),
        edge(&topic),
        judge,
        &known,
        shutdown,
        &mut progress,
    )
    .await
    .unwrap();
    assert!(
        !stopped.complete && stopped.sent >= 3_000 && stopped.sent < 30_000,
        "{stopped:?}"
    );

    // The topic goes away and comes back; then the rest arrives, and each line once.
    topic.fail(Some(AppendError::Closed("the broker is away".into())));
    let job_again = job.clone();
    let (failing, mending) = (imported(job_again, &topic), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        topic.fail(None);
    });
    let (resumed, ()) = tokio::join!(failing, mending);
    let resumed = resumed.unwrap();
    assert!(resumed.complete);
    assert_eq!(
        (resumed.lines, resumed.sent),
        (30_000, 30_000 - stopped.sent)
    );
    assert_eq!(resumed.skipped, stopped.sent);
    let ids: HashSet<_> = ids_of(&topic).into_iter().collect();
    assert_eq!((ids.len(), topic.drafts().len()), (30_000, 30_000));

    // A checkpoint of another lake is ignored.
    let empty = FakeWriter::new();
    assert_eq!(imported(job, &empty).await.unwrap().sent, 30_000);
}

/// Knows some ids as rows, and counts the lines in each lookup.
struct Counting {
    known: HashSet<String>,
    asked: std::sync::Mutex<Vec<usize>>,
}

#[async_trait]
impl Lookup for Counting {
    async fn held(
        &self,
        ranges: &[RangeInclusive<[u8; 16]>],
    ) -> Result<Vec<HeldRecord>, LookupError> {
        let line = |id: &[u8; 16]| u128::from_be_bytes(*id) >> 24;
        let lines = ranges
            .iter()
            .map(|range| 1 + line(range.end()) - line(range.start()));
        self.asked
            .lock()
            .unwrap()
            .push(usize::try_from(lines.sum::<u128>()).unwrap());
        let known = self.known.iter().map(|id| id.parse::<Uuid>().unwrap());
        let asked = known.filter(|id| ranges.iter().any(|range| range.contains(id.as_bytes())));
        let held = asked.map(|id| HeldRecord {
            id: id.into_bytes(),
            item: None,
            held: HeldAs::Row,
        });
        Ok(held.collect())
    }
}

#[tokio::test]
async fn many_lines_are_looked_up_at_once_while_all_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.csv");
    let lines: String = (0..120_000).map(|n| format!("tea,{n}\n")).collect();
    std::fs::write(&file, format!("p,v\n{lines}")).unwrap();
    let whole = FakeWriter::new();
    let state = folder.path().join("whole");
    let job = import(&file, ImportFormat::Csv, Some(MAP), &state);
    assert_eq!(imported(job, &whole).await.unwrap().sent, 120_000);
    let ids = ids_of(&whole);

    // Lines that are known up to a point, then some that are not, then some that are.
    let check = async |known: &[(usize, usize)], expect: &[usize]| {
        let known = known.iter().flat_map(|&(from, to)| &ids[from..to]).cloned();
        let lookup = Counting {
            known: known.collect(),
            asked: std::sync::Mutex::default(),
        };
        let (topic, state) = (FakeWriter::new(), tempfile::tempdir().unwrap());
        let job = import(&file, ImportFormat::Csv, Some(MAP), state.path());
        let token = CancellationToken::new();
        let judge = Arc::new(Strict);
        let report = run(job, edge(&topic), judge, &lookup, token, &mut |_| ()).await;
        let report = report.unwrap();
        let skipped = lookup.known.len() as u64;
        assert_eq!((report.lines, report.skipped), (120_000, skipped));
        let sent: HashSet<String> = ids_of(&topic).into_iter().collect();
        assert_eq!(
            (report.sent, sent.len() as u64),
            (120_000 - skipped, report.sent)
        );
        assert!(sent.is_disjoint(&lookup.known), "what is known is not sent");
        assert_eq!(*lookup.asked.lock().unwrap(), expect);
    };
    check(&[], &[8_000, 8_000]).await;
    check(&[(0, 120_000)], &[8_000, 16_000, 32_000, 32_000, 32_000]).await;
    let again = [(0, 30_500), (45_000, 45_100)];
    check(&again, &[8_000, 16_000, 32_000, 8_000]).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_stays_closed_ends_the_import_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clicks.csv");
    std::fs::write(&file, "p,v\ntea,ada\n").unwrap();
    let topic = FakeWriter::new();
    topic.fail(Some(AppendError::Closed("the disk is full".into())));
    let error = imported(
        import(&file, ImportFormat::Csv, Some(MAP), folder.path()),
        &topic,
    )
    .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("run the same import again")
    );
    let absent = import(
        &folder.path().join("no"),
        ImportFormat::Csv,
        Some(MAP),
        folder.path(),
    );
    assert!(
        imported(absent, &topic)
            .await
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
    let unfit = import(
        &file,
        ImportFormat::Csv,
        Some("[columns.x]\nfrom = \"q\""),
        folder.path(),
    );
    assert!(
        imported(unfit, &topic)
            .await
            .unwrap_err()
            .to_string()
            .contains("\"q\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_invoices_arrive_whole() {
    let Some(file) = testing::shared_data("online_retail/online_retail.csv.zst") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let topic = FakeWriter::new();
    let map = include_str!("../../../maps/online_retail.toml");
    let job = import(&file, ImportFormat::Csv, Some(map), folder.path());
    let none = Nothing;
    let shutdown = CancellationToken::new();
    let judge = Arc::new(Strict);
    let report = run(job, edge(&topic), judge, &none, shutdown, &mut |_| ())
        .await
        .unwrap();
    assert_eq!(
        (report.lines, report.sent, report.rejected),
        (541_909, 541_909, 0)
    );
    assert!(
        report.digest.starts_with("c35975c40d0e1e10"),
        "{}",
        report.digest
    );
    let drafts = topic.drafts();
    let (mut customers, mut cancelled, mut kingdom) = (HashSet::new(), 0, 0);
    for draft in &drafts {
        let envelope = Envelope::decode(&draft.value).unwrap();
        let click = envelope.click;
        cancelled += usize::from(click.contains(r#""action":"cancel""#));
        kingdom += usize::from(click.contains(r#""country":"United Kingdom""#));
        if *draft.key != *envelope.id.as_bytes() {
            customers.insert(draft.key.clone());
        }
    }
    assert_eq!(
        (customers.len(), cancelled, kingdom),
        (4_372, 9_288, 495_478)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_impressions_need_a_mapping_only() {
    let Some(file) = testing::shared_data("open_bandit/random-all.csv.zst") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let topic = FakeWriter::new();
    let map = include_str!("../../../maps/open_bandit.toml");
    let report = imported(
        import(&file, ImportFormat::Csv, Some(map), folder.path()),
        &topic,
    )
    .await;
    assert_eq!(report.unwrap().sent, 10_000);
    let clicks = clicks_of(&topic);
    assert_eq!(
        clicks
            .iter()
            .filter(|click| click.contains(r#""action":"click""#))
            .count(),
        38
    );
}

/// A lake and a topic that are empty.
struct Nothing;

#[async_trait]
impl Lookup for Nothing {
    async fn held(&self, _: &[RangeInclusive<[u8; 16]>]) -> Result<Vec<HeldRecord>, LookupError> {
        Ok(Vec::new())
    }
}
