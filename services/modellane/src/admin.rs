//! `PUT /v1/directory`, `/v1/policy`, `/v1/prices`, `/v1/finance`: one version each, all or nothing. The
//! collector asks for the admin key before these routes are reached.

use crate::context::{ContextIntake, IntakeError};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The routes.
pub(crate) fn router(context: Arc<ContextIntake>) -> Router {
    Router::new()
        .route("/v1/directory", put(directory))
        .route("/v1/policy", put(policy))
        .route("/v1/prices", put(prices))
        .route("/v1/finance", put(finance))
        .with_state(context)
}

async fn directory(State(context): State<Arc<ContextIntake>>, body: Bytes) -> Response {
    answer(context.put_directory(&body).await)
}

async fn prices(State(context): State<Arc<ContextIntake>>, body: Bytes) -> Response {
    answer(context.put_prices(&body).await)
}

async fn finance(State(context): State<Arc<ContextIntake>>, body: Bytes) -> Response {
    answer(context.put_finance(&body).await)
}

/// A bundle is a JSON object of file names and their texts.
async fn policy(State(context): State<Arc<ContextIntake>>, body: Bytes) -> Response {
    let Ok(files) = serde_json::from_slice::<BTreeMap<String, String>>(&body) else {
        let error = "a bundle is one JSON object: file name to text, with bundle.yaml, catalogue.csv, \
                     rules.cedar and tests.yaml";
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    };
    let files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    answer(context.put_policy(&files).await)
}

fn answer(result: Result<(), IntakeError>) -> Response {
    match result {
        Ok(()) => Json(json!({ "accepted": true })).into_response(),
        Err(IntakeError::Invalid(error)) => {
            let problems: Vec<String> = match error.problems() {
                [] => vec![error.to_string()],
                problems => problems.iter().map(ToString::to_string).collect(),
            };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response()
        }
        Err(IntakeError::Unavailable(error)) => {
            tracing::error!(%error, "a context version was not stored");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "not stored; try again" })))
                .into_response()
        }
    }
}
