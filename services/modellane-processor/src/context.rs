//! Context and intents, read from their topics to the end and kept in memory.

use crate::ProcessorError;
use modellane_event::{ContextPointer, IntentEvent};
use modellane_judge::ContextState;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Record, Topic};
use modellane_runtime::{MetricName, Metrics};
use modellane_schema::{AvroCodec, context_codec, intent_codec};
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

const BATCH: usize = 10_000;
const WAIT: Duration = Duration::from_millis(500);

/// Where the objects lie that context pointers name.
pub trait ContextObjects: Send + Sync {
    /// The bytes of an object, by content hash; `Err` says why not.
    fn get<'a>(&'a self, hash: &'a str)
    -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>>;
}

/// Keeps a [`ContextState`] up to date with the topics.
pub struct ContextFeed {
    pointers: TopicTail,
    intents: TopicTail,
    pointer_codec: AvroCodec<ContextPointer>,
    intent_codec: AvroCodec<IntentEvent>,
    objects: Box<dyn ContextObjects>,
    state: ContextState,
    metrics: Metrics,
}

impl ContextFeed {
    /// Starts before the first message of both topics.
    pub async fn open(
        kafka: &KafkaConfig,
        objects: Box<dyn ContextObjects>,
        metrics: Metrics,
    ) -> Result<Self, ProcessorError> {
        Ok(Self {
            pointers: TopicTail::open(kafka, Topic::Context).await?,
            intents: TopicTail::open(kafka, Topic::Intents).await?,
            pointer_codec: context_codec(),
            intent_codec: intent_codec(),
            objects,
            state: ContextState::new(),
            metrics,
        })
    }

    /// Reads both topics to where they end now. Whatever was acknowledged before this call is known after.
    ///
    /// After an error the message that caused it is the next one: calling again goes on with it.
    pub async fn catch_up(&mut self) -> Result<(), ProcessorError> {
        self.pointers.find_ends().await?;
        while let Some(record) = self.pointers.next().await? {
            match decoded(&self.pointer_codec, &record)? {
                Some(pointer) => self.apply_pointer(&pointer, record.offset).await?,
                None => self.count_refused("undecodable"),
            }
            self.pointers.done();
        }
        self.intents.find_ends().await?;
        while let Some(record) = self.intents.next().await? {
            match decoded(&self.intent_codec, &record)? {
                Some(intent) => {
                    self.state.apply_intent(&intent);
                }
                None => self.count_refused("undecodable_intent"),
            }
            self.intents.done();
        }
        Ok(())
    }

    /// Takes in a version of an intent that is kept elsewhere: the topic forgets what events of long ago still
    /// need. To be called before [`ContextFeed::catch_up`], as of two versions that were recorded at the same
    /// moment the one that comes later stands.
    pub fn recall(&mut self, intent: &IntentEvent) {
        self.state.apply_intent(intent);
    }

    /// What is known.
    pub fn state(&self) -> &ContextState {
        &self.state
    }

    /// A pointer whose object cannot be used leaves the context as it was: events are judged with what is
    /// known, the log says which version is missing and why, and a metric counts it.
    async fn apply_pointer(&mut self, pointer: &ContextPointer, offset: i64) -> Result<(), ProcessorError> {
        let hash = pointer.hash.to_string();
        let bytes = self
            .objects
            .get(&hash)
            .await
            .map_err(|reason| ProcessorError::ContextObject { hash: hash.clone(), reason })?;
        if let Err(error) = self.state.apply(pointer, offset, &bytes) {
            let kind = pointer.kind.as_str();
            tracing::error!(offset, kind, object = hash, %error, "context version is not used");
            self.count_refused(kind);
        }
        Ok(())
    }

    fn count_refused(&self, kind: &str) {
        self.metrics.add(MetricName::ContextRefused, &[("service", "processor"), ("kind", kind)], 1);
    }
}

/// What a message of context says; `None` for one that nobody can read. One that another version can read is
/// waited for: judging without it would be judging under an older context than the events' time has.
fn decoded<T: DeserializeOwned>(codec: &AvroCodec<T>, record: &Record) -> Result<Option<T>, ProcessorError> {
    let payload = record.payload.as_deref().unwrap_or_default();
    let Record { topic, partition, offset, .. } = record;
    match codec.decode(payload) {
        Ok(value) => Ok(Some(value)),
        Err(_) => match codec.unknown_schema(payload) {
            Some(reason) => Err(ProcessorError::ContextSchema {
                topic: topic.to_string(),
                partition: *partition,
                offset: *offset,
                reason,
            }),
            None => {
                tracing::error!(%topic, partition, offset, "a message of context cannot be decoded");
                Ok(None)
            }
        },
    }
}

/// All partitions of a topic, read from the first message on.
struct TopicTail {
    consumer: AssignedConsumer,
    topic: String,
    /// Next offset of each partition to poll, and where it ended when that was last looked at.
    next: Vec<(i32, i64, i64)>,
    /// Polled and not done with, so that a message that fails is not lost.
    waiting: VecDeque<Record>,
}

impl TopicTail {
    async fn open(kafka: &KafkaConfig, topic: Topic) -> Result<Self, ProcessorError> {
        let topic = topic.name(&kafka.topic_prefix);
        let mut consumer = AssignedConsumer::new(kafka)?;
        let mut starts = Vec::new();
        for partition in consumer.partitions(&topic).await? {
            starts.push((partition, consumer.watermarks(&topic, partition).await?.0));
        }
        consumer.assign(&topic, &starts).await?;
        let next = starts.into_iter().map(|(partition, start)| (partition, start, start)).collect();
        Ok(Self { consumer, topic, next, waiting: VecDeque::new() })
    }

    /// Looks up where the topic ends now, and which partitions it has got.
    async fn find_ends(&mut self) -> Result<(), ProcessorError> {
        let partitions = self.consumer.partitions(&self.topic).await?;
        if partitions.len() > self.next.len() {
            self.adopt(&partitions).await?;
        }
        for (partition, _, end) in &mut self.next {
            *end = self.consumer.watermarks(&self.topic, *partition).await?.1;
        }
        Ok(())
    }

    async fn adopt(&mut self, partitions: &[i32]) -> Result<(), ProcessorError> {
        let mut next = self.next.clone();
        for partition in partitions {
            if !next.iter().any(|(known, ..)| known == partition) {
                let (low, _) = self.consumer.watermarks(&self.topic, *partition).await?;
                next.push((*partition, low, low));
            }
        }
        let starts: Vec<(i32, i64)> = next.iter().map(|(number, next, _)| (*number, *next)).collect();
        self.consumer.assign(&self.topic, &starts).await?;
        // Only now: what is not assigned would be waited for in vain.
        self.next = next;
        Ok(())
    }

    /// The next message before the ends, until it is done with; `None` behind the last one.
    async fn next(&mut self) -> Result<Option<Record>, ProcessorError> {
        while self.waiting.is_empty() {
            if self.next.iter().all(|(_, next, end)| next >= end) {
                return Ok(None);
            }
            let batch = self.consumer.poll_batch(BATCH, WAIT).await?;
            for record in &batch {
                if let Some(at) = self.next.iter_mut().find(|(number, ..)| *number == record.partition) {
                    at.1 = record.offset + 1;
                }
            }
            self.waiting.extend(batch);
        }
        Ok(self.waiting.front().cloned())
    }

    /// The message that [`Self::next`] handed out has been applied.
    fn done(&mut self) {
        self.waiting.pop_front();
    }
}
