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
    /// The log deleted events that no processor of the group has judged.
    #[error(
        "{topic}/{partition}: the events from offset {from} to {to} were deleted before they were judged, as \
         processors were away for longer than the topic is kept. Import the exports of that time again and let the \
         processor go on with processor.accept_loss = true, for one start"
    )]
    Lost {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Where the group stood.
        from: i64,
        /// The first offset that is left.
        to: i64,
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
