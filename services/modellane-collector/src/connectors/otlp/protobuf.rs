//! The binary encoding, reduced: log bodies, span events, names and links have no field here, so the
//! decoder skips them. Records, attributes and values stay slices of the request until they are wanted,
//! so that a bad record fails alone and a value is decoded only if its name is allowed.

use super::attributes::{Attributes, Name, Scalar};
use super::record::{LogRecord, Origin, Record, Sink, Span};
use super::{Signal, TELEMETRY_NAME};
use crate::connector::Rejection;
use bytes::Bytes;
use modellane_event::RejectReason;
use prost::Message;
use smol_str::SmolStr;

/// `Export{Logs,Trace,Metrics}ServiceRequest`: their fields of interest share the tags.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceEntry>,
}

/// `ResourceLogs`, `ResourceSpans` or `ResourceMetrics`.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct ResourceEntry {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeEntry>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Resource {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    attributes: Vec<Bytes>,
}

/// `ScopeLogs`, `ScopeSpans` or `ScopeMetrics`.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct ScopeEntry {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    records: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Scope {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct LogMessage {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    attributes: Vec<Bytes>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
    #[prost(bytes = "bytes", tag = "12")]
    event_name: Bytes,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct SpanMessage {
    #[prost(bytes = "bytes", tag = "1")]
    trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    span_id: Bytes,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    attributes: Vec<Bytes>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// `AnyValue` without its lists, maps and bytes.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct AnyValue {
    #[prost(oneof = "Plain", tags = "1, 3, 4")]
    value: Option<Plain>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[prost(skip_debug)]
enum Plain {
    /// `string_value`, which the wire does not tell from bytes; it is checked when it is wanted.
    #[prost(bytes = "bytes", tag = "1")]
    Text(Bytes),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}

/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: i32 = 2;

/// Reads one export request. A request that cannot be decoded as a whole is an error.
pub(super) fn read(signal: Signal, request: Bytes, sink: &mut dyn Sink) -> Result<(), Rejection> {
    let request = ExportRequest::decode(request).map_err(|_| malformed())?;
    for entry in request.resources {
        let mut origin = Origin::default();
        if let Some(resource) = entry.resource {
            origin.resource = attributes(resource.attributes)?;
        }
        for scope in entry.scopes {
            origin.scope = scope.scope.map(|scope| name(&scope.name)).unwrap_or_default();
            for bytes in scope.records {
                let length = bytes.len();
                let record = match signal {
                    Signal::Logs => log(bytes),
                    Signal::Traces => span(bytes),
                    Signal::Metrics => Ok(Record::Metric),
                };
                sink.record(&origin, record.map_err(|r| Rejection { length: Some(length), ..r }));
            }
        }
    }
    Ok(())
}

fn log(bytes: Bytes) -> Result<Record, Rejection> {
    let message = LogMessage::decode(bytes).map_err(|_| malformed())?;
    Ok(Record::Log(LogRecord {
        time: message.time_unix_nano,
        observed: message.observed_time_unix_nano,
        event_name: name(&message.event_name),
        attributes: attributes(message.attributes)?,
    }))
}

fn span(bytes: Bytes) -> Result<Record, Rejection> {
    let message = SpanMessage::decode(bytes).map_err(|_| malformed())?;
    Ok(Record::Span(Span {
        trace_id: hex(&message.trace_id),
        span_id: hex(&message.span_id),
        start: message.start_time_unix_nano,
        end: message.end_time_unix_nano,
        failed: message.status.is_some_and(|status| status.code == STATUS_ERROR),
        attributes: attributes(message.attributes)?,
    }))
}

fn attributes(encoded: Vec<Bytes>) -> Result<Attributes, Rejection> {
    let mut attributes = Attributes::default();
    for bytes in encoded {
        let pair = KeyValue::decode(bytes).map_err(|_| malformed())?;
        let Some(name) = std::str::from_utf8(&pair.key).ok().and_then(Name::find) else { continue };
        let value = AnyValue::decode(pair.value).map_err(|_| malformed())?;
        match value.value {
            Some(Plain::Text(bytes)) => match std::str::from_utf8(&bytes) {
                Ok(text) => attributes.keep(name, Scalar::Text(text)),
                Err(_) => attributes.keep(name, Scalar::NotUtf8),
            },
            Some(Plain::Int(value)) => attributes.keep(name, Scalar::Int(value)),
            // The shortest decimal that reads back as the same double is what the program meant.
            Some(Plain::Double(value)) => attributes.keep(name, Scalar::Decimal(&value.to_string())),
            None => attributes.keep(name, Scalar::Other),
        }
    }
    Ok(attributes)
}

fn name(bytes: &Bytes) -> SmolStr {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= TELEMETRY_NAME => SmolStr::new(text),
        _ => SmolStr::default(),
    }
}

/// Ids have 16 and 8 bytes; other lengths are no ids.
fn hex(bytes: &Bytes) -> String {
    match bytes.len() {
        8 | 16 => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        _ => String::new(),
    }
}

fn malformed() -> Rejection {
    Rejection::new(RejectReason::Malformed)
}
