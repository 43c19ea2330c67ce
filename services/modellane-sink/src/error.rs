//! What stops a sink, by what the caller can do.

use modellane_event::Date;
use modellane_lake::LakeError;
use modellane_schema::BatchError;

/// Why the sink cannot go on. None of these holds a value of a record.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The configuration cannot be used: change it.
    #[error("configuration: {0}")]
    Config(String),
    /// Another sink owns the table: stop this one, or stop the other and start this one again.
    #[error(
        "table {table} belongs to another sink (owner epoch {theirs}, ours is {ours}); this one stops, as \
         only one may commit"
    )]
    NotOwner {
        /// The table.
        table: String,
        /// The epoch in the table.
        theirs: i64,
        /// The epoch of this sink.
        ours: i64,
    },
    /// The log and the table do not fit together: a person has to look.
    #[error(
        "{stream}/{partition}: the table stands at offset {offset}, but the log holds {low} to {high}; \
         records are lost or the topic was replaced. Restore the topic, or replay the sources into a new one"
    )]
    OutOfRange {
        /// The stream.
        stream: String,
        /// Its partition.
        partition: i32,
        /// Where the table stands.
        offset: i64,
        /// First offset of the log.
        low: i64,
        /// Next offset of the log.
        high: i64,
    },
    /// Another writer committed to the table; everything since the last commit is read again.
    #[error("table {table} moved on under this sink")]
    Conflict {
        /// The table.
        table: String,
    },
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The log. Holds its own advice.
    #[error("{message}")]
    Log {
        /// What the client says.
        message: String,
        /// Whether trying again may help.
        retryable: bool,
    },
    /// The lake holds rows that this version did not write: a person has to look.
    #[error("table {table}: {detail}")]
    Damaged {
        /// The table.
        table: String,
        /// What is wrong; columns and counts only.
        detail: String,
    },
    /// The index in memory no longer says what was put into it. Nothing was committed by it; it is read from
    /// the lake again.
    #[error(
        "the index of {day} in memory is damaged and is read from the lake again; check this machine's memory"
    )]
    IndexDamaged {
        /// The day of its events.
        day: Date,
    },
    /// Rows could not be put together: a fault of this program.
    #[error("rows cannot be put together: {0}")]
    Batch(#[from] BatchError),
    /// Columns could not be put together: a fault of this program.
    #[error("rows cannot be put together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The sink has stopped.
    #[error("the sink has stopped")]
    Stopped,
}

impl SinkError {
    /// Whether reading again from the table's offsets may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict { .. } | Self::IndexDamaged { .. } => true,
            Self::Lake(error) => error.is_retryable(),
            Self::Log { retryable, .. } => *retryable,
            _ => false,
        }
    }
}
