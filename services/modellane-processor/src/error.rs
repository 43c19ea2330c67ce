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
    /// A message cannot be written in its format.
    #[error(transparent)]
    Codec(#[from] modellane_schema::CodecError),
}
