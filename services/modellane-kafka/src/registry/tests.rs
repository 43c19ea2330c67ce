//! Against a server that answers as Confluent documents its API ("Schema Registry API reference").

use super::*;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode as Status;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use modellane_schema::SCHEMA_FILES;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const TOPIC: &str = "modellane.rejects.v1";
const SUBJECT: &str = "modellane.rejects.v1-value";
const SCHEMA: &str = "reject";

/// How the server behaves.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// Asks for `key` and `secret`.
    is_closed: bool,
    /// Registers nothing, as for an account that may only read.
    is_read_only: bool,
    /// Holds another schema under each subject.
    is_incompatible: bool,
    /// Is something else that listens there.
    is_a_website: bool,
}

#[derive(Default)]
struct Shared {
    manner: Manner,
    /// Subject and schema; an id is the place in this list, from 1.
    schemas: Mutex<Vec<(String, String)>>,
    asked: AtomicUsize,
}

/// A server on a thread of its own, which ends with it.
struct Server {
    url: String,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    fn start(manner: Manner) -> Self {
        let shared = Arc::new(Shared { manner, ..Shared::default() });
        let routes = Router::new()
            .route("/subjects/{subject}", post(find))
            .route("/subjects/{subject}/versions", post(register))
            .route("/schemas/ids/{id}", get(schema))
            .layer(from_fn_with_state(Arc::clone(&shared), enter))
            .with_state(Arc::clone(&shared));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { url, shared, runtime: Some(runtime) }
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    fn client(&self) -> Registry {
        self.client_with(None, true)
    }

    fn client_with(&self, credentials: Option<(&str, &str)>, may_register: bool) -> Registry {
        Registry::new(&RegistryConfig { url: &self.url, credentials, may_register })
    }

    fn put(&self, subject: &str, schema: &str) -> u32 {
        let mut schemas = self.shared.schemas.lock().unwrap();
        schemas.push((subject.to_owned(), schema.to_owned()));
        schemas.len() as u32
    }
}

fn problem(status: Status, code: u32) -> Response {
    (status, Json(json!({ "error_code": code, "message": "in words" }))).into_response()
}

async fn enter(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    if shared.manner.is_a_website {
        return "<html>hello</html>".into_response();
    }
    // "key:secret" in base64.
    let authorization = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
    if shared.manner.is_closed && authorization.as_deref() != Some(b"Basic a2V5OnNlY3JldA==") {
        return problem(Status::UNAUTHORIZED, 401);
    }
    next.run(request).await
}

fn text(body: &Value) -> &str {
    body["schema"].as_str().unwrap()
}

async fn find(
    State(shared): State<Arc<Shared>>,
    Path(subject): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let schemas = shared.schemas.lock().unwrap();
    if !schemas.iter().any(|(known, _)| *known == subject) {
        return problem(Status::NOT_FOUND, 40401);
    }
    match schemas.iter().position(|(known, schema)| *known == subject && schema == text(&body)) {
        Some(at) => Json(json!({ "subject": subject, "id": at + 1, "version": 1, "schema": text(&body) }))
            .into_response(),
        None => problem(Status::NOT_FOUND, 40403),
    }
}

async fn register(
    State(shared): State<Arc<Shared>>,
    Path(subject): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if shared.manner.is_read_only {
        return problem(Status::FORBIDDEN, 40301);
    }
    if shared.manner.is_incompatible {
        return problem(Status::CONFLICT, 409);
    }
    let mut schemas = shared.schemas.lock().unwrap();
    schemas.push((subject, text(&body).to_owned()));
    Json(json!({ "id": schemas.len() })).into_response()
}

async fn schema(State(shared): State<Arc<Shared>>, Path(id): Path<usize>) -> Response {
    match shared.schemas.lock().unwrap().get(id.wrapping_sub(1)) {
        Some((subject, _)) if subject == "protobuf" => {
            Json(json!({ "schema": "syntax", "schemaType": "PROTOBUF" })).into_response()
        }
        Some((_, schema)) => Json(json!({ "schema": schema })).into_response(),
        None => problem(Status::NOT_FOUND, 40403),
    }
}

/// The newest schema of the topic: text and fingerprint.
fn newest() -> (&'static str, u64) {
    let (fingerprint, file) = wire::versions(SCHEMA).last().unwrap();
    (file.json, fingerprint)
}

fn single_object(fingerprint: u64) -> Vec<u8> {
    [&[0xC3, 0x01], &fingerprint.to_le_bytes()[..], b"datum"].concat()
}

#[test]
fn a_schema_is_registered_once_and_headers_are_changed_both_ways() {
    let server = Server::start(Manner::default());
    // Ids are the registry's, not ours.
    server.put("somebody-else", "{}");
    let registry = server.client();
    registry.ensure(TOPIC, SCHEMA).unwrap();
    let versions = wire::versions(SCHEMA).count();
    assert_eq!(server.shared.schemas.lock().unwrap().len(), 1 + versions);
    assert!(server.shared.schemas.lock().unwrap()[1..].iter().all(|(subject, _)| subject == SUBJECT));
    server.client().ensure(TOPIC, SCHEMA).unwrap();
    assert_eq!(server.shared.schemas.lock().unwrap().len(), 1 + versions, "it was there");

    let asked = server.asked();
    let payload = single_object(newest().1);
    let message = registry.outgoing(TOPIC, &payload).unwrap().into_owned();
    let id = 1 + versions as u32;
    assert_eq!(message, [&[0], &id.to_be_bytes()[..], b"datum"].concat());
    assert_eq!(registry.incoming(&message, &mut HashSet::new()), payload);
    assert_eq!(server.asked(), asked, "what was registered need not be asked for");
}

#[test]
fn a_registry_that_goes_away_takes_nothing_with_it_that_was_asked_for() {
    let mut server = Server::start(Manner::default());
    let (known, unknown) = (server.put(SUBJECT, newest().0), server.put(SUBJECT, SCHEMA_FILES[0].json));
    let registry = server.client();
    let message = |id: u32| [&[0], &id.to_be_bytes()[..], b"datum"].concat();
    assert_eq!(registry.incoming(&message(known), &mut HashSet::new()), single_object(newest().1));
    server.stop();
    assert_eq!(registry.incoming(&message(known), &mut HashSet::new()), single_object(newest().1));
    let mut unresolved = HashSet::new();
    assert_eq!(registry.incoming(&message(unknown), &mut unresolved), message(unknown));
    assert_eq!(unresolved, HashSet::from([unknown]));
    assert_eq!(registry.incoming(b"neither", &mut unresolved), b"neither");
}

#[test]
fn an_id_of_nothing_or_of_no_avro_schema_stays_unresolved_and_is_asked_for_once() {
    let server = Server::start(Manner::default());
    let protobuf = server.put("protobuf", "");
    let registry = server.client();
    let mut unresolved = HashSet::new();
    for id in [protobuf, 77, protobuf, 77] {
        let message = [&[0], &id.to_be_bytes()[..], b"datum"].concat();
        assert_eq!(registry.incoming(&message, &mut unresolved), message);
    }
    assert_eq!(server.asked(), 2);
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let server = Server::start(Manner { is_closed: true, ..Manner::default() });
    let registry = server.client_with(Some(("key", "secret")), true);
    registry.ensure(TOPIC, SCHEMA).unwrap();
    assert!(!format!("{registry:?}").contains("secret"));
    let refused = server.client().ensure(TOPIC, SCHEMA).unwrap_err();
    assert!(refused.to_string().contains("schema_registry_username") && !refused.is_retryable(), "{refused}");
}

#[test]
fn an_account_that_may_only_read_finds_what_is_there() {
    let server = Server::start(Manner { is_read_only: true, ..Manner::default() });
    let refused = server.client().ensure(TOPIC, SCHEMA).unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains(SUBJECT), "{refused}");
    let refused = server.client_with(None, false).ensure(TOPIC, SCHEMA).unwrap_err().to_string();
    assert!(refused.contains("schemas/avro/reject.v1.avsc"), "{refused}");
    for (_, file) in wire::versions(SCHEMA) {
        server.put(SUBJECT, file.json);
    }
    server.client_with(None, false).ensure(TOPIC, SCHEMA).unwrap();
}

#[test]
fn what_cannot_be_used_is_said_with_what_to_do() {
    let incompatible = Server::start(Manner { is_incompatible: true, ..Manner::default() });
    let refused = incompatible.client().ensure(TOPIC, SCHEMA).unwrap_err();
    assert!(refused.to_string().contains("incompatible") && !refused.is_retryable(), "{refused}");
    let website = Server::start(Manner { is_a_website: true, ..Manner::default() });
    let refused = website.client().ensure(TOPIC, SCHEMA).unwrap_err();
    assert!(refused.to_string().contains("Confluent's API") && !refused.is_retryable(), "{refused}");
    let mut down = Server::start(Manner::default());
    down.stop();
    let error = down.client().ensure(TOPIC, SCHEMA).unwrap_err();
    assert!(error.to_string().contains(&down.url) && error.is_retryable(), "{error}");
}

#[test]
fn a_message_under_a_schema_that_was_not_registered_is_not_sent() {
    let server = Server::start(Manner::default());
    let registry = server.client();
    registry.ensure(TOPIC, SCHEMA).unwrap();
    assert!(registry.outgoing(TOPIC, &single_object(7)).is_err());
    assert!(registry.outgoing("another", &single_object(newest().1)).is_err());
}
