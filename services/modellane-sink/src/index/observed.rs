//! What was observed of a day's events since their entries.

use hashbrown::HashMap;
use modellane_event::EventId;
use modellane_ledger::{Observation, Version};

/// Observations by event, the greatest of each kind.
#[derive(Default)]
pub(crate) struct Observed(HashMap<EventId, Vec<Observation>>);

impl Observed {
    /// Adds one; of several about the same content and judgement the greatest values are kept.
    pub(crate) fn add(&mut self, observation: Observation) {
        let known = self.0.entry(observation.event_id).or_default();
        let same = known.iter_mut().find(|known| {
            known.content.hash == observation.content.hash && known.entry_judged == observation.entry_judged
        });
        match same {
            Some(known) => {
                known.content = known.content.max(observation.content);
                known.judged = known.judged.max(observation.judged);
            }
            None => known.push(observation),
        }
    }

    /// Raises an event's version by all that was observed of it.
    pub(crate) fn raise(&self, id: EventId, version: &mut Version) {
        for observation in self.0.get(&id).into_iter().flatten() {
            version.observe(observation);
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Observation> {
        self.0.values().flatten()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.0.allocation_size() + self.0.len() * size_of::<Observation>()
    }
}
