//! The records of the metadata journal: every durable change but a batch has one kind.

use bytes::{Buf, BufMut};

/// The version that the first record states; another one is refused.
pub(crate) const FORMAT: u16 = 2;

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    /// The topic's name.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// The next offset to read.
    pub(crate) offset: i64,
    /// What the client wanted to remember.
    pub(crate) metadata: String,
}

/// A durable change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// The first record: who wrote this journal.
    Head { cluster: String },
    /// A topic came into being.
    TopicCreated { id: u32, name: String, partitions: u32, configs: Vec<(String, String)> },
    /// A topic got more partitions.
    TopicGrown { id: u32, partitions: u32 },
    /// A topic is gone, with the offsets that groups committed for it; its number is not used again.
    TopicDeleted { id: u32 },
    /// A group's offsets, all of one request.
    Offsets { group: String, offsets: Vec<CommittedOffset> },
    /// A producer id was handed out.
    Producer { id: i64 },
}

const HEAD: u8 = b'H';
const TOPIC_CREATED: u8 = b'C';
const TOPIC_GROWN: u8 = b'G';
const TOPIC_DELETED: u8 = b'D';
const OFFSETS: u8 = b'O';
const PRODUCER: u8 = b'P';

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Texts come from protocol strings, whose length is 15 bits.
    let length = text.len().min(usize::from(u16::MAX));
    out.put_u16(length as u16);
    out.put_slice(&text.as_bytes()[..length]);
}

fn get_text(from: &mut &[u8]) -> Option<String> {
    let length = usize::from(from.try_get_u16().ok()?);
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    String::from_utf8(text.to_vec()).ok()
}

impl Record {
    /// The bytes of the record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Head { cluster } => {
                out.put_u8(HEAD);
                out.put_u16(FORMAT);
                put_text(&mut out, cluster);
            }
            Self::TopicCreated { id, name, partitions, configs } => {
                out.put_u8(TOPIC_CREATED);
                out.put_u32(*id);
                put_text(&mut out, name);
                out.put_u32(*partitions);
                out.put_u32(configs.len() as u32);
                for (key, value) in configs {
                    put_text(&mut out, key);
                    put_text(&mut out, value);
                }
            }
            Self::TopicGrown { id, partitions } => {
                out.put_u8(TOPIC_GROWN);
                out.put_u32(*id);
                out.put_u32(*partitions);
            }
            Self::TopicDeleted { id } => {
                out.put_u8(TOPIC_DELETED);
                out.put_u32(*id);
            }
            Self::Offsets { group, offsets } => {
                out.put_u8(OFFSETS);
                put_text(&mut out, group);
                out.put_u32(offsets.len() as u32);
                for entry in offsets {
                    put_text(&mut out, &entry.topic);
                    out.put_i32(entry.partition);
                    out.put_i64(entry.offset);
                    put_text(&mut out, &entry.metadata);
                }
            }
            Self::Producer { id } => {
                out.put_u8(PRODUCER);
                out.put_i64(*id);
            }
        }
        out
    }

    /// Reads a record; `None` when it is not one that this version writes.
    pub(crate) fn decode(from: &[u8]) -> Option<Self> {
        Self::decode_format(from, FORMAT)
    }

    /// Reads a record of a journal whose head states a format: the head is all that differs.
    pub(crate) fn decode_format(mut from: &[u8], format: u16) -> Option<Self> {
        let kind = from.try_get_u8().ok()?;
        decode_kind(kind, &mut from, format)
    }
}

fn decode_kind(kind: u8, from: &mut &[u8], format: u16) -> Option<Record> {
    Some(match kind {
        HEAD => {
            if from.try_get_u16().ok()? != format {
                return None;
            }
            Record::Head { cluster: get_text(from)? }
        }
        TOPIC_CREATED => {
            let id = from.try_get_u32().ok()?;
            let name = get_text(from)?;
            let partitions = from.try_get_u32().ok()?;
            let mut configs = Vec::new();
            for _ in 0..from.try_get_u32().ok()? {
                configs.push((get_text(from)?, get_text(from)?));
            }
            Record::TopicCreated { id, name, partitions, configs }
        }
        TOPIC_GROWN => {
            Record::TopicGrown { id: from.try_get_u32().ok()?, partitions: from.try_get_u32().ok()? }
        }
        TOPIC_DELETED => Record::TopicDeleted { id: from.try_get_u32().ok()? },
        OFFSETS => {
            let group = get_text(from)?;
            let mut offsets = Vec::new();
            for _ in 0..from.try_get_u32().ok()? {
                offsets.push(CommittedOffset {
                    topic: get_text(from)?,
                    partition: from.try_get_i32().ok()?,
                    offset: from.try_get_i64().ok()?,
                    metadata: get_text(from)?,
                });
            }
            Record::Offsets { group, offsets }
        }
        PRODUCER => Record::Producer { id: from.try_get_i64().ok()? },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
