//! What the producers of one partition sent last, so that a retry is recognised.

use std::collections::HashMap;

use bytes::{Buf, BufMut};
use kafka_protocol::ResponseError;

use crate::batch::BatchHeader;

/// How many batches a producer may have in flight; as many are remembered to recognise a retry.
const REMEMBERED: usize = 5;

/// Producers that a partition remembers, about 150 bytes each. The one that was silent for longest goes.
pub(crate) const MAX_PRODUCERS: usize = 1_000;

/// What a producer sent to one partition: its latest batches, oldest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProducerState {
    epoch: i16,
    known: u8,
    recent: [RecentBatch; REMEMBERED],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RecentBatch {
    first_sequence: i32,
    last_sequence: i32,
    base: i64,
}

impl ProducerState {
    fn recent(&self) -> &[RecentBatch] {
        &self.recent[..usize::from(self.known).min(REMEMBERED)]
    }

    fn last_base(&self) -> i64 {
        self.recent().last().map_or(-1, |batch| batch.base)
    }

    fn push(&mut self, batch: RecentBatch) {
        if usize::from(self.known) == REMEMBERED {
            self.recent.rotate_left(1);
        } else {
            self.known += 1;
        }
        self.recent[usize::from(self.known) - 1] = batch;
    }
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Store it.
    New,
    /// It is here already, from this offset on.
    Duplicate(i64),
}

/// What one batch changed, to take it back.
#[derive(Debug)]
pub(crate) struct Before {
    producer: i64,
    state: Option<ProducerState>,
    /// Who was forgotten to make room.
    forgotten: Option<(i64, ProducerState)>,
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers(HashMap<i64, ProducerState>);

impl Producers {
    /// Decides whether a batch continues what its producer sent before.
    pub(crate) fn admit(&self, header: &BatchHeader) -> Result<Admission, ResponseError> {
        if header.producer < 0 {
            return Ok(Admission::New);
        }
        let first_expected = match self.0.get(&header.producer) {
            // Perhaps it was forgotten: a client answers this by asking for a new id, and loses nothing.
            None if header.sequence != 0 && self.0.len() >= MAX_PRODUCERS => {
                return Err(ResponseError::UnknownProducerId);
            }
            None => 0,
            Some(known) if header.epoch < known.epoch => return Err(ResponseError::InvalidProducerEpoch),
            Some(known) if header.epoch > known.epoch => 0,
            Some(known) => {
                let same = |recent: &&RecentBatch| {
                    recent.first_sequence == header.sequence && recent.last_sequence == header.last_sequence()
                };
                if let Some(earlier) = known.recent().iter().find(same) {
                    return Ok(Admission::Duplicate(earlier.base));
                }
                known.recent().last().map_or(0, |recent| recent.last_sequence.wrapping_add(1) & i32::MAX)
            }
        };
        if header.sequence == first_expected {
            Ok(Admission::New)
        } else {
            Err(ResponseError::OutOfOrderSequenceNumber)
        }
    }

    /// Notes a stored batch.
    pub(crate) fn note(&mut self, header: &BatchHeader, base: i64) -> Option<Before> {
        if header.producer < 0 {
            return None;
        }
        let state = self.0.get(&header.producer).copied();
        let forgotten = if state.is_none() && self.0.len() >= MAX_PRODUCERS { self.forget() } else { None };
        let known = self.0.entry(header.producer).or_default();
        if known.epoch != header.epoch {
            *known = ProducerState { epoch: header.epoch, ..ProducerState::default() };
        }
        let (first_sequence, last_sequence) = (header.sequence, header.last_sequence());
        known.push(RecentBatch { first_sequence, last_sequence, base });
        Some(Before { producer: header.producer, state, forgotten })
    }

    fn forget(&mut self) -> Option<(i64, ProducerState)> {
        let silent = *self.0.iter().min_by_key(|(_, state)| state.last_base())?.0;
        self.0.remove_entry(&silent)
    }

    /// Takes back the latest note.
    pub(crate) fn take_back(&mut self, before: Before) {
        match before.state {
            Some(state) => self.0.insert(before.producer, state),
            None => self.0.remove(&before.producer),
        };
        self.0.extend(before.forgotten);
    }

    /// Appends them to the index of a segment.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.0.len() as u32);
        for (id, state) in &self.0 {
            out.put_i64(*id);
            out.put_i16(state.epoch);
            out.put_u8(state.recent().len() as u8);
            for batch in state.recent() {
                out.put_i32(batch.first_sequence);
                out.put_i32(batch.last_sequence);
                out.put_i64(batch.base);
            }
        }
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(from: &mut &[u8]) -> Option<Self> {
        let mut producers = HashMap::new();
        for _ in 0..from.try_get_u32().ok()? {
            let id = from.try_get_i64().ok()?;
            let mut state = ProducerState { epoch: from.try_get_i16().ok()?, ..ProducerState::default() };
            for _ in 0..from.try_get_u8().ok()? {
                state.push(RecentBatch {
                    first_sequence: from.try_get_i32().ok()?,
                    last_sequence: from.try_get_i32().ok()?,
                    base: from.try_get_i64().ok()?,
                });
            }
            producers.insert(id, state);
        }
        Some(Self(producers))
    }
}

#[cfg(test)]
mod tests;
