//! Reading batches from a consumer of the client library.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::task::JoinHandle;

use crate::client;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::record::Record;
use crate::registry::Registry;

/// What one poll brought: records, and the error that ended it. Records before an error count.
pub(crate) struct Polled {
    pub(crate) records: Vec<Record>,
    pub(crate) error: Option<ClientError>,
}

/// Where a poll ends.
#[derive(Clone, Copy)]
struct Limits {
    messages: usize,
    /// Beside the message that reaches it.
    bytes: usize,
}

/// Polls in the background, so that dropping the future of a poll loses nothing: the next one takes up
/// what the earlier one has read.
pub(crate) struct Poller<C: ConsumerContext + 'static> {
    pub(crate) consumer: Arc<BaseConsumer<C>>,
    limits: Limits,
    registry: Option<Arc<Registry>>,
    running: Option<JoinHandle<Polled>>,
    deferred: Option<ClientError>,
}

impl<C: ConsumerContext + 'static> Poller<C> {
    pub(crate) fn new(consumer: BaseConsumer<C>, config: &KafkaConfig) -> Result<Self, KafkaError> {
        Ok(Self {
            consumer: Arc::new(consumer),
            limits: Limits { messages: 0, bytes: client::max_bytes(config) },
            registry: config.registry()?,
            running: None,
            deferred: None,
        })
    }

    /// Waits up to `max_wait` for a first record, then takes what is there, up to `max_messages` and up to the
    /// bytes that the configuration gives a consumer's queue.
    pub(crate) async fn poll(
        &mut self,
        max_messages: usize,
        max_wait: Duration,
    ) -> Result<Vec<Record>, ClientError> {
        if let Some(error) = self.deferred.take() {
            return Err(error);
        }
        let (consumer, registry) = (&self.consumer, &self.registry);
        let limits = Limits { messages: max_messages, ..self.limits };
        let running = self.running.get_or_insert_with(|| {
            let (consumer, registry) = (Arc::clone(consumer), registry.clone());
            tokio::task::spawn_blocking(move || read(&consumer, registry.as_deref(), limits, max_wait))
        });
        let polled = running.await;
        self.running = None;
        let Ok(Polled { records, error }) = polled else {
            // The runtime is shutting down.
            return Err(ClientError::Canceled);
        };
        match error {
            Some(error) if records.is_empty() => Err(error),
            error => {
                self.deferred = error;
                Ok(records)
            }
        }
    }

    /// Forgets what a poll that was given up may have read.
    pub(crate) async fn discard(&mut self) {
        self.deferred = None;
        if let Some(running) = self.running.take() {
            // Only its end matters.
            let _ = running.await;
        }
    }

    /// Ends the consumer; leaving a group waits for the cluster, so it does not happen on this thread.
    pub(crate) async fn close(mut self) {
        self.discard().await;
        let consumer = self.consumer;
        // Nothing is left to do if the runtime is shutting down.
        let _ = tokio::task::spawn_blocking(move || drop(consumer)).await;
    }
}

fn read<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    registry: Option<&Registry>,
    limits: Limits,
    max_wait: Duration,
) -> Polled {
    let mut polled = Polled { records: Vec::new(), error: None };
    let mut topic: Arc<str> = Arc::from("");
    let mut unresolved = HashSet::new();
    let (mut wait, mut bytes) = (max_wait, 0);
    while polled.records.len() < limits.messages && bytes < limits.bytes {
        match consumer.poll(wait) {
            None => break,
            Some(Ok(message)) => {
                if *topic != *message.topic() {
                    topic = Arc::from(message.topic());
                }
                let payload = message.payload().map(|payload| match registry {
                    Some(registry) => registry.incoming(payload, &mut unresolved),
                    None => payload.to_vec(),
                });
                bytes += message.payload_len() + message.key_len();
                polled.records.push(Record {
                    topic: Arc::clone(&topic),
                    partition: message.partition(),
                    offset: message.offset(),
                    timestamp_ms: message.timestamp().to_millis(),
                    key: message.key().map(<[u8]>::to_vec),
                    payload,
                });
            }
            Some(Err(error)) if passes(&error) => {
                tracing::warn!(%error, "a broker connection failed, the client connects again");
            }
            Some(Err(error)) => {
                polled.error = Some(error);
                break;
            }
        }
        wait = Duration::ZERO;
    }
    polled
}

/// Errors that the client library mends on its own. During an outage it queues one after another, and whoever
/// began anew at each would still do so long after the brokers are back.
fn passes(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve)
    )
}

/// Sorts what a poll ended with.
pub(crate) fn poll_error(error: &ClientError, bootstrap: &str, topic: &str) -> KafkaError {
    match error.rdkafka_error_code() {
        Some(
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed,
        ) => KafkaError::TopicMissing { topic: topic.to_owned() },
        None => KafkaError::Temporary { action: "poll", code: error.to_string() },
        _ => KafkaError::from_client(error, bootstrap, "poll"),
    }
}
