//! A TCP proxy that fails as networks and servers do, switched while it runs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How many bytes are carried at once.
const PIECE_BYTES: usize = 64 * 1024;
/// How long a refused client's bytes are still read.
const DRAIN: Duration = Duration::from_secs(2);

/// The runtime of all proxies: one before a shared server outlives the test that started it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let threads = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    threads.expect("a thread for the proxies")
});

/// How the proxy treats its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Everything comes through.
    Pass,
    /// Everything comes so much later.
    Delay(Duration),
    /// Nothing comes through, and neither side learns of it; bytes sent meanwhile come later.
    Stall,
    /// Every connection is reset, also each new one.
    Reset,
    /// Each connection is reset after so many more bytes, both directions together.
    CutAfter(u64),
    /// The request comes through; instead of its reply comes a reset.
    DropReply,
    /// For HTTP: so many of a hundred requests with this prefix (`PUT `) are answered with these
    /// statuses in turn, and the server never sees them.
    Refuse {
        /// The prefix of a request.
        asked: &'static str,
        /// How many of a hundred.
        percent: u64,
        /// The statuses.
        with: &'static [u16],
    },
}

/// A proxy before one server. It ends, with its connections, when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<(u64, Link)>,
    cut: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on a free port of loopback before `server` (`host:port`), which need not be
    /// there yet. Everything comes through.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(server: &str) -> std::io::Result<Self> {
        Self::on("127.0.0.1:0", server).await
    }

    /// The same on a given address.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub async fn on(address: &str, server: &str) -> std::io::Result<Self> {
        let address = address.to_owned();
        let bound = RUNTIME.spawn(TcpListener::bind(address)).await;
        let listener = bound.map_err(std::io::Error::other)??;
        let (link, switched) = watch::channel((0, Link::Pass));
        let cut = Arc::<AtomicU64>::default();
        let way = Way {
            server: server.to_owned(),
            link: switched,
            cut: Arc::clone(&cut),
            asked: Arc::default(),
        };
        Ok(Self {
            address: listener.local_addr()?,
            link,
            cut,
            accepting: RUNTIME.spawn(accept(listener, way)),
        })
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Switches the link, for present and future connections.
    pub fn set(&self, link: Link) {
        self.link.send_modify(|(turn, now)| {
            *turn += 1;
            *now = link;
        });
    }

    /// How many connections it has reset and requests it has refused so far.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The state that connections share.
#[derive(Clone)]
struct Way {
    server: String,
    link: watch::Receiver<(u64, Link)>,
    cut: Arc<AtomicU64>,
    /// How many requests were counted for [`Link::Refuse`].
    asked: Arc<AtomicU64>,
}

/// Why the proxy ends a connection.
enum End {
    Reset,
    Refused(u16),
    /// A side is gone.
    Gone,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

async fn accept(listener: TcpListener, way: Way) {
    // The connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(way.clone().carry(client));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

impl Way {
    async fn carry(mut self, mut client: TcpStream) {
        let told = self.link.borrow_and_update().1;
        let server = match told {
            Link::Reset => None,
            _ => TcpStream::connect(&self.server).await.ok(),
        };
        let Some(mut server) = server else {
            self.cut.fetch_add(1, Ordering::Relaxed);
            let _gone = client.set_zero_linger();
            return;
        };
        // Small writes must not wait for more.
        let _gone = (client.set_nodelay(true), server.set_nodelay(true));
        let carried = Carried::default();
        let ended = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            tokio::try_join!(
                self.clone().pipe(from_client, to_server, &carried, true),
                self.clone().pipe(from_server, to_client, &carried, false),
            )
        };
        match ended {
            Ok(_) | Err(End::Gone) => {}
            Err(End::Reset) => {
                self.cut.fetch_add(1, Ordering::Relaxed);
                let _gone = (client.set_zero_linger(), server.set_zero_linger());
            }
            Err(End::Refused(status)) => {
                self.cut.fetch_add(1, Ordering::Relaxed);
                refuse(client, status).await;
            }
        }
    }

    /// Carries one direction to its end; `asking` is true from the client to the server.
    async fn pipe(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        carried: &Carried,
        asking: bool,
    ) -> Result<(), End> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = tokio::select! {
                count = from.read(&mut piece) => count?,
                Ok(()) = self.link.changed() => match self.link.borrow_and_update().1 {
                    Link::Reset => return Err(End::Reset),
                    _ => continue,
                },
            };
            if count == 0 {
                to.shutdown().await?;
                return Ok(());
            }
            let most = self.pass(&piece[..count], carried, asking).await?;
            to.write_all(&piece[..most]).await?;
            if most < count {
                return Err(End::Reset);
            }
        }
    }

    /// Waits until a piece may go on; returns how many of its bytes.
    async fn pass(&mut self, piece: &[u8], carried: &Carried, asking: bool) -> Result<usize, End> {
        loop {
            let (turn, link) = *self.link.borrow_and_update();
            match link {
                Link::Pass => return Ok(piece.len()),
                Link::Delay(delay) => {
                    sleep(delay).await;
                    return Ok(piece.len());
                }
                // A proxy that was dropped lets nothing through.
                Link::Stall => self.link.changed().await.map_err(|_| End::Gone)?,
                Link::Reset => return Err(End::Reset),
                Link::CutAfter(bytes) => return Ok(carried.room(turn, bytes, piece.len())),
                Link::DropReply if !asking => return Err(End::Reset),
                Link::DropReply => return Ok(piece.len()),
                Link::Refuse {
                    asked,
                    percent,
                    with,
                } => {
                    if !asking || !piece.starts_with(asked.as_bytes()) {
                        return Ok(piece.len());
                    }
                    let number = self.asked.fetch_add(1, Ordering::Relaxed);
                    // Spread evenly, so that a short run has its share too.
                    if number * percent % 100 >= percent {
                        return Ok(piece.len());
                    }
                    let refused = usize::try_from(number * percent / 100).unwrap_or_default();
                    return Err(End::Refused(with[refused % with.len()]));
                }
            }
        }
    }
}

/// How much a connection has carried since the link was switched.
#[derive(Default)]
struct Carried(parking_lot::Mutex<(u64, u64)>);

impl Carried {
    /// How much of a piece still fits into `bytes`.
    fn room(&self, turn: u64, bytes: u64, piece: usize) -> usize {
        let mut carried = self.0.lock();
        if carried.0 != turn {
            *carried = (turn, 0);
        }
        let left = usize::try_from(bytes - carried.1).unwrap_or(usize::MAX);
        let most = piece.min(left);
        carried.1 += most as u64;
        most
    }
}

/// Answers instead of the server, and reads the rest of the request: otherwise a reset might lose
/// the answer.
async fn refuse(mut client: TcpStream, status: u16) {
    let answer =
        format!("HTTP/1.1 {status} refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    if client.write_all(answer.as_bytes()).await.is_err() || client.shutdown().await.is_err() {
        return;
    }
    let mut rest = vec![0; PIECE_BYTES];
    let reading = async { while client.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
    let _late = timeout(DRAIN, reading).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// A server that echoes its input and counts its bytes.
    async fn echo() -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::<AtomicU64>::default();
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut piece = vec![0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut piece).await {
                        count.fetch_add(read as u64, Ordering::SeqCst);
                        if stream.write_all(&piece[..read]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (address, heard)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address()).await.unwrap()
    }

    /// Sends a text and reads as much back.
    async fn talk(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    const SOON: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn what_is_sent_comes_through_on_many_connections_and_ends_with_them() {
        let proxy = Proxy::start(&echo().await.0).await.unwrap();
        let mut streams = Vec::new();
        for number in 0..20 {
            let mut stream = connect(&proxy).await;
            let text = format!("hello {number}");
            assert_eq!(talk(&mut stream, &text).await.unwrap(), text);
            streams.push(stream);
        }
        let mut first = streams.remove(0);
        first.shutdown().await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(first.read_to_end(&mut rest).await.unwrap(), 0, "a good end");
        assert_eq!(talk(&mut streams[0], "still").await.unwrap(), "still");
        assert_eq!(proxy.cut(), 0);
        drop(proxy);
        let gone = async { while talk(&mut streams[0], "more").await.is_ok() {} };
        let gone = timeout(20 * SOON, gone).await;
        gone.expect("with the proxy go its connections");
    }

    #[tokio::test]
    async fn a_delay_is_kept_both_ways_and_a_stall_until_it_ends() {
        let proxy = Proxy::start(&echo().await.0).await.unwrap();
        let mut stream = connect(&proxy).await;
        proxy.set(Link::Delay(SOON));
        let since = Instant::now();
        assert_eq!(talk(&mut stream, "slow").await.unwrap(), "slow");
        assert!(since.elapsed() >= 2 * SOON, "{:?}", since.elapsed());

        proxy.set(Link::Stall);
        let mut late = connect(&proxy).await;
        for stream in [&mut stream, &mut late] {
            let told = timeout(SOON, talk(stream, "held")).await;
            assert!(
                told.is_err(),
                "nothing comes, and neither side learns of it"
            );
        }
        proxy.set(Link::Pass);
        for stream in [&mut stream, &mut late] {
            let mut held = [0; 4];
            stream.read_exact(&mut held).await.unwrap();
            assert_eq!(&held, b"held");
        }
    }

    #[tokio::test]
    async fn a_reset_is_one_and_the_next_connection_is_whole_again() {
        let proxy = Proxy::start(&echo().await.0).await.unwrap();
        let mut idle = connect(&proxy).await;
        assert_eq!(talk(&mut idle, "here").await.unwrap(), "here");
        proxy.set(Link::Reset);
        let told = idle.read(&mut [0; 1]).await;
        assert_eq!(
            told.unwrap_err().kind(),
            std::io::ErrorKind::ConnectionReset
        );
        let refused = match TcpStream::connect(proxy.address()).await {
            Ok(mut stream) => talk(&mut stream, "no").await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
        proxy.set(Link::Pass);
        let mut again = connect(&proxy).await;
        assert_eq!(talk(&mut again, "again").await.unwrap(), "again");
        assert_eq!(proxy.cut(), 2);
    }

    #[tokio::test]
    async fn a_cut_comes_after_so_many_bytes_of_each_connection() {
        let (server, heard) = echo().await;
        let proxy = Proxy::start(&server).await.unwrap();
        let mut old = connect(&proxy).await;
        assert_eq!(talk(&mut old, "before").await.unwrap(), "before");
        proxy.set(Link::CutAfter(10));
        assert_eq!(talk(&mut old, "12345").await.unwrap(), "12345");
        assert!(talk(&mut old, "x").await.is_err(), "ten bytes went by");
        let mut new = connect(&proxy).await;
        assert!(talk(&mut new, "more than ten").await.is_err());
        // The server may lose the last bytes, which it had not read before the reset.
        let heard = heard.load(Ordering::SeqCst);
        assert!((6 + 5..=6 + 5 + 10).contains(&heard), "{heard} bytes");
    }

    #[tokio::test]
    async fn a_reply_is_dropped_and_what_was_asked_came_through() {
        let (server, heard) = echo().await;
        let proxy = Proxy::start(&server).await.unwrap();
        let mut stream = connect(&proxy).await;
        proxy.set(Link::DropReply);
        assert!(talk(&mut stream, "asked").await.is_err());
        assert_eq!(heard.load(Ordering::SeqCst), 5);
        assert_eq!(proxy.cut(), 1);
    }

    #[tokio::test]
    async fn requests_are_refused_by_their_share_and_the_server_never_sees_them() {
        let (server, heard) = echo().await;
        let proxy = Proxy::start(&server).await.unwrap();
        proxy.set(Link::Refuse {
            asked: "PUT ",
            percent: 30,
            with: &[503, 429, 409],
        });
        let mut met = Vec::new();
        for _ in 0..10 {
            let mut stream = connect(&proxy).await;
            stream.write_all(b"PUT /x HTTP/1.1\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            if let Some(rest) = answer.strip_prefix("HTTP/1.1 ") {
                met.push(rest[..3].to_owned());
            }
        }
        assert_eq!(met, ["503", "429", "409"], "three of ten, in turn");
        assert_eq!(heard.load(Ordering::SeqCst), 7 * 19);
        let mut stream = connect(&proxy).await;
        assert_eq!(talk(&mut stream, "GET /").await.unwrap(), "GET /");
    }
}
