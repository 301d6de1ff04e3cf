//! The commands that a process serves to shells beside it.

use std::sync::Arc;

use anyhow::Context;
use dashboard::{CommandError, Commands};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Handle;

use super::Command;
use super::audit::AuditLake;
use super::compact::CompactLake;
use super::diff::DiffReplay;
use super::expire::ExpireLake;
use super::follow::FollowFiles;
use super::forget::ForgetSubject;
use super::gap::AcceptGap;
use super::import::ImportFile;
use super::objects::TallyObjects;
use super::owner::Ping;
use super::promote::{PromoteReplay, RollbackReplay, SettleReplay};
use super::publish::PublishCatalog;
use super::query::RunQuery;
use super::repair::RepairLake;
use super::replay::ReplayRange;
use super::topic::{DescribeTopic, ReadTopic};
use super::work::JobRequest;
use crate::node::Node;
use crate::print;

/// All commands of a node, for the dashboard to serve to the holder of `token`.
pub(crate) fn commands(node: &Arc<Node>, token: &str) -> Commands {
    Registry::new(node, token)
        .with::<Ping>()
        .with::<RunQuery>()
        .with::<DescribeTopic>()
        .with::<ReadTopic>()
        .with::<AcceptGap>()
        .with::<PublishCatalog>()
        .with::<TallyObjects>()
        .with::<DiffReplay>()
        .with::<PromoteReplay>()
        .with::<RollbackReplay>()
        .with::<SettleReplay>()
        .with::<JobRequest<AuditLake>>()
        .with::<JobRequest<CompactLake>>()
        .with::<JobRequest<ExpireLake>>()
        .with::<JobRequest<FollowFiles>>()
        .with::<JobRequest<ForgetSubject>>()
        .with::<JobRequest<ImportFile>>()
        .with::<JobRequest<RepairLake>>()
        .with::<JobRequest<ReplayRange>>()
        .commands
}

struct Registry {
    node: Arc<Node>,
    /// Commands run here, not on the server's workers: the store's connections belong to this
    /// runtime, and a worker's own runtime ends before the last crawl.
    runtime: Handle,
    commands: Commands,
}

impl Registry {
    fn new(node: &Arc<Node>, token: &str) -> Self {
        Self {
            node: node.clone(),
            runtime: Handle::current(),
            commands: Commands::new(token),
        }
    }

    fn with<C: Command>(mut self) -> Self {
        let (node, runtime) = (self.node.clone(), self.runtime.clone());
        self.commands = self.commands.with(C::NAME, move |request| {
            let (node, runtime) = (node.clone(), runtime.clone());
            async move {
                let command: C = read(C::NAME, request)
                    .map_err(|error| CommandError::Invalid(print::sentence(&error)))?;
                let running = runtime.spawn(async move { written(command.run(&node).await?) });
                let answer = running.await.map_err(anyhow::Error::from).flatten();
                answer.map_err(|error| CommandError::Failed(print::sentence(&error)))
            }
        });
        self
    }
}

pub(super) fn read<C: DeserializeOwned>(name: &str, request: Value) -> anyhow::Result<C> {
    serde_json::from_value(request).with_context(|| {
        format!(
            "the request for {name} cannot be read: if the shell is another version of \
             clickweir, use the version of the running process"
        )
    })
}

fn written(answer: impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(answer)?)
}
