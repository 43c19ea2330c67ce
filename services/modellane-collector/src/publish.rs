//! Events and rejects on their way to the topics.

use crate::error::CollectorError;
use crate::intake::{IndexedRejection, Outlet};
use futures::future::BoxFuture;
use modellane_event::{IntentEvent, Label, LakeKey, RejectEvent, RejectId, ScopeClosed, UsageEvent, UtcTime};
use modellane_kafka::{KafkaError, Topic};
use modellane_schema::{AvroCodec, fetch_codec, intent_codec, reject_codec, usage_codec};
use std::ops::Range;

/// Encoded messages that are acknowledged together.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    messages: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    topic: Topic,
    key: Range<usize>,
    payload: Range<usize>,
}

impl Batch {
    /// Number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Size of keys and payloads.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Topic, key and payload of every message, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, &[u8], &[u8])> {
        self.messages
            .iter()
            .map(|slot| (slot.topic, &self.bytes[slot.key.clone()], &self.bytes[slot.payload.clone()]))
    }

    /// Adds a usage event, keyed by its id.
    pub fn push_event(&mut self, event: &UsageEvent) -> Result<(), CollectorError> {
        self.push(Topic::Usage, event.event_id.as_bytes(), event, usage_codec())
    }

    /// Adds a reject, keyed by its id.
    pub fn push_reject(&mut self, reject: &RejectEvent) -> Result<(), CollectorError> {
        self.push(Topic::Rejects, reject.reject_id.as_bytes(), reject, reject_codec())
    }

    /// Adds an intent, keyed by the declarer's id, so that its versions stay in order.
    pub fn push_intent(&mut self, intent: &IntentEvent) -> Result<(), CollectorError> {
        self.push(Topic::Intents, intent.intent_id.as_str().as_bytes(), intent, intent_codec())
    }

    /// Adds a message of a complete fetch, keyed by its scope, so that all of a scope stays in order.
    pub fn push_fetch(&mut self, closed: &ScopeClosed) -> Result<(), CollectorError> {
        let key = format!("{}|{}", closed.source, closed.scope_key);
        self.push(Topic::Fetches, key.as_bytes(), closed, fetch_codec())
    }

    fn push<T: serde::Serialize>(
        &mut self,
        topic: Topic,
        key: &[u8],
        value: &T,
        codec: AvroCodec<T>,
    ) -> Result<(), CollectorError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        if codec.encode(value, &mut self.bytes).is_err() {
            self.bytes.truncate(start);
            return Err(CollectorError::Unencodable);
        }
        self.messages.push(Slot { topic, key: start..middle, payload: middle..self.bytes.len() });
        Ok(())
    }
}

/// Sends batches. A seam, so that everything above it is tested without a broker.
pub trait Publish: Send + Sync {
    /// Sends a batch and returns when every message of it is acknowledged. After an error the whole batch
    /// may be sent again: events and rejects have ids, and repeats change nothing.
    fn publish<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), KafkaError>>;
}

/// Sends batches to Kafka.
#[derive(Debug, Clone)]
pub struct KafkaPublish {
    publisher: modellane_kafka::Publisher,
    usage: String,
    intents: String,
    rejects: String,
    fetches: String,
}

impl KafkaPublish {
    /// Publishes to the topics with a prefix, as the Kafka configuration names it.
    pub fn new(publisher: modellane_kafka::Publisher, topic_prefix: &str) -> Self {
        Self {
            publisher,
            usage: Topic::Usage.name(topic_prefix),
            intents: Topic::Intents.name(topic_prefix),
            rejects: Topic::Rejects.name(topic_prefix),
            fetches: Topic::Fetches.name(topic_prefix),
        }
    }
}

impl Publish for KafkaPublish {
    fn publish<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), KafkaError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            let mut sending = self.publisher.batch();
            for (topic, key, payload) in batch.iter() {
                let topic = match topic {
                    Topic::Intents => &self.intents,
                    Topic::Rejects => &self.rejects,
                    Topic::Fetches => &self.fetches,
                    _ => &self.usage,
                };
                sending.send(topic, key, payload).await?;
            }
            sending.wait().await
        })
    }
}

/// What the rejects of a payload have in common.
#[derive(Debug, Clone)]
pub struct RejectOrigin {
    /// Feed the payload came by.
    pub source: &'static str,
    /// Identity of the payload, so that the same reject twice has one id.
    pub batch_id: [u8; 16],
    /// When it was taken in.
    pub recorded_at: UtcTime,
}

impl RejectOrigin {
    /// The reject as its topic carries it.
    pub fn reject(&self, key: &LakeKey, rejected: &IndexedRejection) -> RejectEvent {
        let IndexedRejection { index, rejection, line: _ } = rejected;
        let id = key.hash("reject", &[self.source.as_bytes(), &self.batch_id, &index.to_le_bytes()]);
        RejectEvent {
            reject_id: RejectId(id),
            source: Label::literal(self.source),
            batch_id: hex_label(&self.batch_id),
            index: i64::try_from(*index).unwrap_or(i64::MAX),
            reason: rejection.reason,
            field: rejection.field.map(Label::literal),
            length: rejection.length.and_then(|length| i64::try_from(length).ok()),
            recorded_at: self.recorded_at,
        }
    }
}

fn hex_label(bytes: &[u8]) -> Label {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    Label::new(&hex).unwrap_or_else(|_| Label::literal("-"))
}

/// Identity of a payload: a chain of keyed hashes over its blocks, so that a stream needs no memory.
#[derive(Debug, Clone, Default)]
pub struct PayloadHash {
    state: [u8; 16],
    block: Vec<u8>,
}

impl PayloadHash {
    const BLOCK: usize = 1 << 20;

    /// Goes on with the payload's next bytes.
    pub fn update(&mut self, key: &LakeKey, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(Self::BLOCK - self.block.len()));
            self.block.extend_from_slice(taken);
            bytes = rest;
            if self.block.len() == Self::BLOCK {
                self.fold(key);
            }
        }
    }

    /// The payload's identity.
    pub fn finish(mut self, key: &LakeKey) -> [u8; 16] {
        self.fold(key);
        self.state
    }

    fn fold(&mut self, key: &LakeKey) {
        self.state = key.hash("batch", &[&self.state, &self.block]);
        self.block.clear();
    }
}

/// Encodes events as intake hands them out and keeps the rejections, which are few. Remembers the first
/// failure to encode, which is a fault of this program.
#[derive(Debug, Default)]
pub(crate) struct Encoding {
    pub(crate) batch: Batch,
    pub(crate) rejections: Vec<IndexedRejection>,
    failed: Option<CollectorError>,
}

impl Encoding {
    /// The events encoded so far and the rejections, as one batch; starts the next one.
    pub(crate) fn seal(&mut self, key: &LakeKey, origin: &RejectOrigin) -> Result<Batch, CollectorError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        // The next batch will be about as large; growing into it would copy it several times.
        let next = Batch {
            bytes: Vec::with_capacity(self.batch.bytes.len()),
            messages: Vec::with_capacity(self.batch.messages.len()),
        };
        let mut batch = std::mem::replace(&mut self.batch, next);
        for rejection in self.rejections.drain(..) {
            batch.push_reject(&origin.reject(key, &rejection))?;
        }
        Ok(batch)
    }
}

impl Outlet for Encoding {
    fn event(&mut self, event: UsageEvent) {
        if let Err(error) = self.batch.push_event(&event) {
            self.failed.get_or_insert(error);
        }
    }
    fn reject(&mut self, rejection: IndexedRejection) {
        self.rejections.push(rejection);
    }
}

#[cfg(test)]
pub(crate) mod testing;
