//! One process owns the embedded topic and its catalog; every other command finds it through
//! `owner.json` and asks it. Where nobody answers, the command opens the files itself and
//! their locks decide.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node::Node;
use crate::settings::Settings;

#[derive(Serialize, Deserialize)]
struct OwnerFile {
    address: SocketAddr,
    token: String,
}

/// The owner's file while this process owns; removed when it ends.
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
        let file = settings.folder().join("owner.json");
        let fresh = file.with_extension("json.new");
        // A file that a kill left keeps its own permissions; a new one has ours.
        let _ = fs::remove_file(&fresh);
        let mut out = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)?;
        out.write_all(&serde_json::to_vec(&OwnerFile {
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

/// Where commands go: to the owner, or to this process's own files.
pub(crate) enum Door {
    /// Another process owns the files.
    Owner {
        /// How it is asked.
        client: reqwest::Client,
        /// Where it listens, with the path up to the command's name.
        base: String,
        /// What it lets in.
        token: String,
    },
    /// This process opens them.
    Here(Arc<Node>),
}

impl Door {
    /// Looks for an owner that answers.
    pub(crate) async fn find(settings: Settings) -> anyhow::Result<Self> {
        let file = settings.folder().join("owner.json");
        let owner: Option<OwnerFile> = fs::read(file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(OwnerFile { address, token }) = owner {
            let client = reqwest::Client::builder().no_proxy().build()?;
            let alive = client.get(format!("http://{address}/healthz")).send().await;
            if alive.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Self::Owner {
                    client,
                    base: format!("http://{address}/command"),
                    token,
                });
            }
        }
        Ok(Self::Here(Node::new(settings)))
    }

    /// Runs a command there.
    pub(crate) async fn ask(&self, name: &str, request: Value) -> anyhow::Result<Value> {
        match self {
            Self::Here(node) => node.execute(name, request).await,
            Self::Owner {
                client,
                base,
                token,
            } => {
                let url = format!("{base}/{name}");
                let answer = client
                    .post(url)
                    .bearer_auth(token)
                    .json(&request)
                    .send()
                    .await?;
                let status = answer.status();
                let body: Value = answer
                    .json()
                    .await
                    .context("the owner's answer is no JSON")?;
                if !status.is_success() {
                    bail!("{}", body["error"].as_str().unwrap_or("the owner refused"));
                }
                Ok(body)
            }
        }
    }
}
