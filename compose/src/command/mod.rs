//! What a shell can ask of a process, one type per command.
//!
//! A command is its request. It runs in the process that received it, or travels as JSON to the
//! process that owns the files; both ends use the same type, so the compiler checks both.
//!
//! - `query`, `topic`, `gap`, `key`, `objects`, `publish`: the commands of these names.
//! - `diff`, `promote`: a replay compared, promoted and rolled back.
//! - `audit`, `compact`, `expire`, `follow`, `forget`, `import`, `repair`, `replay`: commands that take long and
//!   run as jobs.
//! - `backup`, `restore`: they need no process that owns the files, and run in the shell's.
//! - `verdict`: what an audit came to; `lookup`: which ids have arrived, and what records become.
//! - `work`: how a shell starts a job and watches it; `job`: a job in the process that runs it.
//! - `owner`: finds the process that owns the files; `claim`: becomes it; `registry`: the commands
//!   that it serves.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod claim;
pub(crate) mod compact;
pub(crate) mod diff;
pub(crate) mod expire;
pub(crate) mod follow;
pub(crate) mod forget;
pub(crate) mod gap;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod key;
mod lookup;
pub(crate) mod objects;
pub(crate) mod owner;
pub(crate) mod promote;
pub(crate) mod publish;
pub(crate) mod query;
pub(crate) mod registry;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod topic;
pub(crate) mod verdict;
pub(crate) mod work;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::node::Node;

/// A request that a process answers once.
///
/// Requests and answers refuse unknown fields, so that two versions of the binary never
/// misunderstand each other silently.
pub(crate) trait Command: Serialize + DeserializeOwned + Send + 'static {
    /// The name in the URL: `POST /command/NAME`.
    const NAME: &'static str;
    /// What the command answers.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Runs the command in this process.
    fn run(self, node: &Arc<Node>) -> impl Future<Output = anyhow::Result<Self::Answer>> + Send;
}

#[cfg(test)]
mod tests;
