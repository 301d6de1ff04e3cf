//! L2: from the moment a click is sent to the moment the dashboard shows it, while ten thousand
//! come each second and a hundred clients watch: ninety-nine streams, and one page in a real
//! browser, until the frame that shows the click. Then, over the resulting lake, how soon each page
//! paints.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::browser::{self, Browser, Scripts};
use tests::clickweir::{Place, Up};
use tests::usage;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use topic::clock;

use crate::others::{MARK, Others};
use crate::table::{Entry, Figure, Table};

/// Clicks a second.
const RATE: u64 = 10_000;
/// How many streams watch besides the browser.
const STREAMS: usize = 99;
/// How long clicks come before the measurement, and during it.
const BEFORE: Duration = Duration::from_secs(5);
const NOTED: Duration = Duration::from_secs(30);
/// How long the last batches may take to reach the lake.
const LAST_ROWS_TIMEOUT: Duration = Duration::from_secs(60);
/// The pages whose paint is timed, and how often each is opened.
const PAGES: [(&str, &str); 4] = [
    ("/", "first paint of /"),
    ("/funnel", "first paint of /funnel"),
    ("/pipeline", "first paint of /pipeline"),
    ("/sql", "first paint of /sql"),
];
const OPENED: usize = 7;

/// Records in the page the age of each shown click when the next frame is drawn.
const WATCH: &str = "window.took = [];
new MutationObserver((changes) => {
  const sent = changes.flatMap((change) => [...change.addedNodes])
    .map((line) => line.querySelector('span')?.textContent ?? '')
    .filter((text) => text.startsWith('MARK')).map((text) => Number(text.slice(MARK_LENGTH)));
  requestAnimationFrame(() => {
    const now = performance.timeOrigin + performance.now();
    for (const micros of sent) window.took.push(now - micros / 1000);
  });
}).observe(document.getElementById('live-list'), { childList: true });";

/// The browser's timings of the page that it has just loaded: milliseconds, then bytes.
const PAINTED: &str = "const [page] = performance.getEntriesByType('navigation');
const all = [page, ...performance.getEntriesByType('resource')];
const sum = (of) => all.reduce((total, one) => total + of(one), 0);
return [performance.getEntriesByName('first-contentful-paint')[0]?.startTime, page.responseEnd,
  page.loadEventEnd, sum((one) => one.transferSize), sum((one) => one.decodedBodySize), all.length];";

/// Watches and opens pages, `runs` times; says so if there is no browser.
pub(crate) async fn run(runs: usize, table: &mut Table) -> Result<()> {
    let entry = |bench, who| Entry {
        bench,
        who,
        counted: "none",
        pinned: "nothing",
        backend: "embedded topic, a folder; the defaults",
        acknowledged: "202 after a group-committed fsync",
        runs: Vec::new(),
    };
    let mut watched = entry("L2", "a page in Chromium, and 99 streams");
    let mut painted: Vec<Entry> = PAGES
        .iter()
        .map(|(_, name)| entry(name, "Chromium, nothing cached"))
        .collect();
    for turn in 1..=runs {
        let Some(browser) = browser::start(Scripts::On).await else {
            return Ok(());
        };
        let place = Place::new()?
            .with("SINK__MAX_AGE", "10s")
            .with("CATALOG__EVERY", "10s");
        let up = place.up(&[])?;
        watched.note(turn, watch(&browser, &up).await?);
        for ((path, _), entry) in PAGES.iter().zip(&mut painted) {
            entry.note(turn, paint(&browser, &up, path).await?);
        }
    }
    table.entries.push(watched);
    table.entries.extend(painted);
    Ok(())
}

async fn watch(browser: &Browser, up: &Up) -> Result<Vec<Figure>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let others = Others::marked(&client, &up.shop, RATE);
    sleep(BEFORE).await;
    browser.open(&up.dashboard).await?;
    browser.click("#live summary").await?;
    let script = WATCH.replace("MARK_LENGTH", &MARK.len().to_string());
    browser.run(&script.replace("MARK", MARK)).await?;
    let done = CancellationToken::new();
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| follow(client.clone(), format!("{}/live", up.dashboard), &done))
        .collect();
    let cpu = up.process.cpu()?;
    sleep(NOTED).await;
    let cpu = (up.process.cpu()? - cpu) / NOTED.as_secs_f64();
    let seen = browser.run("return window.took").await?;
    done.cancel();
    let mut streamed = Vec::new();
    for stream in streams {
        streamed.extend(stream.await??);
    }
    let memory = usage::memory(up.process.id())?;
    let sent = others.end().await?;
    whole(&client, up, sent.clicks).await?;
    let seen: Vec<f64> = serde_json::from_value(seen)?;
    ensure!(
        seen.len() > 1_000 && streamed.len() > STREAMS * 1_000,
        "{} clicks were seen, and {} streamed",
        seen.len(),
        streamed.len()
    );
    let (seen, streamed) = (Sorted::new(seen), Sorted::new(streamed));
    let of = |value, of| Figure { value, of };
    Ok(vec![
        of(seen.at(99), "ms p99 to the frame"),
        of(seen.at(50), "ms p50 to the frame"),
        of(streamed.at(99), "ms p99 to a stream"),
        of(streamed.at(50), "ms p50 to a stream"),
        of(sent.rate, "clicks/s"),
        of(cpu, "CPU-seconds a second"),
        of(memory, "MB resident"),
    ])
}

/// The ages of the clicks that a stream shows, in milliseconds.
fn follow(
    client: reqwest::Client,
    url: String,
    done: &CancellationToken,
) -> JoinHandle<Result<Vec<f64>>> {
    let done = done.clone();
    tokio::spawn(async move {
        let mut took = Vec::new();
        let mut stream = client.get(url).send().await?;
        loop {
            let chunk = tokio::select! {
                chunk = stream.chunk() => chunk?.context("the stream goes on")?,
                () = done.cancelled() => return Ok(took),
            };
            let now = clock::system().now().micros();
            // A click that a chunk's end cuts in two is left out.
            let text = String::from_utf8_lossy(&chunk);
            for part in text.split(MARK).skip(1) {
                let Some((micros, _)) = part.split_once('"') else {
                    continue;
                };
                let sent: i64 = micros.parse()?;
                took.push(Duration::from_micros(u64::try_from(now - sent)?).as_secs_f64() * 1e3);
            }
        }
    })
}

/// Waits until SQL counts all of them.
async fn whole(client: &reqwest::Client, up: &Up, clicks: u64) -> Result<()> {
    let deadline = Instant::now() + LAST_ROWS_TIMEOUT;
    loop {
        let asked = client.post(format!("{}/api/query", up.dashboard));
        let asked = asked.json(&json!({ "sql": "SELECT count(*) FROM clicks" }));
        let answer: Value = asked.send().await?.json().await?;
        if answer["rows"][0][0] == clicks {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{clicks} clicks were sent: {answer}"
        );
        sleep(Duration::from_millis(500)).await;
    }
}

/// Opens a page with an empty cache; returns the medians.
async fn paint(browser: &Browser, up: &Up, path: &str) -> Result<Vec<Figure>> {
    browser
        .cdp("Network.setCacheDisabled", json!({ "cacheDisabled": true }))
        .await?;
    let mut opened: [Vec<f64>; 6] = Default::default();
    for _ in 0..OPENED {
        browser.open(&format!("{}{path}", up.dashboard)).await?;
        let whole = |told: &Value| told[0].is_number() && told[2].as_f64() > Some(0.0);
        let told = timeout(LAST_ROWS_TIMEOUT, browser.until(PAINTED, whole)).await??;
        let told: [f64; 6] = serde_json::from_value(told)?;
        opened
            .iter_mut()
            .zip(told)
            .for_each(|(all, one)| all.push(one));
    }
    let [painted, answered, loaded, sent, bytes, files] = opened.map(|all| Sorted::new(all).at(50));
    let of = |value, of| Figure { value, of };
    Ok(vec![
        of(painted, "ms to the first contentful paint"),
        of(answered, "ms to the page's last byte"),
        of(loaded, "ms until loaded"),
        of(sent / 1e3, "kB sent"),
        of(bytes / 1e3, "kB unpacked"),
        of(files, "files"),
    ])
}

struct Sorted(Vec<f64>);

impl Sorted {
    fn new(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    /// The percentile: so many of a hundred are no greater.
    fn at(&self, share: usize) -> f64 {
        self.0[(self.0.len() * share / 100).min(self.0.len() - 1)]
    }
}
