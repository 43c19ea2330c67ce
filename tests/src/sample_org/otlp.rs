//! OTLP/JSON: the parts of an export request that the sample uses.

use super::number::Number;
use serde::Serialize;

/// One attribute.
#[derive(Clone, Serialize)]
pub(crate) struct Attribute {
    key: &'static str,
    value: Value,
}

#[derive(Clone, Serialize)]
enum Value {
    #[serde(rename = "stringValue")]
    Text(String),
    /// 64-bit integers are strings in OTLP's JSON.
    #[serde(rename = "intValue")]
    Integer(String),
    #[serde(rename = "doubleValue")]
    Double(Number),
}

/// A text.
pub(crate) fn text(key: &'static str, value: impl Into<String>) -> Attribute {
    Attribute { key, value: Value::Text(value.into()) }
}

/// An integer.
pub(crate) fn integer(key: &'static str, value: i64) -> Attribute {
    Attribute { key, value: Value::Integer(value.to_string()) }
}

/// A float.
pub(crate) fn double(key: &'static str, value: Number) -> Attribute {
    Attribute { key, value: Value::Double(value) }
}

#[derive(Clone, Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Clone, Serialize)]
struct Scope {
    name: &'static str,
}

/// Export request with the logs of one resource and scope.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogsRequest {
    resource_logs: [ResourceLogs; 1],
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs {
    resource: Resource,
    scope_logs: [ScopeLogs; 1],
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs {
    scope: Scope,
    log_records: Vec<LogRecord>,
}

/// One log record; the body repeats the event's name.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogRecord {
    pub(crate) time_unix_nano: String,
    pub(crate) observed_time_unix_nano: String,
    pub(crate) severity_number: i32,
    pub(crate) event_name: String,
    pub(crate) body: Body,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body {
    pub(crate) string_value: String,
}

/// A request for log records.
pub(crate) fn logs(resource: Vec<Attribute>, scope: &'static str, records: Vec<LogRecord>) -> LogsRequest {
    LogsRequest {
        resource_logs: [ResourceLogs {
            resource: Resource { attributes: resource },
            scope_logs: [ScopeLogs { scope: Scope { name: scope }, log_records: records }],
        }],
    }
}

/// Export request with the spans of one resource and scope.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TracesRequest {
    resource_spans: [ResourceSpans; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

/// One span.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) start_time_unix_nano: String,
    pub(crate) end_time_unix_nano: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) events: [(); 0],
    pub(crate) status: Status,
}

/// How a span ended: empty if well, code 2 if not.
#[derive(Serialize)]
pub(crate) struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i32>,
}

/// A request for spans.
pub(crate) fn traces(resource: Vec<Attribute>, scope: &'static str, spans: Vec<Span>) -> TracesRequest {
    TracesRequest {
        resource_spans: [ResourceSpans {
            resource: Resource { attributes: resource },
            scope_spans: [ScopeSpans { scope: Scope { name: scope }, spans }],
        }],
    }
}
