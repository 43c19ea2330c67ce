//! Cells of a batch as text.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use modellane_event::UtcTime;

/// The cell as text, or `None` for null.
pub(crate) fn shown(column: &ArrayRef, row: usize) -> Option<String> {
    column.is_valid(row).then(|| match column.data_type() {
        // Arrow prints a time with a zone's name only if built with a table of zones.
        DataType::Timestamp(..) => {
            UtcTime(column.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        _ => array_value_to_string(column, row).expect("a printable value"),
    })
}

/// The cell of a column by its name.
pub(crate) fn cell(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    shown(batch.column_by_name(column).unwrap_or_else(|| panic!("no column {column}")), row)
}
