//! Signed entries of the ledger.

use crate::UtcTime;
use crate::usage::closed_enum;
use serde::{Deserialize, Serialize};

closed_enum! {
    /// What an entry does.
    EntryKind {
        /// First entry of an event.
        Original = "original",
        /// An earlier entry again, with its signs turned.
        Reversal = "reversal",
        /// The event with newer content.
        Restatement = "restatement",
        /// The same content, judged with more knowledge.
        Rejudgement = "rejudgement",
        /// The last entry again, with its signs turned, because the vendor no longer has the event.
        Withdrawal = "withdrawal",
    }
}

closed_enum! {
    /// Why an entry was made.
    Cause {
        /// The event was new.
        First = "first",
        /// The vendor restated it.
        Restated = "restated",
        /// The vendor withdrew it.
        Withdrawn = "withdrawn",
        /// Another person, team or cost centre.
        Identity = "identity",
        /// Another intent.
        Intent = "intent",
        /// Another bundle or verdict.
        Policy = "policy",
        /// Another price.
        Price = "price",
        /// Another feed counts.
        Overlap = "overlap",
        /// Other matching weights.
        Weights = "weights",
    }
}

/// −1, 0 or +1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// Takes away.
    Minus,
    /// Does not count.
    Zero,
    /// Adds.
    Plus,
}

impl Sign {
    /// As files hold it.
    pub fn value(self) -> i8 {
        match self {
            Self::Minus => -1,
            Self::Zero => 0,
            Self::Plus => 1,
        }
    }

    /// The opposite.
    pub fn turned(self) -> Self {
        match self {
            Self::Minus => Self::Plus,
            Self::Zero => Self::Zero,
            Self::Plus => Self::Minus,
        }
    }
}

/// What the ledger adds to a judged event to make it an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryStamp {
    /// Number of the event's version, from 1; a reversal carries the revision that it reverses.
    pub revision: i32,
    /// What the entry does.
    pub kind: EntryKind,
    /// Why.
    pub cause: Cause,
    /// +1, or −1 for a reversal or withdrawal.
    pub entry_sign: Sign,
    /// The entry's sign, or 0 where another feed counts for tokens.
    pub usage_sign: Sign,
    /// The entry's sign, or 0 where another feed counts for money.
    pub cost_sign: Sign,
    /// Commit time, one value a commit, strictly increasing.
    pub recorded_at: UtcTime,
}
