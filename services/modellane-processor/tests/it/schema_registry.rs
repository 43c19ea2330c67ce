//! Confluent's wire format on the topics, with a registry that learns a schema late.

use crate::support::{Bench, usage};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use modellane_kafka::{KafkaConfig, Publisher, SharedRegistry, Topic};
use modellane_schema::{judged_codec, usage_codec, wire};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Subject and schema; an id is the place in this list, from 1.
type Schemas = Arc<Mutex<Vec<(String, String)>>>;

fn id_of(schemas: &Schemas, subject: &str, body: &Value) -> Option<usize> {
    let schemas = schemas.lock().unwrap();
    let found = schemas.iter().position(|(of, schema)| of == subject && body["schema"] == **schema);
    found.map(|at| at + 1)
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error_code": 40403, "message": "Schema not found" })))
        .into_response()
}

async fn find(
    State(schemas): State<Schemas>,
    Path(subject): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    id_of(&schemas, &subject, &body).map_or_else(not_found, |id| Json(json!({ "id": id })).into_response())
}

async fn register(
    State(schemas): State<Schemas>,
    Path(subject): Path<String>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let mut schemas = schemas.lock().unwrap();
    schemas.push((subject, body["schema"].as_str().unwrap().to_owned()));
    Json(json!({ "id": schemas.len() }))
}

async fn schema(State(schemas): State<Schemas>, Path(id): Path<usize>) -> Response {
    let schemas = schemas.lock().unwrap();
    schemas
        .get(id - 1)
        .map_or_else(not_found, |(_, schema)| Json(json!({ "schema": schema })).into_response())
}

async fn registry(schemas: &Schemas) -> String {
    let routes = Router::new()
        .route("/subjects/{subject}", post(find))
        .route("/subjects/{subject}/versions", post(register))
        .route("/schemas/ids/{id}", get(schema))
        .with_state(Arc::clone(schemas));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_the_registry_learns_late_is_waited_for() {
    let schemas = Schemas::default();
    let url = registry(&schemas).await;
    let bench = Bench::with(|kafka| KafkaConfig { schema_registry_url: Some(url), ..kafka }).await;
    let known = schemas.lock().unwrap().clone();
    let subjects: Vec<&str> = known.iter().map(|(subject, _)| subject.as_str()).collect();
    assert!(
        subjects.contains(&"modellane.usage.v1-value") && subjects.contains(&"modellane.judged.v1-value")
    );

    bench.put_usage(1).await;
    // Somebody without the registry sees what is really on the topic.
    let plain =
        KafkaConfig { schema_registry_url: None, registry: SharedRegistry::default(), ..bench.kafka.clone() };
    let raw = Bench::read_with(&plain, Topic::Usage).await;
    let id = known.iter().position(|(subject, _)| subject == "modellane.usage.v1-value").unwrap() as u8 + 1;
    assert_eq!(raw[0].payload.as_deref().unwrap()[..5], [0, 0, 0, 0, id]);

    // Another writer uses a schema that the registry will have as the next one.
    let mut payload = Vec::new();
    usage_codec().encode(&usage(2), &mut payload).unwrap();
    let (_, datum) = wire::header(&payload).unwrap();
    let next = known.len() as u32 + 1;
    let mut message = Vec::new();
    wire::write_id(next, &mut message);
    message.extend_from_slice(datum);
    let usage_topic = bench.topic(Topic::Usage);
    let partition = raw[0].partition;
    let key = raw[0].key.clone().unwrap();
    Publisher::new(&plain).unwrap().publish(&usage_topic, &key, &message).await.unwrap();

    let mut running = bench.start().await;
    running.until(|progress| progress.get(&partition) == Some(&1)).await;
    let alarms = running.alarms().await;
    assert!(alarms[0].contains(&format!("schema {next} of a schema registry")), "{alarms:?}");

    // The same schema in other words: its canonical form is the same.
    let text = known[usize::from(id) - 1].1.replace("\"doc\"", " \"doc\"");
    schemas.lock().unwrap().push(("somebody-else".to_owned(), text));
    bench.clock.advance(11_000_000);
    running.until(|progress| progress.get(&partition) == Some(&2)).await;
    assert!(running.readiness.is_ready(), "{:?}", running.readiness.alarms());
    running.stop().await;

    let judged = bench.read(Topic::Judged).await;
    let mut ids: Vec<_> = judged
        .iter()
        .map(|record| judged_codec().decode(record.payload.as_deref().unwrap()).unwrap().usage.event_id)
        .collect();
    ids.sort();
    let mut expected = [usage(1).event_id, usage(2).event_id];
    expected.sort();
    assert_eq!(ids, expected);
    assert!(bench.read(Topic::Rejects).await.is_empty());
}
