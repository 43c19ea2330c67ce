//! OTLP over HTTP: protobuf and JSON, with the replies that the protocol asks for.

use super::{Collector, Delivered, Reader, Taken, Wish, reply, wants_protobuf};
use crate::connectors::otlp::{Signal, read_json, read_protobuf};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prost::Message;
use std::sync::Arc;

/// Source of everything that comes this way; the feed is told from resource and scope.
const SOURCE: &str = "otlp";
const METRICS_NOT_TAKEN: &str =
    "metrics are not taken: they repeat what logs and traces report; export those instead";
const SOME_UNREADABLE: &str = "some records could not be read; see the rejects";

pub(super) async fn logs(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    take(collector, request, Signal::Logs).await
}

pub(super) async fn traces(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    take(collector, request, Signal::Traces).await
}

pub(super) async fn metrics(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    take(collector, request, Signal::Metrics).await
}

async fn take(collector: Arc<Collector>, request: Request, signal: Signal) -> Response {
    if let Err(denied) = collector.permit(&request, Wish::Source(SOURCE)) {
        return reply::denied(denied);
    }
    let Some(protobuf) = wants_protobuf(request.headers()) else {
        return reply::failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content types are application/x-protobuf and application/json",
        );
    };
    if signal == Signal::Metrics {
        return match collector.receive(request).await {
            Ok(_) => partial_success(protobuf, signal, 0, METRICS_NOT_TAKEN),
            Err(response) => response,
        };
    }
    let observed_at = collector.clock.now();
    let delivered = Delivered { source: SOURCE, observed_at, reader: reader(signal, protobuf) };
    match collector.take(delivered, request).await {
        Ok(taken) => answer(protobuf, signal, &taken),
        Err(response) => response,
    }
}

fn reader(signal: Signal, protobuf: bool) -> Reader {
    Reader::Telemetry(match (protobuf, signal) {
        (false, _) => read_json,
        (true, Signal::Logs) => |payload, records| read_protobuf(Signal::Logs, payload, records),
        (true, Signal::Traces) => |payload, records| read_protobuf(Signal::Traces, payload, records),
        (true, Signal::Metrics) => |payload, records| read_protobuf(Signal::Metrics, payload, records),
    })
}

fn answer(protobuf: bool, signal: Signal, taken: &Taken) -> Response {
    if taken.unusable {
        return reply::failure(StatusCode::BAD_REQUEST, "the request cannot be read");
    }
    if taken.counts.rejected == 0 {
        return encoded(protobuf, Vec::new(), "{}".to_owned());
    }
    partial_success(protobuf, signal, taken.counts.rejected, SOME_UNREADABLE)
}

/// The reply of all three signals; only the name of the count differs, and only in JSON.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

fn partial_success(protobuf: bool, signal: Signal, rejected: u64, message: &str) -> Response {
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    let partial = PartialSuccess { rejected, error_message: message.to_owned() };
    let count = match signal {
        Signal::Logs => "rejectedLogRecords",
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
    };
    // 64-bit integers are strings in the protocol's JSON.
    let json = serde_json::json!({"partialSuccess": {count: rejected.to_string(), "errorMessage": message}});
    encoded(protobuf, ExportResponse { partial_success: Some(partial) }.encode_to_vec(), json.to_string())
}

fn encoded(protobuf: bool, binary: Vec<u8>, json: String) -> Response {
    if protobuf {
        ([(CONTENT_TYPE, "application/x-protobuf")], binary).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], json).into_response()
    }
}
