//! What stops a processor.

/// Errors by what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// The broker cannot be used.
    #[error(transparent)]
    Kafka(#[from] modellane_kafka::KafkaError),
    /// A context object that a pointer names cannot be read.
    #[error(
        "context object {hash} cannot be read: {reason}; check that the lake URL is the one it was written to"
    )]
    ContextObject {
        /// Content hash of the object.
        hash: String,
        /// Why.
        reason: String,
    },
    /// Context or an intent was written by another version: judging waits for one that can read it.
    #[error(
        "{topic}/{partition}, offset {offset}: {reason}; run a version that knows it, and judging goes on"
    )]
    ContextSchema {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Offset of the message.
        offset: i64,
        /// What is not known.
        reason: modellane_schema::CodecError,
    },
    /// A message cannot be written in its format.
    #[error(transparent)]
    Codec(#[from] modellane_schema::CodecError),
}

impl ProcessorError {
    /// Whether the context cannot be read to its end for now, so that nothing may be judged.
    pub(crate) fn is_about_context(&self) -> bool {
        matches!(self, Self::ContextObject { .. } | Self::ContextSchema { .. })
    }
}
