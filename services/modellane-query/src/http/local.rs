//! Who may ask while there are no keys: programs of this machine, not web pages.

use super::Failure;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Refuses what a page in a browser of this machine would send.
///
/// The port listens on loopback alone, but a page can reach it all the same: under its own name, once its
/// DNS says that the name is 127.0.0.1 (DNS rebinding), so that the browser takes the answer for the
/// page's own. The name then stands in `Host`.
pub(super) async fn programs_only(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn check(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Err(refused("this port answers under localhost, 127.0.0.1 and [::1] alone"));
    }
    // A page of this very port has the same authority; a page of any other place has not.
    if text(ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return Err(refused("pages of other places are not answered"));
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn refused(message: &str) -> Failure {
    Failure { status: StatusCode::FORBIDDEN, code: "42501", message: message.to_owned() }
}
