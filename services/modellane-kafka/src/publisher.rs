//! Sending: idempotent, acknowledged by all in-sync copies, counted per batch.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::Notify;

use crate::client;
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::registry::Registry;

/// How long a full queue is left to drain before the next attempt.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// Until when a message must be acknowledged. Callers answer somebody, so this is shorter than a
/// broker's longest pause; who fails sends the batch again.
const DELIVERY_TIMEOUT_MS: &str = "30000";

/// Sends messages; cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<RwLock<Arc<ThreadedProducer<Deliveries>>>>,
    settings: Arc<ClientConfig>,
    registry: Option<Arc<Registry>>,
    bootstrap: Arc<str>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

/// What is known of a batch.
struct BatchState {
    /// Messages without an answer, and one for the batch itself while it may grow.
    open: AtomicUsize,
    failed: AtomicUsize,
    /// The first failure, and the topic it happened on.
    reason: Mutex<Option<(Code, String)>>,
    done: Notify,
}

impl BatchState {
    fn settle(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }
}

/// Counts acknowledgements on the thread that polls the producer.
struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::warn!(%error, reason, "kafka producer reported an error");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<BatchState>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<BatchState>) {
        if let Err((error, message)) = result {
            batch.failed.fetch_add(1, Ordering::Relaxed);
            let mut reason = batch.reason.lock().unwrap_or_else(PoisonError::into_inner);
            if let (None, Some(code)) = (reason.as_ref(), error.rdkafka_error_code()) {
                *reason = Some((code, message.topic().to_owned()));
            }
        }
        batch.settle();
    }
}

impl Publisher {
    /// Prepares to send. Connecting happens in the background; [`crate::ensure_topics`] finds out whether
    /// the cluster is there.
    ///
    /// # Errors
    ///
    /// When the configuration does not hold together.
    pub fn new(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let bootstrap = config.address()?;
        let mut settings = client::base(config)?;
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            // Fills batches, and is small beside the sync that follows and the interval of commits.
            .set("linger.ms", "20")
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", (config.producer_queue_mib * 1024).to_string())
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            // The same partition for a key as the Java client chooses.
            .set("partitioner", "murmur2_random");
        let registry = config.registry()?;
        Ok(Self {
            producer: Arc::new(RwLock::new(create(&settings, bootstrap)?)),
            settings: Arc::new(settings),
            registry,
            bootstrap: Arc::from(bootstrap),
        })
    }

    fn producer(&self) -> Arc<ThreadedProducer<Deliveries>> {
        Arc::clone(&self.producer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new producer in the place of one that has failed for good, such as one whose broker has lost
    /// messages of it that it had acknowledged. What the old one had not sent is sent again by who waits for it.
    fn replace(&self, failed: &Arc<ThreadedProducer<Deliveries>>) -> Result<(), KafkaError> {
        let mut producer = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&producer, failed) {
            let reason = failed.client().fatal_error().map_or_else(String::new, |(_, reason)| reason);
            tracing::error!(reason, "the kafka producer failed for good and is replaced");
            *producer = create(&self.settings, &self.bootstrap)?;
        }
        Ok(())
    }

    /// Begins a batch.
    pub fn batch(&self) -> PublishBatch {
        let state = BatchState {
            open: AtomicUsize::new(1),
            failed: AtomicUsize::new(0),
            reason: Mutex::new(None),
            done: Notify::new(),
        };
        PublishBatch { producer: self.producer(), publisher: self.clone(), state: Arc::new(state), sent: 0 }
    }

    /// Sends one message and waits for its acknowledgement.
    ///
    /// # Errors
    ///
    /// As for [`PublishBatch::send`] and [`PublishBatch::wait`].
    pub async fn publish(&self, topic: &str, key: &[u8], payload: &[u8]) -> Result<(), KafkaError> {
        let mut batch = self.batch();
        batch.send(topic, key, payload).await?;
        batch.wait().await
    }

    /// Waits until nothing is on its way.
    ///
    /// # Errors
    ///
    /// When that takes longer than `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        let (producer, bootstrap) = (self.producer(), Arc::clone(&self.bootstrap));
        client::blocking("flush", move || {
            producer.flush(timeout).map_err(|error| KafkaError::from_client(&error, &bootstrap, "flush"))
        })
        .await
    }
}

fn create(settings: &ClientConfig, bootstrap: &str) -> Result<Arc<ThreadedProducer<Deliveries>>, KafkaError> {
    let created = settings.create_with_context(Deliveries);
    created.map(Arc::new).map_err(|error| KafkaError::from_client(&error, bootstrap, "create a producer"))
}

/// Messages that are waited for together. What was sent is sent, even if the batch is dropped.
pub struct PublishBatch {
    publisher: Publisher,
    producer: Arc<ThreadedProducer<Deliveries>>,
    state: Arc<BatchState>,
    sent: usize,
}

impl std::fmt::Debug for PublishBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublishBatch").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl PublishBatch {
    /// Queues a message; waits while the queue is full, which is how a slow broker slows its producers.
    ///
    /// # Errors
    ///
    /// When the message can never be sent. [`KafkaError::Temporary`] when the producer had failed for good and was
    /// replaced: the whole batch is to be sent again.
    pub async fn send(&mut self, topic: &str, key: &[u8], payload: &[u8]) -> Result<(), KafkaError> {
        let payload = match &self.publisher.registry {
            Some(registry) => registry.outgoing(topic, payload)?,
            None => Cow::Borrowed(payload),
        };
        while !self.try_send(topic, key, &payload)? {
            tokio::time::sleep(QUEUE_PAUSE).await;
        }
        Ok(())
    }

    /// Queues a message if there is room for it.
    fn try_send(&mut self, topic: &str, key: &[u8], payload: &[u8]) -> Result<bool, KafkaError> {
        self.state.open.fetch_add(1, Ordering::Relaxed);
        let record = BaseRecord::with_opaque_to(topic, Arc::clone(&self.state)).key(key).payload(payload);
        let Err((error, refused)) = self.producer.send(record) else {
            self.sent += 1;
            return Ok(true);
        };
        // The record holds the batch's counter, not a second copy of the message.
        drop(refused);
        self.state.settle();
        match error.rdkafka_error_code() {
            Some(Code::QueueFull) => Ok(false),
            Some(Code::Fatal) => {
                self.publisher.replace(&self.producer)?;
                Err(KafkaError::Temporary { action: "publish", code: "the producer was replaced".to_owned() })
            }
            Some(Code::MessageSizeTooLarge) => {
                Err(KafkaError::TooLarge { topic: topic.to_owned(), bytes: key.len() + payload.len() })
            }
            _ => Err(KafkaError::from_client(&error, &self.publisher.bootstrap, "publish")),
        }
    }

    /// How many messages were queued.
    pub fn len(&self) -> usize {
        self.sent
    }

    /// Whether nothing was queued.
    pub fn is_empty(&self) -> bool {
        self.sent == 0
    }

    /// Waits until every message of the batch is acknowledged.
    ///
    /// # Errors
    ///
    /// When at least one is not; then the whole batch is to be sent again.
    pub async fn wait(self) -> Result<(), KafkaError> {
        self.state.settle();
        // A message that is acknowledged first leaves its notice here.
        self.state.done.notified().await;
        let failed = self.state.failed.load(Ordering::Acquire);
        if failed == 0 {
            return Ok(());
        }
        let reason = self.state.reason.lock().unwrap_or_else(PoisonError::into_inner).take();
        match reason {
            Some((Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition, topic)) => {
                Err(KafkaError::TopicMissing { topic })
            }
            reason => {
                let code = reason.map_or_else(|| "unknown".to_owned(), |(code, _)| code.to_string());
                Err(KafkaError::NotAcknowledged { failed, total: self.sent, code })
            }
        }
    }
}

#[cfg(test)]
mod tests;
