//! What was observed of a day's events since their entries.

use hashbrown::HashMap;
use modellane_event::EventId;
use modellane_ledger::{Observation, Version};
use std::hash::BuildHasher;

/// Observations by event, the greatest of each kind.
#[derive(Default)]
pub(crate) struct Observed {
    events: HashMap<EventId, Vec<Observation>>,
    /// Sum of the observations' hashes, so that damage shows.
    marks: u64,
}

impl Observed {
    /// Adds one; of several about the same content and judgement the greatest values are kept.
    pub(crate) fn add(&mut self, observation: Observation) {
        let hasher = self.events.hasher().clone();
        let known = self.events.entry(observation.event_id).or_default();
        let same = known.iter_mut().find(|known| {
            known.content.hash == observation.content.hash && known.entry_judged == observation.entry_judged
        });
        match same {
            Some(known) => {
                self.marks = self.marks.wrapping_sub(hasher.hash_one(*known));
                known.content = known.content.max(observation.content);
                known.judged = known.judged.max(observation.judged);
                self.marks = self.marks.wrapping_add(hasher.hash_one(*known));
            }
            None => {
                self.marks = self.marks.wrapping_add(hasher.hash_one(observation));
                known.push(observation);
            }
        }
    }

    /// Whether it says what was added to it.
    pub(crate) fn is_sound(&self) -> bool {
        let hasher = self.events.hasher();
        self.marks == self.iter().fold(0u64, |sum, known| sum.wrapping_add(hasher.hash_one(known)))
    }

    /// Flips a bit of a time, as a fault of the machine may.
    pub(crate) fn damage(&mut self, pick: u64) {
        let first = self.events.iter_mut().min_by_key(|(id, _)| **id);
        if let Some(known) = first.and_then(|(_, known)| known.first_mut()) {
            known.content.observed_at.0 ^= 1 << (pick >> 8 & 31);
        }
    }

    /// Raises an event's version by all that was observed of it.
    pub(crate) fn raise(&self, id: EventId, version: &mut Version) {
        for observation in self.events.get(&id).into_iter().flatten() {
            version.observe(observation);
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Observation> {
        self.events.values().flatten()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.events.allocation_size() + self.events.len() * size_of::<Observation>()
    }
}
