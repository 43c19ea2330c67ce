//! The page of one day.

use super::Observed;
use hashbrown::HashTable;
use modellane_event::EventId;

/// Where a row of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowPlace {
    /// Number of the file.
    pub(crate) file: u32,
    /// Row in the file.
    pub(crate) row: u32,
}

/// Sixteen bytes an event. Two events may share a fingerprint, so a hit is a candidate until the row's full
/// id confirms it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    fingerprint: u64,
    place: RowPlace,
}

/// The current entries of one day's events.
#[derive(Default)]
pub(crate) struct Page {
    slots: HashTable<Slot>,
    pub(crate) observed: Observed,
    pub(crate) last_use: u64,
}

impl Page {
    pub(crate) fn with_capacity(events: usize) -> Self {
        Self { slots: HashTable::with_capacity(events), ..Self::default() }
    }

    /// Rows that may be the event's current entry.
    pub(crate) fn candidates(&self, id: EventId) -> impl Iterator<Item = RowPlace> + '_ {
        let fingerprint = fingerprint(id);
        let slots = self.slots.iter_hash(fingerprint);
        slots.filter(move |slot| slot.fingerprint == fingerprint).map(|slot| slot.place)
    }

    /// Notes an event's current entry, `before` being where it was.
    pub(crate) fn put(&mut self, id: EventId, before: Option<RowPlace>, place: RowPlace) {
        let fingerprint = fingerprint(id);
        let is_it = |slot: &Slot| slot.fingerprint == fingerprint && Some(slot.place) == before;
        match self.slots.find_mut(fingerprint, is_it) {
            Some(slot) => slot.place = place,
            None => {
                let slot = Slot { fingerprint, place };
                self.slots.insert_unique(fingerprint, slot, |slot| slot.fingerprint);
            }
        }
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.allocation_size() + self.observed.bytes()
    }
}

/// Ids are keyed hashes, so any eight of their bytes are as good as a hash.
fn fingerprint(id: EventId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
