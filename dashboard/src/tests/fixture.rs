//! A small real lake with a catalog over it, and the dashboard served on a free port.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytesize::ByteSize;
use catalog::{Catalog, Identity, Offset, Partition, Timestamp};
use futures::FutureExt;
use parking_lot::Mutex;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sink::clock::Clock;
use sink::{Batch, DeadLetter, Hour, Lake, LakeId, Reason, Row, S3};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    CommandError, Commands, Config, DiskUse, EdgeHit, EdgeRules, Error, Exposition, ObjectState,
    RuleActivity, RuleCount, Site, Sources, Span,
};

/// The time of the fixture.
pub(crate) const NOW: &str = "2026-11-22T21:30:00Z";
/// The token of the process's owner.
pub(crate) const TOKEN: &str = "a-token-of-the-owner";
/// A hostile product name.
pub(crate) const HARM: &str = "=cmd()<script>alert('x')</script>";

/// A clock that moves only when a test moves it.
pub(crate) struct TestClock(AtomicI64);

/// What the lake's objects are.
const COUNTING: ObjectState = ObjectState {
    state: "counting",
    objects: 5,
    bytes: 3 << 20,
    rows: 1_000,
};

impl TestClock {
    /// Moves it on.
    pub(crate) fn pass(&self, time: Duration) {
        self.0
            .fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// A served dashboard. It ends when it is dropped.
pub(crate) struct TestDashboard {
    base: String,
    client: Client,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), Error>>,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) site: Arc<Site>,
    lake: Lake,
    _folder: TempDir,
}

impl TestDashboard {
    /// Over the lake of [`fill`], with a topic that is a little ahead of the lake.
    pub(crate) async fn full() -> Self {
        let spans = [(0, 0, 13), (1, 100, 103)];
        let spans = spans.map(|(partition, low, high)| Span {
            partition,
            low,
            high,
        });
        Self::over(true, Ok(spans.to_vec())).await
    }

    /// The same, with a topic that does not answer.
    pub(crate) async fn silent() -> Self {
        Self::over(
            true,
            Err(CommandError::Unavailable("the broker is away".into())),
        )
        .await
    }

    /// Over a lake whose clicks have an action, a product and a page of their own each, all of
    /// them long and hostile.
    pub(crate) async fn flooded(clicks: u64, letters: usize) -> Self {
        let served = Self::over(false, Ok(Vec::new())).await;
        let appended = at("2026-11-22T21:00:00Z");
        let hour = Hour(appended.hour());
        let topic = Identity {
            cluster: "c".into(),
            topic: "clicks".into(),
        };
        let mut batch = Batch::new(topic, "c".into(), Partition(0), Offset(0), hour, false);
        for offset in 0..clicks {
            let text = format!("{offset:05}{}", "<".repeat(letters));
            let mut row = row(0, offset, appended, appended, &text, "eve");
            row.product_id = given(&text);
            row.product_name = given(&text);
            row.path = given(&text);
            batch.push(&row);
        }
        let sealed = batch.seal();
        let committed = served.lake.commit(sealed, 1, Duration::from_secs(10));
        committed.await.unwrap();
        served.catalog.crawl(true).await.unwrap();
        served
    }

    /// Over a lake without clicks.
    pub(crate) async fn empty() -> Self {
        Self::over(false, Ok(Vec::new())).await
    }

    /// The same, for requests with a secret.
    pub(crate) async fn locked(secret: &str) -> Self {
        Self::serve(false, Ok(Vec::new()), secret).await
    }

    async fn over(filled: bool, topic_says: Result<Vec<Span>, CommandError>) -> Self {
        Self::serve(filled, topic_says, "").await
    }

    async fn serve(
        filled: bool,
        topic_says: Result<Vec<Span>, CommandError>,
        secret: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake_folder = folder.path().join("lake");
        let s3 = S3::in_folder(&lake_folder);
        let lake = Lake::open(&s3).unwrap();
        let topic = Identity {
            cluster: "c".into(),
            topic: "clicks".into(),
        };
        let firsts = BTreeMap::from([(Partition(0), Offset(0)), (Partition(1), Offset(100))]);
        lake.found(&topic, firsts, LakeId::new(7)).await.unwrap();
        if filled {
            fill(&lake, &topic).await;
        }
        let dataset = catalog::Dataset {
            name: "by_product".into(),
            sql: "SELECT product_id, count(*) AS n FROM clicks GROUP BY ALL".into(),
            every: None,
        };
        let config = catalog::Config {
            path: folder.path().join("catalog.duckdb"),
            every: Duration::from_secs(1),
            full_every: Duration::from_secs(3_600),
            memory: ByteSize::mib(256),
            query_memory: ByteSize::mib(256),
            tail_memory: ByteSize::mib(16),
            fold_rows: 500_000,
            threads: 1,
            query_timeout: Duration::from_secs(2),
            query_rows: 1_000,
            publish_every: Duration::from_secs(60),
            iceberg_keys: false,
            extensions: "".into(),
            externals: Vec::new(),
            datasets: Vec::from_iter(filled.then_some(dataset)),
            worker: None,
        };
        let clock = Arc::new(TestClock(AtomicI64::new(at(NOW).micros())));
        let catalog = Catalog::open(config, lake.clone(), &s3, clock.clone())
            .await
            .unwrap();
        catalog.crawl(true).await.unwrap();
        let (registry, site) = (Arc::default(), Arc::default());
        let sources = Sources {
            watermarks: Some(Arc::new(move || ready(topic_says.clone()).boxed())),
            commands: Commands::new(TOKEN).with("echo", echo),
            edge: "http://127.0.0.1:8080".into(),
            exposition: exposition(&registry, &site),
            disks: Arc::new(|| {
                vec![DiskUse {
                    place: "topic",
                    bytes: 3 << 30,
                    growth: Some(1 << 30),
                    free: 30 << 30,
                    full_in: Some(Duration::from_secs(30 * 86_400)),
                }]
            }),
            objects: Arc::new(|| ready(vec![COUNTING]).boxed()),
            rules: EdgeRules::Here(Arc::new(hostile_rules)),
            edge_warning: Arc::new(|| Some("all came from 10.0.0.3<script>".into())),
        };
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            token: secret.into(),
            workers: 1,
            stale_after: Duration::from_secs(60),
        };
        let listener = std::net::TcpListener::bind(config.listen).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let new_site = Site::new(
            &config,
            catalog.clone(),
            sources,
            clock.clone(),
            &mut registry.lock(),
        );
        let site = site.get_or_init(|| Arc::new(new_site)).clone();
        let ended = tokio::spawn(crate::run(config, listener, site.clone(), shutdown.clone()));
        Self {
            base,
            client: Client::new(),
            shutdown,
            ended,
            catalog,
            clock,
            site,
            lake,
            _folder: folder,
        }
    }

    /// Adds a click that is in the topic and not in the lake yet.
    pub(crate) fn arrive(&self, action: &str, product: &str) {
        let (partition, first) = (Partition(0), Offset(10));
        let at = at(NOW);
        let topic = Identity {
            cluster: "c".into(),
            topic: "clicks".into(),
        };
        let hour = Hour(at.hour());
        let mut batch = Batch::new(topic, "c".into(), partition, first, hour, false);
        let mut row = row(partition.0, first.0, at, at, action, "live");
        row.product_id = given(product);
        batch.push(&row);
        self.catalog.tail().begin(partition, first);
        self.catalog.tail().take(batch.seal().pending_rows());
    }

    /// Where it is served: `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    pub(crate) fn other(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// The status and the text of a page.
    pub(crate) async fn read(&self, path: &str) -> (u16, String) {
        answer(self.get(path)).await
    }

    /// The JSON of a path.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, text) = self.read(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for TestDashboard {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The page of a registry, refreshed before each scrape.
/// What rules would say of an attack on this page.
fn hostile_rules() -> RuleActivity {
    RuleActivity {
        source: "rules.toml".into(),
        stale: Some("rules.toml: line 3: unknown field `<b>`".into()),
        rules: vec![RuleCount {
            rule: "cross-site-scripting".into(),
            action: "blocked",
            requests: 7,
        }],
        hits: vec![EdgeHit {
            at: at(NOW),
            rule: "cross-site-scripting".into(),
            action: "blocked",
            method: "GET".into(),
            path: "/pixel.gif".into(),
            address: Some("192.0.2.0".into()),
            reason: "xss: a tag in the query `q`: <script>alert(1)</script>".into(),
        }],
    }
}

fn exposition(registry: &Arc<Mutex<Registry>>, site: &Arc<OnceLock<Arc<Site>>>) -> Exposition {
    let (registry, site) = (registry.clone(), site.clone());
    Arc::new(move || {
        let (registry, site) = (registry.clone(), site.clone());
        async move {
            site.get().unwrap().refresh_metrics().await;
            let mut page = String::new();
            encode(&mut page, &registry.lock()).unwrap();
            page
        }
        .boxed()
    })
}

/// A command that answers its request, or fails if the request says so.
async fn echo(request: Value) -> Result<Value, CommandError> {
    match request.get("fail") {
        Some(why) => Err(CommandError::Unavailable(why.to_string())),
        None => Ok(json!({ "heard": request })),
    }
}

/// The status and the text of an answer.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, String) {
    let response: Response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Partition 0: eight rows, a dead letter and a duplicate; partition 1, from offset 100: two
/// rows of the day before.
async fn fill(lake: &Lake, topic: &Identity) {
    let appended = at("2026-11-22T21:00:00Z");
    let hour = Hour(appended.hour());
    let batch = |partition: u32, first: u64| {
        let configuration = "configuration".to_owned();
        Batch::new(
            topic.clone(),
            configuration,
            Partition(partition),
            Offset(first),
            hour,
            false,
        )
    };
    let mut first = batch(0, 0);
    let clicks = [
        ("view", "p1", "Teapot", "ada", Some("Germany"), 19),
        ("view", "p1", "Teapot", "bob", Some("France"), 19),
        ("view", "p2", HARM, "ada", Some("Germany"), 20),
        ("buy", "p1", "Teapot", "ada", Some("Germany"), 20),
        ("view", "p1", "Teapot", "cy", None, 20),
        ("buy", "p2", HARM, "bob", Some("France"), 20),
        ("login", "", "", "cy", None, 20),
        ("view", "p3", "", "cy", None, 20),
    ];
    for (offset, &(action, product, name, visitor, country, hour)) in (0..).zip(&clicks) {
        let occurred = at(&format!("2026-11-22T{hour}:15:00Z"));
        let mut row = row(0, offset, appended, occurred, action, visitor);
        row.product_id = given(product);
        row.product_name = given(name);
        row.country = country.map(Cow::Borrowed);
        if action == "buy" {
            row.order_id = Some(format!("order{offset}").into());
            (row.price, row.quantity) = (Some(12.5), Some(2));
        }
        first.push(&row);
    }
    first.reject(DeadLetter {
        offset: Offset(8),
        appended_at: appended,
        event_id: None,
        item: None,
        reason: Reason::WrongType,
        detail: "price: a text".into(),
        raw: Some(b"{\"price\":\"dear\"}".as_slice().into()),
    });
    first.duplicate(Offset(9), appended, false);
    let mut second = batch(1, 100);
    for offset in [100, 101] {
        let occurred = at("2026-11-21T12:00:00Z");
        second.push(&row(1, offset, appended, occurred, "view", "eve"));
    }
    for batch in [first, second] {
        lake.commit(batch.seal(), 1, Duration::from_secs(10))
            .await
            .unwrap();
    }
}

fn given(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text)).filter(|text| !text.is_empty())
}

fn row<'r>(
    partition: u32,
    offset: u64,
    appended_at: Timestamp,
    occurred_at: Timestamp,
    action: &'r str,
    visitor: &'r str,
) -> Row<'r> {
    Row {
        event_id: format!("{partition}-{offset}").into(),
        partition,
        offset,
        appended_at,
        received_at: appended_at,
        occurred_at,
        occurred_at_given: true,
        action: action.into(),
        visitor_id: Some(visitor.into()),
        ..Row::default()
    }
}
