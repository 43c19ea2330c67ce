//! The JSON encoding, reduced: the structs name what may be known, everything else is skipped by the
//! parser. Records and values stay slices of the request until they are wanted, so that a bad record
//! fails alone and a value is read only if its name is allowed.

use super::TELEMETRY_NAME;
use super::attributes::{Attributes, Name, Scalar};
use super::record::{LogRecord, Origin, Record, Sink, Span};
use crate::connector::Rejection;
use modellane_event::RejectReason;
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;
use std::borrow::Cow;

/// An export request of any signal; which one, its key tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportRequest<'a> {
    #[serde(borrow)]
    resource_logs: Option<Vec<ResourceEntry<'a>>>,
    #[serde(borrow)]
    resource_spans: Option<Vec<ResourceEntry<'a>>>,
    #[serde(borrow)]
    resource_metrics: Option<Vec<ResourceEntry<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceEntry<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, alias = "scopeSpans", alias = "scopeMetrics")]
    scope_logs: Option<Vec<ScopeEntry<'a>>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeEntry<'a> {
    #[serde(borrow)]
    scope: Option<Scope<'a>>,
    #[serde(borrow, alias = "spans", alias = "metrics")]
    log_records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Cow<'a, str>>,
    #[serde(borrow)]
    int_value: Option<Number<'a>>,
    #[serde(borrow)]
    double_value: Option<Number<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogObject<'a> {
    #[serde(borrow)]
    time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    observed_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    event_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanObject<'a> {
    #[serde(borrow)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    span_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    start_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    end_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Option<Number<'a>>,
}

/// A number as it was written: the encoding puts 64-bit integers between quotes, and exporters differ.
#[derive(Deserialize)]
#[serde(transparent)]
struct Number<'a>(#[serde(borrow)] &'a RawValue);

impl<'a> Number<'a> {
    fn text(&self) -> &'a str {
        let text = self.0.get();
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
    }
}

impl ExportRequest<'_> {
    /// Whether the object has a key of the protocol at all.
    pub(super) fn is_telemetry(&self) -> bool {
        self.resource_logs.is_some() || self.resource_spans.is_some() || self.resource_metrics.is_some()
    }

    /// Hands out every record.
    pub(super) fn read(self, sink: &mut dyn Sink) {
        each(self.resource_logs, log, sink);
        each(self.resource_spans, span, sink);
        each(self.resource_metrics, |_| Ok(Record::Metric), sink);
    }
}

fn each(
    entries: Option<Vec<ResourceEntry<'_>>>,
    parse: fn(&RawValue) -> Result<Record, Rejection>,
    sink: &mut dyn Sink,
) {
    for entry in entries.into_iter().flatten() {
        let resource = attributes(entry.resource.and_then(|resource| resource.attributes));
        let mut origin = Origin { resource, scope: SmolStr::default() };
        for scope in entry.scope_logs.into_iter().flatten() {
            origin.scope = name(scope.scope.and_then(|scope| scope.name));
            for raw in scope.log_records.into_iter().flatten() {
                let length = Some(raw.get().len());
                sink.record(&origin, parse(raw).map_err(|rejection| Rejection { length, ..rejection }));
            }
        }
    }
}

fn log(raw: &RawValue) -> Result<Record, Rejection> {
    let object: LogObject<'_> = serde_json::from_str(raw.get()).map_err(|_| malformed())?;
    Ok(Record::Log(LogRecord {
        time: nanos(object.time_unix_nano, "timeUnixNano")?,
        observed: nanos(object.observed_time_unix_nano, "observedTimeUnixNano")?,
        event_name: name(object.event_name),
        attributes: attributes(object.attributes),
    }))
}

fn span(raw: &RawValue) -> Result<Record, Rejection> {
    let object: SpanObject<'_> = serde_json::from_str(raw.get()).map_err(|_| malformed())?;
    let code = object.status.and_then(|status| status.code);
    Ok(Record::Span(Span {
        trace_id: hex(object.trace_id),
        span_id: hex(object.span_id),
        start: nanos(object.start_time_unix_nano, "startTimeUnixNano")?,
        end: nanos(object.end_time_unix_nano, "endTimeUnixNano")?,
        failed: code.is_some_and(|code| matches!(code.text(), "2" | "STATUS_CODE_ERROR")),
        attributes: attributes(object.attributes),
    }))
}

fn attributes(pairs: Option<Vec<KeyValue<'_>>>) -> Attributes {
    let mut attributes = Attributes::default();
    for pair in pairs.into_iter().flatten() {
        let (Some(name), Some(raw)) = (Name::find(&pair.key), pair.value) else { continue };
        match serde_json::from_str(raw.get()) {
            Ok(AnyValue { string_value: Some(text), .. }) => attributes.keep(name, Scalar::Text(&text)),
            Ok(AnyValue { int_value: Some(number), .. }) => match number.text().parse() {
                Ok(value) => attributes.keep(name, Scalar::Int(value)),
                Err(_) => attributes.keep(name, Scalar::Decimal(number.text())),
            },
            Ok(AnyValue { double_value: Some(number), .. }) => {
                attributes.keep(name, Scalar::Decimal(number.text()));
            }
            _ => attributes.keep(name, Scalar::Other),
        }
    }
    attributes
}

fn nanos(number: Option<Number<'_>>, field: &'static str) -> Result<u64, Rejection> {
    match number.as_ref().map(Number::text) {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| Rejection::at(RejectReason::BadTime, field)),
    }
}

fn name(text: Option<Cow<'_, str>>) -> SmolStr {
    text.filter(|text| text.len() <= TELEMETRY_NAME).map(SmolStr::new).unwrap_or_default()
}

/// Ids have 32 and 16 hexadecimal digits; other texts are no ids.
fn hex(text: Option<Cow<'_, str>>) -> String {
    let text = text.unwrap_or_default();
    let is_id = matches!(text.len(), 16 | 32) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_id { text.to_ascii_lowercase() } else { String::new() }
}

fn malformed() -> Rejection {
    Rejection::new(RejectReason::Malformed)
}
