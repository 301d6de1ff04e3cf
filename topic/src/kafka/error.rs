//! What an error of librdkafka means to a reader, by its code.
//!
//! librdkafka has some two hundred codes, and a reader does one of a few things about them. This
//! is the only place that decides which.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::settings::KafkaSettings;
use crate::ReadError;

/// What a reader does about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The position is not in the topic: the lake is asked again.
    OutOfRange,
    /// A batch is damaged at rest: its partition stops.
    Damaged,
    /// The brokers know no such topic (any more): it is reported and tried again.
    NoTopic,
    /// One broker is away, and librdkafka finds it again by itself: nothing.
    Reconnecting,
    /// This member can never join its group, whatever it waits for: it ends.
    Refused(RefusedBy),
    /// Something else, which may pass: it is reported and tried again.
    Passing,
}

/// Why a member can never join its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusedBy {
    /// The session time-out is outside the brokers' bounds.
    SessionTimeout,
    /// The user has no right to the group.
    GroupRight,
    /// The user has no right to the topic.
    TopicRight,
    /// The group's name is none that brokers take.
    GroupName,
    /// The group's members share partitions in another way.
    OtherProtocol,
    /// The group has as many members as it may have.
    FullGroup,
}

impl Meaning {
    pub(super) const fn of(code: Code) -> Self {
        match code {
            Code::AutoOffsetReset | Code::OffsetOutOfRange => Self::OutOfRange,
            Code::BadMessage | Code::BadCompression | Code::InvalidMessage => Self::Damaged,
            Code::UnknownTopicOrPartition => Self::NoTopic,
            Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut => {
                Self::Reconnecting
            }
            Code::InvalidSessionTimeout => Self::Refused(RefusedBy::SessionTimeout),
            Code::GroupAuthorizationFailed => Self::Refused(RefusedBy::GroupRight),
            Code::TopicAuthorizationFailed => Self::Refused(RefusedBy::TopicRight),
            Code::InvalidGroupId => Self::Refused(RefusedBy::GroupName),
            Code::InconsistentGroupProtocol => Self::Refused(RefusedBy::OtherProtocol),
            Code::GroupMaxSizeReached => Self::Refused(RefusedBy::FullGroup),
            _ => Self::Passing,
        }
    }
}

impl RefusedBy {
    /// The error that ends a member of `group`: what happened, and what to do.
    pub(super) fn error(self, settings: &KafkaSettings, group: &str) -> ReadError {
        let config = settings.config();
        let user = match config.sasl_username.as_str() {
            "" => "ANONYMOUS",
            user => user,
        };
        let allow = |what: String| {
            format!("kafka-acls.sh --add --allow-principal User:{user} --operation Read {what}")
        };
        ReadError::Unfit(match self {
            Self::SessionTimeout => format!(
                "topic.session_timeout is {}, which the brokers do not take: set it between their \
                 group.min.session.timeout.ms and group.max.session.timeout.ms (6 s and 30 min by \
                 default)",
                humantime::format_duration(config.session_timeout)
            ),
            Self::GroupRight => format!(
                "the brokers do not let user {user} join the consumer group {group}: {}",
                allow(format!("--group {group}"))
            ),
            Self::TopicRight => {
                let topic = &settings.address.topic;
                format!(
                    "the brokers do not let user {user} read topic {topic}: {}",
                    allow(format!("--topic {topic}"))
                )
            }
            Self::GroupName => format!(
                "the brokers do not take {group:?} as the name of a consumer group: set \
                 transformer.group to another name"
            ),
            Self::OtherProtocol => format!(
                "the consumer group {group} has members that are no clickweir: set \
                 transformer.group to a name of its own"
            ),
            Self::FullGroup => format!(
                "the consumer group {group} has as many members as the brokers allow: run fewer \
                 transformers, or raise the brokers' group.max.size"
            ),
        })
    }
}

/// The error that means "try again": what librdkafka says.
pub(super) fn unavailable(error: &KafkaError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

/// Why a client could not be made. That depends on its settings alone, so no retry mends it.
pub(super) fn refused_settings(error: &KafkaError) -> ReadError {
    ReadError::Unfit(format!(
        "Kafka's client refuses the settings of [topic]: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rdkafka::bindings::rd_kafka_resp_err_t as Answer;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaApiKey;

    use super::super::fetch::Fetchers;
    use super::super::meter::Meter;
    use super::super::reader::KafkaReader;
    use super::super::settings::tests::settings;
    use super::*;
    use crate::Reader;

    #[test]
    fn a_code_has_one_meaning() {
        let check = |code: Code, expect: Meaning| assert_eq!(Meaning::of(code), expect, "{code}");
        check(Code::AutoOffsetReset, Meaning::OutOfRange);
        check(Code::BadMessage, Meaning::Damaged);
        check(Code::UnknownTopicOrPartition, Meaning::NoTopic);
        check(Code::BrokerTransportFailure, Meaning::Reconnecting);
        check(Code::CoordinatorNotAvailable, Meaning::Passing);
        check(Code::UnknownMemberId, Meaning::Passing);
        let session = Meaning::Refused(RefusedBy::SessionTimeout);
        check(Code::InvalidSessionTimeout, session);
    }

    /// librdkafka's own cluster in memory refuses as no broker of the tests does on demand.
    #[tokio::test]
    async fn fault_50_a_member_that_is_refused_is_told_why_and_what_to_do() {
        let refused = [
            (
                Answer::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT,
                "topic.session_timeout is 6s",
            ),
            (
                Answer::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                "--operation Read --group shop",
            ),
            (
                Answer::RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL,
                "set transformer.group",
            ),
            (
                Answer::RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED,
                "group.max.size",
            ),
        ];
        for (answer, part) in refused {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic("clicks", 1, 1).unwrap();
            cluster.request_errors(RDKafkaApiKey::JoinGroup, &[answer]);
            let settings = settings(&cluster.bootstrap_servers());
            let meter = Arc::new(Meter::new(&settings).unwrap());
            let fetchers = Arc::new(Fetchers::new(settings.clone(), meter));
            let mut reader = KafkaReader::join(&settings, fetchers, "shop").unwrap();
            let told = tokio::time::timeout(Duration::from_secs(20), reader.next());
            let error = told.await.expect("in time").unwrap_err();
            assert!(matches!(error, ReadError::Unfit(_)), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
