//! One partition: its segments, and what its producers sent last.
//!
//! In memory are about 80 bytes a segment, the index of the segment that is written to (about 1,000 entries of
//! 24 bytes and the places of 256 batches) and up to 1,000 producers. Nothing of it grows with the number of
//! records.

use std::collections::VecDeque;

use kafka_protocol::ResponseError;

use crate::batch::BatchHeader;
use crate::index::{Entry, Index, Summary, encode};
use crate::producers::{Admission, Before, Producers};
use crate::settings::Settings;

/// A part of a partition that is one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The offset in its name: no record before it is in it.
    pub(crate) base: i64,
    /// Bytes, with those that are queued for the disk.
    pub(crate) length: u64,
    /// Bytes that are on the disk and that readers may see.
    pub(crate) visible: u64,
    /// The time of its first batch, and the latest of all; -1 if none states one.
    pub(crate) first_timestamp: i64,
    pub(crate) max_timestamp: i64,
    /// As [`Summary::compacted`] and [`Summary::tombstones`].
    pub(crate) compacted: i64,
    pub(crate) tombstones: bool,
    /// Its file is on the disk.
    pub(crate) settled: bool,
}

impl Segment {
    /// An empty one.
    pub(crate) fn new(base: i64) -> Self {
        Self {
            base,
            length: 0,
            visible: 0,
            first_timestamp: -1,
            max_timestamp: -1,
            compacted: -1,
            tombstones: false,
            settled: false,
        }
    }

    /// A full one that is on the disk.
    pub(crate) fn sealed(summary: &Summary) -> Self {
        Self {
            base: summary.base,
            length: summary.length,
            visible: summary.length,
            first_timestamp: summary.first_timestamp,
            max_timestamp: summary.max_timestamp,
            compacted: summary.compacted,
            tombstones: summary.tombstones,
            settled: true,
        }
    }

    /// What it will be known by when it is full.
    pub(crate) fn summary(&self, next: i64) -> Summary {
        Summary {
            base: self.base,
            next,
            length: self.length,
            first_timestamp: self.first_timestamp,
            max_timestamp: self.max_timestamp,
            compacted: self.compacted,
            tombstones: self.tombstones,
        }
    }
}

/// A partition.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Oldest first; the last one is written to. Never empty.
    segments: VecDeque<Segment>,
    /// Of the last segment.
    index: Index,
    /// The offset that the next record gets.
    next: i64,
    /// Readers see what is before this: it is on the disk.
    high_watermark: i64,
    producers: Producers,
}

impl Default for Partition {
    fn default() -> Self {
        Self::open(VecDeque::from([Segment::new(0)]), Index::default(), 0, Producers::default())
    }
}

/// Where a batch goes, and what it changed.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The offset of its first record.
    pub(crate) base: i64,
    /// The segment's offset.
    pub(crate) segment: i64,
    /// Where its frame begins in the segment.
    pub(crate) position: u64,
    /// Bytes of the segment that are on the disk.
    pub(crate) settled: u64,
    /// Where it ends: the next offset and the segment's length.
    pub(crate) end: (i64, u64),
    /// The offset of the segment that became full before it, and its index file.
    pub(crate) sealed: Option<(i64, Vec<u8>)>,
    pub(crate) undo: Undo,
}

/// What is needed to take a batch back.
#[derive(Debug)]
pub(crate) struct Undo {
    /// The last segment, before.
    last: Segment,
    next: i64,
    /// The index of the segment that became full.
    rolled: Option<Index>,
    producers: Option<Before>,
}

/// What a reader has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The segment's offset.
    pub(crate) base: i64,
    /// Where to begin, if that is known without its index file.
    pub(crate) from: Option<u64>,
    /// How far its file may be read.
    pub(crate) visible: u64,
}

/// What retention removes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The offsets of segments, oldest first.
    pub(crate) segments: Vec<i64>,
    /// Where the log begins without them.
    pub(crate) until: i64,
    /// Whether the segment that is written to would go as well if it were full.
    pub(crate) roll: bool,
}

impl Partition {
    /// A partition as it is on the disk: `segments` are not empty, and `index` is the last one's.
    pub(crate) fn open(segments: VecDeque<Segment>, index: Index, next: i64, producers: Producers) -> Self {
        Self { segments, index, next, high_watermark: next, producers }
    }

    /// The first offset that is still there.
    pub(crate) fn log_start(&self) -> i64 {
        self.segments.front().map_or(self.next, |segment| segment.base)
    }

    /// The end of what readers may see.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Decides whether a batch continues what its producer sent before.
    pub(crate) fn admit(&self, header: &BatchHeader) -> Result<Admission, ResponseError> {
        self.producers.admit(header)
    }

    fn last(&mut self) -> &mut Segment {
        if self.segments.is_empty() {
            self.segments.push_back(Segment::new(self.next));
        }
        // There is one: it was just put there if need be.
        let at = self.segments.len() - 1;
        &mut self.segments[at]
    }

    /// Adds a batch whose frame has `length` bytes; readers do not see it before `publish`.
    pub(crate) fn append(&mut self, header: &BatchHeader, length: u64, settings: &Settings) -> Placed {
        let last = *self.last();
        let (next, base) = (self.next, self.next);
        let full = last.length + length > settings.segment_bytes;
        let old = last.first_timestamp >= 0
            && header.max_timestamp.saturating_sub(last.first_timestamp) > settings.segment_ms;
        let sealed = (last.length > 0 && (full || old)).then(|| self.seal());
        let (sealed, rolled) = sealed.unzip();

        self.next = base + i64::from(header.count);
        let stride = Index::stride(settings.segment_bytes);
        let segment = self.last();
        let (position, settled) = (segment.length, segment.visible);
        let entry = Entry { offset: base, position, latest_before: segment.max_timestamp };
        segment.length += length;
        if segment.first_timestamp < 0 {
            segment.first_timestamp = header.max_timestamp;
        }
        segment.max_timestamp = segment.max_timestamp.max(header.max_timestamp);
        let (segment, end) = (segment.base, segment.length);
        self.index.push(entry, stride);
        let producers = self.producers.note(header, base);
        let undo = Undo { last, next, rolled, producers };
        Placed { base, segment, position, settled, end: (self.next, end), sealed, undo }
    }

    /// Begins a new segment behind one that has something in it, without a batch.
    pub(crate) fn roll(&mut self) -> Option<Placed> {
        let last = *self.last();
        if last.length == 0 {
            return None;
        }
        let (sealed, index) = self.seal();
        let undo = Undo { last, next: self.next, rolled: Some(index), producers: None };
        let (base, end) = (self.next, (self.next, 0));
        Some(Placed { base, segment: base, position: 0, settled: 0, end, sealed: Some(sealed), undo })
    }

    /// Ends the last segment and begins another one. Gives the index file of the old one, and its index.
    fn seal(&mut self) -> ((i64, Vec<u8>), Index) {
        let next = self.next;
        let summary = self.last().summary(next);
        let bytes = encode(&summary, self.index.entries(), &self.producers);
        let index = std::mem::take(&mut self.index);
        self.segments.push_back(Segment::new(next));
        ((summary.base, bytes), index)
    }

    /// Shows readers everything before `end` of a segment: the next offset and the segment's length.
    pub(crate) fn publish(&mut self, segment: i64, end: (i64, u64)) {
        self.high_watermark = self.high_watermark.max(end.0);
        for known in self.segments.iter_mut().rev().skip_while(|known| known.base > segment) {
            if known.settled && known.base < segment {
                break;
            }
            known.settled = true;
            if known.base == segment {
                known.visible = known.visible.max(end.1);
            }
        }
    }

    /// Takes back the latest batch or new segment.
    pub(crate) fn take_back(&mut self, undo: Undo) {
        let Undo { last, next, rolled, producers } = undo;
        if let Some(index) = rolled {
            self.segments.pop_back();
            self.index = index;
        } else {
            self.index.cut(last.length);
            let now = self.last();
            let (visible, settled) = (now.visible, now.settled);
            *now = Segment { visible, settled, ..last };
        }
        self.next = next;
        if let Some(before) = producers {
            self.producers.take_back(before);
        }
    }

    /// What to read for `wanted` bytes from an offset on, and how many bytes there are about. `None` if the
    /// offset is not in the log.
    pub(crate) fn spans_from_offset(&self, offset: i64, wanted: u64) -> Option<(Vec<Span>, u64)> {
        if !(self.log_start()..=self.high_watermark).contains(&offset) {
            return None;
        }
        if offset == self.high_watermark {
            return Some((Vec::new(), 0));
        }
        let first = self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1);
        let from = |at| (at + 1 == self.segments.len()).then(|| self.index.floor(offset));
        Some(self.spans(first, wanted, from))
    }

    /// Spans from a segment on. Of the first one nothing may be left to read, so it does not count.
    fn spans(&self, first: usize, wanted: u64, from: impl Fn(usize) -> Option<u64>) -> (Vec<Span>, u64) {
        let (mut spans, mut available, mut sure) = (Vec::new(), 0, 0);
        for (at, segment) in self.segments.iter().enumerate().skip(first) {
            if segment.visible == 0 {
                continue;
            }
            let begin = from(at);
            available += segment.visible.saturating_sub(begin.unwrap_or(0));
            spans.push(Span { base: segment.base, from: begin, visible: segment.visible });
            if at > first {
                sure += segment.visible;
                if sure >= wanted {
                    break;
                }
            }
        }
        (spans, available)
    }

    /// Where to look for the first record that is not earlier than a time.
    pub(crate) fn spans_from_time(&self, time: i64) -> Vec<Span> {
        let Some(first) = self.segments.iter().position(|segment| segment.max_timestamp >= time) else {
            return Vec::new();
        };
        let from = |at| (at + 1 == self.segments.len()).then(|| self.index.floor_of_time(time));
        self.spans(first, u64::MAX, from).0
    }

    /// The segments that nothing is written to any more and whose successor is on the disk, oldest first.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &Segment> {
        let last = self.segments.iter().rposition(|segment| segment.settled).unwrap_or(0);
        self.segments.iter().take(last)
    }

    /// What retention removes at a time, in milliseconds since 1970. A segment goes when all its records are
    /// too old, or when enough bytes remain without it; one whose records state no time has no age.
    pub(crate) fn expired(&self, settings: &Settings, now: i64) -> Expired {
        let too_old = |segment: &Segment| {
            let age = now.saturating_sub(segment.max_timestamp);
            segment.max_timestamp >= 0 && settings.retention_ms.is_some_and(|most| age > most)
        };
        let mut left: u64 = self.segments.iter().map(|segment| segment.length).sum();
        let mut expired = Expired { segments: Vec::new(), until: self.log_start(), roll: false };
        if !settings.delete {
            return expired;
        }
        let mut sealed = self.sealed().peekable();
        while let Some(segment) = sealed.next_if(|segment: &&Segment| {
            let without = left - segment.length;
            too_old(segment) || settings.retention_bytes.is_some_and(|most| without >= most)
        }) {
            left -= segment.length;
            expired.segments.push(segment.base);
        }
        let oldest = self.segments.get(expired.segments.len());
        expired.until = oldest.map_or(self.next, |segment| segment.base);
        expired.roll = oldest.is_some_and(|oldest| {
            let is_last = expired.segments.len() + 1 == self.segments.len();
            is_last && oldest.length > 0 && oldest.visible == oldest.length && too_old(oldest)
        });
        expired
    }

    /// Puts sealed segments in the place of those from one offset to before another. Without any, what was
    /// there is gone.
    pub(crate) fn replace(&mut self, range: std::ops::Range<i64>, with: &[Segment]) {
        let begin = self.segments.partition_point(|segment| segment.base < range.start);
        let end = self.segments.partition_point(|segment| segment.base < range.end);
        let behind = self.segments.split_off(end);
        self.segments.truncate(begin);
        self.segments.extend(with);
        self.segments.extend(behind);
    }
}

#[cfg(test)]
mod tests;
