//! The built binary as a stranger runs it: in a folder of its own, on free ports.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use serde_json::Value;
use sink::S3;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a process may take until it serves, on a loaded machine in a debug build.
const SERVE_TIMEOUT: Duration = Duration::from_secs(60);

/// The binary beside the test's own folder.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/PROFILE/deps");
    let binary = folder.join("clickweir");
    assert!(
        binary.exists(),
        "{} is not built: run `make test`, or `cargo build` first",
        binary.display()
    );
    binary
}

/// A folder with its configuration. All processes that are started in it share topic and lake.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    binary: PathBuf,
    environment: Vec<(String, String)>,
}

impl Place {
    /// An empty folder with the embedded defaults and the demo shop, on free ports, quick to
    /// flush and crawl.
    ///
    /// # Errors
    /// If no temporary folder can be made.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("clickweir-").tempdir()?;
        let place = Self {
            folder,
            binary: binary(),
            environment: Vec::new(),
        };
        Ok(place
            .with("PRODUCER__LISTEN", "127.0.0.1:0")
            .with("DASHBOARD__LISTEN", "127.0.0.1:0")
            .with("METRICS__LISTEN", "127.0.0.1:0")
            .with("PRODUCER__SHOP", "true")
            .with("SINK__MAX_AGE", "500ms")
            .with("CATALOG__EVERY", "300ms"))
    }

    /// Sets a key for every process in this place: `SECTION__KEY`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.environment
            .push((format!("CLICKWEIR__{key}"), value.to_owned()));
        self
    }

    /// Sets the lake.
    #[must_use]
    pub fn with_lake(self, lake: &S3) -> Self {
        self.with("LAKE__URL", &lake.url)
            .with("LAKE__ENDPOINT", &lake.endpoint)
            .with("LAKE__ACCESS_KEY", &lake.access_key)
            .with("LAKE__SECRET_KEY", lake.secret_key.expose_secret())
    }

    /// Copies the demo's files to where its configuration, `compose/demo/demo.toml`, expects them.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn with_demo(self) -> anyhow::Result<Self> {
        let demo = Path::new("compose/demo");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(demo);
        std::fs::create_dir_all(self.path().join(demo))?;
        for file in ["stock.csv", "demo.toml"] {
            std::fs::copy(from.join(file), self.path().join(demo).join(file))?;
        }
        Ok(self)
    }

    /// Uses another build of the binary.
    #[must_use]
    pub fn with_binary(mut self, binary: &Path) -> Self {
        binary.clone_into(&mut self.binary);
        self
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command in this place.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// If it cannot be started. A failing exit code is no error here.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        Ok(self.command(arguments).output()?)
    }

    /// Runs a command that must succeed, and returns its standard output.
    ///
    /// # Errors
    /// If it fails, with its output.
    pub fn must(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{arguments:?} failed: {said}{}",
            text(&output)
        );
        Ok(text(&output))
    }

    /// The audit's verdict, clean or not.
    ///
    /// # Errors
    /// If the audit itself fails.
    pub fn audit(&self) -> anyhow::Result<Value> {
        let output = self.run(&["audit", "--json"])?;
        serde_json::from_str(&text(&output))
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Asks the audit until nothing is pending.
    ///
    /// # Errors
    /// If something is still pending after a minute.
    pub async fn settled(&self) -> anyhow::Result<Value> {
        let deadline = Instant::now() + SERVE_TIMEOUT;
        loop {
            let verdict = self.audit()?;
            if verdict["pending"] == 0 {
                return Ok(verdict);
            }
            ensure!(Instant::now() < deadline, "still pending: {verdict}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The first cell of a query's first row.
    ///
    /// # Errors
    /// If the query fails or has no row.
    pub fn ask(&self, sql: &str) -> anyhow::Result<Value> {
        let answer: Value = serde_json::from_str(&self.must(&["query", sql, "--format", "json"])?)?;
        answer["rows"][0].get(0).cloned().context("no row")
    }

    /// Proves by both audits that each of the acknowledged ids arrived and that nothing was lost or
    /// doubled, and by SQL that no id is in two rows: a retry within the window is one click. A
    /// retry that came later, after a long outage, is no fault; returns how many there are.
    ///
    /// # Errors
    /// If the audit disagrees, with its words.
    pub fn proves(&self, acknowledged: &[String]) -> anyhow::Result<u64> {
        self.listed(acknowledged)?;
        let twins = "SELECT count(*) FILTER (apart <= to_seconds(60)), count(*) FILTER (apart > to_seconds(60)) \
            FROM (SELECT appended_at - lag(appended_at) OVER (PARTITION BY event_id ORDER BY appended_at) AS apart FROM clicks)";
        let said = self.must(&["query", twins, "--format", "json"])?;
        let answer: Value = serde_json::from_str(&said)?;
        let (twice, late) = (&answer["rows"][0][0], &answer["rows"][0][1]);
        ensure!(*twice == 0, "{twice} rows have the id of another");
        late.as_u64().context("a count")
    }

    /// Proves by the audit that each of the acknowledged ids arrived and that no offset was lost
    /// or doubled.
    ///
    /// # Errors
    /// If the audit disagrees, with its words.
    pub fn listed(&self, acknowledged: &[String]) -> anyhow::Result<()> {
        let list = self.path().join("acknowledged");
        std::fs::write(&list, acknowledged.join("\n"))?;
        let list = list
            .to_str()
            .context("a temporary folder has a plain name")?;
        self.must(&["audit", "--deep", "--against", list]).map(drop)
    }

    /// Starts `up` (with more arguments) and waits until it serves.
    ///
    /// # Errors
    /// If it ends early.
    pub fn up(&self, more: &[&str]) -> anyhow::Result<Up> {
        let arguments: Vec<&str> = ["up"].iter().chain(more).copied().collect();
        let mut process = Process::start(self, &arguments)?;
        let shop = process.line_after("edge ")?;
        let dashboard = process.line_after("dashboard ")?;
        let url = |text: String| {
            text.split_whitespace()
                .next()
                .unwrap_or_default()
                .trim_end_matches('/')
                .to_owned()
        };
        Ok(Up {
            process,
            shop: url(shop),
            dashboard: url(dashboard),
        })
    }
}

impl Up {
    /// The value of a metric that has no labels.
    ///
    /// # Errors
    /// If the process does not answer, or has no such metric.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = reqwest::get(format!("{}/metrics", self.dashboard)).await?;
        let metrics = metrics.text().await?;
        let begin = format!("{name} ");
        let found = metrics.lines().find_map(|line| line.strip_prefix(&begin));
        let found = found.with_context(|| format!("{name} is not in {metrics}"))?;
        Ok(found.trim().parse()?)
    }
}

/// Makes a named pipe.
///
/// # Panics
/// If it cannot be made.
pub fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A process in a place; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Process {
    /// Starts it; its standard error is the test's.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(place: &Place, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::spawn(&mut place.command(arguments))
    }

    /// The same for a prepared command.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its output is piped")?;
        Ok(Self {
            child,
            lines: BufReader::new(out).lines(),
        })
    }

    /// Waits for a line with this prefix and returns the rest of it.
    ///
    /// # Errors
    /// If the process ends before it prints one.
    pub fn line_after(&mut self, prefix: &str) -> anyhow::Result<String> {
        for line in self.lines.by_ref() {
            if let Some(rest) = line?.strip_prefix(prefix) {
                return Ok(rest.trim().to_owned());
            }
        }
        bail!(
            "it ended before it said {prefix:?}: {:?}",
            self.child.wait()?
        )
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its CPU time, user and system, in seconds.
    ///
    /// # Errors
    /// If the system has no `/proc`.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        crate::usage::cpu(self.id())
    }

    /// Waits for its end, which must be successful; returns its output and its CPU time.
    ///
    /// # Errors
    /// If it fails.
    pub fn done(mut self) -> anyhow::Result<(String, f64)> {
        let said: Vec<String> = self.lines.by_ref().collect::<Result<_, _>>()?;
        // It has closed its output, but exists until it is waited for.
        let cpu = self.cpu()?;
        ensure!(
            self.child.wait()?.success(),
            "it failed: {}",
            said.join("\n")
        );
        Ok((said.join("\n"), cpu))
    }

    /// Kills it, as a power cut would.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end and waits. Returns true if its exit code is 0.
    ///
    /// # Errors
    /// If it cannot be signalled or waited for.
    pub fn end(mut self) -> anyhow::Result<bool> {
        self.stop()
    }

    /// The same, for a process that will be replaced.
    ///
    /// # Errors
    /// As [`Process::end`].
    pub fn stop(&mut self) -> anyhow::Result<bool> {
        self.signal("TERM")?;
        Ok(self.child.wait()?.success())
    }

    /// Sends it a signal by name: `TERM`, `STOP`, `CONT`.
    ///
    /// # Errors
    /// If `kill` fails.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()?;
        ensure!(sent.success(), "kill -{name} failed");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A running `clickweir up`.
#[derive(Debug)]
pub struct Up {
    /// The process.
    pub process: Process,
    /// The edge and the shop, `http://127.0.0.1:PORT`.
    pub shop: String,
    /// The dashboard.
    pub dashboard: String,
}

/// The folder of real input, or `None` if it is not beside the project.
#[must_use]
pub fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folder = crate::real::env("CLICKWEIR_DATA").map_or(beside, PathBuf::from);
    folder.join("README.md").exists().then_some(folder)
}
