//! Pointers to context objects.

use crate::usage::closed_enum;
use crate::{Label, UtcTime};
use serde::{Deserialize, Serialize};

closed_enum! {
    /// Which part of the context an object holds.
    ContextKind {
        /// People, accounts, teams, cost centres, workspaces.
        Directory = "directory",
        /// A guidance bundle.
        Policy = "policy",
        /// List prices.
        Prices = "prices",
        /// Seats, invoices, budgets, exchange rates.
        Finance = "finance",
        /// What the budgets had been spent before a day.
        Spending = "spending",
        /// Weights of the evidence for links.
        Weights = "weights",
        /// A kind that this version does not know; readers skip it.
        Unknown = "unknown",
    }
}

/// Says that a context object holds from its offset on; the offset is the `context_version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextPointer {
    /// Which part.
    pub kind: ContextKind,
    /// Content hash of the object, 64 hexadecimal digits, which names it under `context/`.
    pub hash: Label,
    /// From when it holds; null where the object dates itself.
    pub effective: Option<UtcTime>,
    /// When the server took it in.
    pub recorded_at: UtcTime,
}
