//! The table `usage_ledger`: signed entries, append-only.

mod columns;
mod reversal;

use crate::columns::table;
use columns::{LedgerColumns, LedgerRow};
use modellane_event::{EntryStamp, JudgedEvent};
pub use reversal::{reinstated_rows, reversal_rows};

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
