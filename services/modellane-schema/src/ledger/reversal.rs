//! Entries that take earlier entries back, or put them back.

use crate::{BatchError, ledger_schema};
use arrow::array::{
    Array, ArrayRef, AsArray, Int8Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int8Type, Int32Type};
use modellane_event::{Cause, EntryKind, UtcTime};
use std::sync::Arc;

/// The same rows again with their three signs turned, as entries of `kind` recorded at `recorded_at`, the
/// n-th for the n-th cause. Everything else, the revision too, is kept to the letter: the rows are those
/// that the table holds, not what would be made of their events today.
///
/// `rows` must have the ledger's schema; which rows are taken back is the caller's decision.
pub fn reversal_rows(
    rows: &RecordBatch,
    kind: EntryKind,
    cause: &[Cause],
    recorded_at: UtcTime,
) -> Result<RecordBatch, BatchError> {
    if cause.len() != rows.num_rows() {
        return Err(BatchError::CauseCount { rows: rows.num_rows(), causes: cause.len() });
    }
    rewritten(rows, |name, column| match name {
        "entry_sign" | "usage_sign" | "cost_sign" => Some(signs(column, i8::wrapping_neg)),
        "entry_kind" => Some(repeated(kind.as_str(), column.len())),
        "cause" => Some(Arc::new(StringArray::from_iter_values(cause.iter().map(|cause| cause.as_str())))),
        "recorded_at" => Some(times(recorded_at, column.len())),
        _ => None,
    })
}

/// The same rows again as entries of the next revision that count, because their events are there again:
/// content and judgement are kept to the letter. The rows may be withdrawals or the entries that were
/// withdrawn. The time of the commit is the caller's to put in.
///
/// `rows` must have the ledger's schema.
pub fn reinstated_rows(rows: &RecordBatch) -> Result<RecordBatch, BatchError> {
    rewritten(rows, |name, column| match name {
        "entry_sign" | "usage_sign" | "cost_sign" => Some(signs(column, i8::wrapping_abs)),
        "entry_kind" => Some(repeated(EntryKind::Restatement.as_str(), column.len())),
        "cause" => Some(repeated(Cause::Restated.as_str(), column.len())),
        "revision" => {
            let next: Int32Array = column.as_primitive::<Int32Type>().unary(|revision| revision + 1);
            Some(Arc::new(next))
        }
        _ => None,
    })
}

/// The rows with some columns replaced.
fn rewritten(
    rows: &RecordBatch,
    replace: impl Fn(&str, &ArrayRef) -> Option<ArrayRef>,
) -> Result<RecordBatch, BatchError> {
    let schema = ledger_schema();
    if rows.schema().fields() != schema.fields() {
        return Err(BatchError::NotLedgerRows);
    }
    let columns = schema.fields().iter().zip(rows.columns());
    let columns = columns
        .map(|(field, column)| replace(field.name(), column).unwrap_or_else(|| Arc::clone(column)))
        .collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn signs(signs: &ArrayRef, change: fn(i8) -> i8) -> ArrayRef {
    let changed: Int8Array = signs.as_primitive::<Int8Type>().unary(change);
    Arc::new(changed)
}

fn repeated(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

fn times(time: UtcTime, rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_value(time.micros(), rows).with_timezone("UTC"))
}
