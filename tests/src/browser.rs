//! A real browser: Chromium without a window, controlled through its driver.
//!
//! `make test-setup` installs both. `CLICKWEIR_TEST_CHROMIUM` and
//! `CLICKWEIR_TEST_CHROMEDRIVER` name others than those on the path.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::leash::Leash;
use crate::real;

/// How long anything may take: a page, an element that is to appear, the driver's start.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The key of an element's id in the driver's answers, by the WebDriver standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The user agent of a Chrome with a window.
const AGENT: &str = "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// As in nearly every browser.
    On,
    /// As with a content blocker.
    Off,
}

/// A browser with a profile of its own. It ends when this is dropped, or when the test's
/// process ends.
pub struct Browser {
    client: reqwest::Client,
    driver: SocketAddr,
    session: String,
    folder: PathBuf,
    /// The browser's network log so far; the driver returns each entry once.
    seen: Mutex<Vec<String>>,
    process: Option<Leash>,
}

/// Starts a browser; `None` if there is none, which [`real::have`] has then reported.
pub async fn start(scripts: Scripts) -> Option<Browser> {
    match Browser::start(scripts).await {
        Ok(browser) => Some(browser),
        Err(error) => {
            let _ = real::have("browser", Some(format!("{error:#}")));
            None
        }
    }
}

impl Browser {
    async fn start(scripts: Scripts) -> Result<Self> {
        let chromium = found("CLICKWEIR_TEST_CHROMIUM", &["chromium", "google-chrome"])?;
        let driver = found("CLICKWEIR_TEST_CHROMEDRIVER", &["chromedriver"])?;
        let folder = tempfile::Builder::new()
            .prefix("clickweir-browser-")
            .tempdir()?
            .keep();
        let log = folder.join("driver.log");
        let mut server = Command::new(driver);
        server.arg("--port=0").current_dir(&folder);
        let process = Leash::hold(&server, &folder, &File::create(&log)?)?;
        let driver = SocketAddr::from(([127, 0, 0, 1], port(&log).await?));
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(2 * PAGE_TIMEOUT)
            .build()?;
        let wish = wish(scripts, &chromium, &folder);
        let mut browser = Self {
            client,
            driver,
            session: String::new(),
            folder,
            seen: Mutex::default(),
            process: Some(process),
        };
        let made = browser
            .post("", json!({ "capabilities": { "alwaysMatch": wish } }))
            .await?;
        browser.session = text(&made["sessionId"])?;
        Ok(browser)
    }

    /// The folder of downloads.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("/url", json!({ "url": url })).await.map(|_| ())
    }

    /// The address of the page.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn url(&self) -> Result<String> {
        text(&self.send(self.client.get(self.at("/url"))).await?)
    }

    /// Waits for the first element of the CSS selector and clicks it. If that opens a page, waits
    /// until the page is loaded.
    ///
    /// # Errors
    /// If it does not appear, or another element covers it.
    pub async fn click(&self, css: &str) -> Result<()> {
        let click = self.act(css, "click", json!({})).await;
        click.with_context(|| format!("clicking {css}"))
    }

    /// Clicks an element that leads to another page, and waits for that page: the click itself may
    /// be answered while the old page is still there. Needs scripts.
    ///
    /// # Errors
    /// If it does not appear, or no other page comes.
    pub async fn follow(&self, css: &str) -> Result<()> {
        self.run("document.left = true").await?;
        self.click(css).await?;
        let arrived = "return document.left !== true && document.readyState === 'complete'";
        self.until(arrived, |arrived| *arrived == true).await?;
        Ok(())
    }

    /// Replaces the text of the first element of the CSS selector.
    ///
    /// # Errors
    /// If it does not appear, or takes no text.
    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.act(css, "clear", json!({})).await?;
        let typed = self.act(css, "value", json!({ "text": text })).await;
        typed.with_context(|| format!("typing into {css}"))
    }

    /// The visible text of the first element of the CSS selector.
    ///
    /// # Errors
    /// If it does not appear.
    pub async fn text(&self, css: &str) -> Result<String> {
        let read = async |element| {
            let path = format!("/element/{element}/text");
            self.send(self.client.get(self.at(&path))).await
        };
        text(&self.on(css, read).await?)
    }

    /// Waits until the first element of the CSS selector contains `text`.
    ///
    /// # Errors
    /// If it does not in time, with the text that it has.
    pub async fn reads(&self, css: &str, part: &str) -> Result<()> {
        let deadline = Instant::now() + PAGE_TIMEOUT;
        loop {
            let said = self.text(css).await?;
            if said.contains(part) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{css} says {said}, not {part}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Runs a script's body in the page and returns its value.
    ///
    /// # Errors
    /// If the script throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
            .await
    }

    /// Runs a script's body until its value is accepted, and returns that value.
    ///
    /// # Errors
    /// If no accepted value comes in time, with the last one.
    pub async fn until(&self, script: &str, accept: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PAGE_TIMEOUT;
        loop {
            // Between two pages there is no page to run it in.
            let value = self.run(script).await;
            match &value {
                Ok(value) if accept(value) => return Ok(value.clone()),
                _ => ensure!(Instant::now() < deadline, "{script} still gives {value:?}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// A command of the browser's own protocol.
    ///
    /// # Errors
    /// If the browser refuses it.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Result<Value> {
        let order = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", order).await
    }

    /// Emulates a system with this colour scheme: `dark` or `light`.
    ///
    /// # Errors
    /// If the browser refuses it.
    pub async fn prefer(&self, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let told = self
            .cdp(
                "Emulation.setEmulatedMedia",
                json!({ "features": features }),
            )
            .await;
        told.map(|_| ())
    }

    /// Makes the page this many CSS pixels wide.
    ///
    /// # Errors
    /// If the browser refuses it.
    pub async fn widen(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", size)
            .await
            .map(|_| ())
    }

    /// A picture of the window, as PNG.
    ///
    /// # Errors
    /// If the browser gives none.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let shot = self.send(self.client.get(self.at("/screenshot"))).await?;
        Ok(BASE64_STANDARD.decode(text(&shot)?)?)
    }

    /// The text of the dialog that a page has opened, or `None`.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn dialog(&self) -> Result<Option<String>> {
        let answer = self.client.get(self.at("/alert/text")).send().await?;
        let body: Value = answer.json().await?;
        Ok(match body["value"]["error"].as_str() {
            Some("no such alert") => None,
            Some(other) => bail!("{other}: {body}"),
            None => Some(text(&body["value"])?),
        })
    }

    /// The console's new lines since the last call: errors, refusals, warnings.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let entries = self.log("browser").await?;
        let grave = |entry: &&Value| {
            ["SEVERE", "WARNING"]
                .map(Value::from)
                .contains(&entry["level"])
        };
        entries
            .iter()
            .filter(grave)
            .map(|entry| text(&entry["message"]))
            .collect()
    }

    /// The address of every request that pages have made, from the first on.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn requests(&self) -> Result<Vec<String>> {
        for entry in self.log("performance").await? {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            if event["message"]["method"] == "Network.requestWillBeSent" {
                let url = text(&event["message"]["params"]["request"]["url"])?;
                self.seen.lock().push(url);
            }
        }
        Ok(self.seen.lock().clone())
    }

    /// Scheme, host and port of every request that pages have made.
    ///
    /// # Errors
    /// If the driver does not answer, or an address is invalid.
    pub async fn hosts(&self) -> Result<BTreeSet<String>> {
        let origin = |url: String| match url.parse::<reqwest::Url>() {
            Ok(url) => Ok(url.origin().ascii_serialization()),
            Err(error) => Err(anyhow!("{url}: {error}")),
        };
        // Content inside the page itself (`data:`, `blob:`) goes to no host.
        let goes = |url: &String| url.starts_with("http") || url.starts_with("ws");
        let urls = self.requests().await?.into_iter();
        urls.filter(goes).map(origin).collect()
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries = self.post("/se/log", json!({ "type": kind })).await?;
        entries.as_array().cloned().context("a log is a list")
    }

    /// The id of the first element; the driver waits for it.
    async fn find(&self, css: &str) -> Result<String> {
        let wish = json!({ "using": "css selector", "value": css });
        let found = self
            .post("/element", wish)
            .await
            .with_context(|| format!("finding {css}"))?;
        text(&found[ELEMENT])
    }

    /// Sends an action for the first element.
    async fn act(&self, css: &str, what: &str, how: Value) -> Result<()> {
        let act = async |element| {
            let path = format!("/element/{element}/{what}");
            self.post(&path, how.clone()).await
        };
        self.on(css, act).await.map(|_| ())
    }

    /// Reads a property of the first element; finds it again if its page was replaced meanwhile.
    async fn on(&self, css: &str, ask: impl AsyncFn(String) -> Result<Value>) -> Result<Value> {
        let deadline = Instant::now() + PAGE_TIMEOUT;
        loop {
            let answer = ask(self.find(css).await?).await;
            let gone = |error: &anyhow::Error| {
                let said = error.to_string();
                said.starts_with("stale element") || said.contains("not belong to the document")
            };
            if !answer.as_ref().is_err_and(gone) || Instant::now() > deadline {
                return answer;
            }
        }
    }

    fn at(&self, path: &str) -> String {
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!("/{session}"),
        };
        format!("http://{}/session{session}{path}", self.driver)
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(self.client.post(self.at(path)).json(&body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let mut body: Value = request.send().await?.json().await?;
        let value = body["value"].take();
        match value["error"].as_str() {
            Some(error) => bail!("{error}: {}", value["message"].as_str().unwrap_or_default()),
            None => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // By hand, since a drop cannot wait for an asynchronous client. If it fails, the browser
        // ends with its pipe to the driver.
        if let Ok(mut driver) = TcpStream::connect_timeout(&self.driver, PAGE_TIMEOUT) {
            let _ = driver.set_read_timeout(Some(PAGE_TIMEOUT));
            let _ = write!(
                driver,
                "DELETE /session/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.session, self.driver
            );
            let _ = driver.read(&mut [0; 64]);
        }
        drop(self.process.take());
        // The browser may have written into it while the driver ended.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The capabilities asked for.
fn wish(scripts: Scripts, chromium: &Path, folder: &Path) -> Value {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let mut arguments = vec![
        "--headless=new",
        // The sandbox does not work for root in a container; only our own pages are opened.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        // Through a pipe, so that the browser ends with its driver, even if that is killed.
        "--remote-debugging-pipe",
        "--window-size=1280,1600",
        "--force-color-profile=srgb",
        // Its own user agent says that it is headless, and Clickweir would count it as a bot.
        AGENT,
        // The browser's own requests: updates, lists, pings.
        "--disable-background-networking",
        "--disable-component-update",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        &profile,
    ];
    if scripts == Scripts::Off {
        arguments.push("--blink-settings=scriptEnabled=false");
    }
    let patience = PAGE_TIMEOUT.as_millis();
    json!({
        "timeouts": { "implicit": patience, "pageLoad": patience, "script": patience },
        "unhandledPromptBehavior": "ignore",
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": {
            "binary": chromium,
            "args": arguments,
            "prefs": { "download.default_directory": folder.join("downloads") },
        },
    })
}

/// The driver's port, from its log.
async fn port(log: &Path) -> Result<u16> {
    let deadline = Instant::now() + PAGE_TIMEOUT;
    loop {
        let said = std::fs::read_to_string(log)?;
        let told = said.split("started successfully on port ").nth(1);
        if let Some((port, _)) = told.and_then(|rest| rest.split_once('.')) {
            return Ok(port.parse()?);
        }
        ensure!(
            Instant::now() < deadline,
            "chromedriver does not start: {said}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// The program that a variable names, or the first one on the path.
fn found(variable: &str, names: &[&str]) -> Result<PathBuf> {
    if let Some(named) = real::env(variable) {
        return Ok(named.into());
    }
    let path = real::env("PATH").unwrap_or_default();
    let all = names.iter().flat_map(|name| {
        path.split(':')
            .map(move |folder| Path::new(folder).join(name))
    });
    all.into_iter()
        .find(|program| program.is_file())
        .with_context(|| {
            format!(
                "{} is not on the path: `make test-setup` installs it",
                names.join(" or ")
            )
        })
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("{value} is not text"))
}
