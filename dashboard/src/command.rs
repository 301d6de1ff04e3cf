//! What the dashboard cannot do itself, handed in as functions: commands that a shell types
//! beside a running process, and the topic's own numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::http::token::Token;

/// One command: JSON in, JSON out. What the JSON holds is between the shell that sends it and
/// the function that `compose` hands in.
pub type Command =
    Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, CommandError>> + Send + Sync>;

/// Asks the topic what each partition holds, now.
pub type Watermarks =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Span>, CommandError>> + Send + Sync>;

/// What the topic says of one partition: it holds the half-open range `low..high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The partition, counted from 0.
    pub partition: u32,
    /// The first offset that is still kept.
    pub low: u64,
    /// The offset that the next record will get.
    pub high: u64,
}

/// Why a command gave no answer, by what its caller does about it. The text is shown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The request is wrong: mend it. (400)
    #[error("{0}")]
    Invalid(String),
    /// What the command needs does not answer: try again. (503)
    #[error("{0}")]
    Unavailable(String),
    /// It was tried and failed. (500)
    #[error("{0}")]
    Failed(String),
}

/// The commands of a process by name, open to the holder of the owner's token only.
#[derive(Clone)]
pub struct Commands {
    token: Token,
    by_name: BTreeMap<String, Command>,
}

impl Commands {
    /// No commands yet, guarded by `token`; with an empty token nobody is let in.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self {
            token: Token::new(token),
            by_name: BTreeMap::new(),
        }
    }

    /// These commands and one more, at `POST /command/{name}`.
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

    pub(crate) fn get(&self, name: &str) -> Option<Command> {
        self.by_name.get(name).cloned()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Whether an `Authorization` header carries the token.
    pub(crate) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        self.token.admits(authorization)
    }
}

impl fmt::Debug for Commands {
    /// The names only: the token is a secret.
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
