//! A site of one page, and beside it an edge that answers as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// The tracker as the edge serves it.
const TRACKER: &str = include_str!("../../../../producer/assets/clickweir.min.js");
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);
/// No answer: the connection ends.
pub(super) const SILENCE: u16 = 0;

/// One try of a page to send a click.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) click: Value,
    pub(super) at: Instant,
}

/// The site. It serves until the tests end.
pub(super) struct Stand {
    pub(super) origin: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    page: Mutex<String>,
    /// Lines for the head of the page's answer.
    head: Mutex<String>,
    /// The status of the next answers to clicks, and lines for their heads.
    answer: Mutex<(u16, String)>,
    attempts: Mutex<Vec<Attempt>>,
    /// The ids of the clicks that were answered with 202.
    acknowledged: Mutex<Vec<String>>,
}

impl Stand {
    pub(super) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        *shared.answer.lock() = (202, String::new());
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), shared) = (stream, served.clone()) else {
                    return;
                };
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { origin, shared }
    }

    /// Every path is this page from now on.
    pub(super) fn show(&self, page: &str, head: &str) {
        page.clone_into(&mut self.shared.page.lock());
        head.clone_into(&mut self.shared.head.lock());
    }

    /// Clicks are answered so from now on.
    pub(super) fn answer(&self, status: u16, head: &str) {
        *self.shared.answer.lock() = (status, head.to_owned());
    }

    /// Waits for so many attempts, and takes all that came.
    pub(super) async fn attempts(&self, count: usize) -> Vec<Attempt> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let attempts = self.shared.attempts.lock().clone();
            if attempts.len() >= count {
                self.shared.attempts.lock().drain(..attempts.len());
                return attempts;
            }
            assert!(Instant::now() < deadline, "not {count}: {attempts:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for so many attempts, and takes the clicks of all that came.
    pub(super) async fn clicks(&self, count: usize) -> Vec<Value> {
        let attempts = self.attempts(count).await;
        attempts.into_iter().map(|one| one.click).collect()
    }
}

impl Shared {
    /// Keeps an attempt, unless an earlier one of the same click was acknowledged: a page that was
    /// left before it read so may send again.
    fn note(&self, status: u16, attempt: Attempt) {
        let mut acknowledged = self.acknowledged.lock();
        let id = attempt.click["id"].to_string();
        if acknowledged.contains(&id) {
            return;
        }
        if status == 202 {
            acknowledged.push(id);
        }
        self.attempts.lock().push(attempt);
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        let _ = reader.read_line(&mut first);
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(read) if read > 2 => {}
                _ => break,
            }
            let line = line.to_ascii_lowercase();
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let path = first.split(' ').nth(1).unwrap_or_default();
        let (status, kind, head, text) = match path {
            "/v1/events" => {
                let (status, head) = self.answer.lock().clone();
                let click = serde_json::from_slice(&body)
                    .unwrap_or_else(|error| format!("{error}: {body:?}").into());
                let at = Instant::now();
                let attempt = Attempt { click, at };
                self.note(status, attempt);
                (status, "application/json", head, "{}".to_owned())
            }
            "/clickweir.js" => (200, "text/javascript", String::new(), TRACKER.to_owned()),
            _ => {
                let (page, head) = (self.page.lock().clone(), self.head.lock().clone());
                (200, "text/html; charset=utf-8", head, page)
            }
        };
        if status != SILENCE {
            let length = text.len();
            let _ = write!(
                reader.get_mut(),
                "HTTP/1.1 {status} said\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
                 access-control-allow-origin: *\r\n\
                 access-control-expose-headers: retry-after\r\ncache-control: no-store\r\n\
                 connection: close\r\n{head}\r\n{text}"
            );
        }
    }
}
