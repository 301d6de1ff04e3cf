//! A rehearsal of `compose.yaml`: it is read as a container engine would read it, and each service
//! of our image is started as a local process with exactly its command and environment. Only
//! names and ports differ. The addresses of other services, and the ones that a service listens
//! on, are replaced by local ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::clickweir::binary;
use crate::ports::free_port;

/// The image that this repository builds.
pub const IMAGE: &str = "clickweir";
/// The address that a service listens on in a container.
const EVERYWHERE: &str = "0.0.0.0:";
/// How long a service may take until it is healthy.
const HEALTHY_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a service may take to end; compose.yaml gives it 40 s.
const END_TIMEOUT: Duration = Duration::from_secs(45);

/// A compose file, as far as the rehearsal needs it.
#[derive(Debug, Deserialize)]
pub struct Compose {
    /// The services by name.
    pub services: BTreeMap<String, Service>,
    /// The named volumes.
    #[serde(default)]
    pub volumes: BTreeMap<String, Option<BTreeMap<String, String>>>,
}

/// A service of the file.
#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    /// The image, with a tag unless it is built here.
    #[serde(default)]
    pub image: String,
    /// The arguments of the image's entrypoint.
    #[serde(default)]
    pub command: Vec<String>,
    /// The variables; `${NAME:-default}` is not yet replaced.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// `ADDRESS:HOST PORT:CONTAINER PORT`.
    #[serde(default)]
    pub ports: Vec<String>,
    /// `VOLUME:PATH`.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// `PATH:OPTIONS` of folders in memory.
    #[serde(default)]
    pub tmpfs: Vec<String>,
    /// True if it may write to its volumes only.
    #[serde(default)]
    pub read_only: bool,
    /// The capabilities that it gives up.
    #[serde(default)]
    pub cap_drop: Vec<String>,
    /// Further limits of what it may do.
    #[serde(default)]
    pub security_opt: Vec<String>,
    /// How long it may take to end before it is killed.
    #[serde(default)]
    pub stop_grace_period: String,
    /// The services that it waits for.
    #[serde(default)]
    pub depends_on: BTreeMap<String, Dependency>,
    /// How the engine checks its health.
    pub healthcheck: Option<Health>,
    /// When the engine starts it again.
    #[serde(default)]
    pub restart: String,
    /// How many copies of it run.
    #[serde(default)]
    pub deploy: Deploy,
}

impl Service {
    /// The folders that it may write to: where its volumes and its folders in memory are mounted.
    #[must_use]
    pub fn writable(&self) -> Vec<&str> {
        let volumes = self.volumes.iter().filter_map(|it| it.split(':').nth(1));
        let memory = self.tmpfs.iter().filter_map(|it| it.split(':').next());
        volumes.chain(memory).collect()
    }
}

/// What a service waits for in another one.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// `service_healthy` or `service_completed_successfully`.
    pub condition: String,
}

/// A health check.
#[derive(Debug, Clone, Deserialize)]
pub struct Health {
    /// `CMD` and the command.
    pub test: Vec<String>,
}

/// How many copies of a service run.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Deploy {
    /// `None` means one.
    pub replicas: Option<usize>,
}

impl Compose {
    /// Reads a file of `compose/`.
    ///
    /// # Errors
    /// If it is missing, or is no compose file.
    pub fn read(file: &str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../compose")
            .join(file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
    }

    /// The services of our image, each after those that it waits for.
    ///
    /// # Errors
    /// If they wait for each other, or for a service that is not in the file.
    pub fn ours(&self) -> Result<Vec<(&str, &Service)>> {
        let mut waiting: Vec<_> = self
            .services
            .iter()
            .filter(|(_, service)| service.image == IMAGE)
            .collect();
        let mut ordered: Vec<(&str, &Service)> = Vec::new();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(name, service)| {
                let free = service.depends_on.keys().all(|needed| {
                    let there = self.services.get(needed);
                    there.is_some_and(|there| there.image != IMAGE)
                        || ordered.iter().any(|(started, _)| started == needed)
                });
                if free {
                    ordered.push((name.as_str(), service));
                }
                !free
            });
            ensure!(waiting.len() < before, "{:?} can never start", waiting[0].0);
        }
        Ok(ordered)
    }
}

/// Replaces each `${NAME:-default}` by its default, because a rehearsal sets no variables.
///
/// # Errors
/// If a variable has no default.
pub fn interpolate(text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').context("a variable ends with }")?;
        let (_, default) = variable
            .split_once(":-")
            .with_context(|| format!("{variable} has no default in compose.yaml"))?;
        out.push_str(before);
        out.push_str(default);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The services of our image, running.
pub struct Rehearsal {
    processes: Vec<Process>,
}

/// One of them, in a folder of its own.
struct Process {
    service: String,
    folder: TempDir,
    environment: Vec<(String, String)>,
    /// Its address, `host:port`. `None` if it does not listen.
    listens: Option<String>,
    health: Option<Vec<String>>,
    child: Child,
}

impl Rehearsal {
    /// Starts the services in their order and waits until each is healthy, or has ended with
    /// success. `instead` holds texts of the environment, such as `redpanda:9092`, and what
    /// replaces them.
    ///
    /// # Errors
    /// If one is not healthy in time, or fails. The message holds the end of its log.
    pub async fn start(compose: &Compose, instead: &[(&str, &str)]) -> Result<Self> {
        let mut rehearsal = Self {
            processes: Vec::new(),
        };
        for (name, service) in compose.ours()? {
            for _ in 0..service.deploy.replicas.unwrap_or(1) {
                let mut process = Process::start(name, service, instead)?;
                if process.health.is_none() {
                    let ended = process.ended(HEALTHY_TIMEOUT).await?;
                    ensure!(
                        ended.success(),
                        "{name} ended with {ended}: {}",
                        process.said()
                    );
                }
                rehearsal.processes.push(process);
            }
        }
        for process in &mut rehearsal.processes {
            process.healthy().await?;
        }
        Ok(rehearsal)
    }

    /// `http://host:port` of a service. `None` if it does not listen.
    #[must_use]
    pub fn url(&self, service: &str) -> Option<String> {
        let process = self.of(service)?;
        Some(format!("http://{}", process.listens.as_ref()?))
    }

    fn of(&self, service: &str) -> Option<&Process> {
        let mut processes = self.processes.iter();
        processes.find(|process| process.service == service)
    }

    /// Runs a command as in a service's container, and returns its standard output.
    ///
    /// # Errors
    /// If there is no such service, or the command fails.
    pub fn exec(&self, service: &str, arguments: &[&str]) -> Result<String> {
        let output = self
            .of(service)
            .context("no such service")?
            .command(arguments)
            .output()?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{arguments:?} in {service}: {out}{said}"
        );
        Ok(out)
    }

    /// Stops every service as the engine does, and returns how each of them ended.
    ///
    /// # Errors
    /// If one does not end in time.
    pub async fn stop(mut self) -> Result<Vec<(String, ExitStatus)>> {
        for process in &mut self.processes {
            if process.child.try_wait()?.is_none() {
                let sent = Command::new("kill")
                    .arg(process.child.id().to_string())
                    .status()?;
                ensure!(sent.success(), "{} got no signal", process.service);
            }
        }
        let mut ended = Vec::new();
        for process in &mut self.processes {
            let status = process.ended(END_TIMEOUT).await?;
            ended.push((process.service.clone(), status));
        }
        Ok(ended)
    }
}

impl Process {
    fn start(name: &str, service: &Service, instead: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("rehearsal-").tempdir()?;
        let places = service.writable();
        for place in &places {
            std::fs::create_dir_all(local(folder.path(), place))?;
        }
        let mut listens = None;
        let mut environment = Vec::new();
        for (key, value) in &service.environment {
            let mut value = interpolate(value)?;
            for (theirs, ours) in instead {
                value = value.replace(theirs, ours);
            }
            for place in &places {
                if let Some(below) = value.strip_prefix(place) {
                    value = format!("{}{below}", local(folder.path(), place).display());
                }
            }
            if value.starts_with(EVERYWHERE) {
                value = format!("127.0.0.1:{}", free_port()?);
                listens = Some(value.clone());
            }
            environment.push((key.clone(), value));
        }
        let health = match &service.healthcheck {
            None => None,
            Some(health) => match &health.test[..] {
                [cmd, program, arguments @ ..] if cmd == "CMD" && program == "clickweir" => {
                    Some(arguments.to_vec())
                }
                other => bail!("{name}: {other:?} is no health check of clickweir"),
            },
        };
        let log = std::fs::File::create(folder.path().join("log"))?;
        let arguments: Vec<_> = service.command.iter().map(String::as_str).collect();
        let mut command = command(folder.path(), &environment, &arguments);
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self {
            service: name.to_owned(),
            folder,
            environment,
            listens,
            health,
            child,
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), &self.environment, arguments)
    }

    /// Waits until it is healthy.
    async fn healthy(&mut self) -> Result<()> {
        let Some(health) = self.health.clone() else {
            return Ok(());
        };
        let health: Vec<_> = health.iter().map(String::as_str).collect();
        let deadline = Instant::now() + HEALTHY_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.service, self.said());
            }
            let output = self.command(&health).output()?;
            if output.status.success() {
                return Ok(());
            }
            let why = String::from_utf8_lossy(&output.stderr);
            ensure!(
                Instant::now() < deadline,
                "{} is not healthy: {why}{}",
                self.service,
                self.said()
            );
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "{} did not end: {}",
                self.service,
                self.said()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The end of its log.
    fn said(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(15).collect();
        end.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

/// The folder that replaces a container's.
fn local(folder: &Path, place: &str) -> PathBuf {
    folder.join(place.trim_start_matches('/'))
}

/// The image's entrypoint, in a folder and with a service's environment. Of this machine's
/// environment it gets only `PATH`.
fn command(folder: &Path, environment: &[(String, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", crate::real::env("PATH").unwrap_or_default())
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null());
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
