//! Parts of this crate's tests: a topic in memory that can be full, closed or slow, and
//! where the shared data is.

use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use topic::{AppendError, Delivery, Draft, Offset, Partition, Placed, Timestamp, Writer, clock};

use crate::metrics::{EdgeMetrics, Exposition, Monitor};
use crate::rules::Firewall;

/// The sender of a delivery that is not settled.
type OpenDelivery = tokio::sync::oneshot::Sender<Result<Vec<Placed>, AppendError>>;

/// EdgeMetrics of a registry of its own, which the page shows.
pub(crate) fn monitor() -> Monitor {
    let mut registry = Registry::default();
    let metrics = EdgeMetrics::register(&mut registry);
    let registry = Arc::new(registry);
    let exposition: Exposition = Arc::new(move || {
        let mut page = String::new();
        encode(&mut page, &registry).expect("a string takes everything");
        Box::pin(std::future::ready(page))
    });
    Monitor {
        metrics,
        exposition,
        firewall: None,
        keys: None,
        tls: None,
        proxies: Arc::default(),
    }
}

/// A clock that shows one moment.
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl clock::Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A writer that keeps its drafts, and fails or waits as a test asks.
#[derive(Default)]
pub(crate) struct FakeWriter {
    drafts: Mutex<Vec<Draft>>,
    fault: Mutex<Option<AppendError>>,
    held: Mutex<Vec<OpenDelivery>>,
    hold: AtomicBool,
    pub(crate) flushed: AtomicBool,
}

impl FakeWriter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn drafts(&self) -> Vec<Draft> {
        self.drafts.lock().clone()
    }

    /// Forgets all but the first `count` drafts.
    pub(crate) fn keep(&self, count: usize) {
        self.drafts.lock().truncate(count);
    }

    /// Returns the envelopes, as the transformer would read them.
    pub(crate) fn envelopes(&self) -> Vec<String> {
        let text = |draft: Draft| String::from_utf8(draft.value.to_vec()).expect("JSON is UTF-8");
        self.drafts().into_iter().map(text).collect()
    }

    /// Makes every append fail from now on; `None` makes them succeed again.
    pub(crate) fn fail(&self, fault: Option<AppendError>) {
        *self.fault.lock() = fault;
    }

    /// Keeps deliveries open until [`FakeWriter::release`].
    pub(crate) fn hold(&self) {
        self.hold.store(true, Ordering::SeqCst);
    }

    pub(crate) fn held(&self) -> usize {
        self.held.lock().len()
    }

    pub(crate) fn release(&self) {
        self.hold.store(false, Ordering::SeqCst);
        for sender in self.held.lock().drain(..) {
            let _ = sender.send(Ok(Vec::new()));
        }
    }
}

impl Writer for FakeWriter {
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        if let Some(fault) = self.fault.lock().clone() {
            return Err(fault);
        }
        let mut kept = self.drafts.lock();
        let first = kept.len() as u64;
        let place = |n: usize| Placed {
            partition: Partition(0),
            offset: Offset(first + n as u64),
        };
        let placed = (0..drafts.len()).map(place).collect();
        kept.extend(drafts);
        let (sender, delivery) = Delivery::channel();
        if self.hold.load(Ordering::SeqCst) {
            self.held.lock().push(sender);
        } else {
            sender.send(Ok(placed)).expect("the delivery is still here");
        }
        Ok(delivery)
    }

    fn flush(&self, _deadline: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        self.flushed.store(true, Ordering::SeqCst);
        Box::pin(async { true })
    }

    fn ready(&self) -> Result<(), AppendError> {
        self.fault.lock().clone().map_or(Ok(()), Err)
    }
}

/// Returns the configuration of `compose/default.toml`, on a free port.
pub(crate) fn config() -> crate::Config {
    toml::from_str(
        r#"
        listen = "127.0.0.1:0"
        workers = 2
        max_body = "1MiB"
        max_inflated = "8MiB"
        max_click = "64KiB"
        max_clicks = 2000
        max_held = "64MiB"
        head_timeout = "5s"
        body_timeout = "10s"
        drain = "5s"
        ip = "truncate"
        consent = "anonymous"
        dnt = "ignore"
        gpc = "ignore"
        salts = "/nonexistent/salts"
        strip_query = ["password", "access_token"]
        trusted_proxies = []
        origins = []
        rules = ""
        keys = ""
        tls_cert = ""
        tls_key = ""
        open = false
        metrics_from = []
        shop = false
        "#,
    )
    .expect("the test's configuration is complete")
}

/// Does what [`serve`] does, with the demo shop.
pub(crate) fn serve_shop() -> (String, Arc<FakeWriter>) {
    serve(crate::Config {
        shop: true,
        ..config()
    })
}

/// Serves an edge on a free port for as long as the test runs. Returns its base URL and its
/// topic.
pub(crate) fn serve(config: crate::Config) -> (String, Arc<FakeWriter>) {
    let listener = TcpListener::bind(config.listen).expect("some port is free");
    let address = listener.local_addr().expect("it is bound");
    let (topic, stop) = (FakeWriter::new(), CancellationToken::new());
    let writer = topic.clone();
    let mut monitor = monitor();
    let firewall = Firewall::open(&config, monitor.metrics.rules(), clock::system());
    monitor.firewall = firewall.expect("the test's rules are rules");
    let stage = crate::run(config, listener, writer, clock::system(), monitor, stop);
    tokio::spawn(stage);
    (format!("http://{address}"), topic)
}

/// Returns a part of the shared data, which is beside the workspace or where
/// `CLICKWEIR_DATA` says; `None` if it is absent.
pub(crate) fn shared_data(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test finds its data by CLICKWEIR_DATA"
    )]
    let root = std::env::var("CLICKWEIR_DATA").map_or(beside, PathBuf::from);
    let found = root.join(name);
    if !found.exists() {
        #[expect(clippy::print_stderr, reason = "a test says what it skips")]
        {
            eprintln!("{} does not exist: skipped", found.display());
        }
        return None;
    }
    Some(found)
}

/// Returns true if a measurement is to take everything and not a sample.
pub(crate) fn measures_all() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "a person says whether a measurement may take its time"
    )]
    let asked = std::env::var("CLICKWEIR_MEASURE");
    asked.is_ok_and(|asked| asked == "all")
}
