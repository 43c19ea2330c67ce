//! How long the views take over a million rows. Ignored by default; prints what it measures.

use crate::testing::{TestLake, ask, many};
use std::time::Instant;

const ROWS: u32 = 1_000_000;
const BATCH: u32 = 50_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn the_views_over_a_million_rows() {
    let lake = TestLake::filled().await;
    for from in (0..ROWS).step_by(BATCH as usize) {
        lake.append("usage_ledger", Some("event_date"), many(from, BATCH)).await;
    }
    let started = Instant::now();
    let query = lake.open().await;
    println!("open: {:?}", started.elapsed());
    let started = Instant::now();
    query.session().unwrap();
    println!("session: {:?}", started.elapsed());
    for sql in [
        "SELECT COUNT(*) FROM usage_ledger",
        "SELECT COUNT(*), SUM(effective_cost) FROM usage",
        "SELECT COUNT(*) FROM spend",
        "SELECT * FROM spend",
        "SELECT * FROM spend_daily",
        "SELECT * FROM adherence",
        "SELECT * FROM unmatched",
        "SELECT * FROM model_mix",
        "SELECT * FROM restatements",
        "SELECT * FROM freshness",
        "SELECT * FROM usage WHERE event_id = '00000000-0000-0000-0000-00000000002a'",
        "SELECT COUNT(*) FROM usage WHERE event_date = '2026-11-03'",
    ] {
        let started = Instant::now();
        let rows = ask(&query, sql).await.len();
        println!("{:>8.2?}  {rows} rows  {sql}", started.elapsed());
    }
}
