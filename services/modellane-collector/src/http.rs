//! The collector's HTTP endpoints.
//!
//! A request is answered with 200 only after the broker has acknowledged every accepted record. No reply and
//! no log line repeats a value of a payload.
//!
//! Records and intents: 400 if the body is empty or it has records and every one was rejected, for whatever
//! reason; else 200, which lists what was rejected. Both name rejected records by index (from 0) and line
//! (from 1). Telemetry follows its protocol instead: 400 only if the request cannot be decoded.

mod auth;
mod body;
mod budget;
mod otlp;
mod reply;

use crate::config::CollectorConfig;
use crate::connector::{Connector, Extent, Payload, Records};
use crate::connectors;
use crate::connectors::otlp::Received;
use crate::error::CollectorError;
use crate::fetch::Origin;
use crate::intake::{Begun, Counts, IndexedRejection, Intake};
use crate::intents::read_intents;
use crate::publish::{Batch, Encoding, PayloadHash, Publish, RejectOrigin};
use crate::sniff::wrong_source;
use auth::{Denied, Keys, Permit, Wish};
use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
pub(crate) use body::WORK;
use body::{Refusal, carries_records, decompress, encoding, media_type, read_body};
use budget::Budget;
pub use budget::Held;
use bytes::Bytes;
use modellane_event::{IntentOrigin, LakeKey, UtcTime};
use modellane_runtime::{Clock, MetricName, Metrics};
use reply::{failure, summary, unavailable};
use serde::Deserialize;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a query is told that is not understood.
const OBSERVED_AT: &str = "the query may say observed_at, the time at which the payload was fetched: RFC 3339, \
                           not in the future, as in ?observed_at=2026-11-01T06:00:00Z";

/// What a request is told that brings nothing.
const NO_BODY: &str = "the request has no body";

/// Everything that the endpoints need.
pub struct Collector {
    key: LakeKey,
    keys: Keys,
    publisher: Arc<dyn Publish>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    budget: Budget,
    max_body: usize,
    max_decompressed: usize,
    body_timeout: Duration,
}

impl Collector {
    /// Checks the configuration and makes the endpoints' state.
    pub fn new(
        config: &CollectorConfig,
        key: LakeKey,
        publisher: Arc<dyn Publish>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Arc<Self>, CollectorError> {
        config.validate()?;
        Ok(Arc::new(Self {
            keys: Keys::new(&key, &config.keys),
            key,
            publisher,
            clock,
            budget: Budget::new(config.max_in_flight, config.max_in_flight_bytes(), metrics.clone()),
            metrics,
            max_body: config.max_body,
            max_decompressed: config.max_decompressed,
            body_timeout: Duration::from_secs(config.body_timeout_s),
        }))
    }
}

/// Every endpoint of the collector. Serve it with connection info
/// (`into_make_service_with_connect_info::<SocketAddr>()`): without keys only loopback peers are served, and
/// a peer that is not known is none. Health and context endpoints are merged in by the binary.
pub fn router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route("/v1/sources/{source}/records", post(records))
        .route("/v1/intents", post(intents))
        .with_state(Arc::clone(&collector))
        .merge(otlp_router(collector))
}

/// The OTLP endpoints alone, for the standard port.
pub fn otlp_router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route("/v1/logs", post(otlp::logs))
        .route("/v1/traces", post(otlp::traces))
        .route("/v1/metrics", post(otlp::metrics))
        .with_state(collector)
}

/// Lets through to `routes` whoever has the admin key; without any configured key, whoever is on this
/// machine.
pub fn admin_only(collector: Arc<Collector>, routes: Router) -> Router {
    routes.layer(from_fn_with_state(collector, guard_admin))
}

async fn guard_admin(State(collector): State<Arc<Collector>>, request: Request, next: Next) -> Response {
    match collector.permit(&request, Wish::Admin) {
        Ok(_) => next.run(request).await,
        Err(denied) => reply::denied(denied),
    }
}

/// What a request says of its payload beside it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    /// When the payload was fetched, if it does not say so itself; else it is as old as the request.
    observed_at: Option<String>,
}

async fn records(
    State(collector): State<Arc<Collector>>,
    Path(source): Path<String>,
    delivery: Result<Query<Delivery>, QueryRejection>,
    request: Request,
) -> Response {
    if let Err(denied) = collector.permit(&request, Wish::Source(&source)) {
        return reply::denied(denied);
    }
    if let Some(refused) = connectors::refused(&source) {
        return failure(StatusCode::FORBIDDEN, refused.reason);
    }
    let Some(connector) = connectors::connector(&source) else {
        return reply::unknown_source(&source);
    };
    if !carries_records(&media_type(request.headers())) {
        return failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, NDJSON or CSV");
    }
    let Some(observed_at) = collector.observed_at(delivery) else {
        return failure(StatusCode::BAD_REQUEST, OBSERVED_AT);
    };
    let delivered =
        Delivered { source: connector.spec().name, observed_at, reader: Reader::Connector(connector) };
    match collector.take(delivered, request).await {
        Ok(taken) => summary(&taken),
        Err(response) => response,
    }
}

async fn intents(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let permit = match collector.permit(&request, Wish::Intents) {
        Ok(permit) => permit,
        Err(denied) => return reply::denied(denied),
    };
    let (body, _in_flight) = match collector.receive(request).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    let now = collector.clock.now();
    let declared = read_intents(&body, &collector.key, now, IntentOrigin::Http);
    if let Permit::Own(person) = permit
        && declared.intents.iter().any(|intent| intent.account != person)
    {
        return failure(StatusCode::FORBIDDEN, "this key declares intents of its own person only");
    }
    let origin = RejectOrigin { source: "intents", batch_id: collector.batch_id(&body), recorded_at: now };
    let mut batch = Batch::default();
    let encoded = declared.intents.iter().try_for_each(|intent| batch.push_intent(intent)).and_then(|()| {
        let rejects = declared.rejected.iter().map(|rejected| origin.reject(&collector.key, rejected));
        rejects.into_iter().try_for_each(|reject| batch.push_reject(&reject))
    });
    if let Err(error) = encoded {
        return reply::fault(&error);
    }
    let mut counts = Counts { accepted: declared.intents.len() as u64, ..Counts::default() };
    declared.rejected.iter().for_each(|rejected| counts.reject(rejected.rejection.reason));
    let empty = body.trim_ascii().is_empty();
    let (hint, unusable) = (empty.then_some(NO_BODY), empty || counts.all_rejected());
    let taken = Taken { counts, rejections: declared.rejected, looks_like: None, hint, unusable };
    match collector.publish("intents", &batch).await {
        Ok(()) => {
            collector.count("intents", &taken.counts);
            summary(&taken)
        }
        Err(response) => response,
    }
}

/// What reads a payload.
#[derive(Clone, Copy)]
enum Reader {
    Connector(&'static dyn Connector),
    /// One of the encodings of telemetry.
    Telemetry(fn(&Payload<'_>, &mut dyn Records) -> Received),
}

/// A payload as far as it is known before it is read.
#[derive(Clone, Copy)]
struct Delivered {
    source: &'static str,
    /// When it was fetched, unless it says so itself.
    observed_at: UtcTime,
    reader: Reader,
}

/// A payload on its way out.
struct Worked {
    batch: Batch,
    /// What is to be said once every event is acknowledged.
    closes: Batch,
    taken: Taken,
}

/// What became of a payload.
struct Taken {
    counts: Counts,
    rejections: Vec<IndexedRejection>,
    /// The source that the payload belongs to, if not to the one it was sent to.
    looks_like: Option<&'static str>,
    /// What to do about a payload that was rejected as a whole.
    hint: Option<&'static str>,
    /// Whether the request is answered as a bad one.
    unusable: bool,
}

impl Collector {
    fn permit(&self, request: &Request, wish: Wish<'_>) -> Result<Permit, Denied> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        self.keys.permit(&self.key, request.headers(), peer, wish)
    }

    /// When a payload was fetched, by its request; `None` if that cannot be read or has not come yet.
    fn observed_at(&self, delivery: Result<Query<Delivery>, QueryRejection>) -> Option<UtcTime> {
        let now = self.clock.now();
        let Query(Delivery { observed_at }) = delivery.ok()?;
        let stated = observed_at.map(|text| UtcTime::parse(&text)).transpose().ok()?;
        stated.map_or(Some(now), |stated| (stated <= now).then_some(stated))
    }

    /// Takes in one payload, whatever reads it, and publishes what came of it.
    async fn take(self: &Arc<Self>, delivered: Delivered, request: Request) -> Result<Taken, Response> {
        let source = delivered.source;
        let (body, _in_flight) = self.receive(request).await?;
        let collector = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || collector.work(delivered, &body));
        let done = work.await.map_err(|_| CollectorError::Stopped).flatten();
        let Worked { batch, closes, taken } = done.map_err(|error| reply::fault(&error))?;
        self.publish(source, &batch).await?;
        // A fetch is complete only when all of it has arrived.
        if !closes.is_empty() {
            self.publish(source, &closes).await?;
        }
        self.count(source, &taken.counts);
        Ok(taken)
    }

    /// The body, decompressed, and the room among the requests in flight that it takes: for itself, and as
    /// much again for what is made of it.
    pub async fn receive(&self, request: Request) -> Result<(Bytes, Held), Response> {
        let mut held = self.budget.admit().map_err(reply::put_off)?;
        let encoding = encoding(request.headers())
            .map_err(|status| failure(status, "content encodings are gzip and zstd"))?;
        let reading = read_body(request, encoding, self.max_body, &mut held);
        let read = tokio::time::timeout(self.body_timeout, reading).await;
        let body = read.unwrap_or(Err(Refusal::Status(StatusCode::REQUEST_TIMEOUT)));
        let body = body.map_err(reply::body_refused)?;
        let limit = self.max_decompressed;
        let unpacked = tokio::task::spawn_blocking(move || {
            let body = decompress(body, encoding, limit, &mut held)?;
            held.shrink_to(body.len() * WORK);
            Ok::<_, Refusal>((body, held))
        });
        let unpacked = unpacked.await.map_err(|_| reply::fault(&CollectorError::Stopped))?;
        unpacked.map_err(reply::body_refused)
    }

    /// Reads, seals and encodes a payload.
    fn work(&self, delivered: Delivered, body: &[u8]) -> Result<Worked, CollectorError> {
        let Delivered { source, observed_at, reader } = delivered;
        let payload = Payload { bytes: body, observed_at, key: &self.key };
        let mut intake = Intake::new(&self.key, source);
        let (mut encoding, mut closes) = (Encoding::default(), Batch::default());
        let (mut hint, mut undecodable) = (None, None);
        match reader {
            Reader::Connector(connector) if intake.begin(connector.pages(&payload)) == Begun::OutOfTurn => {
                hint = Some(Begun::HINT);
                intake.refuse(Begun::OUT_OF_TURN, &mut encoding);
            }
            Reader::Connector(connector) => {
                // Nobody vouches for what comes over HTTP.
                let statement = connector.statement(&payload).vouched(false);
                intake.list_fetches(statement.extent != Extent::Unstated);
                intake.survey(connector, &payload);
                intake.read(connector, &payload, &mut encoding);
                if intake.fetch_has_ended() {
                    let origin = Origin { connector, key: &self.key, observed_at };
                    intake.take_fetch().close(statement, &origin, &mut closes)?;
                }
            }
            Reader::Telemetry(read) => {
                let received = Cell::new(Received::default());
                let read = |payload: &Payload<'_>, records: &mut dyn Records| {
                    received.set(read(payload, records));
                };
                intake.survey_with(&payload, &read);
                intake.read_with(&payload, &read, &mut encoding);
                undecodable = Some(received.get().unreadable);
            }
        }
        let mut counts = intake.finish(&mut encoding);
        let empty = body.trim_ascii().is_empty();
        if empty {
            hint = Some(NO_BODY);
        }
        let looks_like = wrong_source(source, body, &counts);
        if let Some((_, rejection)) = looks_like {
            counts = Counts::default();
            counts.reject(rejection.rejection.reason);
            encoding.rejections = vec![rejection];
        }
        let rejections = encoding.rejections.clone();
        let origin = RejectOrigin { source, batch_id: self.batch_id(body), recorded_at: self.clock.now() };
        let batch = encoding.seal(&self.key, &origin)?;
        let looks_like = looks_like.map(|(source, _)| source);
        let unusable = undecodable.unwrap_or_else(|| empty || counts.all_rejected());
        Ok(Worked { batch, closes, taken: Taken { counts, rejections, looks_like, hint, unusable } })
    }

    async fn publish(&self, source: &str, batch: &Batch) -> Result<(), Response> {
        self.publisher.publish(batch).await.map_err(|error| {
            tracing::warn!(source, %error, "could not publish");
            unavailable()
        })
    }

    fn count(&self, source: &str, counts: &Counts) {
        count(&self.metrics, source, counts);
        tracing::debug!(source, accepted = counts.accepted, rejected = counts.rejected, "took in a payload");
    }

    fn batch_id(&self, body: &[u8]) -> [u8; 16] {
        let mut hash = PayloadHash::default();
        hash.update(&self.key, body);
        hash.finish(&self.key)
    }
}

/// Adds what became of records to the metrics.
pub(crate) fn count(metrics: &Metrics, source: &str, counts: &Counts) {
    metrics.add(MetricName::CollectorAccepted, &[("source", source)], counts.accepted);
    for (reason, number) in &counts.rejected_by {
        metrics.add(MetricName::CollectorRejected, &[("source", source), ("reason", reason)], *number);
    }
    for (kind, number) in &counts.skipped {
        metrics.add(MetricName::CollectorSkipped, &[("source", source), ("kind", kind)], *number);
    }
    for (field, number) in &counts.null_labels {
        metrics.add(MetricName::CollectorNullLabels, &[("source", source), ("field", field)], *number);
    }
}

/// Whether the client wants protobuf; `None` for a media type that is neither it nor JSON.
fn wants_protobuf(headers: &HeaderMap) -> Option<bool> {
    match media_type(headers).as_str() {
        "application/x-protobuf" => Some(true),
        "application/json" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
