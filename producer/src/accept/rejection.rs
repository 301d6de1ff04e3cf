//! Why a request was refused, one variant for each thing that its client can do about it.

use serde::Serialize;
use topic::AppendError;

/// Why a request was refused. The message is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body can never be accepted as it is; the client has to fix it.
    #[error("{reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// The byte of the inflated body at which it is wrong; `None` if that is not known.
        position: Option<usize>,
    },
    /// The request is over a limit; the client has to send less at once.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// Which size.
        what: &'static str,
        /// The limit, in the unit of `what`.
        limit: String,
    },
    /// The body has an encoding that the edge does not support.
    #[error("{0}")]
    Unsupported(String),
    /// The connection ended before the body did.
    #[error("the body ended before it was complete")]
    Incomplete,
    /// The client took too long to send the body.
    #[error("the body did not arrive in time")]
    Slow,
    /// The page that sent the request may not: its origin is not listed.
    #[error("the origin {0:?} may not send clicks: it is not listed")]
    ForeignOrigin(String),
    /// A rule of the owner's refuses such requests.
    #[error("the rule {0:?} refuses this request")]
    Ruled(String),
    /// The address sent more requests than a rule lets it.
    #[error("this address sent more requests than the rule {rule:?} allows")]
    Throttled {
        /// The rule's name.
        rule: String,
        /// When the next request may come.
        seconds: u64,
    },
    /// The source of a key sent more requests than the key lets it.
    #[error("the source {source_name:?} sent more requests than its key allows")]
    SourceThrottled {
        /// The source's name.
        source_name: String,
        /// When the next request may come.
        seconds: u64,
    },
    /// The edge takes clicks with a key only, and the request has none.
    #[error("this edge takes clicks with a key only")]
    NoKey,
    /// The request's key is not one of the edge's, or not any more.
    #[error("the key is not one of this edge's")]
    UnknownKey,
    /// The request's key is for other clients.
    #[error("the key is not for clicks of the format {0:?}")]
    ForeignFormat(&'static str),
    /// The topic or the edge is full or unavailable; the same request may succeed later.
    #[error("{0}")]
    Unavailable(String),
}

impl Rejection {
    /// Returns a [`Rejection::Malformed`] without a position.
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed {
            reason: reason.into(),
            position: None,
        }
    }

    /// Returns the HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } | Self::Incomplete => 400,
            Self::NoKey => 401,
            Self::ForeignOrigin(_) | Self::UnknownKey | Self::ForeignFormat(_) | Self::Ruled(_) => {
                403
            }
            Self::Slow => 408,
            Self::TooLarge { .. } => 413,
            Self::Unsupported(_) => 415,
            Self::Throttled { .. } | Self::SourceThrottled { .. } => 429,
            Self::Unavailable(_) => 503,
        }
    }

    /// Every reason that the metrics have.
    pub const KINDS: [&str; 12] = [
        "malformed",
        "incomplete",
        "origin",
        "slow",
        "too_large",
        "unsupported",
        "rule",
        "rate",
        "no_key",
        "unknown_key",
        "key_format",
        "unavailable",
    ];

    /// Returns the reason as the metrics label it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Incomplete => "incomplete",
            Self::ForeignOrigin(_) => "origin",
            Self::Slow => "slow",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported(_) => "unsupported",
            Self::Ruled(_) => "rule",
            Self::Throttled { .. } | Self::SourceThrottled { .. } => "rate",
            Self::NoKey => "no_key",
            Self::UnknownKey => "unknown_key",
            Self::ForeignFormat(_) => "key_format",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Returns the answer's body: JSON with `error`, `remedy` and perhaps `position`.
    #[must_use]
    pub fn body(&self) -> String {
        let wait;
        let (position, remedy) = match self {
            Self::Malformed { position, .. } => (
                *position,
                "send one JSON object, an array of objects, or one object per line, in UTF-8",
            ),
            Self::Incomplete => (None, "send the whole body, as long as Content-Length says"),
            Self::ForeignOrigin(_) => (None, "add the page's origin to producer.origins"),
            Self::NoKey => (
                None,
                "send it as Authorization: Bearer KEY, as X-Api-Key, or as ?key=KEY",
            ),
            Self::UnknownKey => (None, "use a key of the file that producer.keys names"),
            Self::ForeignFormat(_) => (None, "add the format to the key's formats in that file"),
            Self::Slow => (None, "send the body faster, or send less at once"),
            Self::TooLarge { .. } => (None, "send smaller bodies, with fewer clicks in each"),
            Self::Unsupported(_) => (
                None,
                "send UTF-8 JSON, plain or compressed once with gzip, deflate, br or zstd",
            ),
            Self::Ruled(_) => (
                None,
                "if this is no attack, change the rule in the file that producer.rules names",
            ),
            Self::Throttled { seconds, .. } | Self::SourceThrottled { seconds, .. } => {
                wait = format!("send the same request again after {seconds} s, and then fewer");
                (None, &*wait)
            }
            Self::Unavailable(_) => (None, "send the same request again after a second"),
        };
        error_body(&self.to_string(), remedy, position)
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

/// Returns the JSON of every error: what happened, what to do, and at which byte.
pub(crate) fn error_body(error: &str, remedy: &str, position: Option<usize>) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_have_every_kind_from_the_start() {
        let text = String::new;
        let all = [
            Rejection::malformed(""),
            Rejection::Incomplete,
            Rejection::ForeignOrigin(text()),
            Rejection::Slow,
            Rejection::TooLarge {
                what: "",
                limit: text(),
            },
            Rejection::Unsupported(text()),
            Rejection::Ruled(text()),
            Rejection::Throttled {
                rule: text(),
                seconds: 1,
            },
            Rejection::NoKey,
            Rejection::UnknownKey,
            Rejection::ForeignFormat(""),
            Rejection::Unavailable(text()),
        ];
        assert_eq!(all.each_ref().map(Rejection::kind), Rejection::KINDS);
    }
}
