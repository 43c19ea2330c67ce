//! A message as consumers hand it out.

use std::sync::Arc;

/// A message read from the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// When it was produced, in milliseconds since 1970, if known.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its content.
    pub payload: Option<Vec<u8>>,
}

/// Shows where the message is and how large, never what is in it.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("bytes", &self.payload.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}
