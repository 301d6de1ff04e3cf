//! The topic on a Kafka or Redpanda cluster.
//!
//! The brokers hold the log; this is what exactly-once needs of their client: an
//! idempotent producer whose answer is per request ([`writer`]), and a member of the
//! group that reads only where the lake says ([`reader`]).
//!
//! A topic is known by its cluster's id and its name. The id that Kafka gives a topic,
//! which would distinguish a topic made anew from the one before it, is not available through
//! `rdkafka`; the lake's own checks (watermarks, append time at the tip) find that out.

mod ends;
mod error;
mod examine;
mod fetch;
mod handover;
mod member;
mod meter;
mod open;
mod poller;
mod producer;
mod reader;
mod request;
mod settings;
mod topic;
mod wire;
mod writer;

pub use self::open::open;
pub use self::topic::KafkaTopic;
