//! Why a request was not accepted, by what its client does about it.

use serde::Serialize;
use topic::AppendError;

/// A request that was refused. Its message is for the client to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body will never be accepted as it is: mend it.
    #[error("{reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// At which byte of the (inflated) body, where that is known.
        position: Option<usize>,
    },
    /// Over a limit: send less at once.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// Which size.
        what: &'static str,
        /// The limit, in the unit of `what`.
        limit: String,
    },
    /// An encoding that the edge does not read.
    #[error("{0}")]
    Unsupported(String),
    /// The client took too long.
    #[error("the body did not come in time")]
    Slow,
    /// The topic or the edge is full or away: the same request later may do.
    #[error("{0}")]
    Unavailable(String),
}

impl Rejection {
    /// A [`Rejection::Malformed`] without a position.
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed {
            reason: reason.into(),
            position: None,
        }
    }

    /// The HTTP status that says it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::Slow => 408,
            Self::TooLarge { .. } => 413,
            Self::Unsupported(_) => 415,
            Self::Unavailable(_) => 503,
        }
    }

    /// The counter that it belongs to.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Slow => "slow",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported(_) => "unsupported",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The JSON that the client gets.
    #[must_use]
    pub fn body(&self) -> String {
        let (position, remedy) = match self {
            Self::Malformed { position, .. } => (
                *position,
                "send one JSON object, an array of objects, or one object per line, in UTF-8",
            ),
            Self::Slow => (None, "send the body faster, or less of it"),
            Self::TooLarge { .. } => (None, "send smaller bodies, with fewer clicks in each"),
            Self::Unsupported(_) => (
                None,
                "send UTF-8 JSON, plain or compressed once with gzip, deflate, br or zstd",
            ),
            Self::Unavailable(_) => (None, "send the same request again after a second"),
        };
        sentence(&self.to_string(), remedy, position)
    }
}

impl From<AppendError> for Rejection {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::TooLarge { limit, .. } => Self::TooLarge {
                what: "a click with its envelope",
                limit: format!("{limit} bytes"),
            },
            AppendError::Full | AppendError::Closed(_) => Self::Unavailable(error.to_string()),
        }
    }
}

/// The shape of every error body: what, what to do, and where.
pub(crate) fn sentence(error: &str, remedy: &str, position: Option<usize>) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
        remedy: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<usize>,
    }
    serde_json::to_string(&Body {
        error,
        remedy,
        position,
    })
    .expect("two texts and a number")
}
