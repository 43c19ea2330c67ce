//! What a consumer of the log hands records to.

use crate::{CommitReport, LogRecord, SinkError};
use modellane_ledger::{RangeSet, StreamRange};
use modellane_schema::CodecError;
use std::future::Future;

/// Records of one topic on their way into one table.
pub(crate) trait Writer: Send {
    /// The next offset of a partition, as the table has it.
    fn position(
        &mut self,
        stream: &str,
        partition: i32,
    ) -> impl Future<Output = Result<Option<i64>, SinkError>> + Send;

    /// Why this version cannot read a message that another one can; `None` for the others.
    fn unknown_schema(&self, payload: &[u8]) -> Option<CodecError>;

    /// Takes records that follow what was taken before.
    fn take(&mut self, records: Taken) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// What waits for a commit.
    fn pending(&self) -> Pending;

    /// Commits what waits. After an error nothing waits, and [`Writer::reset`] must come next.
    fn commit(&mut self) -> impl Future<Output = Result<CommitReport, SinkError>> + Send;

    /// Forgets everything but what the table holds.
    fn reset(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Records of one poll with the ranges that they cover.
pub(crate) struct Taken {
    pub(crate) stream: String,
    pub(crate) records: Vec<LogRecord>,
    pub(crate) ranges: Vec<StreamRange>,
}

/// What waits for a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Messages, also those that make no row.
    pub(crate) messages: u64,
    /// Rows.
    pub(crate) rows: usize,
    /// Partitions of the table.
    pub(crate) days: usize,
    /// Whether complete fetches wait that the ledger does not take account of yet.
    pub(crate) fetches: bool,
}

/// Adds ranges that follow one another by construction.
pub(crate) fn extend(all: &mut RangeSet, ranges: &[StreamRange]) -> Result<(), SinkError> {
    ranges
        .iter()
        .try_for_each(|range| all.extend(range))
        .map_err(|error| SinkError::Log { message: error.to_string(), retryable: true })
}
