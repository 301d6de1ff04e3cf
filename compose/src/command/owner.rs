//! One process owns the embedded topic and the catalog. Every other command finds it through
//! `owner.json` and sends its request there. When no owner is running, the command opens the
//! files itself, and their locks decide.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::Command;
use crate::node::Node;
use crate::settings::Settings;

/// How long the owner may take to say that it is alive.
const OWNER_TIMEOUT: Duration = Duration::from_secs(4);
/// How often a command that waits for its answer asks whether the owner is still alive.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How many of these questions in a row the owner may leave without an answer: it may be busy.
const MAX_SILENT_PINGS: u32 = 2;

/// What `owner.json` says.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnerFile {
    pub(super) pid: u32,
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

impl OwnerFile {
    pub(super) fn path(settings: &Settings) -> PathBuf {
        settings.folder().join("owner.json")
    }

    /// What the file says; `None` if there is none, or if it cannot be read.
    pub(super) fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }
}

/// Asks the owner whether it is there. Only the process that wrote `owner.json` takes its token,
/// so nothing else that listens at the same address by now answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ping {}

/// The owner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pong {
    pub(crate) pid: u32,
}

impl Command for Ping {
    const NAME: &'static str = "ping";
    type Answer = Pong;

    async fn run(self, _: &Arc<Node>) -> anyhow::Result<Pong> {
        Ok(Pong {
            pid: std::process::id(),
        })
    }
}

/// The process that runs a command.
pub(crate) enum Target {
    /// Another process, which owns the files.
    Owner(OwnerClient),
    /// This process.
    Here(Arc<Node>),
}

/// A running owner.
pub(crate) struct OwnerClient {
    client: reqwest::Client,
    /// `http://ADDRESS/command`.
    url: String,
    token: String,
    /// What to say if it does not answer.
    silence: String,
}

/// What an owner answers when a command fails. Other fields are for other readers.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Target {
    /// The owner if one is running, else this process.
    ///
    /// # Errors
    /// Fails when the owner accepts connections and does not answer.
    pub(crate) async fn find(settings: Settings) -> anyhow::Result<Self> {
        let file = OwnerFile::path(&settings);
        let owner = match OwnerFile::read(&file) {
            Some(owner) => OwnerClient::connect(&file, owner).await?,
            None => None,
        };
        Ok(owner.map_or_else(|| Self::Here(Node::new(settings)), Self::Owner))
    }

    /// Runs a command and gives its answer.
    ///
    /// # Errors
    /// Fails with the command's own error, and when the owner cannot be asked.
    pub(crate) async fn send<C: Command>(&self, command: C) -> anyhow::Result<C::Answer> {
        match self {
            Self::Here(node) => command.run(node).await,
            Self::Owner(owner) => owner.send(command).await,
        }
    }
}

impl OwnerClient {
    /// `None` if the process that wrote the file does not listen at its address.
    ///
    /// # Errors
    /// Fails when something accepts connections there and does not answer.
    pub(super) async fn connect(path: &Path, file: OwnerFile) -> anyhow::Result<Option<Self>> {
        let OwnerFile {
            pid,
            address,
            token,
        } = file;
        let owner = Self {
            client: reqwest::Client::builder().no_proxy().build()?,
            url: format!("http://{address}/command"),
            token,
            silence: format!(
                "process {pid} owns the files ({}) and did not answer within {} s: it is stopped \
                 or overloaded; continue it (`kill -CONT {pid}`) or end it, and try again",
                path.display(),
                OWNER_TIMEOUT.as_secs()
            ),
        };
        Ok(owner.answers().await?.then_some(owner))
    }

    /// Returns true if the owner is there.
    ///
    /// # Errors
    /// Fails when it does not answer.
    async fn answers(&self) -> anyhow::Result<bool> {
        let asked = self.request(&Ping {}).timeout(OWNER_TIMEOUT);
        match asked.send().await {
            Ok(answer) => Ok(answer.status().is_success()),
            Err(error) if error.is_timeout() => bail!("{}", self.silence),
            Err(_) => Ok(false),
        }
    }

    fn request<C: Command>(&self, command: &C) -> reqwest::RequestBuilder {
        let asked = self.client.post(format!("{}/{}", self.url, C::NAME));
        asked.bearer_auth(&self.token).json(command)
    }

    /// Waits for the answer as long as the command takes, but not for an owner that is silent.
    async fn send<C: Command>(&self, command: C) -> anyhow::Result<C::Answer> {
        tokio::select! {
            answer = self.answer(command) => answer,
            silence = self.silence() => Err(silence),
        }
    }

    /// Asks again and again whether the owner is alive, until it leaves several of the questions
    /// without an answer.
    async fn silence(&self) -> anyhow::Error {
        let mut silent = 0;
        loop {
            sleep(PING_INTERVAL).await;
            match self.answers().await {
                Ok(_) => silent = 0,
                Err(error) => {
                    silent += 1;
                    if silent == MAX_SILENT_PINGS {
                        return error;
                    }
                }
            }
        }
    }

    async fn answer<C: Command>(&self, command: C) -> anyhow::Result<C::Answer> {
        let answer = self.request(&command).send().await;
        let answer = answer.context("the process that owns the files broke off")?;
        let succeeded = answer.status().is_success();
        let body = answer.bytes().await?;
        if !succeeded {
            let Refusal { error } =
                serde_json::from_slice(&body).context("the owner refused the command")?;
            bail!(error);
        }
        serde_json::from_slice(&body).with_context(|| {
            format!(
                "the answer to {} cannot be read: if the running process is another version of \
                 clickweir, restart it",
                C::NAME
            )
        })
    }
}
