use super::*;
use crate::config::AccessKey;
use crate::publish::testing::Recorder;
use axum::body::{Body, to_bytes};
use axum::http::Method;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use modellane_event::{AccountKind, AccountRef, RejectReason, UtcTime};
use modellane_runtime::ManualClock;
use std::io::Write;
use std::sync::atomic::Ordering;
use tower::ServiceExt;

mod fetches;

const LOGS: &[u8] = include_bytes!("../../fixtures/litellm_spend_logs.json");
const SPEND: &str = "/v1/sources/litellm.spend_logs/records";
const ROW: &str =
    r#"{"request_id":"r1","startTime":"2026-11-09T13:00:00Z","spend":1,"model":"CANARY-PROMPT-xyz-0001"}"#;

struct Server {
    recorder: Arc<Recorder>,
    metrics: Metrics,
    collector: Arc<Collector>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn key() -> LakeKey {
    LakeKey::new([4; 32])
}

fn server(config: CollectorConfig) -> Server {
    let (recorder, metrics) = (Arc::new(Recorder::default()), Metrics::new());
    let clock = Arc::new(ManualClock::at(UtcTime::parse("2026-11-10T00:00:00Z").unwrap()));
    let publisher: Arc<dyn Publish> = Arc::clone(&recorder) as Arc<dyn Publish>;
    let collector = Collector::new(&config, key(), publisher, clock, metrics.clone()).unwrap();
    Server { recorder, metrics, collector }
}

fn open() -> Server {
    server(CollectorConfig::default())
}

impl Server {
    async fn send(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        self.send_from("127.0.0.1:40000", path, headers, body).await
    }

    async fn send_from(
        &self,
        peer: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        let response = router(Arc::clone(&self.collector)).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

fn with_keys(keys: &[(&str, &str)]) -> Server {
    let key = |(key, scope): &(&str, &str)| AccessKey {
        key: (*key).to_owned(),
        scope: (*scope).to_owned(),
        person: (*scope == "intent:self").then(|| "ana@acme.example".to_owned()),
    };
    server(CollectorConfig { keys: keys.iter().map(key).collect(), ..CollectorConfig::default() })
}

#[tokio::test]
async fn records_are_answered_after_they_are_published() {
    let server = open();
    let reply = server.send(SPEND, &[("content-type", "application/json")], LOGS).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.json(), serde_json::json!({"accepted": 5, "rejected_total": 0, "rejected": []}));
    assert_eq!(server.recorder.events().len(), 4);
    let text = server.metrics.render();
    assert!(text.contains("modellane_collector_accepted_total{source=\"litellm.spend_logs\"} 5"), "{text}");
}

#[tokio::test]
async fn without_a_broker_nothing_is_accepted() {
    let server = open();
    server.recorder.down.store(true, Ordering::SeqCst);
    let reply = server.send(SPEND, &[], ROW).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.headers.contains_key("retry-after"));
    assert!(!server.metrics.render().contains("accepted_total{"));
    server.recorder.down.store(false, Ordering::SeqCst);
    assert_eq!(server.send(SPEND, &[], ROW).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_rejected_record_has_index_reason_and_field_and_never_a_value() {
    let server = open();
    let body = format!("{ROW}\n{}\n{ROW}", ROW.replace(":1,", ":\"CANARY-PROMPT-xyz-0002\","));
    let reply = server.send(SPEND, &[], body).await;
    assert_eq!(
        reply.json(),
        serde_json::json!({"accepted": 2, "rejected_total": 1,
            "rejected": [{"index": 1, "line": 2, "reason": "bad_number", "field": "spend"}]})
    );
    let rejects = server.recorder.rejects();
    assert_eq!((rejects[0].index, rejects[0].reason), (1, RejectReason::BadNumber));
    for (_, _, payload) in server.recorder.messages.lock().unwrap().iter() {
        assert!(!String::from_utf8_lossy(payload).contains("CANARY"));
    }
    assert!(!String::from_utf8_lossy(&reply.body).contains("CANARY"));
    assert!(!server.metrics.render().contains("CANARY"));
}

#[tokio::test]
async fn the_same_reject_twice_has_one_id() {
    let server = open();
    for _ in 0..2 {
        server.send(SPEND, &[], "{\"spend\":1}").await;
    }
    let rejects = server.recorder.rejects();
    assert_eq!((rejects.len(), rejects[0].reject_id == rejects[1].reject_id), (2, true));
}

#[tokio::test]
async fn what_cannot_be_read_at_all_is_a_bad_request() {
    let server = open();
    for body in ["", "  \n", "oops", "{\"request_id\":\"r", "\u{1}\u{2}"] {
        assert_eq!(server.send(SPEND, &[], body).await.status, StatusCode::BAD_REQUEST, "{body:?}");
    }
    assert_eq!(server.send(SPEND, &[], "{\"data\":[]}").await.status, StatusCode::OK);
    let cursor = include_str!("../../fixtures/cursor_usage_events.page1.json");
    let reply = server.send(SPEND, &[], cursor).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.json()["looks_like"], "cursor.usage_events");
    assert_eq!(reply.json()["rejected"], serde_json::json!([{"index": 0, "reason": "wrong_source"}]));
}

#[tokio::test]
async fn a_request_is_bad_if_every_record_is_rejected_for_whatever_reason() {
    let server = open();
    let intent = r#"{"intent_id":"i-1","person":"a@b.c","started_at":"2026-11-03T09:00:00Z"}"#;
    for (path, good, from) in
        [(SPEND, ROW, "2026-11-09T13:00:00Z"), ("/v1/intents", intent, "2026-11-03T09:00:00Z")]
    {
        for bad in
            [good.replace(from, "soon"), good.replace(from, ""), "oops".to_owned(), "{\"a\":".to_owned()]
        {
            let reply = server.send(path, &[], format!("{bad}\n\n{bad}")).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}: {bad}");
            let lines = [&reply.json()["rejected"][0]["line"], &reply.json()["rejected"][1]["line"]]
                .map(|line| line.as_u64());
            assert_eq!(lines, [Some(1), Some(3)], "{path}: {bad}");
            let reply = server.send(path, &[], format!("{bad}\n{good}")).await;
            assert_eq!(
                (reply.status, reply.json()["accepted"].as_u64()),
                (StatusCode::OK, Some(1)),
                "{path}: {bad}"
            );
        }
    }
}

#[tokio::test]
async fn a_row_of_a_table_is_named_by_its_line() {
    let server = open();
    let csv = include_str!("../../fixtures/github_billing_ai_credit_report.csv");
    let mut lines: Vec<&str> = csv.lines().collect();
    lines[2] = "\"soon\"";
    let body = lines.join("\n") + "\n";
    let reply = server
        .send("/v1/sources/github_copilot.billing_csv/records", &[("content-type", "text/csv")], body)
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    let rejected = &reply.json()["rejected"];
    assert_eq!((&rejected[0]["index"], &rejected[0]["line"]), (&1.into(), &3.into()), "{rejected}");
}

#[tokio::test]
async fn a_later_page_goes_with_the_pages_before_it() {
    const CURSOR: &str = "/v1/sources/cursor.usage_events/records";
    let [one, two] = [
        include_str!("../../fixtures/cursor_usage_events.page1.json"),
        include_str!("../../fixtures/cursor_usage_events.page2.json"),
    ];
    let server = open();
    let reply = server.send(CURSOR, &[], two).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let rejected = serde_json::json!([{"index": 0, "reason": "truncated", "field": "pagination"}]);
    assert_eq!((&reply.json()["accepted"], &reply.json()["rejected"]), (&0.into(), &rejected));
    assert!(reply.json()["hint"].as_str().unwrap().contains("in one request"));
    assert!(server.recorder.events().is_empty());
    let reply = server.send(CURSOR, &[], format!("{one}\n{two}")).await;
    assert_eq!((reply.status, &reply.json()["accepted"]), (StatusCode::OK, &7.into()));
    assert_eq!(server.recorder.events().len(), 6, "one row is there twice");
}

#[tokio::test]
async fn unknown_and_refused_sources_are_told_apart() {
    let server = open();
    let reply = server.send("/v1/sources/CANARY-PROMPT/records", &[], ROW).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.contains("litellm.spend_logs") && !text.contains("CANARY"), "{text}");
    for feed in &connectors::otlp::FEEDS {
        let reply = server.send(&format!("/v1/sources/{}/records", feed.name), &[], ROW).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert!(reply.json()["error"].as_str().unwrap().contains("send it as otlp"), "{}", feed.name);
    }
    for refused in connectors::all_refused() {
        let path = format!("/v1/sources/{}/records", refused.name);
        assert_eq!(server.send(&path, &[], ROW).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(server.recorder.messages.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bombs_are_refused() {
    let server = server(CollectorConfig {
        max_body: 1 << 20,
        max_decompressed: 4 << 20,
        ..CollectorConfig::default()
    });
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let bomb = vec![b' '; 64 << 20];
    for (encoding, body, status) in [
        ("gzip", gzip(LOGS), StatusCode::OK),
        ("zstd", zstd(LOGS), StatusCode::OK),
        ("gzip", gzip(&bomb), StatusCode::PAYLOAD_TOO_LARGE),
        ("zstd", zstd(&bomb), StatusCode::PAYLOAD_TOO_LARGE),
        ("gzip", LOGS.to_vec(), StatusCode::BAD_REQUEST),
        ("br", LOGS.to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("identity", vec![b' '; 2 << 20], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let reply = server.send(SPEND, &[("content-encoding", encoding)], body).await;
        assert_eq!(reply.status, status, "{encoding}");
    }
    let reply = server.send(SPEND, &[("content-type", "image/png")], ROW).await;
    assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// Sends every body at once to a broker that acknowledges nothing, and says which were put off.
async fn overload(server: &Server, bodies: &[String], fitting: usize, said: &str) -> Vec<usize> {
    server.recorder.slow.send_replace(true);
    let mut sending: FuturesUnordered<_> = (0..bodies.len())
        .map(|at| async move { (at, server.send(SPEND, &[], bodies[at].clone()).await) })
        .collect();
    let mut put_off = Vec::new();
    while sending.len() > fitting {
        let (at, reply) = sending.next().await.unwrap();
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(said) && error.contains("send it again"), "{error}");
        put_off.push(at);
    }
    // Everything that is not put off by now waits for the broker.
    assert!(futures::poll!(sending.next()).is_pending());
    assert!(server.recorder.events().is_empty());
    server.recorder.slow.send_replace(false);
    while let Some((_, reply)) = sending.next().await {
        assert_eq!(reply.status, StatusCode::OK);
    }
    put_off
}

fn row(id: usize, length: usize) -> String {
    ROW.replace("\"r1\"", &format!("\"r{id}\"")) + &" ".repeat(length)
}

/// Five times of what fits comes in two ways: so many requests, and so many bytes.
#[tokio::test]
async fn five_times_the_load_is_put_off_and_goes_through_when_it_comes_again() {
    let config = CollectorConfig {
        max_in_flight: 4,
        max_in_flight_mib: 2,
        max_body: 512 << 10,
        max_decompressed: 512 << 10,
        ..CollectorConfig::default()
    };
    let many = CollectorConfig { max_in_flight: 1_000, ..config.clone() };
    // A body of 250 KiB is charged with 500, so four of them fit into 2 MiB.
    for (config, length, said) in [(config, 0, "max_in_flight "), (many, 250 << 10, "max_in_flight_mib")] {
        let server = server(config);
        let bodies: Vec<String> = (0..20).map(|id| row(id, length)).collect();
        let put_off = overload(&server, &bodies, 4, said).await;
        assert_eq!(put_off.len(), 16);
        assert_eq!(server.collector.budget.held(), 0);
        for at in put_off {
            assert_eq!(server.send(SPEND, &[], bodies[at].clone()).await.status, StatusCode::OK);
        }
        let ids: std::collections::BTreeSet<_> =
            server.recorder.events().iter().map(|event| event.event_id).collect();
        assert_eq!((server.recorder.events().len(), ids.len()), (20, 20));
        let metrics = server.metrics.render();
        assert!(metrics.contains("put_off_total{full=") && metrics.contains("} 16"), "{metrics}");
        let held = metrics.lines().find(|line| line.starts_with("modellane_collector_held_bytes"));
        assert!(held.is_some_and(|line| line.ends_with(" 0")), "{metrics}");
    }
}

#[tokio::test]
async fn what_a_body_unpacks_to_is_charged_before_it_is_unpacked() {
    let config = CollectorConfig {
        max_in_flight_mib: 2,
        max_body: 512 << 10,
        max_decompressed: 768 << 10,
        ..CollectorConfig::default()
    };
    let server = server(config);
    // Another request holds half of it.
    let mut other = server.collector.budget.admit().unwrap();
    other.grow(1 << 20).unwrap();
    let packed = zstd::encode_all(row(1, 700 << 10).as_bytes(), 1).unwrap();
    let reply = server.send(SPEND, &[("content-encoding", "zstd")], packed.clone()).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.collector.budget.held(), 1 << 20);
    drop(other);
    let reply = server.send(SPEND, &[("content-encoding", "zstd")], packed).await;
    assert_eq!((reply.status, server.collector.budget.held()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_body_that_never_ends_does_not_keep_its_place() {
    let server =
        server(CollectorConfig { max_in_flight: 1, body_timeout_s: 1, ..CollectorConfig::default() });
    let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let reply = server.send(SPEND, &[], never).await;
    assert_eq!(reply.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(server.send(SPEND, &[], ROW).await.status, StatusCode::OK);
}

#[test]
fn a_budget_without_room_for_the_largest_request_is_refused() {
    let config = |mib| CollectorConfig { max_in_flight_mib: mib, ..CollectorConfig::default() };
    assert!(config(160).validate().is_ok());
    assert!(config(159).validate().is_err());
}

#[tokio::test]
async fn without_keys_only_this_machine_is_served() {
    let server = open();
    for (peer, status) in [
        ("127.0.0.1:1", StatusCode::OK),
        ("[::1]:1", StatusCode::OK),
        ("[::ffff:127.0.0.1]:1", StatusCode::OK),
        ("10.0.0.9:1", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(server.send_from(peer, SPEND, &[], ROW).await.status, status, "{peer}");
    }
    let page = server.send(SPEND, &[("origin", "https://evil.example")], ROW).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let public = CollectorConfig { listen: "0.0.0.0:8600".parse().unwrap(), ..CollectorConfig::default() };
    assert!(matches!(public.validate(), Err(CollectorError::Config(_))));
}

#[tokio::test]
async fn a_key_is_good_for_its_scope() {
    let server = with_keys(&[
        ("litellm-key-0123456", "litellm.spend_logs"),
        ("admin-key-0123456789", "admin"),
        ("intent-key-012345678", "intents"),
    ]);
    for (header, path, status) in [
        ("", SPEND, StatusCode::UNAUTHORIZED),
        ("Bearer wrong", SPEND, StatusCode::UNAUTHORIZED),
        ("Basic litellm-key-0123456", SPEND, StatusCode::UNAUTHORIZED),
        ("Bearer litellm-key-0123456", SPEND, StatusCode::OK),
        ("bearer admin-key-0123456789", SPEND, StatusCode::OK),
        ("Bearer intent-key-012345678", SPEND, StatusCode::FORBIDDEN),
        ("Bearer litellm-key-0123456", "/v1/sources/cursor.usage_events/records", StatusCode::FORBIDDEN),
        ("Bearer litellm-key-0123456", "/v1/logs", StatusCode::FORBIDDEN),
        ("Bearer litellm-key-0123456", "/v1/intents", StatusCode::FORBIDDEN),
    ] {
        let headers = [("authorization", header), ("content-type", "application/json")];
        assert_eq!(
            server.send_from("10.0.0.9:1", path, &headers, ROW).await.status,
            status,
            "{header} {path}"
        );
    }
}

#[test]
fn weak_or_pointless_keys_are_refused_and_secrets_are_masked() {
    let config = |key: &str, scope: &str| CollectorConfig {
        keys: vec![AccessKey { key: key.into(), scope: scope.into(), person: None }],
        ..CollectorConfig::default()
    };
    assert!(config("short", "admin").validate().is_err());
    assert!(config("long-enough-0123456", "nothing").validate().is_err());
    assert!(config("long-enough-0123456", "intent:self").validate().is_err());
    let good = config("long-enough-0123456", "admin");
    assert!(good.validate().is_ok());
    assert!(!format!("{good:?}").contains("long-enough"));
}

#[tokio::test]
async fn intents_are_hashed_and_a_personal_key_declares_its_own() {
    let server = with_keys(&[("personal-key-0123456", "intent:self"), ("intent-key-012345678", "intents")]);
    let intent = |person: &str| {
        format!(
            r#"{{"intent_id":"i-1","person":"{person}","started_at":"2026-11-03T09:00:00Z","task":"routine"}}"#
        )
    };
    let own = [("authorization", "Bearer personal-key-0123456")];
    let any = [("authorization", "Bearer intent-key-012345678")];
    assert_eq!(server.send("/v1/intents", &own, intent("Ana@acme.example")).await.status, StatusCode::OK);
    assert_eq!(
        server.send("/v1/intents", &own, intent("bob@acme.example")).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(server.send("/v1/intents", &any, intent("bob@acme.example")).await.status, StatusCode::OK);
    let intents = server.recorder.intents();
    assert_eq!(intents.len(), 2);
    assert_eq!(Some(intents[0].account), AccountRef::new(&key(), AccountKind::Email, "ana@acme.example"));
    assert_eq!(intents[0].recorded_at, UtcTime::parse("2026-11-10T00:00:00Z").unwrap());
    assert_eq!(intents[0].origin, IntentOrigin::Http);
    let reply = server.send("/v1/intents", &any, "{\"intent_id\":\"x\"}").await;
    assert_eq!(reply.json()["rejected"][0]["field"], "person");
}

#[tokio::test]
async fn telemetry_is_answered_in_its_own_encoding() {
    let server = open();
    let json = [("content-type", "application/json")];
    let protobuf = [("content-type", "application/x-protobuf")];
    let logs = include_bytes!("../../fixtures/anthropic_claude_code_otel_logs.json").as_slice();
    let reply = server.send("/v1/logs", &json, logs).await;
    assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, b"{}".as_slice()));
    assert!(!server.recorder.events().is_empty());
    // An empty request is a valid one, and a success.
    for path in ["/v1/logs", "/v1/traces"] {
        let reply = server.send(path, &protobuf, Vec::new()).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
        for body in ["{}", " {\n} ", "{\"resourceLogs\":[]}"] {
            let reply = server.send(path, &json, body).await;
            assert_eq!((reply.status, reply.body.as_slice()), (StatusCode::OK, b"{}".as_slice()), "{body:?}");
        }
    }
    for body in ["{\"data\":[]}", "oops"] {
        assert_eq!(server.send("/v1/logs", &json, body).await.status, StatusCode::BAD_REQUEST, "{body:?}");
    }
    let reply = server.send("/v1/logs", &protobuf, "not protobuf").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.send("/v1/logs", &[], logs).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn metrics_are_received_and_said_not_to_be_taken() {
    let server = open();
    let body = include_bytes!("../../fixtures/anthropic_claude_code_otel_metrics.delta.json").as_slice();
    let reply = server.send("/v1/metrics", &[("content-type", "application/json")], body).await;
    assert_eq!(reply.status, StatusCode::OK);
    let partial = reply.json()["partialSuccess"].clone();
    assert_eq!(partial["rejectedDataPoints"], "0");
    assert!(partial["errorMessage"].as_str().unwrap().contains("not taken"));
    assert_eq!(server.recorder.messages.lock().unwrap().len(), 0);
    let reply = server.send("/v1/metrics", &[("content-type", "application/x-protobuf")], Vec::new()).await;
    // Field 1, length-delimited, as `ExportMetricsServiceResponse.partial_success`.
    assert_eq!(reply.body[0], 0x0a);
}
