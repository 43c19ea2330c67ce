//! Context and intents, read from their topics to the end and kept in memory.

use crate::ProcessorError;
use modellane_event::{ContextPointer, IntentEvent};
use modellane_judge::ContextState;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Record, Topic};
use modellane_schema::{AvroCodec, context_codec, intent_codec};
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
}

impl ContextFeed {
    /// Starts before the first message of both topics.
    pub async fn open(kafka: &KafkaConfig, objects: Box<dyn ContextObjects>) -> Result<Self, ProcessorError> {
        Ok(Self {
            pointers: TopicTail::open(kafka, Topic::Context).await?,
            intents: TopicTail::open(kafka, Topic::Intents).await?,
            pointer_codec: context_codec(),
            intent_codec: intent_codec(),
            objects,
            state: ContextState::new(),
        })
    }

    /// Reads both topics to where they end now. Whatever was acknowledged before this call is known after.
    pub async fn catch_up(&mut self) -> Result<(), ProcessorError> {
        for record in self.pointers.read_to_end().await? {
            self.apply_pointer(&record).await?;
        }
        for record in self.intents.read_to_end().await? {
            let Some(intent) =
                record.payload.as_deref().and_then(|bytes| self.intent_codec.decode(bytes).ok())
            else {
                tracing::warn!(
                    partition = record.partition,
                    offset = record.offset,
                    "intent cannot be decoded"
                );
                continue;
            };
            self.state.apply_intent(&intent);
        }
        Ok(())
    }

    /// What is known.
    pub fn state(&self) -> &ContextState {
        &self.state
    }

    /// A pointer that cannot be decoded or whose object cannot be used leaves the context as it was: events
    /// are judged with what is known, and the log says which version is missing.
    async fn apply_pointer(&mut self, record: &Record) -> Result<(), ProcessorError> {
        let decoded = record.payload.as_deref().map(|bytes| self.pointer_codec.decode(bytes));
        let Some(Ok(pointer)) = decoded else {
            tracing::warn!(offset = record.offset, "context pointer cannot be decoded");
            return Ok(());
        };
        let hash = pointer.hash.to_string();
        let bytes = self
            .objects
            .get(&hash)
            .await
            .map_err(|reason| ProcessorError::ContextObject { hash: hash.clone(), reason })?;
        if let Err(error) = self.state.apply(&pointer, record.offset, &bytes) {
            tracing::error!(offset = record.offset, object = hash, %error, "context version is not used");
        }
        Ok(())
    }
}

/// All partitions of a topic, read from the first message on.
struct TopicTail {
    consumer: AssignedConsumer,
    topic: String,
    /// Next offset of each partition.
    next: Vec<(i32, i64)>,
}

impl TopicTail {
    async fn open(kafka: &KafkaConfig, topic: Topic) -> Result<Self, ProcessorError> {
        let topic = topic.name(&kafka.topic_prefix);
        let mut consumer = AssignedConsumer::new(kafka)?;
        let mut next = Vec::new();
        for partition in consumer.partitions(&topic).await? {
            next.push((partition, consumer.watermarks(&topic, partition).await?.0));
        }
        consumer.assign(&topic, &next).await?;
        Ok(Self { consumer, topic, next })
    }

    async fn read_to_end(&mut self) -> Result<Vec<Record>, ProcessorError> {
        let mut missing = 0;
        let mut ends = Vec::with_capacity(self.next.len());
        for (partition, next) in &self.next {
            let (_, end) = self.consumer.watermarks(&self.topic, *partition).await?;
            missing += (end - next).max(0);
            ends.push(end);
        }
        let mut read = Vec::new();
        while missing > 0 {
            let batch = self.consumer.poll_batch(BATCH, WAIT).await?;
            for record in &batch {
                if let Some(at) = self.next.iter_mut().find(|(partition, _)| *partition == record.partition) {
                    at.1 = record.offset + 1;
                }
            }
            read.extend(batch);
            missing = self.next.iter().zip(&ends).map(|((_, next), end)| (end - next).max(0)).sum();
        }
        Ok(read)
    }
}
