//! Reading from offsets that the caller keeps, such as those in a table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{self, Logs, REQUEST_TIMEOUT};
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::poll::{Poller, poll_error};
use crate::record::Record;

/// A consumer without a group.
pub struct AssignedConsumer {
    poller: Poller<Logs>,
    bootstrap: String,
    /// The offset that each assigned partition is read from next.
    next: BTreeMap<(String, i32), i64>,
}

impl std::fmt::Debug for AssignedConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssignedConsumer").field("next", &self.next).finish_non_exhaustive()
    }
}

impl AssignedConsumer {
    /// Prepares to read.
    ///
    /// # Errors
    ///
    /// When the configuration does not hold together.
    pub fn new(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let bootstrap = config.address()?.to_owned();
        // The client library asks for a name; nothing is ever committed under it.
        let mut settings = client::consumer(config, "modellane-assigned")?;
        // Never jump: what is missing must be noticed.
        settings.set("auto.offset.reset", "error");
        let failed = |error| KafkaError::from_client(&error, &bootstrap, "create a consumer");
        let consumer: BaseConsumer<Logs> = settings.create_with_context(Logs).map_err(failed)?;
        Ok(Self { poller: Poller::new(consumer, config)?, bootstrap, next: BTreeMap::new() })
    }

    /// Reads these partitions of a topic from these offsets on, and nothing else any more.
    ///
    /// # Errors
    ///
    /// [`KafkaError::OffsetOutOfRange`] when the log does not have an offset.
    pub async fn assign(&mut self, topic: &str, starts: &[(i32, i64)]) -> Result<(), KafkaError> {
        for (partition, start) in starts {
            let (low, high) = self.watermarks(topic, *partition).await?;
            check_range(topic, *partition, *start, low, high)?;
        }
        self.poller.discard().await;
        let mut list = TopicPartitionList::with_capacity(starts.len());
        let failed = |error| KafkaError::from_client(&error, &self.bootstrap, "assign partitions");
        for (partition, start) in starts {
            list.add_partition_offset(topic, *partition, Offset::Offset(*start)).map_err(failed)?;
        }
        self.poller.consumer.assign(&list).map_err(failed)?;
        self.next =
            starts.iter().map(|(partition, start)| ((topic.to_owned(), *partition), *start)).collect();
        Ok(())
    }

    /// Reads up to `max_messages`, waiting up to `max_wait` for the first. Nothing is lost when the
    /// future is dropped: the next call returns what this one has read.
    ///
    /// # Errors
    ///
    /// [`KafkaError::OffsetOutOfRange`] when the log has lost what comes next.
    pub async fn poll_batch(
        &mut self,
        max_messages: usize,
        max_wait: Duration,
    ) -> Result<Vec<Record>, KafkaError> {
        match self.poller.poll(max_messages, max_wait).await {
            Ok(records) => {
                for record in &records {
                    let place = (record.topic.to_string(), record.partition);
                    self.next.insert(place, record.offset + 1);
                }
                Ok(records)
            }
            Err(error) if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
                self.find_out_of_range().await?;
                Err(KafkaError::Temporary { action: "poll", code: error.to_string() })
            }
            Err(error) => Err(poll_error(&error, &self.bootstrap, &self.topics())),
        }
    }

    /// The first offset of a partition and the one after its last.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer or has no such partition.
    pub async fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
        client::watermarks(Arc::clone(&self.poller.consumer), topic, partition, self.bootstrap.clone()).await
    }

    /// The partitions of a topic, in order.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer or has no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<i32>, KafkaError> {
        let (consumer, bootstrap) = (Arc::clone(&self.poller.consumer), self.bootstrap.clone());
        let topic = topic.to_owned();
        client::when_ready("read metadata", move || {
            let failed = |error| KafkaError::from_client(&error, &bootstrap, "read metadata");
            let metadata = consumer.fetch_metadata(Some(&topic), REQUEST_TIMEOUT).map_err(failed)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic.as_str());
            match found {
                Some(found) if !found.partitions().is_empty() => {
                    let mut partitions: Vec<_> = found.partitions().iter().map(|p| p.id()).collect();
                    partitions.sort_unstable();
                    Ok(partitions)
                }
                _ => Err(KafkaError::TopicMissing { topic: topic.clone() }),
            }
        })
        .await
    }

    /// Names a topic of this very cluster, so that offsets of two clusters are never taken for each
    /// other's.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer.
    pub async fn stream_id(&self, topic: &str) -> Result<String, KafkaError> {
        let (consumer, bootstrap) = (Arc::clone(&self.poller.consumer), self.bootstrap.clone());
        let topic = topic.to_owned();
        client::blocking("read the cluster id", move || {
            let cluster = consumer.client().fetch_cluster_id(REQUEST_TIMEOUT);
            let cluster =
                cluster.ok_or(KafkaError::Unreachable { bootstrap, action: "read the cluster id" })?;
            Ok(format!("{cluster}/{topic}"))
        })
        .await
    }

    /// Stops reading.
    pub async fn close(self) {
        self.poller.close().await;
    }

    async fn find_out_of_range(&self) -> Result<(), KafkaError> {
        for ((topic, partition), next) in &self.next {
            let (low, high) = self.watermarks(topic, *partition).await?;
            check_range(topic, *partition, *next, low, high)?;
        }
        Ok(())
    }

    fn topics(&self) -> String {
        let mut topics: Vec<_> = self.next.keys().map(|(topic, _)| topic.as_str()).collect();
        topics.dedup();
        topics.join(", ")
    }
}

fn check_range(topic: &str, partition: i32, offset: i64, low: i64, high: i64) -> Result<(), KafkaError> {
    if (low..=high).contains(&offset) {
        return Ok(());
    }
    Err(KafkaError::OffsetOutOfRange { topic: topic.to_owned(), partition, offset, low, high })
}
