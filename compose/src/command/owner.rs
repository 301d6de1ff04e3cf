//! One process owns the embedded topic and the catalog. Every other command finds it through
//! `owner.json` and sends its request there. When no owner is running, the command opens the
//! files itself, and their locks decide.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::Command;
use crate::node::Node;
use crate::settings::Settings;

/// How long the owner may take to say that it is alive.
const OWNER_TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Serialize, Deserialize)]
struct OwnerFile {
    pid: u32,
    address: SocketAddr,
    token: String,
}

impl OwnerFile {
    fn path(settings: &Settings) -> PathBuf {
        settings.folder().join("owner.json")
    }
}

/// The owner's file. It is removed when this value is dropped.
pub(crate) struct Ownership {
    file: PathBuf,
}

impl Ownership {
    /// Writes the file, readable by this user only.
    pub(crate) fn claim(
        settings: &Settings,
        address: SocketAddr,
        token: &str,
    ) -> anyhow::Result<Self> {
        let file = OwnerFile::path(settings);
        let fresh = file.with_extension("json.new");
        // A file that a killed process left keeps its own permissions; a new one has ours.
        let _ = fs::remove_file(&fresh);
        let mut out = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)?;
        out.write_all(&serde_json::to_vec(&OwnerFile {
            pid: std::process::id(),
            address,
            token: token.to_owned(),
        })?)?;
        fs::rename(&fresh, &file)
            .with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(Self { file })
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
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
        let owner: Option<OwnerFile> = fs::read(&file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let owner = match owner {
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
    /// `None` if nothing that looks like an owner listens at its address.
    async fn connect(path: &Path, file: OwnerFile) -> anyhow::Result<Option<Self>> {
        let OwnerFile {
            pid,
            address,
            token,
        } = file;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let asked = client.get(format!("http://{address}/healthz"));
        match asked.timeout(OWNER_TIMEOUT).send().await {
            Ok(answer) if answer.status().is_success() => Ok(Some(Self {
                client,
                url: format!("http://{address}/command"),
                token,
            })),
            Err(error) if error.is_timeout() => bail!(
                "process {pid} owns the files ({}) and did not answer within {} s: it is stopped \
                 or overloaded; continue it (`kill -CONT {pid}`) or end it, and try again",
                path.display(),
                OWNER_TIMEOUT.as_secs()
            ),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn send<C: Command>(&self, command: C) -> anyhow::Result<C::Answer> {
        let asked = self.client.post(format!("{}/{}", self.url, C::NAME));
        let answer = asked.bearer_auth(&self.token).json(&command).send().await;
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
