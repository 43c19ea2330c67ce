//! What stops a job, by what the caller can do.

use modellane_event::UtcTime;
use modellane_lake::LakeError;

/// Why a job of maintenance did not finish. None of these holds a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The configuration cannot be used: change it.
    #[error("configuration: {0}")]
    Config(String),
    /// Somebody else maintains the lake: leave it to them, or come back later.
    #[error("another maintenance works on this lake until {until} at the latest")]
    Busy {
        /// When its lease ends, unless it is renewed.
        until: UtcTime,
    },
    /// The table moved on, and maintenance gave way: the next round tries again.
    #[error("table {table} moved on; the next round tries again")]
    GaveWay {
        /// The table.
        table: String,
    },
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// What the lake holds contradicts itself: a person has to look.
    #[error("{0}")]
    Damaged(String),
    /// Rows could not be put together: a fault of this program.
    #[error("rows cannot be put together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A document could not be read: a person has to look.
    #[error("{path} is not what this version writes")]
    Unreadable {
        /// Where it is, below the lake's root.
        path: String,
    },
}

impl MaintenanceError {
    /// Whether a later round may succeed without anybody's help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::GaveWay { .. } => true,
            Self::Lake(error) => error.is_retryable(),
            _ => false,
        }
    }
}
