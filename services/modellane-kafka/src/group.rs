//! Reading as one of several instances that share a topic.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;

use crate::client::{self, Logs, REQUEST_TIMEOUT};
use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::poll::{Poller, poll_error};
use crate::record::Record;

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The cluster has the offsets.
    Committed,
    /// Some partitions went to another instance, which will read their records again.
    OwnershipLost,
}

/// How the members of a group agree on who reads what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// The members' leader assigns all partitions anew whenever one comes or goes: any broker.
    #[default]
    Classic,
    /// The broker moves single partitions while the others are read on: Apache Kafka 4, and all members alike.
    Consumer,
}

/// A member of a consumer group, as it presents itself.
#[derive(Debug, Clone, Copy)]
pub struct GroupMember<'a> {
    /// The group.
    pub group: &'a str,
    /// A name of its own within the group that it has again after a restart. With it, whoever comes back
    /// within the session takes its partitions over at once, and nobody else is disturbed; a second member
    /// of that name ends the first one. Without it every start is a new member.
    pub instance: Option<&'a str>,
    /// How the group agrees.
    pub protocol: GroupProtocol,
}

impl<'a> GroupMember<'a> {
    /// A member without a name of its own.
    pub fn of(group: &'a str) -> Self {
        Self { group, instance: None, protocol: GroupProtocol::default() }
    }

    fn settings(self, config: &KafkaConfig) -> Result<ClientConfig, KafkaError> {
        let mut settings = client::consumer(config, self.group)?;
        settings.set("auto.offset.reset", "earliest");
        match self.protocol {
            GroupProtocol::Classic => settings
                .set("partition.assignment.strategy", "range")
                .set("session.timeout.ms", "10000")
                .set("heartbeat.interval.ms", "1000"),
            // Session and heartbeat are the broker's settings then.
            GroupProtocol::Consumer => settings.set("group.protocol", "consumer"),
        };
        if let Some(instance) = self.instance {
            settings.set("group.instance.id", instance);
        }
        Ok(settings)
    }
}

/// A member of a consumer group.
pub struct GroupConsumer {
    poller: Poller<Logs>,
    topics: String,
    bootstrap: String,
}

impl std::fmt::Debug for GroupConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupConsumer").field("topics", &self.topics).finish_non_exhaustive()
    }
}

impl GroupConsumer {
    /// Joins a group that reads these topics, from the beginning where nothing was committed yet.
    ///
    /// # Errors
    ///
    /// When the configuration does not hold together.
    pub fn new(config: &KafkaConfig, member: GroupMember<'_>, topics: &[&str]) -> Result<Self, KafkaError> {
        let bootstrap = config.address()?.to_owned();
        let settings = member.settings(config)?;
        let failed = |error| KafkaError::from_client(&error, &bootstrap, "create a consumer");
        let consumer: BaseConsumer<Logs> = settings.create_with_context(Logs).map_err(failed)?;
        consumer.subscribe(topics).map_err(failed)?;
        Ok(Self { poller: Poller::new(consumer, config)?, topics: topics.join(", "), bootstrap })
    }

    /// Reads up to `max_messages`, waiting up to `max_wait` for the first. Nothing is lost when the
    /// future is dropped: the next call returns what this one has read.
    ///
    /// # Errors
    ///
    /// See [`KafkaError::is_retryable`] for whether to call again.
    pub async fn poll_batch(
        &mut self,
        max_messages: usize,
        max_wait: Duration,
    ) -> Result<Vec<Record>, KafkaError> {
        let polled = self.poller.poll(max_messages, max_wait).await;
        polled.map_err(|error| poll_error(&error, &self.bootstrap, &self.topics))
    }

    /// Commits the next offsets to read. Partitions that this instance no longer has are left out.
    ///
    /// # Errors
    ///
    /// When the cluster does not take them. Records are processed at least once, so a caller may go on.
    pub async fn commit(&self, offsets: &[(&str, i32, i64)]) -> Result<CommitOutcome, KafkaError> {
        let offsets: Vec<_> = offsets.iter().map(|(t, p, next)| ((*t).to_owned(), *p, *next)).collect();
        let (consumer, bootstrap) = (Arc::clone(&self.poller.consumer), self.bootstrap.clone());
        client::blocking("commit", move || commit(&consumer, &offsets, &bootstrap)).await
    }

    /// The next offset of each partition that the group has committed; a partition without a commit is left
    /// out. Asks the cluster, whoever owns the partitions now.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer.
    pub async fn committed(&self, topic: &str, partitions: &[i32]) -> Result<Vec<(i32, i64)>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(topic, *partition);
        }
        let (consumer, bootstrap) = (Arc::clone(&self.poller.consumer), self.bootstrap.clone());
        client::when_ready("read committed offsets", move || {
            let failed = |error| KafkaError::from_client(&error, &bootstrap, "read committed offsets");
            let committed = consumer.committed_offsets(list.clone(), REQUEST_TIMEOUT).map_err(failed)?;
            let next = |offset| if let Offset::Offset(next) = offset { Some(next) } else { None };
            let found = committed.elements();
            Ok(found.iter().filter_map(|e| Some((e.partition(), next(e.offset())?))).collect())
        })
        .await
    }

    /// The first offset of a partition and the one after its last, whoever owns it.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer.
    pub async fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
        let (consumer, bootstrap) = (Arc::clone(&self.poller.consumer), self.bootstrap.clone());
        client::watermarks(consumer, topic, partition, bootstrap).await
    }

    /// The partitions that this instance has now.
    ///
    /// # Errors
    ///
    /// When the client has failed for good.
    pub fn assignment(&self) -> Result<Vec<(String, i32)>, KafkaError> {
        let failed = |error| KafkaError::from_client(&error, &self.bootstrap, "read the assignment");
        let assignment = self.poller.consumer.assignment().map_err(failed)?;
        Ok(assignment.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect())
    }

    /// Reads nothing more of a partition of this instance.
    ///
    /// # Errors
    ///
    /// When the client has failed for good.
    pub async fn pause(&self, topic: &str, partition: i32) -> Result<(), KafkaError> {
        let consumer = Arc::clone(&self.poller.consumer);
        let list = one(topic, partition);
        client::blocking("pause a partition", move || {
            consumer.pause(&list).map_err(|error| not_now("pause a partition", &error))
        })
        .await
    }

    /// Reads a paused partition again, from `offset` on. One that belongs to another instance by now is left
    /// to it; it is read from where the group stands if it comes back.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer.
    pub async fn resume(&self, topic: &str, partition: i32, offset: i64) -> Result<(), KafkaError> {
        let consumer = Arc::clone(&self.poller.consumer);
        let topic = topic.to_owned();
        client::blocking("resume a partition", move || {
            let failed = |error| not_now("resume a partition", &error);
            // In this order: resuming goes on behind the last message that was handed out.
            consumer.resume(&one(&topic, partition)).map_err(failed)?;
            let owned = consumer.assignment().map_err(failed)?;
            if owned.find_partition(&topic, partition).is_none() {
                return Ok(());
            }
            consumer.seek(&topic, partition, Offset::Offset(offset), REQUEST_TIMEOUT).map_err(failed)
        })
        .await
    }

    /// Leaves the group, so that others take over at once.
    pub async fn close(self) {
        self.poller.close().await;
    }
}

/// The client library gives these failures no code; a partition that is being moved is one of them.
fn not_now(action: &'static str, error: &ClientError) -> KafkaError {
    KafkaError::Temporary { action, code: error.to_string() }
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    list
}

fn commit(
    consumer: &BaseConsumer<Logs>,
    offsets: &[(String, i32, i64)],
    bootstrap: &str,
) -> Result<CommitOutcome, KafkaError> {
    let failed = |error| KafkaError::from_client(&error, bootstrap, "commit");
    let owned = consumer.assignment().map_err(failed)?;
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (topic, partition, next) in offsets {
        if owned.find_partition(topic, *partition).is_some() {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next)).map_err(failed)?;
        }
    }
    let all_owned = list.count() == offsets.len();
    if list.count() > 0
        && let Err(error) = consumer.commit(&list, CommitMode::Sync)
    {
        let lost = matches!(
            error.rdkafka_error_code(),
            Some(
                Code::IllegalGeneration
                    | Code::UnknownMemberId
                    | Code::RebalanceInProgress
                    | Code::StaleMemberEpoch
                    | Code::FencedMemberEpoch
            )
        );
        if !lost {
            return Err(failed(error));
        }
        tracing::warn!(%error, "offsets were not committed, their records will be read again");
        return Ok(CommitOutcome::OwnershipLost);
    }
    Ok(if all_owned { CommitOutcome::Committed } else { CommitOutcome::OwnershipLost })
}

#[cfg(test)]
mod tests;
