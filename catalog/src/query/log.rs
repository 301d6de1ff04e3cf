//! Who asks in SQL, and the log of what was asked and what came of it.

use std::fmt;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::error::Error;
use crate::query::rows::Rows;

/// How much of a statement the log shows, in characters.
const LOGGED: usize = 2_000;

/// Who asks, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// By which way: `page`, `api`, `shell`.
    pub way: String,
    /// From where, where it came over a network.
    pub peer: Option<IpAddr>,
}

impl Asker {
    /// Somebody in this process or at its shell.
    #[must_use]
    pub fn here(way: &str) -> Self {
        Self {
            way: way.to_owned(),
            peer: None,
        }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.way)?;
        self.peer.map_or(Ok(()), |peer| write!(f, " from {peer}"))
    }
}

/// A question that the log is to tell of, whatever becomes of it.
pub(crate) struct Question {
    asker: Asker,
    asked: String,
    began: Instant,
    told: bool,
}

impl Question {
    pub(crate) fn new(asker: &Asker, sql: &str) -> Self {
        Self {
            asker: asker.clone(),
            asked: sql.chars().take(LOGGED).collect(),
            began: Instant::now(),
            told: false,
        }
    }

    /// Tells what came of it.
    pub(crate) fn answered(mut self, answer: &Result<Rows, Error>) {
        self.told = true;
        let Self { asker, asked, .. } = &self;
        let took = self.began.elapsed();
        match answer {
            Ok(rows) => {
                let (cut, rows) = (rows.truncated, rows.len());
                tracing::info!(target: "sql", by = %asker, ?took, rows, cut, asked, "a query was answered");
            }
            Err(error) => {
                tracing::info!(target: "sql", by = %asker, ?took, %error, asked, "a query was not answered");
            }
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.told {
            let Self { asker, asked, .. } = self;
            let took = self.began.elapsed();
            tracing::info!(target: "sql", by = %asker, ?took, asked, "a query was abandoned by its asker");
        }
    }
}
