//! The log as the sink sees it.

use crate::SinkError;
use std::future::Future;
use std::time::Duration;

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Content; null for a tombstone.
    pub payload: Option<Vec<u8>>,
}

/// Shows where the message is and how large, never what is in it.
impl std::fmt::Debug for LogRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.payload.as_ref().map(Vec::len);
        write!(f, "LogRecord({}@{}, {bytes:?} bytes)", self.partition, self.offset)
    }
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionBounds {
    /// Partition.
    pub partition: i32,
    /// First offset.
    pub low: i64,
    /// Next offset.
    pub high: i64,
}

/// One topic, read from offsets that the caller keeps.
pub trait LogReader: Send {
    /// Identity of the topic on its cluster. Offsets of different streams are never compared.
    fn stream(&self) -> impl Future<Output = Result<String, SinkError>> + Send;

    /// The partitions and what they hold.
    fn bounds(&self) -> impl Future<Output = Result<Vec<PartitionBounds>, SinkError>> + Send;

    /// Reads these partitions from these offsets on.
    fn assign(&mut self, starts: &[(i32, i64)]) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Up to `max` messages, waiting up to `wait` for the first. Each partition comes in order.
    fn poll(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<LogRecord>, SinkError>> + Send;
}

/// The topic of a stream: streams are named by their cluster and their topic.
pub(crate) fn topic_of(stream: &str) -> &str {
    stream.rsplit_once('/').map_or(stream, |(_, topic)| topic)
}
