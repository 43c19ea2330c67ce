//! The log: topics, publisher and consumers on any broker that speaks the Kafka protocol.
//!
//! This is the only crate that names the Kafka client library.
//!
//! # What it does
//!
//! - [`ensure_topics`] creates the product's topics and refuses ones whose settings could lose data
//! - [`Publisher`] sends with an idempotent producer and `acks=all`; a [`PublishBatch`] says when all of
//!   its messages are acknowledged
//! - [`GroupConsumer`] shares a topic between instances and commits offsets when it is told to
//! - [`AssignedConsumer`] reads from offsets that the caller keeps, and says what stream they belong to
//!
//! - with a schema registry, puts the registry's id of a schema in the place of our fingerprint on the topics
//!
//! # What it refuses
//!
//! - to jump: an offset of [`AssignedConsumer`] that is out of range is an error, never a silent reset. A member of
//!   a group begins with what there is; its caller compares that with what the group has committed
//! - to commit on its own
//! - TLS and SASL in a build without the feature `tls`
//! - to put a payload or a key into an error or a log line

mod assigned;
mod client;
mod config;
mod error;
mod group;
mod poll;
mod publisher;
mod record;
mod registry;
mod topics;

pub use assigned::AssignedConsumer;
pub use config::{KafkaConfig, SaslMechanism, Secret, SecurityProtocol, SharedRegistry};
pub use error::KafkaError;
pub use group::{CommitOutcome, GroupConsumer, GroupMember, GroupProtocol};
pub use publisher::{PublishBatch, Publisher};
pub use record::Record;
pub use topics::{
    CONTEXT_TOPIC, FETCHES_TOPIC, INTENTS_TOPIC, JUDGED_TOPIC, REJECTS_TOPIC, Topic, USAGE_TOPIC,
    check_cluster, ensure_topics,
};
