//! What can go wrong with the lake, by what the caller does about it.

use topic::{Identity, Offset, Partition};

/// An error of the lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake refuses us: stop, and alarm an operator. Nothing was skipped.
    #[error("the lake refuses: {0}; correct the credentials or make the bucket")]
    Denied(String),
    /// The lake does not answer now: try again.
    #[error("the lake does not answer: {0}")]
    Unavailable(String),
    /// The store, the URL or the ledger cannot carry a lake: do not start.
    #[error("{0}")]
    Unfit(String),
    /// The request cannot be carried out here; the sentence is for the caller, and says what can.
    #[error("{0}")]
    Refused(String),
    /// The lake belongs to another topic.
    #[error(
        "the lake at {lake} belongs to topic {theirs}, this is topic {ours}: give each topic a lake.url of its own"
    )]
    AnotherTopic {
        /// Where the lake is.
        lake: String,
        /// The lake's topic.
        theirs: Identity,
        /// The topic of the caller.
        ours: Identity,
    },
    /// An object is damaged.
    #[error("{path} is damaged: {detail}; `clickweir audit` lists what it held")]
    Damaged {
        /// Which object.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Retention has passed the lake's end.
    #[error(
        "partition {partition}: the topic begins at {low}, the lake ends at {end}: records were deleted before the lake had them; accept the loss with `clickweir gap accept --partition {partition}`"
    )]
    Gap {
        /// Which partition.
        partition: Partition,
        /// The lake's end.
        end: Offset,
        /// The topic's low watermark.
        low: Offset,
    },
    /// The topic is not the one that the lake's tip came from.
    #[error(
        "partition {partition}: the lake ends at {end}, but {why}: this is another topic; give it a lake.url of its own"
    )]
    Recreated {
        /// Which partition.
        partition: Partition,
        /// The lake's end.
        end: Offset,
        /// What does not fit.
        why: String,
    },
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Store;
        match error {
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
                Self::Denied(root(&error))
            }
            // An object is asked for only by a name that a list gave; what is missing
            // on a create is the bucket.
            Store::NotFound { .. } => Self::Denied(root(&error)),
            Store::NotSupported { .. } | Store::NotImplemented { .. } => Self::Unfit(format!(
                "the store cannot do what a lake needs: {}",
                root(&error)
            )),
            _ => Self::Unavailable(root(&error)),
        }
    }
}

/// The sentence of an error and of what caused it, once each.
fn root(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
