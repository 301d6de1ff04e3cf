//! What can go wrong with the lake, by what the caller does about it.

use topic::{Identity, Offset, Partition};

use crate::lake::folder::Obstacle;

/// An error of the lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake refuses us: stop, and alarm an operator. Nothing was skipped.
    #[error("the lake refuses: {0}; correct the credentials or make the bucket")]
    Denied(String),
    /// The lake refuses us because this machine's clock is off. Nothing was skipped, and it goes
    /// on once the clock is right.
    #[error("the lake refuses this machine's clock: {0}; set the clock, for example by NTP")]
    WrongClock(String),
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
    #[error(
        "{path} is damaged: {detail}; `clickweir audit` says what it held and how that comes back; if clickweir did not write it, move it out of the lake"
    )]
    Damaged {
        /// Which object.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Something that is no object has an object's place. It goes on once that is gone.
    #[error(transparent)]
    InTheWay(#[from] Obstacle),
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

/// What stores say of a request whose time is not theirs: S3's codes, and the sentences of those
/// that have none.
const CLOCK_REFUSALS: [&str; 5] = [
    "RequestTimeTooSkewed",
    "RequestExpired",
    "Signature expired",
    "Signature not yet current",
    "Request has expired",
];

/// How a list that is refused says so: the client tells its statuses apart for single objects only.
/// A list that is not found is one of a missing bucket.
const LIST_REFUSALS: [&str; 3] = [
    "status code: 401 ",
    "status code: 403 ",
    "status code: 404 ",
];

impl Error {
    /// The error of a store that refused a request with this answer.
    #[must_use]
    pub fn of_refusal(answer: String) -> Self {
        match CLOCK_REFUSALS.iter().any(|said| answer.contains(said)) {
            true => Self::WrongClock(clocks(&answer).unwrap_or(answer)),
            false => Self::Denied(answer),
        }
    }
}

/// Both times, if S3's answer gives them.
fn clocks(answer: &str) -> Option<String> {
    let between = |tag: &str| {
        let (_, rest) = answer.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    let (ours, theirs) = (between("RequestTime")?, between("ServerTime")?);
    Some(format!("it says {ours}, the store's says {theirs}"))
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Store;
        if let Store::Generic { source, .. } = &error
            && let Some(obstacle) = source.downcast_ref::<Obstacle>()
        {
            return Self::InTheWay(obstacle.clone());
        }
        match error {
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
                Self::of_refusal(root(&error))
            }
            // An object is asked for only by a name that a list gave; what is missing
            // on a create is the bucket.
            Store::NotFound { .. } => Self::Denied(root(&error)),
            Store::NotSupported { .. } | Store::NotImplemented { .. } => Self::Unfit(format!(
                "the store cannot do what a lake needs: {}",
                root(&error)
            )),
            // Some answer with a 400 or a 403 that is not told apart from a store's trouble.
            _ => match Self::of_refusal(root(&error)) {
                Self::Denied(why) if !LIST_REFUSALS.iter().any(|said| why.contains(said)) => {
                    Self::Unavailable(why)
                }
                refusal => refusal,
            },
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Lake, S3};

    const SKEWED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>RequestTimeTooSkewed</Code>\
        <Message>The difference between the request time and the current time is too large.</Message>\
        <RequestTime>20261126T100000Z</RequestTime><ServerTime>2026-11-26T10:20:00Z</ServerTime>\
        <MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>";

    /// A server that refuses every request with this status and body.
    async fn refusing(status: &'static str, body: &'static str) -> S3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut heard = [0; 64 << 10];
                    let _ = stream.read(&mut heard).await;
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        S3 {
            endpoint: format!("http://{address}"),
            access_key: "who".into(),
            secret_key: "what".into(),
            ..S3::at("s3://shop/lake")
        }
    }

    #[tokio::test]
    async fn b114_a_clock_that_is_off_is_named_by_every_request() {
        let lake = Lake::open(&refusing("403 Forbidden", SKEWED).await).unwrap();
        let expect = "the lake refuses this machine's clock: it says 20261126T100000Z, the store's \
                      says 2026-11-26T10:20:00Z; set the clock, for example by NTP";
        let said = [
            lake.ledger().await.unwrap_err(),
            lake.hours().await.unwrap_err(),
            lake.files(None).await.unwrap_err(),
            lake.probe("nonce").await.unwrap_err(),
            lake.replace("published", "x".into()).await.unwrap_err(),
        ];
        for error in said {
            assert_eq!(error.to_string(), expect);
        }
    }

    #[tokio::test]
    async fn b114_other_refusals_are_not_the_clock_s() {
        let body = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
        let lake = Lake::open(&refusing("403 Forbidden", body).await).unwrap();
        assert!(matches!(lake.ledger().await, Err(Error::Denied(_))));
        assert!(matches!(lake.files(None).await, Err(Error::Denied(_))));
        assert!(matches!(lake.size("clicks").await, Err(Error::Denied(_))));
        let body = "<Error><Code>NoSuchBucket</Code></Error>";
        let lake = Lake::open(&refusing("404 Not Found", body).await).unwrap();
        assert!(matches!(lake.ledger().await, Err(Error::Denied(_))));
        // A store that says it in its own words, and one that has no such status.
        for (status, body) in [
            (
                "403 Forbidden",
                "<Error><Code>RequestTimeTooSkewed</Code></Error>",
            ),
            (
                "403 Forbidden",
                "Signature expired: 20261126T100000Z is now earlier than …",
            ),
            (
                "400 Bad Request",
                "<Error><Code>RequestExpired</Code></Error>",
            ),
        ] {
            let lake = Lake::open(&refusing(status, body).await).unwrap();
            let asked = tokio::time::timeout(Duration::from_secs(60), lake.ledger());
            let said = asked.await.unwrap().unwrap_err();
            assert!(matches!(said, Error::WrongClock(_)), "{body}: {said}");
        }
    }
}
