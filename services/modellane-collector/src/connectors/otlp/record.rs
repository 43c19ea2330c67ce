//! What both encodings are read into: the few facts of a log record or span that may be known.

use super::attributes::Attributes;
use crate::connector::Rejection;
use modellane_event::{RejectReason, UtcTime};
use smol_str::SmolStr;

/// A log record without its body.
#[derive(Default)]
pub(super) struct LogRecord {
    /// `time_unix_nano`; 0 stands for unknown, as the protocol says.
    pub(super) time: u64,
    /// `observed_time_unix_nano`; 0 stands for unknown.
    pub(super) observed: u64,
    /// `event_name`, empty if the record has none.
    pub(super) event_name: SmolStr,
    pub(super) attributes: Attributes,
}

/// A span without its events, links and name.
#[derive(Default)]
pub(super) struct Span {
    /// Trace id in lower-case hexadecimal digits; empty if it has none.
    pub(super) trace_id: String,
    /// Span id in lower-case hexadecimal digits; empty if it has none.
    pub(super) span_id: String,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether the status code says error.
    pub(super) failed: bool,
    pub(super) attributes: Attributes,
}

/// One telemetry record.
pub(super) enum Record {
    Log(LogRecord),
    Span(Span),
    /// A metric, which is counted and never read.
    Metric,
}

/// Where records come from: their resource and instrumentation scope.
#[derive(Default)]
pub(super) struct Origin {
    pub(super) resource: Attributes,
    pub(super) scope: SmolStr,
}

/// Takes records as an encoding yields them.
pub(super) trait Sink {
    /// One record, or why it could not be read.
    fn record(&mut self, origin: &Origin, record: Result<Record, Rejection>);
}

/// A moment of a record.
pub(super) fn time(nanos: u64, field: &'static str) -> Result<UtcTime, Rejection> {
    UtcTime::from_nanos(nanos).map_err(|_| Rejection::at(RejectReason::BadTime, field))
}
