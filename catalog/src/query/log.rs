//! The log of queries: who asked what, and what became of it.

use std::fmt;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::error::Error;
use crate::metrics::CatalogMetrics;
use crate::query::rows::Rows;

/// How many characters of a statement the log shows.
const MAX_LOGGED_CHARS: usize = 2_000;

/// Who asks, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// By which way: `page`, `api`, `shell`.
    pub way: String,
    /// The address of the client. `None` if the query did not come over a network.
    pub peer: Option<IpAddr>,
}

impl Caller {
    /// A caller in this process or at its shell.
    #[must_use]
    pub fn local(way: &str) -> Self {
        Self {
            way: way.to_owned(),
            peer: None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.way)?;
        self.peer.map_or(Ok(()), |peer| write!(f, " from {peer}"))
    }
}

/// A query that is logged when it is answered, or when it is dropped without an answer.
pub(crate) struct QueryLogEntry {
    caller: Caller,
    sql: String,
    begun_at: Instant,
    metrics: CatalogMetrics,
    logged: bool,
}

impl QueryLogEntry {
    pub(crate) fn new(caller: &Caller, sql: &str, metrics: &CatalogMetrics) -> Self {
        Self {
            caller: caller.clone(),
            sql: sql.chars().take(MAX_LOGGED_CHARS).collect(),
            begun_at: Instant::now(),
            metrics: metrics.clone(),
            logged: false,
        }
    }

    /// Logs and counts the answer.
    pub(crate) fn answered(mut self, answer: &Result<Rows, Error>) {
        self.logged = true;
        let Self {
            caller, sql: asked, ..
        } = &self;
        let took = self.begun_at.elapsed();
        self.metrics.query(answer, took);
        match answer {
            Ok(rows) => {
                let (cut, rows) = (rows.truncated, rows.len());
                tracing::info!(target: "sql", by = %caller, ?took, rows, cut, asked, "a query was answered");
            }
            Err(error) => {
                tracing::info!(target: "sql", by = %caller, ?took, %error, asked, "a query was not answered");
            }
        }
    }
}

impl Drop for QueryLogEntry {
    fn drop(&mut self) {
        if !self.logged {
            let Self {
                caller, sql: asked, ..
            } = self;
            let took = self.begun_at.elapsed();
            self.metrics.abandoned_query(took);
            tracing::info!(target: "sql", by = %caller, ?took, asked, "a query was abandoned by its caller");
        }
    }
}
