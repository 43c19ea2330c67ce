//! Replies. They hold counts, indexes, reasons and names of ours.

use super::Taken;
use super::auth::Denied;
use super::body::Refusal;
use super::budget::Full;
use crate::connectors;
use crate::error::CollectorError;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Most rejections that a reply lists; `rejected_total` says how many there are.
const MAX_LISTED: usize = 1_000;
/// When a client that was put off should come again, in seconds.
const RETRY_SECONDS: &str = "1";

#[derive(Serialize)]
struct Summary {
    accepted: u64,
    rejected_total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    looks_like: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct Rejected {
    /// From 0.
    index: u64,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

/// What became of the records: 200, or 400 if none could be taken.
pub(super) fn summary(taken: &Taken) -> Response {
    let status = if taken.unusable { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let rejected = taken.rejections.iter().take(MAX_LISTED).map(|rejected| Rejected {
        index: rejected.index,
        line: rejected.line,
        reason: rejected.rejection.reason.as_str(),
        field: rejected.rejection.field,
    });
    let summary = Summary {
        accepted: taken.counts.accepted,
        rejected_total: taken.rejections.len() as u64,
        looks_like: taken.looks_like,
        hint: taken.hint,
        rejected: rejected.collect(),
    };
    json(status, &summary)
}

/// An error in words of ours.
pub(super) fn failure(status: StatusCode, message: &str) -> Response {
    #[derive(Serialize)]
    struct Failure<'a> {
        error: &'a str,
    }
    json(status, &Failure { error: message })
}

pub(super) fn unknown_source(source: &str) -> Response {
    failure(StatusCode::NOT_FOUND, &connectors::unknown(source))
}

pub(super) fn denied(denied: Denied) -> Response {
    match denied {
        Denied::Unauthenticated => {
            let message = "give a key as `Authorization: Bearer …`; without configured keys only this machine is served";
            let mut response = failure(StatusCode::UNAUTHORIZED, message);
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Denied::OtherScope => failure(StatusCode::FORBIDDEN, "the key is good for something else"),
        Denied::WebPage => failure(StatusCode::FORBIDDEN, "web pages are not served without keys"),
    }
}

pub(super) fn body_refused(refusal: Refusal) -> Response {
    let status = match refusal {
        Refusal::Full(full) => return put_off(full),
        Refusal::Status(status) => status,
    };
    let message = match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            "the body is over the limit; send it in parts, or import it as a file"
        }
        StatusCode::REQUEST_TIMEOUT => {
            "the body did not come in time; nothing of it was taken, send the same request again"
        }
        _ => "the body cannot be read or is not in the stated encoding",
    };
    failure(status, message)
}

/// Asks to come again, as there is no room now.
pub(super) fn put_off(full: Full) -> Response {
    let message = match full {
        Full::Requests => {
            "as many requests are in flight as collector.max_in_flight allows; nothing of this one was taken, \
             send it again after the seconds that Retry-After names"
        }
        Full::Bytes => {
            "requests in flight hold as many bytes as collector.max_in_flight_mib allows; nothing of this one \
             was taken, send it again after the seconds that Retry-After names, or in smaller parts"
        }
    };
    with_retry(failure(StatusCode::TOO_MANY_REQUESTS, message))
}

pub(super) fn unavailable() -> Response {
    let message = "the broker has not acknowledged every record; send the same request again";
    with_retry(failure(StatusCode::SERVICE_UNAVAILABLE, message))
}

/// A fault of this program.
pub(super) fn fault(error: &CollectorError) -> Response {
    tracing::error!(%error, "could not take in a payload");
    failure(StatusCode::INTERNAL_SERVER_ERROR, "internal fault; see the collector's log")
}

fn with_retry(mut response: Response) -> Response {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
