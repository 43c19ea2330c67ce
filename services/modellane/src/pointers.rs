//! What the pointer topic has announced.

use anyhow::Result;
use modellane_event::{ContextKind, ContextPointer, Label, UtcTime};
use modellane_kafka::{AssignedConsumer, KafkaConfig};
use modellane_schema::context_codec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const BATCH: usize = 1_000;
const WAIT: Duration = Duration::from_millis(500);

/// A version of one part of the context.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    /// Content hash of the object.
    pub(crate) hash: Label,
    /// Of the pointer: the context version from which the object holds.
    pub(crate) offset: i64,
    pub(crate) recorded_at: UtcTime,
}

/// Follows the pointer topic, which has one partition. Pointers are few, so nothing stays connected in
/// between.
pub(crate) struct Pointers {
    /// Which log it is: the topic of one cluster.
    pub(crate) stream: String,
    /// The newest version of each part.
    pub(crate) newest: BTreeMap<ContextKind, Announced>,
    /// Every bundle that was ever announced: they stand beside one another.
    bundles: BTreeSet<Label>,
    kafka: KafkaConfig,
    topic: String,
    next: i64,
}

impl Pointers {
    /// Stands before the first pointer.
    pub(crate) async fn open(kafka: &KafkaConfig, topic: &str) -> Result<Self> {
        let consumer = AssignedConsumer::new(kafka)?;
        let stream = consumer.stream_id(topic).await?;
        let (next, _) = consumer.watermarks(topic, 0).await?;
        consumer.close().await;
        Ok(Self {
            stream,
            newest: BTreeMap::new(),
            bundles: BTreeSet::new(),
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            next,
        })
    }

    /// Reads to where the topic ends now.
    pub(crate) async fn read_on(&mut self) -> Result<()> {
        let mut consumer = AssignedConsumer::new(&self.kafka)?;
        let (_, end) = consumer.watermarks(&self.topic, 0).await?;
        if self.next < end {
            consumer.assign(&self.topic, &[(0, self.next)]).await?;
        }
        let codec = context_codec();
        while self.next < end {
            for record in consumer.poll_batch(BATCH, WAIT).await? {
                self.next = record.offset + 1;
                if let Some(Ok(pointer)) = record.payload.as_deref().map(|bytes| codec.decode(bytes)) {
                    self.add(pointer, record.offset);
                }
            }
        }
        consumer.close().await;
        Ok(())
    }

    fn add(&mut self, pointer: ContextPointer, offset: i64) {
        let ContextPointer { kind, hash, recorded_at, .. } = pointer;
        if kind == ContextKind::Policy {
            self.bundles.insert(hash.clone());
        }
        self.newest.insert(kind, Announced { hash, offset, recorded_at });
    }

    /// Whether the object holds already.
    pub(crate) fn has(&self, kind: ContextKind, hash: &Label) -> bool {
        match kind {
            ContextKind::Policy => self.bundles.contains(hash),
            _ => self.newest.get(&kind).is_some_and(|newest| newest.hash == *hash),
        }
    }
}
