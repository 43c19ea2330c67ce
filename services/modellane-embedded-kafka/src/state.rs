//! What the journal says: topics, partitions, committed offsets, producer ids.
//!
//! Every change is made in memory when its record is queued for the journal, and answers with a
//! [`Change`]. When the record is on the disk the change is published; when the disk refused it, it is
//! taken back, latest first. So memory never says more than a restart would.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::ResponseError;

use crate::batch::BatchHeader;
use crate::partition::{Partition, ProducerState};
use crate::record::{CommittedOffset, Record, Stored};

/// A topic.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    /// Its name.
    pub(crate) name: String,
    /// Its partitions, by number.
    pub(crate) partitions: Vec<Partition>,
    /// The settings it was created with.
    pub(crate) configs: BTreeMap<String, String>,
}

/// The offset a group committed for a partition, and its note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The next offset to read.
    pub(crate) offset: i64,
    /// What the client wanted to remember.
    pub(crate) metadata: String,
}

type GroupOffsets = BTreeMap<(String, i32), Committed>;

/// The durable state.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The id in the first record; empty before it.
    pub(crate) cluster: String,
    topics: HashMap<u32, Topic>,
    names: BTreeMap<String, u32>,
    next_topic: u32,
    next_producer: i64,
    offsets: BTreeMap<String, GroupOffsets>,
}

/// A change that is not on the disk yet, with what is needed to take it back.
#[derive(Debug)]
pub(crate) enum Change {
    /// Taking it back would gain nothing: an id that is never used again.
    Final,
    Appended {
        topic: u32,
        partition: u32,
        base: i64,
        end: i64,
        producer: i64,
        before: Option<ProducerState>,
    },
    TopicCreated {
        id: u32,
    },
    TopicGrown {
        id: u32,
        before: usize,
    },
    TopicDeleted {
        id: u32,
        topic: Topic,
        offsets: Vec<(String, CommittedOffset)>,
    },
    Offsets {
        group: String,
        before: Vec<((String, i32), Option<Committed>)>,
    },
}

impl State {
    /// Applies a record at open, where everything is on the disk already. False if it does not fit.
    pub(crate) fn replay(&mut self, position: u64, stored: Stored) -> bool {
        let change = match stored {
            Stored::Change(record) => Some(self.apply(record)),
            Stored::Batch { topic, partition, header, length } => {
                let at = position + crate::record::BATCH_PREFIX as u64;
                // A batch that was queued behind the deletion of its topic has no place any more.
                self.append(topic, partition, &header, at, length).map(|(_, change)| change)
            }
        };
        if let Some(change) = change {
            self.publish(&change);
        }
        !self.cluster.is_empty()
    }

    /// Applies any record but a batch.
    pub(crate) fn apply(&mut self, record: Record) -> Change {
        match record {
            Record::Head { cluster } => {
                self.cluster = cluster;
                Change::Final
            }
            Record::TopicCreated { id, name, partitions, configs } => {
                let mut topic =
                    Topic { name: name.clone(), configs: configs.into_iter().collect(), ..Topic::default() };
                topic.partitions.resize_with(partitions as usize, Partition::default);
                self.topics.insert(id, topic);
                self.names.insert(name, id);
                self.next_topic = self.next_topic.max(id + 1);
                Change::TopicCreated { id }
            }
            Record::TopicGrown { id, partitions } => {
                let Some(topic) = self.topics.get_mut(&id) else { return Change::Final };
                let before = topic.partitions.len();
                topic.partitions.resize_with(before.max(partitions as usize), Partition::default);
                Change::TopicGrown { id, before }
            }
            Record::TopicDeleted { id } => self.delete(id),
            Record::Offsets { group, offsets } => self.commit(group, offsets),
            Record::Producer { id } => {
                self.next_producer = self.next_producer.max(id + 1);
                Change::Final
            }
        }
    }

    fn delete(&mut self, id: u32) -> Change {
        let Some(topic) = self.topics.remove(&id) else { return Change::Final };
        self.names.remove(&topic.name);
        let mut removed = Vec::new();
        for (group, offsets) in &mut self.offsets {
            offsets.retain(|(name, partition), committed| {
                let gone = *name == topic.name;
                if gone {
                    let entry = CommittedOffset {
                        topic: name.clone(),
                        partition: *partition,
                        offset: committed.offset,
                        metadata: committed.metadata.clone(),
                    };
                    removed.push((group.clone(), entry));
                }
                !gone
            });
        }
        Change::TopicDeleted { id, topic, offsets: removed }
    }

    fn commit(&mut self, group: String, offsets: Vec<CommittedOffset>) -> Change {
        let committed = self.offsets.entry(group.clone()).or_default();
        let mut before = Vec::with_capacity(offsets.len());
        for entry in offsets {
            let key = (entry.topic, entry.partition);
            let value = Committed { offset: entry.offset, metadata: entry.metadata };
            before.push((key.clone(), committed.insert(key, value)));
        }
        Change::Offsets { group, before }
    }

    /// Adds a batch to a partition; answers with its first offset, or `None` if there is no such partition.
    pub(crate) fn append(
        &mut self,
        topic: u32,
        partition: u32,
        header: &BatchHeader,
        position: u64,
        length: u32,
    ) -> Option<(i64, Change)> {
        let place = self.topics.get_mut(&topic)?.partitions.get_mut(partition as usize)?;
        let (base, before) = place.append(header, position, length);
        let end = base + i64::from(header.count);
        Some((base, Change::Appended { topic, partition, base, end, producer: header.producer, before }))
    }

    /// Shows readers a change whose record is on the disk.
    pub(crate) fn publish(&mut self, change: &Change) {
        if let Change::Appended { topic, partition, end, .. } = change
            && let Some(partition) = self.partition_mut(*topic, *partition)
        {
            partition.publish(*end);
        }
    }

    /// Takes back a change whose record the disk refused. Changes are taken back latest first.
    pub(crate) fn take_back(&mut self, change: Change) {
        match change {
            Change::Final => {}
            Change::Appended { topic, partition, base, producer, before, .. } => {
                if let Some(partition) = self.partition_mut(topic, partition) {
                    partition.take_back(base, producer, before);
                }
            }
            Change::TopicCreated { id } => {
                if let Some(topic) = self.topics.remove(&id) {
                    self.names.remove(&topic.name);
                }
            }
            Change::TopicGrown { id, before } => {
                if let Some(topic) = self.topics.get_mut(&id) {
                    topic.partitions.truncate(before);
                }
            }
            Change::TopicDeleted { id, topic, offsets } => {
                self.names.insert(topic.name.clone(), id);
                self.topics.insert(id, topic);
                for (group, entry) in offsets {
                    self.commit(group, vec![entry]);
                }
            }
            Change::Offsets { group, before } => {
                let committed = self.offsets.entry(group).or_default();
                for (key, value) in before.into_iter().rev() {
                    match value {
                        Some(value) => committed.insert(key, value),
                        None => committed.remove(&key),
                    };
                }
            }
        }
    }

    fn partition_mut(&mut self, topic: u32, partition: u32) -> Option<&mut Partition> {
        self.topics.get_mut(&topic)?.partitions.get_mut(partition as usize)
    }

    /// The id and the topic of a name.
    pub(crate) fn topic(&self, name: &str) -> Option<(u32, &Topic)> {
        let id = *self.names.get(name)?;
        Some((id, self.topics.get(&id)?))
    }

    /// A partition by its topic's name.
    pub(crate) fn partition(&self, name: &str, partition: i32) -> Result<&Partition, ResponseError> {
        usize::try_from(partition)
            .ok()
            .and_then(|partition| self.topic(name)?.1.partitions.get(partition))
            .ok_or(ResponseError::UnknownTopicOrPartition)
    }

    /// All names of topics, in order.
    pub(crate) fn topic_names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    /// The id for the next topic.
    pub(crate) fn next_topic(&self) -> u32 {
        self.next_topic
    }

    /// The id for the next producer.
    pub(crate) fn next_producer(&self) -> i64 {
        self.next_producer
    }

    /// What a group committed.
    pub(crate) fn committed(&self, group: &str) -> Option<&BTreeMap<(String, i32), Committed>> {
        self.offsets.get(group)
    }

    /// All groups that committed something.
    pub(crate) fn committed_groups(&self) -> impl Iterator<Item = &String> {
        self.offsets.iter().filter(|(_, offsets)| !offsets.is_empty()).map(|(group, _)| group)
    }
}

#[cfg(test)]
mod tests;
