//! What a request says of a whole fetch.

use super::*;

#[tokio::test]
async fn a_payload_that_says_its_period_closes_it() {
    let server = open();
    let [page_1, page_2] = ["page1", "page2"].map(|page| {
        let path = format!("{}/fixtures/cursor_usage_events.{page}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    });
    let cursor = "/v1/sources/cursor.usage_events/records";
    assert_eq!(server.send(cursor, &[], page_1.clone()).await.status, StatusCode::OK);
    assert_eq!(server.send(SPEND, &[], LOGS).await.status, StatusCode::OK);
    assert_eq!(server.recorder.fetches(), [], "a page alone is no fetch, and gateway rows say nothing");
    assert_eq!(server.send(cursor, &[], [page_1, page_2].concat()).await.status, StatusCode::OK);
    let csv = include_str!("../../../fixtures/github_billing_ai_credit_report.csv");
    let billing = "/v1/sources/github_copilot.billing_csv/records";
    let headers = [("content-type", "text/csv")];
    assert_eq!(server.send(billing, &headers, csv).await.status, StatusCode::OK);
    let broken = csv.replacen("\"3.105\"", "\"many\"", 1);
    assert_eq!(server.send(billing, &headers, broken).await.status, StatusCode::OK);
    let fetches = server.recorder.fetches();
    let found: Vec<_> = fetches.iter().map(|f| (f.source.as_str(), f.event_ids.len(), f.confirmed)).collect();
    assert_eq!(found, [("github_copilot.billing_csv", 6, false)], "pages may be of one user");
    assert_eq!(fetches[0].observed_at, UtcTime::parse("2026-11-10T00:00:00Z").unwrap());
}

#[tokio::test]
async fn a_request_may_say_when_its_payload_was_fetched() {
    let server = open();
    let send = async |query: &str| server.send(&format!("{SPEND}{query}"), &[], ROW).await;
    assert_eq!(send("?observed_at=2026-11-09T18:00:00Z").await.status, StatusCode::OK);
    assert_eq!(send("").await.status, StatusCode::OK);
    let observed: Vec<_> =
        server.recorder.events().iter().map(|event| event.observed_at.to_string()).collect();
    assert_eq!(observed, ["2026-11-09T18:00:00Z", "2026-11-10T00:00:00Z"]);
    for query in [
        "?observed_at=2026-11-11T00:00:00Z",
        "?observed_at=CANARY-PROMPT",
        "?observed_at=",
        "?observedat=CANARY-PROMPT",
    ] {
        let reply = send(query).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("observed_at") && !error.contains("CANARY"), "{error}");
    }
    assert_eq!(server.recorder.events().len(), 2);
}

#[tokio::test]
async fn a_request_without_a_body_is_told_so() {
    let server = open();
    for path in [SPEND, "/v1/intents"] {
        let reply = server.send(path, &[], "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(reply.json()["hint"], "the request has no body", "{path}");
    }
}
