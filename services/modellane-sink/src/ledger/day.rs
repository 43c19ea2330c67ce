//! The entries that wait for one day.

use super::judgement::judgement;
use super::lookup::fetch;
use crate::index::{Files, RowPlace};
use crate::{SinkError, TableStore};
use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use modellane_event::{Cause, EntryKind, EntryStamp, JudgedEvent, Judgement, UtcTime};
use modellane_lake::pick_rows;
use modellane_schema::{LedgerBatchBuilder, ledger_schema, reinstated_rows, reversal_rows};
use std::sync::{Arc, LazyLock};

/// Rows of a chunk. Columns that grow with the whole day would be copied to new memory again and again.
const CHUNK: usize = 4_096;
/// Rows that a day has room for at first, as many days have few.
const FIRST_CHUNK: usize = 256;

/// Where an event's current entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the table.
    Table(RowPlace),
    /// Among the new entries of its day, in the order in which they were appended.
    New(usize),
}

/// An entry that is taken back.
#[derive(Clone, Copy)]
struct TakenBack {
    place: Place,
    kind: EntryKind,
    cause: Cause,
}

/// New entries of one day, and entries that are taken back. The time of the commit is put in when they are
/// finished, as it is not known before.
pub(crate) struct Day {
    builder: LedgerBatchBuilder,
    sealed: Vec<RecordBatch>,
    sealed_rows: usize,
    taken_back: Vec<TakenBack>,
}

impl Day {
    pub(crate) fn new() -> Self {
        Self {
            builder: LedgerBatchBuilder::with_capacity(FIRST_CHUNK),
            sealed: Vec::new(),
            sealed_rows: 0,
            taken_back: Vec::new(),
        }
    }

    /// Appends an entry and says where it is.
    pub(crate) fn append(&mut self, event: &JudgedEvent, stamp: &EntryStamp) -> Result<Place, SinkError> {
        if self.builder.len() >= CHUNK {
            self.seal()?;
        }
        self.builder.append(event, stamp);
        Ok(Place::New(self.sealed_rows + self.builder.len() - 1))
    }

    /// Takes an entry back, by a reversal or a withdrawal.
    pub(crate) fn take_back(&mut self, place: Place, kind: EntryKind, cause: Cause) {
        self.taken_back.push(TakenBack { place, kind, cause });
    }

    /// Puts an entry back that was taken away, and says where it is.
    pub(crate) fn put_back(&mut self, row: &RecordBatch) -> Result<Place, SinkError> {
        self.seal()?;
        let place = Place::New(self.sealed_rows);
        self.sealed_rows += row.num_rows();
        self.sealed.push(reinstated_rows(row)?);
        Ok(place)
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.sealed_rows + self.builder.len() + self.taken_back.len()
    }

    /// Whether an event is withdrawn.
    pub(crate) fn withdraws(&self) -> bool {
        self.taken_back.iter().any(|taken| taken.kind == EntryKind::Withdrawal)
    }

    /// The judgement of a new entry.
    pub(crate) fn judgement(&mut self, row: usize) -> Result<Judgement, SinkError> {
        judgement(&self.row(row)?, 0)
    }

    /// A new entry, as one row.
    pub(crate) fn row(&mut self, mut row: usize) -> Result<RecordBatch, SinkError> {
        if row >= self.sealed_rows {
            self.seal()?;
        }
        for batch in &self.sealed {
            if row < batch.num_rows() {
                return Ok(batch.slice(row, 1));
            }
            row -= batch.num_rows();
        }
        Err(crate::columns::damaged("event_id"))
    }

    fn seal(&mut self) -> Result<(), SinkError> {
        if !self.builder.is_empty() {
            let rows = self.builder.len();
            self.sealed_rows += rows;
            // A day that filled a chunk fills more.
            let next = if rows < CHUNK { FIRST_CHUNK } else { CHUNK };
            let mut full = std::mem::replace(&mut self.builder, LedgerBatchBuilder::with_capacity(next));
            self.sealed.push(full.finish()?);
        }
        Ok(())
    }

    /// All rows of the day as they are committed: the new entries in their order, then those that are taken
    /// back.
    pub(crate) async fn finish(
        &mut self,
        recorded_at: UtcTime,
        files: &Files,
        ledger: &dyn TableStore,
    ) -> Result<Vec<RecordBatch>, SinkError> {
        self.seal()?;
        let entries = std::mem::take(&mut self.sealed);
        let mut taken_back = Vec::new();
        for kind in [EntryKind::Reversal, EntryKind::Withdrawal] {
            let mut stored: Vec<(RowPlace, Cause)> = Vec::new();
            let mut new = (Vec::new(), Vec::new());
            for taken in self.taken_back.iter().filter(|taken| taken.kind == kind) {
                match taken.place {
                    Place::Table(place) => stored.push((place, taken.cause)),
                    Place::New(row) => {
                        new.0.push(row as u32);
                        new.1.push(taken.cause);
                    }
                }
            }
            if !new.0.is_empty() {
                let rows = pick_rows(&entries, &new.0)?;
                taken_back.push(reversal_rows(&rows, kind, &new.1, recorded_at)?);
            }
            taken_back.extend(taken_from_table(stored, kind, recorded_at, files, ledger).await?);
        }
        let mut batches: Vec<RecordBatch> =
            entries.iter().map(|entries| recorded(entries, recorded_at)).collect::<Result<_, _>>()?;
        batches.append(&mut taken_back);
        Ok(batches)
    }
}

/// Fetches the rows to take back. An entry is taken back once, so places and causes pair up after sorting.
async fn taken_from_table(
    mut stored: Vec<(RowPlace, Cause)>,
    kind: EntryKind,
    recorded_at: UtcTime,
    files: &Files,
    ledger: &dyn TableStore,
) -> Result<Vec<RecordBatch>, SinkError> {
    stored.sort_unstable_by_key(|(place, _)| *place);
    let places = stored.iter().map(|(place, _)| *place).collect();
    let mut taken = Vec::new();
    for (file, rows, batch) in fetch(places, &entry_columns(), files, ledger).await? {
        let causes: Vec<Cause> =
            stored.iter().filter(|(place, _)| place.file == file).map(|(_, cause)| *cause).collect();
        debug_assert_eq!(rows.len(), causes.len());
        taken.push(reversal_rows(&batch, kind, &causes, recorded_at)?);
    }
    Ok(taken)
}

/// Every column of an entry.
pub(crate) fn entry_columns() -> Vec<&'static str> {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(ledger_schema);
    SCHEMA.fields().iter().map(|field| field.name().as_str()).collect()
}

/// Puts the time of the commit into every row.
fn recorded(batch: &RecordBatch, recorded_at: UtcTime) -> Result<RecordBatch, SinkError> {
    let index = batch.schema().index_of("recorded_at")?;
    let times = TimestampMicrosecondArray::from_value(recorded_at.micros(), batch.num_rows());
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[index] = Arc::new(times.with_timezone("UTC"));
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
