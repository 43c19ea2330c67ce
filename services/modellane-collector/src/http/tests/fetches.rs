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
