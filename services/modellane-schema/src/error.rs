use arrow::error::ArrowError;

/// Why a batch could not be built. Names columns and counts, never values.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The rows have other columns than the ledger: read them with the ledger's schema.
    #[error("the rows do not have the columns of the ledger")]
    NotLedgerRows,
    /// Each row needs a cause of its own.
    #[error("{causes} causes were given for {rows} rows")]
    CauseCount {
        /// Rows of the batch.
        rows: usize,
        /// Causes given.
        causes: usize,
    },
    /// The columns do not make a batch: a fault of this program.
    #[error("the columns do not make a batch")]
    Columns(#[from] ArrowError),
}
