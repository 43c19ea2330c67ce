//! Typed columns of batches. What does not fit is damage, said by column name, never by value.

use crate::MaintenanceError;
use arrow::array::{Array, RecordBatch};

/// The named column as an array of its type.
pub(crate) fn column<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a A, MaintenanceError> {
    batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref()).ok_or_else(|| damaged(name))
}

/// The named column does not hold what this version writes.
pub(crate) fn damaged(name: &str) -> MaintenanceError {
    MaintenanceError::Damaged(format!("column {name} is not what this version writes"))
}
