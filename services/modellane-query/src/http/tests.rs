//! Requests over a real socket.

use crate::testing::{TestLake, config};
use crate::{QueryConfig, QueryError, Running, serve};
use modellane_runtime::{Metrics, Shutdown};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

async fn start(lake: &TestLake, config: QueryConfig) -> Running {
    serve(config, lake.config(), Metrics::new(), Shutdown::new()).await.unwrap()
}

async fn request(running: &Running, head: &str, body: &str) -> Answer {
    exchange(running, &format!("{head}\r\nHost: localhost"), body).await
}

async fn exchange(running: &Running, head: &str, body: &str) -> Answer {
    let mut socket = TcpStream::connect(running.http_address).await.unwrap();
    let length = body.len();
    let text = format!("{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Answer { status, headers, body: body.to_owned() }
}

async fn get(running: &Running, path: &str) -> Answer {
    request(running, &format!("GET {path} HTTP/1.1"), "").await
}

#[tokio::test]
async fn a_report_comes_as_csv_and_json_with_what_it_rests_on() {
    let lake = TestLake::filled().await;
    let running = start(&lake, config()).await;
    let csv = get(&running, "/v1/reports/spend.csv").await;
    assert_eq!((csv.status, csv.body.lines().count()), (200, 6));
    assert!(csv.body.starts_with("month,cost_center,team,vendor,tool,model,currency,line,rows,"));
    assert!(csv.body.contains("2026-11-01,(unallocated),payments,anthropic,claude_code"));
    for (name, value) in [
        ("content-type", "text/csv; charset=utf-8"),
        ("x-table-version", "1"),
        ("x-recorded-through", "2026-11-12T00:00:00Z"),
        ("x-data-through", "2026-11-04T11:00:00Z"),
        ("x-row-count", "5"),
        ("x-gap-rows", "3"),
        ("x-gap-unpriced-rows", "1"),
        ("x-gap-cost", "19.000000000 USD"),
        ("x-gap-list-cost", "20.000000000 USD"),
    ] {
        assert_eq!(csv.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    let json = get(&running, "/v1/reports/spend.json?as_of=2026-11-10T00:00:00Z&from=2026-11-05").await;
    let rows: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    // E8 before its restatement and E9 before its withdrawal.
    assert_eq!(rows[0]["effective_cost"], "12.000000000");
    assert_eq!(rows[0]["contracted_cost"], serde_json::Value::Null);
    assert_eq!(json.headers["x-recorded-through"], "2026-11-10T00:00:00Z");
}

#[tokio::test]
async fn sql_is_answered_in_the_format_asked_for() {
    let lake = TestLake::filled().await;
    let running = start(&lake, config()).await;
    let sql = "SELECT currency, SUM(effective_cost) AS cost FROM usage WHERE currency = 'USD' GROUP BY 1";
    let plain = request(&running, "POST /v1/sql HTTP/1.1", sql).await;
    assert_eq!(plain.body, "[{\"currency\":\"USD\",\"cost\":\"28.600000000\"}]\n");
    assert_eq!((plain.headers["x-row-count"].as_str(), plain.headers["x-gap-rows"].as_str()), ("1", "3"));
    let body = serde_json::json!({ "sql": sql }).to_string();
    let ndjson = "POST /v1/sql HTTP/1.1\r\nAccept: application/x-ndjson\r\nContent-Type: application/json";
    let answer = request(&running, ndjson, &body).await;
    assert_eq!(answer.body, "{\"currency\":\"USD\",\"cost\":\"28.600000000\"}\n");
    let csv = request(&running, "POST /v1/sql HTTP/1.1\r\nAccept: text/csv", sql).await;
    assert_eq!(csv.body, "currency,cost\r\nUSD,28.600000000\r\n");
    let unserved = request(&running, "POST /v1/sql HTTP/1.1\r\nAccept: image/png", sql).await;
    assert_eq!(unserved.status, 406);
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let lake = TestLake::filled().await;
    let running = start(&lake, QueryConfig { http_max_rows: 7, ..config() }).await;
    let missing = get(&running, "/v1/reports/spent.csv").await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("spend_daily"), "{}", missing.body);
    assert_eq!(get(&running, "/v1/reports/spend.pdf").await.status, 404);
    assert_eq!(get(&running, "/v1/reports/spend.csv?form=2026-11-01").await.status, 400);
    assert_eq!(get(&running, "/v1/reports/spend.csv?from=yesterday").await.status, 400);
    for (sql, status) in [
        ("DELETE FROM usage", 403),
        ("COPY usage TO '/tmp/modellane-escape.csv'", 403),
        ("SET datafusion.runtime.memory_limit = '1M'", 403),
        ("SELECT 1; SELECT 2", 400),
        ("SELECT nonsense", 400),
        ("SELECT event_id FROM usage", 413),
    ] {
        let answer = request(&running, "POST /v1/sql HTTP/1.1", sql).await;
        assert_eq!(answer.status, status, "{sql}: {}", answer.body);
        assert!(answer.body.contains("sqlstate"), "{}", answer.body);
    }
}

#[tokio::test]
async fn whoever_comes_by_hand_is_told_what_there_is() {
    let lake = TestLake::empty();
    let running = start(&lake, config()).await;
    let text = get(&running, "/").await;
    assert_eq!((text.status, text.headers["content-type"].as_str()), (200, "text/plain; charset=utf-8"));
    let browser = "GET / HTTP/1.1\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8";
    let page = request(&running, browser, "").await;
    assert!(page.headers["content-type"].starts_with("text/html"), "{:?}", page.headers);
    for report in crate::REPORTS {
        assert!(text.body.contains(report.name), "{}", text.body);
        assert!(page.body.contains(&format!("href=\"/v1/reports/{}.csv\"", report.name)), "{}", page.body);
    }
    let lost = get(&running, "/reports/spend.csv").await;
    assert!(lost.status == 404 && lost.body.contains("GET /"), "{}", lost.body);
    let wrong = get(&running, "/v1/sql").await;
    assert!(wrong.status == 405 && wrong.body.contains("POST"), "{}", wrong.body);
    assert_eq!(wrong.headers.get("allow").map(String::as_str), Some("POST"));
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let lake = TestLake::empty();
    let running = start(&lake, config()).await;
    assert_eq!(get(&running, "/livez").await.status, 200);
    assert_eq!(get(&running, "/readyz").await.status, 200);
    get(&running, "/v1/reports/spend.json").await;
    let metrics = get(&running, "/metrics").await.body;
    assert!(
        metrics.contains("modellane_query_answered_total{interface=\"http\",outcome=\"ok\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn addresses_that_cannot_be_served_are_named() {
    let lake = TestLake::empty();
    let shutdown = Shutdown::new();
    let open = QueryConfig { pg_listen: "0.0.0.0:0".parse().unwrap(), ..config() };
    let refused = serve(open, lake.config(), Metrics::new(), shutdown.clone()).await;
    assert!(matches!(refused, Err(QueryError::NotLoopback { key: "query.pg_listen", .. })));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let busy = QueryConfig { http_listen: address, ..config() };
    let Err(error) = serve(busy, lake.config(), Metrics::new(), shutdown).await else {
        panic!("a busy port was taken");
    };
    let text = error.to_string();
    assert!(text.contains(&address.port().to_string()) && text.contains("query.http_listen"), "{text}");
}

#[tokio::test]
async fn new_commits_show_within_the_refresh_interval() {
    let lake = TestLake::empty();
    let running = start(&lake, config()).await;
    lake.commit_first().await;
    for _ in 0..50 {
        let answer = request(&running, "POST /v1/sql HTTP/1.1", "SELECT COUNT(*) AS n FROM usage").await;
        if answer.body == "[{\"n\":9}]\n" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("the commit never showed");
}

#[tokio::test]
async fn a_web_page_is_not_answered() {
    let lake = TestLake::filled().await;
    let running = start(&lake, config()).await;
    let port = running.http_address.port();
    let own = format!("127.0.0.1:{port}");
    for (host, origin, status) in [
        ("localhost", None, 200),
        ("LOCALHOST:8610", None, 200),
        (own.as_str(), None, 200),
        ("[::1]:8610", None, 200),
        (own.as_str(), Some(format!("http://{own}")), 200),
        // DNS rebinding, a page of another place, a page without one, names that only begin alike.
        ("evil.example", None, 403),
        (own.as_str(), Some("http://evil.example".to_owned()), 403),
        (own.as_str(), Some("null".to_owned()), 403),
        ("localhost.evil.example", None, 403),
        ("127.0.0.1.evil.example", None, 403),
    ] {
        let origin = origin.map_or_else(String::new, |origin| format!("\r\nOrigin: {origin}"));
        let head = format!("GET /v1/reports/spend.csv HTTP/1.1\r\nHost: {host}{origin}");
        assert_eq!(exchange(&running, &head, "").await.status, status, "{head}");
    }
}
