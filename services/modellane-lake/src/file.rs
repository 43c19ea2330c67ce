//! Data files of a table.

/// A data file of a table, as its log names it. Files never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Path below the table's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Value of the partition column; null if the table has none.
    pub partition: Option<String>,
    /// Rows, as the log states them; null if it does not.
    pub rows: Option<usize>,
}
