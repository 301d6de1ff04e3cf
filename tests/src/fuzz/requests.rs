//! Requests to a served edge.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use producer::{EdgeMetrics, Exposition, Firewall, KeyStore, Monitor, ProxyWatch};
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use topic::{AppendError, Delivery, Draft, Envelope, Writer, clock};
use transformer::Enrichment;

use super::budget::FuzzBudget;
use super::corpus::SampleRequest;
use super::mutate::Mutator;
use super::outcome::{check_row, shown};
use crate::defaults;

/// How long the edge waits for the rest of a request.
const REST_TIMEOUT: &str = "200ms";
/// How long it may take to answer: some ten times that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Of so many requests one has its head changed, too.
const CHANGED_HEADS: usize = 4;
/// Of so many one says another length than its body has.
const WRONG_LENGTHS: usize = 50;

/// The keys in the bodies of the corpus.
const KEYS: [&str; 3] = ["w", "phc_x", "t"];

/// Sends changed requests until the budget is spent, to an open edge and to one that looks for a key
/// in turn. Returns how many.
pub(super) fn run(
    mutator: &mut Mutator,
    corpus: &[SampleRequest],
    budget: FuzzBudget,
) -> Result<u64> {
    let mut edges = [
        (FuzzedEdge::start(false)?, None),
        (FuzzedEdge::start(true)?, None),
    ];
    let enrichment = Enrichment::default();
    let (mut inputs, since) = (0, Instant::now());
    while !budget.is_spent(inputs, since) {
        let (edge, open) = &mut edges[usize::from(inputs % 2 == 1)];
        let (place, other) = (mutator.below(corpus.len()), mutator.below(corpus.len()));
        let mut request = corpus[place].clone();
        let is_headless = mutator.below(CHANGED_HEADS) == 0 || request.body.is_empty();
        if is_headless {
            mutator.change(&mut request.head, &corpus[other].head);
            *open = None;
        }
        mutator.change(&mut request.body, &corpus[other].body);
        let off = usize::from(mutator.below(WRONG_LENGTHS) == 0);
        let length = request.body.len() + off;
        let mut sent = request.head;
        sent.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        sent.extend_from_slice(&request.body);
        let is_lasting = !is_headless && off == 0;
        let answered = edge.ask(&sent, open.take(), is_lasting);
        *open = answered
            .and_then(|connection| edge.check_records(&enrichment).map(|()| connection))
            .map_err(|error| error.context(shown(&sent)))?;
        inputs += 1;
    }
    for (edge, _) in edges {
        edge.stop()?;
    }
    Ok(inputs)
}

/// A topic that keeps what came since it was last asked.
#[derive(Default)]
struct NewRecords(Mutex<Vec<Draft>>);

impl Writer for NewRecords {
    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        self.0.lock().extend(drafts);
        let (settle, delivery) = Delivery::channel();
        let _ = settle.send(Ok(Vec::new()));
        Ok(delivery)
    }

    fn flush(&self, _: Duration) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }

    fn ready(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

/// An edge in this process, with the rules that come with it.
struct FuzzedEdge {
    address: SocketAddr,
    topic: Arc<NewRecords>,
    shutdown: CancellationToken,
    served: JoinHandle<Result<()>>,
    _files: TempDir,
}

impl FuzzedEdge {
    fn start(wants_keys: bool) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let path = |name| files.path().join(name).to_string_lossy().into_owned();
        let (salts, keys) = (path("salts"), path("keys.toml"));
        let mut changed = vec![
            ("rules", "starter"),
            ("head_timeout", REST_TIMEOUT),
            ("body_timeout", REST_TIMEOUT),
            ("salts", &salts),
        ];
        if wants_keys {
            let hashes = KEYS.map(|key| format!("\"sha256:{:x}\"", Sha256::digest(key)));
            let hashes = hashes.join(", ");
            std::fs::write(
                &keys,
                format!("[[key]]\nname = \"shop\"\nhashes = [{hashes}]\n"),
            )?;
            changed.push(("keys", &keys));
        }
        let config: producer::Config = defaults::section("producer", &changed)?;
        let metrics = EdgeMetrics::register(&mut Registry::default());
        let exposition: Exposition = Arc::new(|| Box::pin(std::future::ready(String::new())));
        let monitor = Monitor {
            firewall: Firewall::open(&config, metrics.rules(), clock::system())?,
            metrics,
            exposition,
            keys: KeyStore::open(&config)?,
            proxies: Arc::<ProxyWatch>::default(),
            tls: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (topic, shutdown) = (Arc::<NewRecords>::default(), CancellationToken::new());
        let (writer, stop) = (topic.clone(), shutdown.clone());
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            let clock = clock::system();
            let edge = producer::run(config, listener, writer, clock, monitor, stop);
            runtime.block_on(edge)?;
            Ok(())
        });
        Ok(Self {
            address,
            topic,
            shutdown,
            served,
            _files: files,
        })
    }

    /// Sends a request, over an open connection if there is one. Returns the connection if another
    /// request may follow. Fails if the answer is a fault of the edge, or if there is none.
    fn ask(
        &self,
        sent: &[u8],
        open: Option<TcpStream>,
        is_lasting: bool,
    ) -> Result<Option<TcpStream>> {
        let was_open = open.is_some();
        let mut connection = match open {
            Some(open) => open,
            None => {
                let connection = TcpStream::connect(self.address)?;
                connection.set_nodelay(true)?;
                connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                connection
            }
        };
        // An edge that refuses by the head may close before it has read all.
        let written = connection.write_all(sent);
        match read_answer(&mut connection, sent.starts_with(b"HEAD ")) {
            Ok(answer) => {
                ensure!(answer.status < 500, "the edge answered {}", answer.status);
                Ok((is_lasting && answer.is_lasting).then_some(connection))
            }
            // A connection may end between two requests.
            Err(_) if was_open => self.ask(sent, None, is_lasting),
            // The kernel drops an answer that it has when bytes come after the close.
            Err(_) if written.is_err() => Ok(None),
            Err(error) if is_reset(&error) => Ok(None),
            Err(error) => Err(error.context("the edge gave no answer")),
        }
    }

    /// Fails if a record that was kept is no envelope, or if its row cannot be made or refused.
    fn check_records(&self, enrichment: &Enrichment) -> Result<()> {
        for draft in std::mem::take(&mut *self.topic.0.lock()) {
            let parsed = Envelope::parse(&draft.value).context("a record is no envelope")?;
            let decoded = Envelope::decode(&draft.value).context("a record is no envelope")?;
            ensure!(parsed == decoded, "{decoded:?} is not {parsed:?}");
            check_row(draft.value, enrichment)?;
        }
        Ok(())
    }

    fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        match self.served.join() {
            Ok(ended) => ended,
            Err(_) => bail!("the edge panicked"),
        }
    }
}

fn is_reset(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| {
        matches!(
            io.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        )
    })
}

/// What an answer says before its body.
struct ShortAnswer {
    status: u16,
    is_lasting: bool,
}

/// Reads an answer to its end.
fn read_answer(connection: &mut TcpStream, is_head: bool) -> Result<ShortAnswer> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            // What a client waits for before it sends a body is no answer yet.
            if bytes.starts_with(b"HTTP/1.1 100") {
                bytes.drain(..end + 4);
                continue;
            }
            break end;
        }
        match connection.read(&mut chunk)? {
            0 => bail!("the connection ended after {} bytes", bytes.len()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let status = text.split(' ').nth(1).context("a status line")?;
    let status: u16 = status.get(..3).context("a status")?.parse()?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(Ok(0), |length| length.trim().parse())?;
    let mut left = match is_head || status == 204 {
        true => 0,
        false => (head + 4 + length).saturating_sub(bytes.len()),
    };
    while left > 0 {
        match connection.read(&mut chunk)? {
            0 => bail!("the connection ended {left} bytes before the answer's end"),
            read => left = left.saturating_sub(read),
        }
    }
    Ok(ShortAnswer {
        status,
        is_lasting: !text.contains("connection: close") && !text.contains("chunked"),
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
