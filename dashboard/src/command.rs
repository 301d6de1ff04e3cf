//! What the dashboard cannot do itself and is given as functions: the commands of a shell beside
//! the running process, and the topic's watermarks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::http::token::Token;

/// One command: JSON in, JSON out. The shell and this function agree on what the JSON holds; to
/// the dashboard it is opaque.
pub type CommandFn =
    Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, CommandError>> + Send + Sync>;

/// Asks the topic what each partition holds now.
pub type WatermarksFn =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Span>, CommandError>> + Send + Sync>;

/// The half-open range `low..high` of offsets that a partition of the topic holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The partition, from 0.
    pub partition: u32,
    /// The first offset that the topic still keeps.
    pub low: u64,
    /// The offset that the next record will get.
    pub high: u64,
}

/// Why a command failed, by what its caller can do. The caller reads the text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The request is wrong: correct it. (400)
    #[error("{0}")]
    Invalid(String),
    /// Something that the command needs does not answer: try again. (503)
    #[error("{0}")]
    Unavailable(String),
    /// The command was tried and failed. (500)
    #[error("{0}")]
    Failed(String),
}

/// The commands of a process by name. Only a request with the token may run one.
#[derive(Clone)]
pub struct Commands {
    token: Token,
    by_name: BTreeMap<String, CommandFn>,
}

impl Commands {
    /// No commands yet. An empty `token` admits no request.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self {
            token: Token::new(token),
            by_name: BTreeMap::new(),
        }
    }

    /// Adds a command, at `POST /command/{name}`.
    #[must_use]
    pub fn with<F, A>(mut self, name: &str, run: F) -> Self
    where
        F: Fn(Value) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Value, CommandError>> + Send + 'static,
    {
        self.by_name.insert(
            name.to_owned(),
            Arc::new(move |request| Box::pin(run(request))),
        );
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<CommandFn> {
        self.by_name.get(name).cloned()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Returns true if the value of an `Authorization` header holds the token.
    pub(crate) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        self.token.admits(authorization)
    }
}

impl fmt::Debug for Commands {
    /// Prints the names only: the token is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_holds_no_token() {
        let commands = Commands::new("hush").with("audit", |request| async { Ok(request) });
        assert_eq!(format!("{commands:?}"), r#"{"audit"}"#);
    }
}
