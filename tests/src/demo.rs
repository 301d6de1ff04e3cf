//! The demo that the tests of the pages share: simulated visitors came and went, and nothing
//! changes any more. A test that writes needs a place of its own.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::clickweir::Place;
use crate::leash::Leash;

/// How long the visitors may take.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// A running `clickweir up` after its visitors. It ends when the test's process ends.
pub struct Demo {
    /// Its folder, for commands beside it.
    pub place: Place,
    /// The edge and the shop, `http://127.0.0.1:PORT`.
    pub shop: String,
    /// The dashboard.
    pub dashboard: String,
    _process: Leash,
}

/// The one demo.
///
/// # Panics
/// If it does not start.
pub async fn shared() -> &'static Demo {
    static SHARED: OnceCell<Demo> = OnceCell::const_new();
    let start = || async { Demo::start().await.expect("the demo starts") };
    SHARED.get_or_init(start).await
}

impl Demo {
    async fn start() -> Result<Self> {
        let place = Place::new()?;
        let log = place.path().join("up.log");
        let command = place.command(&["up", "--visitors", "40"]);
        let process = Leash::hold(&command, place.path(), &File::create(&log)?)?;
        let deadline = Instant::now() + START_TIMEOUT;
        while after("serving", &log).is_none() {
            let said = std::fs::read_to_string(&log)?;
            ensure!(Instant::now() < deadline, "the demo does not serve: {said}");
            sleep(Duration::from_millis(50)).await;
        }
        let verdict = place.settled().await?;
        while place.ask("SELECT count(*) FROM clicks")? != verdict["rows"] {
            ensure!(Instant::now() < deadline, "not all is shown: {verdict}");
            sleep(Duration::from_millis(50)).await;
        }
        let url = |prefix| {
            let line = after(prefix, &log).unwrap_or_default();
            let url = line.split_whitespace().next().unwrap_or_default();
            url.trim_end_matches('/').to_owned()
        };
        Ok(Self {
            shop: url("shop "),
            dashboard: url("dashboard "),
            place,
            _process: process,
        })
    }
}

/// The rest of the log's first line that begins so, or `None` if there is none yet.
fn after(prefix: &str, log: &Path) -> Option<String> {
    let said = std::fs::read_to_string(log).ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix(prefix));
    line.map(|line| line.trim().to_owned())
}
