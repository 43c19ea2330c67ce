//! The collector's two ports.

use crate::admin;
use crate::context::ContextIntake;
use crate::ready::busy;
use crate::stack::Base;
use anyhow::{Context, Result};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use modellane_collector::{Collector, KafkaPublish, admin_only, otlp_router, router};
use modellane_kafka::Publisher;
use modellane_runtime::{Shutdown, health_router};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long requests in flight have at a stop: longer than a message may wait for its acknowledgement.
const DRAIN: Duration = Duration::from_secs(35);

/// The collector while it listens.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    /// Where OTLP over HTTP listens as well, if it does.
    pub(crate) otlp_http_address: Option<SocketAddr>,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Listening {
    /// Opens the ports and serves until asked to stop.
    pub(crate) async fn start(base: &Base, context: Arc<ContextIntake>, shutdown: &Shutdown) -> Result<Self> {
        let config = &base.config.collector;
        let publish = KafkaPublish::new(Publisher::new(&base.kafka)?, &base.kafka.topic_prefix);
        let collector = Collector::new(
            config,
            base.key().await?.clone(),
            Arc::new(publish),
            Arc::clone(&base.clock),
            base.metrics.clone(),
        )?;
        let admin = admin::router(Arc::clone(&collector), context, base.metrics.clone());
        let routes = router(Arc::clone(&collector))
            .merge(admin_only(Arc::clone(&collector), admin))
            .merge(health_router(base.readiness.clone(), base.metrics.clone()));
        let mut tasks = JoinSet::new();
        let address = serve("collector.listen", config.listen, routes, shutdown, &mut tasks).await?;
        let otlp_http_address = match config.otlp_http_listen {
            Some(address) => {
                let routes = otlp_router(collector);
                Some(serve("collector.otlp_http_listen", address, routes, shutdown, &mut tasks).await?)
            }
            None => None,
        };
        Ok(Self { address, otlp_http_address, tasks })
    }

    /// Waits until every request in flight is answered, and not for ever: a client may stop in the middle of
    /// its body.
    pub(crate) async fn stopped(mut self) {
        if tokio::time::timeout(DRAIN, all_ended(&mut self.tasks)).await.is_err() {
            tracing::warn!("requests that were not answered in time were broken off; none was acknowledged");
        }
    }
}

/// The port for health and metrics of a process that has no other.
pub(crate) struct Health(JoinSet<std::io::Result<()>>);

impl Health {
    /// Opens the port and serves until asked to stop.
    pub(crate) async fn start(
        base: &Base,
        key: &str,
        address: SocketAddr,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let routes = health_router(base.readiness.clone(), base.metrics.clone());
        let address = serve(key, address, routes, shutdown, &mut tasks).await?;
        tracing::info!(%address, "health and metrics");
        Ok(Self(tasks))
    }

    /// Waits until what was asked is answered.
    pub(crate) async fn stopped(mut self) {
        // Nothing of it matters to anybody.
        let _ = tokio::time::timeout(DRAIN, all_ended(&mut self.0)).await;
    }
}

async fn all_ended(tasks: &mut JoinSet<std::io::Result<()>>) {
    while let Some(ended) = tasks.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::error!(%error, "a port failed");
        }
    }
}

async fn serve(
    key: &str,
    address: SocketAddr,
    routes: Router,
    shutdown: &Shutdown,
    tasks: &mut JoinSet<std::io::Result<()>>,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.with_context(|| busy(key, address))?;
    let bound = listener.local_addr()?;
    let shutdown = shutdown.clone();
    let routes = routes.fallback(|| async { lost(StatusCode::NOT_FOUND) });
    let routes = routes.method_not_allowed_fallback(|| async { lost(StatusCode::METHOD_NOT_ALLOWED) });
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(async move {
        axum::serve(listener, service).with_graceful_shutdown(async move { shutdown.triggered().await }).await
    });
    Ok(bound)
}

/// What whoever asks for something else is told.
fn lost(status: StatusCode) -> Response {
    let error = "records come by POST to /v1/sources/SOURCE/records, intents to /v1/intents, telemetry to \
                 /v1/logs, /v1/traces and /v1/metrics; context comes by PUT to /v1/directory, /v1/policy, \
                 /v1/prices, /v1/finance and /v1/weights; reports are served by the query service";
    (status, Json(json!({ "error": error }))).into_response()
}
