//! HTTP: named reports and SQL, each answer whole before its first byte is sent.

mod index;
mod local;
mod render;

use crate::report::REPORTS;
use crate::{Query, QueryError, ReportParams, Standing};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query as Parameters, State};
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use modellane_runtime::Shutdown;
use render::Format;
use serde::Deserialize;
use std::io;
use tokio::net::TcpListener;

/// Longest SQL text.
const MAX_BODY: usize = 1 << 20;

/// Serves requests until asked to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    query: Query,
    extra: Router,
    shutdown: Shutdown,
) -> io::Result<()> {
    let router = Router::new()
        .route("/", get(index::index))
        .route("/v1/reports", get(list))
        .route("/v1/reports/{file}", get(report))
        .route("/v1/sql", post(sql))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(query)
        .merge(extra)
        .fallback(|| async { Failure::not_found("nothing is served under this path; GET / says what is") })
        .method_not_allowed_fallback(|| async { Failure::wrong_method() })
        .layer(from_fn(local::programs_only));
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.triggered().await }).await
}

/// Names and titles of the reports.
async fn list() -> Json<serde_json::Value> {
    let entries = REPORTS.map(|report| serde_json::json!({ "name": report.name, "title": report.title }));
    Json(serde_json::Value::Array(entries.to_vec()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReportQuery {
    from: Option<String>,
    to: Option<String>,
    team: Option<String>,
    as_of: Option<String>,
}

async fn report(
    State(query): State<Query>,
    Path(file): Path<String>,
    parameters: Result<Parameters<ReportQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let answer = read_report(&query, &file, parameters).await;
    query.count("http", answer.is_ok());
    answer
}

async fn read_report(
    query: &Query,
    file: &str,
    parameters: Result<Parameters<ReportQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Ok(Parameters(parameters)) = parameters else {
        return Err(Failure::bad_request("the parameters of a report are from, to, team and as_of"));
    };
    let (name, extension) = file.rsplit_once('.').unwrap_or((file, "json"));
    let format = match extension {
        "csv" => Format::Csv,
        "json" => Format::Json,
        _ => return Err(Failure::not_found("a report is served as .csv or .json")),
    };
    let params = ReportParams::parse(
        parameters.from.as_deref(),
        parameters.to.as_deref(),
        parameters.team.as_deref(),
        parameters.as_of.as_deref(),
    )?;
    let result = query.report_within(name, &params, query.http_row_limit()).await?;
    let mut response = respond(&result.schema, &result.batches, &result.standing, format)?;
    let disposition = format!("inline; filename=\"{}.{extension}\"", result.name);
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlBody {
    sql: String,
}

async fn sql(State(query): State<Query>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    let answer = read_sql(&query, &headers, &body).await;
    query.count("http", answer.is_ok());
    answer
}

async fn read_sql(query: &Query, headers: &HeaderMap, body: &[u8]) -> Result<Response, Failure> {
    let format = accepted(headers)?;
    let text = std::str::from_utf8(body).map_err(|_| Failure::bad_request("the statement is not UTF-8"))?;
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let statement = if is_json || text.trim_start().starts_with('{') {
        serde_json::from_str::<SqlBody>(text)
            .map_err(|_| Failure::bad_request("the body is SQL text, or {\"sql\": \"…\"}"))?
            .sql
    } else {
        text.to_owned()
    };
    let result = query.answer(&statement, query.http_row_limit()).await?;
    Ok(respond(&result.schema, &result.batches, &result.standing, format)?)
}

/// The first format of `Accept` that is served; JSON without a wish.
fn accepted(headers: &HeaderMap) -> Result<Format, Failure> {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(Format::Json);
    };
    for wish in accept.split(',') {
        match wish.split(';').next().unwrap_or_default().trim() {
            "application/json" | "application/*" | "*/*" => return Ok(Format::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => return Ok(Format::NdJson),
            "text/csv" | "text/*" => return Ok(Format::Csv),
            _ => {}
        }
    }
    Err(Failure {
        status: StatusCode::NOT_ACCEPTABLE,
        code: "0A000",
        message: "served are application/json, application/x-ndjson and text/csv".to_owned(),
    })
}

fn respond(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    standing: &Standing,
    format: Format,
) -> Result<Response, QueryError> {
    let body = render::render(schema, batches, format)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut response = ([(CONTENT_TYPE, format.content_type())], body).into_response();
    let time =
        |time: Option<modellane_event::UtcTime>| time.map_or_else(String::new, |time| time.to_string());
    let headers = [
        ("x-table-version", standing.table_version.map_or_else(String::new, |version| version.to_string())),
        ("x-recorded-through", time(standing.recorded_through)),
        ("x-data-through", time(standing.data_through)),
        ("x-row-count", rows.to_string()),
        ("x-gap-rows", standing.gap.rows.to_string()),
        ("x-gap-unpriced-rows", standing.gap.unpriced_rows.to_string()),
        ("x-gap-cost", standing.gap.billed_text()),
        ("x-gap-list-cost", standing.gap.list_text()),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

/// An answer without rows: what went wrong, and the SQLSTATE.
struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failure {
    fn bad_request(message: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "22023", message: message.to_owned() }
    }

    fn wrong_method() -> Self {
        let message = "reports are asked for by GET, SQL by POST".to_owned();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, code: "0A000", message }
    }

    fn not_found(message: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "42P01", message: message.to_owned() }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::UnknownReport { .. } => StatusCode::NOT_FOUND,
            QueryError::Refused { .. } => StatusCode::FORBIDDEN,
            QueryError::Sql { .. } | QueryError::Parameter { .. } | QueryError::UnknownTeam { .. } => {
                StatusCode::BAD_REQUEST
            }
            QueryError::TooManyRows { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            QueryError::Timeout | QueryError::Canceled => StatusCode::REQUEST_TIMEOUT,
            QueryError::Lake { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, code: error.sqlstate(), message: error.to_string() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.message, "sqlstate": self.code });
        (self.status, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests;
