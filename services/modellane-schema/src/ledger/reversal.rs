//! Entries that take earlier entries back.

use crate::{BatchError, ledger_schema};
use arrow::array::{
    Array, ArrayRef, AsArray, Int8Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int8Type;
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
    let schema = ledger_schema();
    if rows.schema().fields() != schema.fields() {
        return Err(BatchError::NotLedgerRows);
    }
    if cause.len() != rows.num_rows() {
        return Err(BatchError::CauseCount { rows: rows.num_rows(), causes: cause.len() });
    }
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| -> ArrayRef {
        match field.name().as_str() {
            "entry_sign" | "usage_sign" | "cost_sign" => turned(column),
            "entry_kind" => {
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(kind.as_str(), column.len())))
            }
            "cause" => Arc::new(StringArray::from_iter_values(cause.iter().map(|cause| cause.as_str()))),
            "recorded_at" => Arc::new(
                TimestampMicrosecondArray::from_value(recorded_at.micros(), column.len())
                    .with_timezone("UTC"),
            ),
            _ => Arc::clone(column),
        }
    });
    let columns = columns.collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn turned(signs: &ArrayRef) -> ArrayRef {
    let turned: Int8Array = signs.as_primitive::<Int8Type>().unary(i8::wrapping_neg);
    Arc::new(turned)
}
