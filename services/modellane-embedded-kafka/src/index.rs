//! Finding an offset or a time in a segment without reading all of it.
//!
//! The segment that is written to has its index in memory: an entry for every thousandth part of a segment,
//! and the exact places of the latest batches, because most readers stand there. When the segment is full,
//! its index becomes a file beside it, with what else would otherwise have to be learned by reading the
//! segment: its end, its times, and what the producers had sent until then. The file is only a cache: if it
//! is missing or damaged, it is made again from the segment.

use std::collections::VecDeque;

use bytes::{Buf, BufMut};

use crate::producers::Producers;

/// Entries that a segment's index has, about.
const ENTRIES: u64 = 1_000;

/// No entry for less than this, whatever the size of a segment.
const MIN_STRIDE: u64 = 4 << 10;

/// Batches whose place is known exactly.
const TAIL: usize = 256;

const MAGIC: &[u8; 6] = b"MLidx1";

/// A batch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its first offset.
    pub(crate) offset: i64,
    /// Where its frame begins.
    pub(crate) position: u64,
    /// The latest timestamp of all batches of the segment before it.
    pub(crate) latest_before: i64,
}

/// The index of the segment that is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    tail: VecDeque<(i64, u64)>,
}

impl Index {
    /// How far entries are apart in segments of this size.
    pub(crate) fn stride(segment_bytes: u64) -> u64 {
        (segment_bytes / ENTRIES).max(MIN_STRIDE)
    }

    /// Notes the next batch.
    pub(crate) fn push(&mut self, entry: Entry, stride: u64) {
        if self.entries.last().is_none_or(|last| entry.position >= last.position + stride) {
            self.entries.push(entry);
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back((entry.offset, entry.position));
    }

    /// Forgets the batches from a position on.
    pub(crate) fn cut(&mut self, position: u64) {
        while self.entries.pop_if(|entry| entry.position >= position).is_some() {}
        while self.tail.pop_back_if(|(_, at)| *at >= position).is_some() {}
    }

    /// Where to begin looking for an offset.
    pub(crate) fn floor(&self, offset: i64) -> u64 {
        let exact = self.tail.partition_point(|(base, _)| *base <= offset);
        match exact.checked_sub(1).and_then(|at| self.tail.get(at)) {
            Some((_, position)) => *position,
            None => floor(&self.entries, offset),
        }
    }

    /// Where to begin looking for the first batch that is not earlier than a time.
    pub(crate) fn floor_of_time(&self, time: i64) -> u64 {
        floor_of_time(&self.entries, time)
    }

    /// The entries, for the file.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Where to begin looking for an offset.
pub(crate) fn floor(entries: &[Entry], offset: i64) -> u64 {
    let after = entries.partition_point(|entry| entry.offset <= offset);
    after.checked_sub(1).and_then(|at| entries.get(at)).map_or(0, |entry| entry.position)
}

/// Where to begin looking for the first batch that is not earlier than a time.
pub(crate) fn floor_of_time(entries: &[Entry], time: i64) -> u64 {
    let after = entries.partition_point(|entry| entry.latest_before < time);
    after.checked_sub(1).and_then(|at| entries.get(at)).map_or(0, |entry| entry.position)
}

/// What a full segment is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The offset in its name.
    pub(crate) base: i64,
    /// The first offset behind it.
    pub(crate) next: i64,
    /// Bytes of its file.
    pub(crate) length: u64,
    /// The time of its first batch, and the latest of all; -1 if none states one.
    pub(crate) first_timestamp: i64,
    pub(crate) max_timestamp: i64,
    /// When a compaction left it as it is, in milliseconds since 1970; -1 if none did.
    pub(crate) compacted: i64,
    /// Whether that compaction left records that only say that a key is gone.
    pub(crate) tombstones: bool,
}

/// What the file beside a full segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) summary: Summary,
    pub(crate) entries: Vec<Entry>,
    /// As of the end of the segment.
    pub(crate) producers: Producers,
}

/// The bytes of an index file.
pub(crate) fn encode(summary: &Summary, entries: &[Entry], producers: &Producers) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.put_i64(summary.base);
    out.put_i64(summary.next);
    out.put_u64(summary.length);
    out.put_i64(summary.first_timestamp);
    out.put_i64(summary.max_timestamp);
    out.put_i64(summary.compacted);
    out.put_u8(u8::from(summary.tombstones));
    out.put_u32(entries.len() as u32);
    for entry in entries {
        out.put_i64(entry.offset);
        out.put_u64(entry.position);
        out.put_i64(entry.latest_before);
    }
    producers.encode(&mut out);
    let crc = crc32c::crc32c(&out);
    out.put_u32(crc);
    out
}

/// Reads an index file; `None` when it is not whole.
pub(crate) fn decode(bytes: &[u8]) -> Option<Sealed> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut from = body.strip_prefix(MAGIC)?;
    let from = &mut from;
    let summary = Summary {
        base: from.try_get_i64().ok()?,
        next: from.try_get_i64().ok()?,
        length: from.try_get_u64().ok()?,
        first_timestamp: from.try_get_i64().ok()?,
        max_timestamp: from.try_get_i64().ok()?,
        compacted: from.try_get_i64().ok()?,
        tombstones: from.try_get_u8().ok()? != 0,
    };
    let mut entries = Vec::new();
    for _ in 0..from.try_get_u32().ok()? {
        entries.push(Entry {
            offset: from.try_get_i64().ok()?,
            position: from.try_get_u64().ok()?,
            latest_before: from.try_get_i64().ok()?,
        });
    }
    Some(Sealed { summary, entries, producers: Producers::decode(from)? })
}

#[cfg(test)]
mod tests;
