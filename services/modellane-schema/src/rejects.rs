//! The table `rejects`: coordinates and reasons of what was not taken.

use crate::columns::{columns, table};
use modellane_event::{Label, RejectEvent};

type RejectRow<'a> = &'a RejectEvent;

columns! {
    /// The fields of a reject, and the day that it was recorded.
    RejectColumns for reject: RejectRow {
        reject_id: Id required = reject.reject_id.as_bytes();
        source: Text required = reject.source.as_str();
        batch_id: Text required = reject.batch_id.as_str();
        index: Int64 required = reject.index;
        reason: Text required = reject.reason.as_str();
        field: Text nullable = reject.field.as_ref().map(Label::as_str);
        length: Int64 nullable = reject.length;
        recorded_at: Time required = reject.recorded_at;
        recorded_date: Day required = reject.recorded_at.date();
    }
}

table! {
    /// Columns of `rejects`; `recorded_date` is the partition column.
    rejects_schema,
    /// Turns rejects into rows, one each.
    RejectBatchBuilder: RejectColumns
}

impl RejectBatchBuilder {
    /// Appends one reject.
    pub fn append(&mut self, reject: &RejectEvent) {
        self.0.append(reject);
    }
}
