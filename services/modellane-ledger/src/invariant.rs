//! What always holds, by name.

use std::fmt;

/// The invariants of the ledger. Code, tests and documents refer to them by [`Invariant::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No acknowledged event is lost.
    I1,
    /// No event is counted twice.
    I2,
    /// No row without a produced event.
    I3,
    /// Entries of a revision pair up, and one revision is current.
    I4,
    /// Totals equal the truth.
    I5,
    /// Committed ranges tile each stream.
    I6,
    /// Every message is accounted for.
    I7,
    /// A current row has exactly one verdict.
    I8,
    /// Snapshots are prefixes.
    I9,
    /// Re-reading everything changes nothing.
    I10,
    /// Planted content is nowhere.
    I11,
}

impl Invariant {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
    ];

    /// Its name, `I1` to `I11`.
    pub fn id(self) -> &'static str {
        match self {
            Self::I1 => "I1",
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I4 => "I4",
            Self::I5 => "I5",
            Self::I6 => "I6",
            Self::I7 => "I7",
            Self::I8 => "I8",
            Self::I9 => "I9",
            Self::I10 => "I10",
            Self::I11 => "I11",
        }
    }

    /// What it says.
    pub fn text(self) -> &'static str {
        match self {
            Self::I1 => "no acknowledged event is lost",
            Self::I2 => "no event is counted twice",
            Self::I3 => "there is no row without a produced event",
            Self::I4 => {
                "per event and revision there is at most one +1 and one -1, and the current entries are those that sum to +1"
            }
            Self::I5 => "totals equal the truth to the last decimal",
            Self::I6 => "committed ranges tile each stream without gap or overlap",
            Self::I7 => "events produced = current + superseded + duplicates + stale + rejects",
            Self::I8 => "each current row has exactly one verdict",
            Self::I9 => "every snapshot is a prefix of the ledger's history",
            Self::I10 => "re-reading everything gives the same current state",
            Self::I11 => "planted content is nowhere",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id(), self.text())
    }
}
