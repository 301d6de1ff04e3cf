//! Examines a topic's settings: those that do not allow exactly-once are refused, when the topic
//! is opened and while it is read.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::error::KafkaError;

use super::error::unavailable;
use super::handover::Handover;
use super::settings::{ASK_TIMEOUT, KafkaSettings, Quiet};
use crate::ReadError;

/// How often the settings of a topic are looked at while it is read: an operator may change them
/// at any time, and the brokers' cleaner starts every 15 s (`log.cleaner.backoff.ms`).
const EXAMINE_EVERY: Duration = Duration::from_secs(10);

/// What a look at a topic's settings found.
pub(super) enum Examined {
    /// They allow exactly-once. Each sentence is worth a warning.
    Fit(Vec<String>),
    /// Why they cannot be read. The timestamp type is then checked of each record, and the rest
    /// is up to the operator.
    Unread(String),
}

/// The client that asks for settings.
pub(super) fn admin(settings: &KafkaSettings) -> Result<AdminClient<Quiet>, ReadError> {
    settings
        .client()
        .create_with_context(Quiet)
        .map_err(|error| unavailable(&error))
}

/// Reads the topic's settings. `replicas` is how many each partition has at least.
pub(super) async fn examine(
    settings: &KafkaSettings,
    admin: &AdminClient<Quiet>,
    replicas: usize,
) -> Result<Examined, ReadError> {
    let topic = &settings.address.topic;
    let options = AdminOptions::new().request_timeout(Some(ASK_TIMEOUT));
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
        .await;
    let resource = match described.map(|answers| answers.into_iter().next()) {
        Ok(Some(Ok(resource))) => resource,
        Ok(Some(Err(error))) => return Ok(Examined::Unread(error.to_string())),
        Ok(None) => return Ok(Examined::Unread("no answer".into())),
        Err(error @ KafkaError::AdminOp(_)) => return Ok(Examined::Unread(error.to_string())),
        Err(error) => return Err(unavailable(&error)),
    };
    let said = |key: &str| resource.get(key).and_then(|entry| entry.value.as_deref());
    judge(topic, &said, replicas, settings.batch_limit()).map(Examined::Fit)
}

/// Examines the topic again and again, and ends its reader once it is unfit.
pub(super) async fn watch(settings: KafkaSettings, handover: Arc<Handover>) {
    let Ok(admin) = admin(&settings) else { return };
    loop {
        tokio::time::sleep(EXAMINE_EVERY).await;
        // Warnings were logged when the topic was opened; brokers that are away come back.
        if let Err(error @ ReadError::Unfit(_)) = examine(&settings, &admin, 1).await {
            handover.fail(error);
            return;
        }
    }
}

/// What a topic's settings mean: a refusal, or the sentences to warn with.
fn judge<'s>(
    topic: &str,
    said: &impl Fn(&str) -> Option<&'s str>,
    replicas: usize,
    batch_limit: u64,
) -> Result<Vec<String>, ReadError> {
    let alter = |set: &str| {
        format!(
            "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {set}"
        )
    };
    if said("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        return Err(ReadError::Unfit(format!(
            "topic {topic} is compacted (cleanup.policy), so clicks would vanish: {}",
            alter("cleanup.policy=delete")
        )));
    }
    if let Some(kind) = said("message.timestamp.type")
        && kind != "LogAppendTime"
    {
        return Err(ReadError::Unfit(format!(
            "topic {topic} has message.timestamp.type={kind}, and the lake's hours need the \
             brokers' time: {}",
            alter("message.timestamp.type=LogAppendTime")
        )));
    }
    let mut warnings = Vec::new();
    if said("unclean.leader.election.enable") == Some("true") {
        let set = alter("unclean.leader.election.enable=false");
        warnings.push(format!(
            "a leader that lags may be elected, and acknowledged clicks lost: {set}"
        ));
    }
    let in_sync: Option<usize> = said("min.insync.replicas").and_then(|least| least.parse().ok());
    if replicas > 1 && in_sync.is_some_and(|least| least < 2) {
        let set = alter("min.insync.replicas=2");
        warnings.push(format!(
            "one broker alone may acknowledge, and then be lost: {set}"
        ));
    }
    let largest: Option<u64> = said("max.message.bytes").and_then(|bytes| bytes.parse().ok());
    if largest.is_some_and(|largest| largest < batch_limit) {
        let set = alter(&format!("max.message.bytes={batch_limit}"));
        warnings.push(format!(
            "records up to topic.max_record will not fit: {set}"
        ));
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_judged_by_its_settings() {
        let check = |settings: &[(&str, &str)], replicas: usize, expect: Result<usize, &str>| {
            let said = |key: &str| settings.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
            match (judge("t", &said, replicas, 1_048_588), expect) {
                (Ok(warnings), Ok(count)) => assert_eq!(warnings.len(), count, "{warnings:?}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, expect) => panic!("{settings:?}: {got:?}, not {expect:?}"),
            }
        };
        let time = ("message.timestamp.type", "LogAppendTime");
        check(&[], 1, Ok(0));
        check(
            &[
                time,
                ("cleanup.policy", "delete"),
                ("min.insync.replicas", "1"),
            ],
            1,
            Ok(0),
        );
        check(&[time, ("min.insync.replicas", "1")], 3, Ok(1));
        check(&[time, ("min.insync.replicas", "2")], 3, Ok(0));
        check(
            &[time, ("unclean.leader.election.enable", "true")],
            1,
            Ok(1),
        );
        check(&[time, ("max.message.bytes", "1000")], 1, Ok(1));
        check(
            &[("message.timestamp.type", "CreateTime")],
            1,
            Err("LogAppendTime"),
        );
        check(
            &[time, ("cleanup.policy", "compact,delete")],
            1,
            Err("cleanup.policy=delete"),
        );
    }
}
