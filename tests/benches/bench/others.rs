//! Other clicks, while something is measured: so many a second, a hundred a body.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use topic::clock;

use crate::clicks::Clicks;

/// How many clicks a body carries, and how many bodies may be under way.
const BODY: u64 = 100;
const SENDERS: u64 = 8;
/// The prefix of a marked name.
pub(crate) const MARK: &str = "sent-";
/// Clicks are made for so many seconds at most.
const LONGEST: u64 = 600;

/// Clicks that go on until they are stopped.
pub(crate) struct Others {
    senders: Vec<JoinHandle<Result<u64>>>,
    done: CancellationToken,
    begun: Instant,
}

/// Their result.
pub(crate) struct Sent {
    /// How many the edge acknowledged.
    pub(crate) clicks: u64,
    /// How many a second.
    pub(crate) rate: f64,
}

impl Others {
    /// Sends `rate` clicks a second to an edge; none if that is 0.
    pub(crate) fn start(client: &reqwest::Client, shop: &str, rate: u64) -> Self {
        Self::begin(client, shop, rate, |json| json)
    }

    /// The same; the name of each product says when its click was sent: [`MARK`], and microseconds
    /// since 1970.
    pub(crate) fn marked(client: &reqwest::Client, shop: &str, rate: u64) -> Self {
        Self::begin(client, shop, rate, mark)
    }

    fn begin(
        client: &reqwest::Client,
        shop: &str,
        rate: u64,
        change: fn(String) -> String,
    ) -> Self {
        let clicks = Arc::new(Clicks::new(rate * LONGEST, clock::system().now()));
        let done = CancellationToken::new();
        let sender = |number: u64| {
            let (client, shop, done) = (client.clone(), shop.to_owned(), done.clone());
            let clicks = clicks.clone();
            tokio::spawn(async move {
                let mut turns = interval(Duration::from_micros(SENDERS * BODY * 1_000_000 / rate));
                let mut sent = 0;
                while !done.is_cancelled() {
                    turns.tick().await;
                    let first = (sent * SENDERS + number) * BODY;
                    let bodies: Vec<_> = (first..first + BODY)
                        .map(|n| change(clicks.click(n).json))
                        .collect();
                    let request = client.post(format!("{shop}/v1/events"));
                    taken(request.body(format!("[{}]", bodies.join(",")))).await?;
                    sent += 1;
                }
                Ok(sent * BODY)
            })
        };
        let senders = if rate == 0 { 0 } else { SENDERS };
        Self {
            senders: (0..senders).map(sender).collect(),
            done,
            begun: Instant::now(),
        }
    }

    /// Stops the clicks.
    ///
    /// # Errors
    /// If the edge did not acknowledge one.
    #[expect(clippy::cast_precision_loss, reason = "a count of clicks")]
    pub(crate) async fn end(self) -> Result<Sent> {
        self.done.cancel();
        let mut clicks = 0;
        for sender in self.senders {
            clicks += sender.await??;
        }
        let rate = clicks as f64 / self.begun.elapsed().as_secs_f64();
        Ok(Sent { clicks, rate })
    }
}

fn mark(json: String) -> String {
    const NAME: &str = r#""product_name":""#;
    let named = json.split_once(NAME);
    let rest = named.and_then(|(before, rest)| Some((before, rest.split_once('"')?.1)));
    let Some((before, after)) = rest else {
        return json;
    };
    let now = clock::system().now().micros();
    format!(r#"{before}{NAME}{MARK}{now}"{after}"#)
}

/// Sends a request that the edge must acknowledge.
///
/// # Errors
/// If it does not.
pub(crate) async fn taken(request: reqwest::RequestBuilder) -> Result<()> {
    let status = request.send().await?.status();
    ensure!(status == 202, "the edge answered {status}");
    Ok(())
}
