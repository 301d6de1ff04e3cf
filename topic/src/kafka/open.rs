//! Opens a topic: finds or makes it, learns which one it is, and refuses one whose
//! settings do not allow exactly-once.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::error::unavailable;
use super::examine::{Examined, admin, examine};
use super::meter::{Meter, Shape};
use super::settings::{ASK_TIMEOUT, KafkaSettings};
use super::topic::KafkaTopic;
use crate::blocking::blocking;
use crate::{Backoff, Config, Identity, Open, ReadError};

/// How long brokers may take to answer for the first time: they may be just starting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one of the questions meanwhile waits for its answer.
const CONNECT_STEP: Duration = Duration::from_secs(2);
/// The first wait between two of them, and the longest.
const CONNECT_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Opens `host:port[,host:port…]/topic`.
///
/// # Errors
/// [`ReadError::Unfit`] for an address or settings that no retry mends,
/// [`ReadError::Unavailable`] if no broker answers.
pub async fn open(config: &Config, rest: &str, with: Open) -> Result<Arc<KafkaTopic>, ReadError> {
    let settings = KafkaSettings::new(config, rest)?;
    let meter = Arc::new(Meter::new(&settings)?);
    let cluster = cluster(&settings, &meter, CONNECT_TIMEOUT).await?;
    let shape = match ask(&meter, Meter::shape).await? {
        Some(shape) => shape,
        None if with.create => make(&settings, &meter).await?,
        None => {
            let topic = &settings.address.topic;
            return Err(ReadError::Unfit(format!(
                "topic {topic} does not exist: make it with kafka-topics.sh --create --topic {topic} \
                 --partitions {} --config message.timestamp.type=LogAppendTime, or start the edge, \
                 which makes it",
                config.partitions
            )));
        }
    };
    tell(
        &settings,
        examine(&settings, &admin(&settings)?, shape.replicas).await?,
    );
    let identity = Identity {
        cluster,
        topic: settings.address.topic.clone(),
    };
    Ok(Arc::new(KafkaTopic::new(settings, meter, identity)))
}

/// Logs what is worth a warning.
fn tell(settings: &KafkaSettings, examined: Examined) {
    let topic = &settings.address.topic;
    match examined {
        Examined::Fit(warnings) => {
            for warning in warnings {
                tracing::warn!(topic, "{warning}");
            }
        }
        Examined::Unread(why) => tracing::info!(
            topic,
            why,
            "the topic's settings cannot be read; every record is checked"
        ),
    }
}

/// The cluster's id. Brokers that are just starting do not answer yet, so they are asked again
/// for `timeout`.
async fn cluster(
    settings: &KafkaSettings,
    meter: &Arc<Meter>,
    timeout: Duration,
) -> Result<String, ReadError> {
    let brokers = &settings.address.brokers;
    let deadline = Instant::now() + timeout;
    let mut backoff = Backoff::new(CONNECT_BACKOFF.0, CONNECT_BACKOFF.1);
    let mut told = false;
    loop {
        let answer = ask(meter, |meter| Ok(meter.cluster(CONNECT_STEP))).await?;
        if let Some(id) = answer {
            return Ok(id);
        }
        if Instant::now() >= deadline {
            let seconds = timeout.as_secs();
            return Err(ReadError::Unavailable(format!(
                "no broker at {brokers} answered within {seconds} s: start the brokers, or correct \
                 topic.url, topic.security and topic.sasl_*"
            )));
        }
        if !told {
            told = true;
            tracing::warn!(brokers, "no broker answers yet; they are asked again");
        }
        tokio::time::sleep(backoff.wait()).await;
    }
}

async fn ask<T: Send + 'static>(
    meter: &Arc<Meter>,
    question: impl FnOnce(&Meter) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let meter = Arc::clone(meter);
    blocking(move || question(&meter)).await
}

/// Makes the topic, and waits until every partition of it answers.
async fn make(settings: &KafkaSettings, meter: &Arc<Meter>) -> Result<Shape, ReadError> {
    let (config, topic) = (settings.config(), &settings.address.topic);
    let partitions = i32::try_from(config.partitions.max(1)).unwrap_or(i32::MAX);
    let retention = config.retention.as_millis().to_string();
    let size = match config.retention_size.as_u64() {
        0 => "-1".to_owned(),
        bytes => bytes.to_string(),
    };
    let largest = settings.batch_limit().to_string();
    // As many replicas as the brokers make by default.
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1))
        .set("message.timestamp.type", "LogAppendTime")
        .set("cleanup.policy", "delete")
        .set("retention.ms", &retention)
        .set("retention.bytes", &size)
        .set("max.message.bytes", &largest);
    let admin = admin(settings)?;
    let options = AdminOptions::new()
        .request_timeout(Some(ASK_TIMEOUT))
        .operation_timeout(Some(ASK_TIMEOUT));
    let made = admin.create_topics([&wanted], &options).await;
    match made
        .map_err(|error| unavailable(&error))?
        .into_iter()
        .next()
    {
        // Another process was quicker: its topic is examined.
        None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
        Some(Err((_, error))) => {
            return Err(ReadError::Unfit(format!(
                "topic {topic} could not be made: {error}"
            )));
        }
    }
    tracing::info!(topic, partitions, "made the topic");
    let deadline = Instant::now() + ASK_TIMEOUT;
    loop {
        let answer = match ask(meter, Meter::watermarks).await {
            Ok(_) => ask(meter, Meter::shape).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Some(shape)) => return Ok(shape),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Ok(None) if Instant::now() >= deadline => {
                return Err(ReadError::Unavailable(format!(
                    "topic {topic} was made, but is not told"
                )));
            }
            Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::settings;
    use super::*;

    #[tokio::test]
    async fn brokers_that_never_answer_are_told_with_the_remedy() {
        let settings = settings("127.0.0.1:1");
        let meter = Arc::new(Meter::new(&settings).unwrap());
        let error = cluster(&settings, &meter, Duration::from_secs(1)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, ReadError::Unavailable(_)), "{error}");
        for part in [
            "127.0.0.1:1",
            "within 1 s",
            "start the brokers",
            "topic.url",
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
