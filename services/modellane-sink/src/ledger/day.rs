//! The entries that wait for one day.

use super::judgement::judgement;
use super::lookup::fetch;
use crate::SinkError;
use crate::index::{Files, RowPlace};
use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use modellane_event::{Cause, EntryKind, EntryStamp, JudgedEvent, Judgement, UtcTime};
use modellane_lake::Table;
use modellane_schema::{LedgerBatchBuilder, ledger_schema, reversal_rows};
use std::sync::Arc;

/// Where an event's current entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the table.
    Table(RowPlace),
    /// Among the new entries of its day, in the order in which they were appended.
    New(usize),
}

/// New entries and reversals of one day. The time of the commit is put in when they are finished, as it is
/// not known before.
pub(crate) struct Day {
    builder: LedgerBatchBuilder,
    sealed: Vec<RecordBatch>,
    sealed_rows: usize,
    reversals: Vec<(Place, Cause)>,
}

impl Day {
    pub(crate) fn new() -> Self {
        Self {
            builder: LedgerBatchBuilder::with_capacity(256),
            sealed: Vec::new(),
            sealed_rows: 0,
            reversals: Vec::new(),
        }
    }

    /// Appends an entry and says where it is.
    pub(crate) fn append(&mut self, event: &JudgedEvent, stamp: &EntryStamp) -> Place {
        self.builder.append(event, stamp);
        Place::New(self.sealed_rows + self.builder.len() - 1)
    }

    /// Takes an entry back.
    pub(crate) fn reverse(&mut self, place: Place, cause: Cause) {
        self.reversals.push((place, cause));
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.sealed_rows + self.builder.len() + self.reversals.len()
    }

    /// The judgement of a new entry.
    pub(crate) fn judgement(&mut self, mut row: usize) -> Result<Judgement, SinkError> {
        if row >= self.sealed_rows {
            self.seal()?;
        }
        for batch in &self.sealed {
            if row < batch.num_rows() {
                return judgement(batch, row);
            }
            row -= batch.num_rows();
        }
        Err(super::columns::damaged("event_id"))
    }

    fn seal(&mut self) -> Result<(), SinkError> {
        if !self.builder.is_empty() {
            self.sealed_rows += self.builder.len();
            self.sealed.push(self.builder.finish()?);
        }
        Ok(())
    }

    /// All rows of the day as they are committed: the new entries in their order, then the reversals.
    pub(crate) async fn finish(
        &mut self,
        recorded_at: UtcTime,
        files: &Files,
        ledger: &Table,
    ) -> Result<RecordBatch, SinkError> {
        self.seal()?;
        let entries = concat_batches(&ledger_schema(), &std::mem::take(&mut self.sealed))?;
        let entries = recorded(&entries, recorded_at)?;
        let mut batches = vec![entries];
        let mut stored: Vec<(RowPlace, Cause)> = Vec::new();
        let mut new = (Vec::new(), Vec::new());
        for (place, cause) in &self.reversals {
            match place {
                Place::Table(place) => stored.push((*place, *cause)),
                Place::New(row) => {
                    new.0.push(*row as u32);
                    new.1.push(*cause);
                }
            }
        }
        if !new.0.is_empty() {
            let rows = take_record_batch(&batches[0], &UInt32Array::from(new.0))?;
            batches.push(reversal_rows(&rows, EntryKind::Reversal, &new.1, recorded_at)?);
        }
        batches.extend(reversed_from_table(stored, recorded_at, files, ledger).await?);
        Ok(concat_batches(&ledger_schema(), &batches)?)
    }
}

/// Fetches the rows to take back. An entry is taken back once, so places and causes pair up after sorting.
async fn reversed_from_table(
    mut stored: Vec<(RowPlace, Cause)>,
    recorded_at: UtcTime,
    files: &Files,
    ledger: &Table,
) -> Result<Vec<RecordBatch>, SinkError> {
    stored.sort_unstable_by_key(|(place, _)| *place);
    let columns = ledger_schema();
    let columns: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
    let places = stored.iter().map(|(place, _)| *place).collect();
    let mut reversed = Vec::new();
    for (file, rows, batch) in fetch(places, &columns, files, ledger).await? {
        let causes: Vec<Cause> =
            stored.iter().filter(|(place, _)| place.file == file).map(|(_, cause)| *cause).collect();
        debug_assert_eq!(rows.len(), causes.len());
        reversed.push(reversal_rows(&batch, EntryKind::Reversal, &causes, recorded_at)?);
    }
    Ok(reversed)
}

/// Puts the time of the commit into every row.
fn recorded(batch: &RecordBatch, recorded_at: UtcTime) -> Result<RecordBatch, SinkError> {
    let index = batch.schema().index_of("recorded_at")?;
    let times = TimestampMicrosecondArray::from_value(recorded_at.micros(), batch.num_rows());
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[index] = Arc::new(times.with_timezone("UTC"));
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
