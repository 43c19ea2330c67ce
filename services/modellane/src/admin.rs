//! `PUT /v1/directory`, `/v1/policy`, `/v1/prices`, `/v1/finance`, `/v1/weights`: one version each, all or
//! nothing. The collector asks for the admin key before these routes are reached.

use crate::context::{Change, ContextIntake, IntakeError};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, put};
use axum::{Json, Router};
use modellane_collector::Collector;
use modellane_event::ContextKind;
use modellane_runtime::{MetricName, Metrics};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the routes need.
#[derive(Clone)]
struct Admin {
    collector: Arc<Collector>,
    context: Arc<ContextIntake>,
    metrics: Metrics,
}

/// Reads a body as one part of the context.
type Read = fn(&mut Change, &[u8]) -> Result<(), IntakeError>;

/// The routes. Bodies come in like those of records: encodings and limits are the collector's.
pub(crate) fn router(collector: Arc<Collector>, context: Arc<ContextIntake>, metrics: Metrics) -> Router {
    Router::new()
        .route("/v1/directory", route(ContextKind::Directory, |change, body| change.directory(body)))
        .route("/v1/policy", route(ContextKind::Policy, policy))
        .route("/v1/prices", route(ContextKind::Prices, |change, body| change.prices(body)))
        .route("/v1/finance", route(ContextKind::Finance, |change, body| change.finance(body)))
        .route("/v1/weights", route(ContextKind::Weights, |change, body| change.weights(body)))
        .with_state(Admin { collector, context, metrics })
}

fn route(kind: ContextKind, read: Read) -> MethodRouter<Admin> {
    put(move |State(admin): State<Admin>, request: Request| async move {
        admin.take(request, kind, read).await
    })
        .fallback(|| async {
            failure(StatusCode::METHOD_NOT_ALLOWED, "a version of the context comes by PUT")
        })
}

/// A bundle is a JSON object of file names and their texts.
fn policy(change: &mut Change, body: &[u8]) -> Result<(), IntakeError> {
    let files: BTreeMap<String, String> = serde_json::from_slice(body).map_err(|_| {
        IntakeError::Unreadable(
            "a bundle is one JSON object: file name to text, with bundle.yaml, catalogue.csv, rules.cedar \
             and tests.yaml",
        )
    })?;
    change.policy(&files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect())
}

impl Admin {
    async fn take(&self, request: Request, kind: ContextKind, read: Read) -> Response {
        let (body, _in_flight) = match self.collector.receive(request).await {
            Ok(received) => received,
            Err(refused) => return refused,
        };
        let changed = self.change(&body, read).await;
        if let Err(IntakeError::Unreadable(_) | IntakeError::Invalid(_)) = &changed {
            let labels = [("service", "collector"), ("kind", kind.as_str())];
            self.metrics.add(MetricName::ContextRefused, &labels, 1);
        }
        match changed {
            Ok(()) => Json(json!({ "accepted": true })).into_response(),
            Err(IntakeError::Unreadable(error)) => failure(StatusCode::BAD_REQUEST, error),
            Err(IntakeError::Invalid(error)) => {
                let problems: Vec<String> = match error.problems() {
                    [] => vec![error.to_string()],
                    problems => problems.iter().map(ToString::to_string).collect(),
                };
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response()
            }
            Err(IntakeError::Unavailable(error)) => {
                tracing::error!(%error, "a context version was not stored");
                failure(StatusCode::SERVICE_UNAVAILABLE, "not stored; try again")
            }
        }
    }

    async fn change(&self, body: &[u8], read: Read) -> Result<(), IntakeError> {
        let mut change = self.context.change()?;
        read(&mut change, body)?;
        self.context.take(change).await
    }
}

fn failure(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
