//! The table `fetches`: what a vendor had of a scope whenever all of it was fetched.

use crate::columns::{columns, table};
use modellane_event::{ScopeClosed, UtcTime};

/// A message, and the time of the commit that keeps it.
type FetchRow<'a> = (&'a ScopeClosed, UtcTime);

columns! {
    /// The fields of a message, the time of its commit, and the day of the fetch.
    FetchColumns for row: FetchRow {
        source: Text required = row.0.source.as_str();
        scope_key: Text required = row.0.scope_key.as_str();
        period_start: Time required = row.0.period_start;
        period_end: Time required = row.0.period_end;
        fetch_id: Id required = row.0.fetch_id.as_bytes();
        observed_at: Time required = row.0.observed_at;
        confirmed: Flag required = row.0.confirmed;
        events: Int64 required = row.0.events;
        chunk: Int32 required = row.0.chunk;
        chunks: Int32 required = row.0.chunks;
        event_ids: Ids required = &row.0.event_ids[..];
        recorded_at: Time required = row.1;
        observed_date: Day required = row.0.observed_at.date();
    }
}

table! {
    /// Columns of `fetches`; `observed_date` is the partition column. `event_ids` holds the ids one after
    /// another, 16 bytes each.
    fetches_schema,
    /// Turns messages of complete fetches into rows, one each.
    FetchBatchBuilder: FetchColumns
}

impl FetchBatchBuilder {
    /// Appends one message of a fetch, kept by a commit of this time.
    pub fn append(&mut self, closed: &ScopeClosed, recorded_at: UtcTime) {
        self.0.append((closed, recorded_at));
    }
}
