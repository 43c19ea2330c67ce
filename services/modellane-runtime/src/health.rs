//! `/livez`, `/readyz` and `/metrics`, the same on every service.

use crate::Metrics;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a service can do its work, and if not, why. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    started: bool,
    /// What a person has to look at, by name.
    alarms: BTreeMap<String, String>,
}

impl Readiness {
    /// Not ready yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the service can take work, or no longer can.
    pub fn set(&self, ready: bool) {
        self.with(|state| state.started = ready);
    }

    /// Says that something waits for a person: `what` names it until it is over, `reason` says why and what
    /// to do.
    pub fn raise(&self, what: &str, reason: &str) {
        self.with(|state| state.alarms.insert(what.to_owned(), reason.to_owned()));
    }

    /// Says that it is over.
    pub fn clear(&self, what: &str) {
        self.with(|state| state.alarms.remove(what));
    }

    /// Whether the service can do all of its work.
    pub fn is_ready(&self) -> bool {
        self.with(|state| state.started && state.alarms.is_empty())
    }

    /// What waits for a person, one line each; empty if nothing does.
    pub fn alarms(&self) -> Vec<String> {
        self.with(|state| state.alarms.iter().map(|(what, reason)| format!("{what}: {reason}")).collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer of `/readyz`.
    fn answer(&self) -> (StatusCode, String) {
        let alarms = self.alarms();
        if self.is_ready() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        let text = if alarms.is_empty() { "starting\n".to_owned() } else { alarms.join("\n") + "\n" };
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

/// The three routes.
pub fn health_router(readiness: Readiness, metrics: Metrics) -> Router {
    let ready = move || async move { readiness.answer() };
    let scrape = move || async move {
        ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.render())
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_says_why_not() {
        let readiness = Readiness::new();
        assert_eq!(readiness.answer(), (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned()));
        readiness.set(true);
        assert_eq!(readiness.answer().0, StatusCode::OK);
        let shared = readiness.clone();
        shared.raise("topic/1", "waits");
        shared.raise("topic/0", "waits too");
        let text = "topic/0: waits too\ntopic/1: waits\n".to_owned();
        assert_eq!(readiness.answer(), (StatusCode::SERVICE_UNAVAILABLE, text));
        readiness.clear("topic/0");
        assert!(!readiness.is_ready());
        readiness.clear("topic/1");
        assert!(readiness.is_ready());
    }
}
