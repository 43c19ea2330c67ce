//! The table `usage_ledger`: signed entries, append-only.

mod columns;
mod reversal;

use crate::columns::table;
use columns::{LedgerColumns, LedgerRow};
use modellane_event::{EntryStamp, JudgedEvent};
pub use reversal::{reinstated_rows, reversal_rows};

/// Columns at the end that hold the evidence of the usage event beside the judgement, for judging it again. The
/// files have them and the SQL views do not: their content is for comparing, not for reporting.
pub const EVIDENCE_COLUMNS: [&str; 8] = [
    "account_kinds",
    "account_hashes",
    "workspace_key",
    "cache_write_1h_tokens",
    "stated_basis",
    "stated_amount",
    "stated_list_amount",
    "stated_currency",
];

table! {
    /// Columns of `usage_ledger` in their order. `event_date` is the partition column and is listed like
    /// any other; the writer of the files leaves it out of them.
    ledger_schema,
    /// Turns judged events into entries of the ledger, one row each.
    LedgerBatchBuilder: LedgerColumns
}

impl LedgerBatchBuilder {
    /// Appends the entry that `stamp` makes of `event`.
    pub fn append(&mut self, event: &JudgedEvent, stamp: &EntryStamp) {
        let JudgedEvent { usage, judgement } = event;
        self.0.append(LedgerRow { usage, facts: &usage.facts, judgement, stamp });
    }
}
