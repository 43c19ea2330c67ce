//! The log on a Kafka cluster.

use crate::{LogReader, LogRecord, PartitionBounds, SinkError};
use modellane_kafka::{AssignedConsumer, KafkaError};
use std::time::Duration;

/// One topic of a cluster, read without a group.
#[derive(Debug)]
pub struct KafkaLog {
    consumer: AssignedConsumer,
    topic: String,
}

impl KafkaLog {
    /// Reads `topic` through a consumer of its own.
    pub fn new(consumer: AssignedConsumer, topic: &str) -> Self {
        Self { consumer, topic: topic.to_owned() }
    }
}

impl LogReader for KafkaLog {
    async fn stream(&self) -> Result<String, SinkError> {
        self.consumer.stream_id(&self.topic).await.map_err(SinkError::from)
    }

    async fn bounds(&self) -> Result<Vec<PartitionBounds>, SinkError> {
        let mut bounds = Vec::new();
        for partition in self.consumer.partitions(&self.topic).await? {
            let (low, high) = self.consumer.watermarks(&self.topic, partition).await?;
            bounds.push(PartitionBounds { partition, low, high });
        }
        Ok(bounds)
    }

    async fn assign(&mut self, starts: &[(i32, i64)]) -> Result<(), SinkError> {
        self.consumer.assign(&self.topic, starts).await.map_err(SinkError::from)
    }

    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, SinkError> {
        let records = self.consumer.poll_batch(max, wait).await?;
        let taken = records.into_iter().map(|record| LogRecord {
            partition: record.partition,
            offset: record.offset,
            payload: record.payload,
        });
        Ok(taken.collect())
    }
}

impl From<KafkaError> for SinkError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::OffsetOutOfRange { topic, partition, offset, low, high } => {
                Self::OutOfRange { stream: topic, partition, offset, low, high }
            }
            error => Self::Log { retryable: error.is_retryable(), message: error.to_string() },
        }
    }
}
