//! One partition: where its batches lie in the journal, and what its producers sent last.

use std::collections::HashMap;

use kafka_protocol::ResponseError;

use crate::batch::BatchHeader;

/// How many batches a producer may have in flight; as many are remembered to recognise a retry.
const REMEMBERED: usize = 5;

/// A batch in the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredBatch {
    /// The offset of its first record.
    pub(crate) base: i64,
    /// The offset of its last record.
    pub(crate) last: i64,
    /// The latest timestamp in it.
    pub(crate) max_timestamp: i64,
    /// Where its bytes begin in the journal.
    pub(crate) position: u64,
    /// How many bytes it has.
    pub(crate) length: u32,
}

/// What a producer sent to one partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProducerState {
    epoch: i16,
    /// The latest batches, oldest first.
    recent: Vec<RecentBatch>,
}

#[derive(Debug, Clone, Copy)]
struct RecentBatch {
    first_sequence: i32,
    last_sequence: i32,
    base: i64,
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Store it.
    New,
    /// It is here already, from this offset on.
    Duplicate(i64),
}

/// A partition.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    batches: Vec<StoredBatch>,
    /// The offset that the next record gets.
    next: i64,
    /// Readers see what is before this: it is on the disk.
    high_watermark: i64,
    producers: HashMap<i64, ProducerState>,
}

impl Partition {
    /// The end of what readers may see.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Decides whether a batch continues what its producer sent before.
    pub(crate) fn admit(&self, header: &BatchHeader) -> Result<Admission, ResponseError> {
        if header.producer < 0 {
            return Ok(Admission::New);
        }
        let first_expected = match self.producers.get(&header.producer) {
            None => 0,
            Some(known) if header.epoch < known.epoch => return Err(ResponseError::InvalidProducerEpoch),
            Some(known) if header.epoch > known.epoch => 0,
            Some(known) => {
                let same = |recent: &&RecentBatch| {
                    recent.first_sequence == header.sequence && recent.last_sequence == header.last_sequence()
                };
                if let Some(earlier) = known.recent.iter().find(same) {
                    return Ok(Admission::Duplicate(earlier.base));
                }
                known.recent.last().map_or(0, |recent| recent.last_sequence.wrapping_add(1) & i32::MAX)
            }
        };
        if header.sequence == first_expected {
            Ok(Admission::New)
        } else {
            Err(ResponseError::OutOfOrderSequenceNumber)
        }
    }

    /// Adds a batch; readers do not see it before `publish`. Returns its first offset and what its
    /// producer's state was, for `take_back`.
    pub(crate) fn append(
        &mut self,
        header: &BatchHeader,
        position: u64,
        length: u32,
    ) -> (i64, Option<ProducerState>) {
        let base = self.next;
        let last = base + i64::from(header.count) - 1;
        self.next = last + 1;
        self.batches.push(StoredBatch { base, last, max_timestamp: header.max_timestamp, position, length });
        if header.producer < 0 {
            return (base, None);
        }
        let before = self.producers.get(&header.producer).cloned();
        let state = self.producers.entry(header.producer).or_default();
        if state.epoch != header.epoch {
            *state = ProducerState { epoch: header.epoch, recent: Vec::new() };
        }
        if state.recent.len() == REMEMBERED {
            state.recent.remove(0);
        }
        state.recent.push(RecentBatch {
            first_sequence: header.sequence,
            last_sequence: header.last_sequence(),
            base,
        });
        (base, before)
    }

    /// Shows readers everything before `end`.
    pub(crate) fn publish(&mut self, end: i64) {
        self.high_watermark = self.high_watermark.max(end);
    }

    /// Takes back the latest batch, which began at `base`.
    pub(crate) fn take_back(&mut self, base: i64, producer: i64, before: Option<ProducerState>) {
        if self.batches.last().is_some_and(|batch| batch.base == base) {
            self.batches.pop();
            self.next = base;
        }
        if producer >= 0 {
            match before {
                Some(state) => self.producers.insert(producer, state),
                None => self.producers.remove(&producer),
            };
        }
    }

    /// The visible batches from the one that holds `offset` on.
    pub(crate) fn starting_at(&self, offset: i64) -> &[StoredBatch] {
        let visible = self.visible();
        &visible[visible.partition_point(|batch| batch.last < offset)..]
    }

    /// The first visible batch that has a record at or after `timestamp`.
    pub(crate) fn at_or_after(&self, timestamp: i64) -> Option<StoredBatch> {
        self.visible().iter().find(|batch| batch.max_timestamp >= timestamp).copied()
    }

    fn visible(&self) -> &[StoredBatch] {
        &self.batches[..self.batches.partition_point(|batch| batch.last < self.high_watermark)]
    }
}

#[cfg(test)]
mod tests;
