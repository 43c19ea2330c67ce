//! `/`: what can be asked here, for whoever opens the port in a browser or by hand.

use crate::report::REPORTS;
use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>ModelLane</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem }
td { padding: 0.2rem 1.5rem 0.2rem 0 }
code { background: #8883; padding: 0.1rem 0.3rem }
</style>
<h1>ModelLane</h1>
<p>Reports on the use of AI coding tools and models. A report takes <code>?from=</code>, <code>?to=</code>
(the day after the last), <code>?team=</code> (with the teams below it) and <code>?as_of=</code>.</p>
<table>
";

const FOOT: &str = "</table>
<p>SQL: <code>POST /v1/sql</code> with the statement as body, or any PostgreSQL client on the port that
<code>query.pg_listen</code> sets. State: <a href=\"/readyz\">ready</a>, <a href=\"/metrics\">metrics</a>.</p>
</html>
";

/// A page for browsers, text for everybody else.
pub(super) async fn index(headers: HeaderMap) -> Response {
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepts.contains("text/html") {
        return text().into_response();
    }
    let mut response = Html(page()).into_response();
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for report in REPORTS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<tr><td>{title}<td><a href=\"/v1/reports/{name}.csv\">{name}.csv</a>\
             <td><a href=\"/v1/reports/{name}.json\">{name}.json</a>",
            title = report.title,
            name = report.name
        );
    }
    page + FOOT
}

fn text() -> String {
    let mut text =
        "GET /v1/reports/NAME.csv or .json, with ?from= &to= &team= &as_of=; NAME is one of\n".to_owned();
    for report in REPORTS {
        // As above.
        let _ = writeln!(text, "  {:18} {}", report.name, report.title);
    }
    text + "POST /v1/sql with a statement as body\n"
}
