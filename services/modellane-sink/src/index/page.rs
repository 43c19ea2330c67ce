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

impl Slot {
    /// Changes with every bit of the slot.
    fn mark(self) -> u64 {
        let place = u64::from(self.place.file) << 32 | u64::from(self.place.row);
        let mixed = self.fingerprint.rotate_left(29) ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed.wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}

/// The current entries of one day's events.
#[derive(Default)]
pub(crate) struct Page {
    slots: HashTable<Slot>,
    /// Sum of the slots' marks, kept beside them, so that damage to either shows.
    marks: u64,
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
        let new = Slot { fingerprint, place };
        match self.slots.find_mut(fingerprint, is_it) {
            Some(slot) => {
                self.marks = self.marks.wrapping_sub(slot.mark());
                *slot = new;
            }
            None => {
                self.slots.insert_unique(fingerprint, new, |slot| slot.fingerprint);
            }
        }
        self.marks = self.marks.wrapping_add(new.mark());
    }

    /// Whether it says what was put into it.
    pub(crate) fn is_sound(&self) -> bool {
        let marks = self.slots.iter().fold(0u64, |sum, slot| sum.wrapping_add(slot.mark()));
        marks == self.marks && self.observed.is_sound()
    }

    /// Flips a bit, as a fault of the machine may.
    pub(crate) fn damage(&mut self, pick: u64) {
        let bit = 1u64 << (pick >> 8 & 63);
        let slot = self.slots.iter_mut().min_by_key(|slot| slot.fingerprint ^ pick);
        match (pick % 4, slot) {
            (0, Some(slot)) => slot.fingerprint ^= bit,
            (1, Some(slot)) => slot.place.file ^= (bit | bit >> 32) as u32,
            (2, Some(slot)) => slot.place.row ^= (bit | bit >> 32) as u32,
            _ => self.observed.damage(pick),
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
