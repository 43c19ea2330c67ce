//! What the files say: topics, partitions, committed offsets, producer ids.
//!
//! Every change is made in memory when its record is queued for the disk, and answers with a
//! [`Change`]. When the record is on the disk the change is published; when the disk refused it, it is
//! taken back, latest first. So memory never says more than a restart would.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::ResponseError;

use crate::batch::BatchHeader;
use crate::partition::{Partition, Placed, Undo};
use crate::record::{CommittedOffset, Record};
use crate::settings::Settings;

/// Offsets in one record of a snapshot.
const OFFSETS_A_RECORD: usize = 1_000;

/// A topic.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    /// Its name.
    pub(crate) name: String,
    /// Its partitions, by number.
    pub(crate) partitions: Vec<Partition>,
    /// The settings it was created with, and what they mean.
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) settings: Settings,
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
    /// Deleted topics whose files can go, because their deletion is on the disk.
    doomed: Vec<u32>,
}

/// A change that is not on the disk yet, with what is needed to take it back.
#[derive(Debug)]
pub(crate) enum Change {
    /// Taking it back would gain nothing: an id that is never used again.
    Final,
    /// A batch or a new segment.
    Placed {
        topic: u32,
        partition: u32,
        segment: i64,
        end: (i64, u64),
        undo: Undo,
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

fn committed_offset(((topic, partition), committed): (&(String, i32), &Committed)) -> CommittedOffset {
    CommittedOffset {
        topic: topic.clone(),
        partition: *partition,
        offset: committed.offset,
        metadata: committed.metadata.clone(),
    }
}

impl State {
    /// Applies a record at open, where everything is on the disk already. False if it does not fit.
    pub(crate) fn replay(&mut self, record: Record) -> bool {
        let change = self.apply(record);
        self.publish(&change);
        !self.cluster.is_empty()
    }

    /// Everything but batches as records; replayed, they give the same state.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![Record::Head { cluster: self.cluster.clone() }];
        // No topic and no producer gets a number that another one had, even if that one is gone.
        records.extend(self.next_topic.checked_sub(1).map(|id| Record::TopicDeleted { id }));
        records.extend(self.next_producer.checked_sub(1).map(|id| Record::Producer { id }));
        for (id, topic) in &self.topics {
            records.push(Record::TopicCreated {
                id: *id,
                name: topic.name.clone(),
                partitions: topic.partitions.len() as u32,
                configs: topic.configs.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            });
        }
        for (group, offsets) in &self.offsets {
            let entries: Vec<_> = offsets.iter().map(committed_offset).collect();
            for part in entries.chunks(OFFSETS_A_RECORD) {
                records.push(Record::Offsets { group: group.clone(), offsets: part.to_vec() });
            }
        }
        records
    }

    /// Applies any record but a batch.
    pub(crate) fn apply(&mut self, record: Record) -> Change {
        match record {
            Record::Head { cluster } => {
                self.cluster = cluster;
                Change::Final
            }
            Record::TopicCreated { id, name, partitions, configs } => {
                let configs = configs.into_iter().collect();
                let settings = Settings::new(&configs);
                let mut topic = Topic { name: name.clone(), configs, settings, partitions: Vec::new() };
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
        self.next_topic = self.next_topic.max(id + 1);
        let Some(topic) = self.topics.remove(&id) else { return Change::Final };
        self.names.remove(&topic.name);
        let mut removed = Vec::new();
        for (group, offsets) in &mut self.offsets {
            offsets.retain(|(name, partition), committed| {
                let gone = *name == topic.name;
                if gone {
                    let key = (name.clone(), *partition);
                    removed.push((group.clone(), committed_offset((&key, committed))));
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

    /// Adds a batch to a partition; `None` if there is no such partition. `length` is that of its frame.
    pub(crate) fn append(
        &mut self,
        topic: u32,
        partition: u32,
        header: &BatchHeader,
        length: u64,
    ) -> Option<Placed> {
        let topic = self.topics.get_mut(&topic)?;
        let place = topic.partitions.get_mut(partition as usize)?;
        Some(place.append(header, length, &topic.settings))
    }

    /// Shows readers a change whose record is on the disk.
    pub(crate) fn publish(&mut self, change: &Change) {
        match change {
            Change::Placed { topic, partition, segment, end, .. } => {
                if let Some(partition) = self.partition_mut(*topic, *partition) {
                    partition.publish(*segment, *end);
                }
            }
            Change::TopicDeleted { id, .. } => self.doomed.push(*id),
            _ => {}
        }
    }

    /// The deleted topics whose files can go, once.
    pub(crate) fn take_doomed(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.doomed)
    }

    /// Takes back a change whose record the disk refused. Changes are taken back latest first.
    pub(crate) fn take_back(&mut self, change: Change) {
        match change {
            Change::Final => {}
            Change::Placed { topic, partition, undo, .. } => {
                if let Some(partition) = self.partition_mut(topic, partition) {
                    partition.take_back(undo);
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

    /// A partition by its topic's number.
    pub(crate) fn partition_mut(&mut self, topic: u32, partition: u32) -> Option<&mut Partition> {
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

    /// All topics by their numbers.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (u32, &Topic)> {
        self.topics.iter().map(|(id, topic)| (*id, topic))
    }

    /// All topics by their numbers, while the files are opened.
    pub(crate) fn topics_mut(&mut self) -> impl Iterator<Item = (u32, &mut Topic)> {
        self.topics.iter_mut().map(|(id, topic)| (*id, topic))
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> usize {
        self.topics.values().map(|topic| topic.partitions.len()).sum()
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
