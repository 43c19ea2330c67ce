//! What all clients have in common: settings, log lines, waiting for blocking calls.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::config::KafkaConfig;
use crate::error::KafkaError;

/// The longest that a request to the cluster may take before it counts as unreachable.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a cluster may answer that it is not ready yet, 20 s at least: a topic that was just created has no
/// leader, and a coordinator that was just elected reads its log first.
const NOT_READY_ATTEMPTS: u32 = 200;
const NOT_READY_PAUSE: Duration = Duration::from_millis(100);

/// Settings of every client.
pub(crate) fn base(config: &KafkaConfig) -> Result<ClientConfig, KafkaError> {
    let mut settings = ClientConfig::new();
    for (name, value) in config.connection()? {
        settings.set(name, value);
    }
    settings
        .set("client.id", &config.client_id)
        // A broker closes idle connections; that is no news.
        .set("log.connection.close", "false")
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.nagle.disable", "true");
    Ok(settings)
}

/// Settings of every consumer: committed offsets only when told to, and bounded memory.
pub(crate) fn consumer(config: &KafkaConfig, group: &str) -> Result<ClientConfig, KafkaError> {
    let mut settings = base(config)?;
    settings
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // One queue for all partitions. What a fetch brings on top of it is as much at most.
        .set("queued.max.messages.kbytes", (config.consumer_queue_mib * 1024).to_string())
        .set("fetch.max.bytes", max_bytes(config).to_string())
        // Fewer, larger answers: an answer per produced batch costs more than its records.
        .set("fetch.min.bytes", "262144")
        .set("fetch.wait.max.ms", "50");
    Ok(settings)
}

/// The most bytes that a poll takes, beside one message: as many as the queue holds.
pub(crate) fn max_bytes(config: &KafkaConfig) -> usize {
    (config.consumer_queue_mib as usize) << 20
}

/// Sends the client library's log lines to ours. They name brokers, topics and offsets, no payloads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Logs;

impl ClientContext for Logs {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::warn!(%error, reason, "kafka client reported an error");
    }
}

impl ConsumerContext for Logs {}

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "kafka client"),
        _ => tracing::debug!(facility, message, "kafka client"),
    }
}

/// The first offset of a partition and the one after its last.
pub(crate) async fn watermarks<C: ConsumerContext + 'static>(
    consumer: Arc<BaseConsumer<C>>,
    topic: &str,
    partition: i32,
    bootstrap: String,
) -> Result<(i64, i64), KafkaError> {
    let topic = topic.to_owned();
    when_ready("read watermarks", move || {
        consumer.fetch_watermarks(&topic, partition, REQUEST_TIMEOUT).map_err(|error| {
            match error.rdkafka_error_code() {
                Some(Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopic) => {
                    KafkaError::TopicMissing { topic: format!("{topic}/{partition}") }
                }
                _ => KafkaError::from_client(&error, &bootstrap, "read watermarks"),
            }
        })
    })
    .await
}

/// Runs a request that blocks, again and again while the cluster says that it is not ready for it yet.
pub(crate) async fn when_ready<T: Send + 'static>(
    action: &'static str,
    mut request: impl FnMut() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    blocking(action, move || until_ready(NOT_READY_ATTEMPTS, &mut request)).await
}

fn until_ready<T>(
    attempts: u32,
    mut request: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    for _ in 1..attempts {
        match request() {
            Err(error @ KafkaError::Temporary { .. }) => {
                tracing::debug!(%error, "the cluster is not ready yet");
                std::thread::sleep(NOT_READY_PAUSE);
            }
            answer => return answer,
        }
    }
    request()
}

/// Runs a call of the client library that blocks.
pub(crate) async fn blocking<T: Send + 'static>(
    action: &'static str,
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    tokio::task::spawn_blocking(call)
        .await
        // The runtime is shutting down.
        .unwrap_or_else(|_| Err(KafkaError::Temporary { action, code: "interrupted".to_owned() }))
}

#[cfg(test)]
mod tests;
