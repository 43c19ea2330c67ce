//! Every view over the ledger of `testing.rs`, against values worked out by hand.

use crate::testing::{FIRST_COMMIT, SECOND_COMMIT, TestLake, ask, lines};
use crate::{Query, QueryConfig, QueryError, ReportParams};
use modellane_event::{EventId, FetchId, Label, ScopeClosed, UtcTime};
use modellane_schema::FetchBatchBuilder;

#[tokio::test]
async fn a_lake_without_tables_is_empty_and_not_an_error() {
    let lake = TestLake::empty();
    let query = lake.open().await;
    for view in crate::views::VIEWS {
        let expected = if view.name == "freshness" { 3 } else { 0 };
        assert_eq!(
            ask(&query, &format!("SELECT * FROM {}", view.name)).await.len(),
            expected,
            "{}",
            view.name
        );
    }
    let result = query.report("spend", &ReportParams::default()).await.unwrap();
    assert_eq!(result.standing, Default::default());

    lake.commit_first().await;
    assert_eq!(ask(&query, "SELECT COUNT(*) FROM usage").await, ["0"]);
    query.refresh_now().await.unwrap();
    assert_eq!(ask(&query, "SELECT COUNT(*) FROM usage").await, ["9"]);
}

#[tokio::test]
async fn the_ledger_shows_its_columns_and_no_raw_id() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let batches = query.sql("SELECT * FROM usage_ledger").await.unwrap();
    let schema = batches[0].schema();
    let names = |schema: &datafusion::arrow::datatypes::Schema| {
        schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    let mut reported = names(&modellane_schema::ledger_schema());
    reported.retain(|name| !modellane_schema::EVIDENCE_COLUMNS.contains(&name.as_str()));
    assert_eq!(names(&schema), reported);
    assert!(schema.fields().iter().all(|field| !format!("{}", field.data_type()).contains("Binary")));
    assert_eq!(
        ask(&query, "SELECT event_id FROM usage WHERE revision = 2").await,
        ["08080808-0808-0808-0808-080808080808"]
    );
}

#[tokio::test]
async fn current_rows_are_those_that_nothing_took_away() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    assert_eq!(
        ask(&query, "SELECT substr(event_id, 1, 2), revision, effective_cost FROM usage ORDER BY 1").await,
        [
            "01|1|1.250000000",
            "02|1|3.000000000",
            "03|1|0.750000000",
            "04|1|-",
            "05|1|10.000000000",
            "06|1|0.100000000",
            "07|1|19.000000000",
            "08|2|4.500000000",
        ]
    );
    // The signed sum over all entries and the sum over current rows are the same money.
    for sql in [
        "SELECT currency, SUM(cost_sign * effective_cost) FROM usage_ledger
         WHERE currency IS NOT NULL GROUP BY 1 ORDER BY 1",
        "SELECT currency, SUM(effective_cost) FROM usage WHERE currency IS NOT NULL GROUP BY 1 ORDER BY 1",
        "SELECT currency, SUM(effective_cost) FROM spend WHERE currency IS NOT NULL GROUP BY 1 ORDER BY 1",
        "SELECT currency, SUM(effective_cost) FROM spend_daily WHERE currency IS NOT NULL GROUP BY 1 ORDER BY 1",
    ] {
        assert_eq!(ask(&query, sql).await, ["EUR|10.000000000", "USD|28.600000000"], "{sql}");
    }
}

#[tokio::test]
async fn earlier_knowledge_stays_what_it_was() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let total = "SELECT COUNT(*), SUM(effective_cost) FROM";
    // 1.25 + 3 + 0.75 + 0.10 + 19 + 5 + 7 = 36.10 dollars.
    let known_first =
        ask(&query, &format!("{total} usage_as_of('{FIRST_COMMIT}') WHERE currency = 'USD'")).await;
    assert_eq!(known_first, ["7|36.100000000"]);
    let nothing = ask(&query, &format!("{total} usage_as_of('2026-11-09T23:59:59.999999Z')")).await;
    assert_eq!(nothing, ["0|-"]);
    let entries = format!("SELECT COUNT(*) FROM usage_ledger_as_of('{FIRST_COMMIT}')");
    assert_eq!(ask(&query, &entries).await, ["9"]);
    let spend =
        format!("SELECT SUM(effective_cost) FROM spend_as_of('{FIRST_COMMIT}') WHERE currency = 'USD'");
    assert_eq!(ask(&query, &spend).await, ["36.100000000"]);
    assert!(query.sql("SELECT * FROM usage_as_of('yesterday')").await.is_err());
    // Now and then in one statement, each with its own rows.
    let both = format!(
        "SELECT (SELECT SUM(effective_cost) FROM usage WHERE currency = 'USD')
              - (SELECT SUM(effective_cost) FROM usage_as_of('{FIRST_COMMIT}') WHERE currency = 'USD')"
    );
    assert_eq!(ask(&query, &both).await, ["-7.500000000"]);
}

#[tokio::test]
async fn spend_names_what_is_unallocated_and_what_is_a_gap() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let sql = "SELECT month, cost_center, team, vendor, tool, model, currency, line, rows, unpriced_rows,
                      requests, input_tokens, output_tokens, billed_cost, effective_cost, contracted_cost, list_cost
               FROM spend ORDER BY cost_center, vendor, currency, line";
    assert_eq!(
        ask(&query, sql).await,
        [
            "2026-11-01|(unallocated)|payments|anthropic|claude_code|claude-sonnet-5-5|USD|gap|1|0|1|300|50|-|0.750000000|-|1.000000000",
            "2026-11-01|CC-100|payments|anthropic|claude_code|claude-sonnet-5-5|USD|judged|4|0|4|3310|700|8.850000000|8.850000000|-|11.600000000",
            "2026-11-01|CC-100|payments|anthropic|claude_code|claude-sonnet-5-5|-|gap|1|1|2|-|-|-|-|-|-",
            "2026-11-01|CC-100|payments|github|copilot|-|USD|gap|1|0|-|-|-|19.000000000|19.000000000|-|19.000000000",
            "2026-11-01|CC-200|platform|anthropic|claude_code|claude-sonnet-5-5|EUR|judged|1|0|1|100|100|10.000000000|10.000000000|-|10.000000000",
        ]
    );
}

#[tokio::test]
async fn a_month_never_lands_on_its_first_day() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let sql = "SELECT day, span, span_from, span_to, currency, line, rows, effective_cost
               FROM spend_daily ORDER BY span_from, span, currency, line";
    assert_eq!(
        ask(&query, sql).await,
        [
            "-|longer|2026-11-01|2026-12-01|USD|gap|1|19.000000000",
            "2026-11-03|day|2026-11-03|2026-11-04|USD|judged|2|4.250000000",
            "2026-11-04|day|2026-11-04|2026-11-05|EUR|judged|1|10.000000000",
            "2026-11-04|day|2026-11-04|2026-11-05|USD|gap|1|0.750000000",
            "2026-11-04|day|2026-11-04|2026-11-05|USD|judged|1|0.100000000",
            "2026-11-04|day|2026-11-04|2026-11-05|-|gap|1|-",
            "2026-11-05|day|2026-11-05|2026-11-06|USD|judged|1|4.500000000",
        ]
    );
}

/// Payments, week of 2 November: E1 followed high .97, E2 drifted high .96 (followed .02), E3 unmatched .60,
/// E4 unknown .50, E8 followed medium .90; E6 is out of scope.
#[tokio::test]
async fn adherence_follows_its_formulas() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let sql = "SELECT weight, currency, CAST(followed AS DECIMAL(9,2)), CAST(drifted AS DECIMAL(9,2)),
                      CAST(unknown AS DECIMAL(9,2)), CAST(unmatched AS DECIMAL(9,2)),
                      CAST(out_of_scope AS DECIMAL(9,2)), CAST(in_scope AS DECIMAL(9,2)),
                      rate, lower, expected, upper, rows, unweighted_rows
               FROM adherence WHERE team = 'payments' AND tool = 'claude_code' ORDER BY weight, currency";
    assert_eq!(
        ask(&query, sql).await,
        [
            // T = 2 + 4 + 1 + 5.5 = 12.5; lower 1.94/T, expected (1.94 + .08 + .60 + 4.95)/T, upper 1 - 3.84/T
            "list_cost|USD|7.50|4.00|0.00|1.00|0.10|12.50|0.652174|0.155200|0.605600|0.692800|5|0",
            // E4 states no cost: no amount, no ratio, and a row that says so
            "list_cost|-|-|-|-|-|-|-|-|-|-|-|1|1",
            // T = 6; lower .97/6, expected (.97 + .02 + .60 + 2 * .50 + .90)/6, upper 1 - .96/6
            "requests|-|2.00|1.00|2.00|1.00|1.00|6.00|0.666667|0.161667|0.581667|0.840000|6|0",
            // T = 5; lower .97/5, expected 2.99/5, upper 1 - .96/5
            "rows|-|2.00|1.00|1.00|1.00|1.00|5.00|0.666667|0.194000|0.598000|0.808000|6|0",
        ]
    );
    // Sessions: E1 and E2 together .99 * 1.01, then .6 * .4, .5 * .5, .9 * .1: 1.5799;
    // 1.645 * sqrt(1.5799) / 5 = 0.413534 beside .598, cut at 1.
    let interval = "SELECT expected_low, expected_high FROM adherence
                    WHERE team = 'payments' AND tool = 'claude_code' AND weight = 'rows'";
    assert_eq!(ask(&query, interval).await, ["0.184466|1.000000"]);
    // Followed with a medium label raises the rate and not the lower bound.
    let euro = "SELECT currency, rate, lower, expected, upper FROM adherence
                WHERE team = 'platform' AND weight = 'list_cost'";
    assert_eq!(ask(&query, euro).await, ["EUR|1.000000|0.000000|0.850000|1.000000"]);
    // Nothing followed or drifted: the rate is undefined. The bill counts for money alone.
    let bill = "SELECT weight, rate, lower, expected, upper FROM adherence WHERE tool = 'copilot'";
    assert_eq!(ask(&query, bill).await, ["list_cost|-|0.000000|0.000000|1.000000"]);
    let broken = "SELECT COUNT(*) FROM adherence
                  WHERE NOT (lower <= expected AND expected <= upper AND lower <= rate AND rate <= upper)";
    assert_eq!(ask(&query, broken).await, ["0"]);
}

#[tokio::test]
async fn the_gap_shows_its_reasons() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let sql =
        "SELECT day, source, verdict, reason, currency, rows, unpriced_rows, billed_cost, effective_cost,
                      list_cost, row_share, list_cost_share, oldest
               FROM unmatched ORDER BY day, verdict";
    assert_eq!(
        ask(&query, sql).await,
        [
            "2026-11-01|github_copilot.billing_csv|unmatched|NOT_COVERED|USD|1|0|19.000000000|19.000000000|19.000000000|1.000000|1.000000|2026-11-01T00:00:00Z",
            "2026-11-04|litellm.spend_logs|unknown|FACT_MISSING:work_class|-|1|1|-|-|-|0.500000|-|2026-11-04T10:00:00Z",
            "2026-11-04|litellm.spend_logs|unmatched|NO_CANDIDATE|USD|1|0|-|0.750000000|1.000000000|0.500000|1.000000|2026-11-04T09:00:00Z",
        ]
    );
    let detail = "SELECT substr(event_id, 1, 2), reason, missing_facts, suggested_fix
                  FROM unmatched_detail ORDER BY 1";
    assert_eq!(
        ask(&query, detail).await,
        [
            "03|NO_CANDIDATE|[]|declare an intent for this time, or install the hook",
            "04|FACT_MISSING:work_class|[work_class]|provide the missing facts",
            "07|NOT_COVERED|[]|add a rule that speaks of this use",
        ]
    );
}

#[tokio::test]
async fn freshness_shows_silent_sources_too() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let sql = "SELECT source, state, rows, last_event, data_through, last_recorded, fetch_lag_p50_s,
                      fetch_lag_p99_s, rejects, rejects_by_reason
               FROM freshness ORDER BY source";
    // Eight fetches of litellm: seven at 3600 s, the restatement at 7200 s; the 99th percentile lies 93 % of
    // the way from the seventh to the eighth.
    assert_eq!(
        ask(&query, sql).await,
        [
            "claude_code.otel|reporting|1|2026-11-04T11:00:00Z|2026-11-04T11:00:00Z|2026-11-10T00:00:00Z|3600.0|3600.0|0|-",
            "cursor.usage_events|rejecting|0|-|-|-|-|-|3|bad_number=2, bad_time=1",
            "github_copilot.billing_csv|reporting|1|2026-11-01T00:00:00Z|2026-12-01T00:00:00Z|2026-11-10T00:00:00Z|3600.0|3600.0|0|-",
            "kiro.user_activity|silent|0|-|-|-|-|-|0|-",
            "litellm.spend_logs|reporting|6|2026-11-05T09:00:00Z|2026-11-05T09:00:00Z|2026-11-12T00:00:00Z|3600.0|6948.0|0|-",
        ]
    );
    let bill = "SELECT event_lag_p50_s FROM freshness WHERE source = 'github_copilot.billing_csv'";
    assert_eq!(ask(&query, bill).await, ["-1814400.0"]);
    assert_eq!(ask(&query, "SELECT index, reason, field, length FROM rejects ORDER BY index").await.len(), 3);
}

#[tokio::test]
async fn corrections_say_what_they_changed() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let sql = "SELECT month_affected, recorded_on, cause, currency, taken_back, added, before, after,
                      effective_cost_change, list_cost_change, input_tokens_change, output_tokens_change
               FROM restatements ORDER BY cause";
    assert_eq!(
        ask(&query, sql).await,
        [
            "2026-11-01|2026-11-12|restated|USD|1|1|5.000000000|4.500000000|-0.500000000|-0.500000000|-200|0",
            "2026-11-01|2026-11-12|withdrawn|USD|1|0|7.000000000|-|-7.000000000|-7.000000000|-5|-5",
        ]
    );
}

#[tokio::test]
async fn a_complete_fetch_is_one_row_once_all_of_it_is_there() {
    let time = |text: &str| UtcTime::parse(text).unwrap();
    let part = |fetch: u8, chunk: i32, chunks: i32| ScopeClosed {
        source: Label::literal("github_copilot.billing_csv"),
        scope_key: Label::literal("acme|2026-10"),
        period_start: time("2026-10-01T00:00:00Z"),
        period_end: time("2026-11-01T00:00:00Z"),
        fetch_id: FetchId([fetch; 16]),
        observed_at: time("2026-11-04T07:00:00Z"),
        confirmed: fetch == 1,
        events: 40_000,
        chunk,
        chunks,
        event_ids: vec![EventId([9; 16])],
    };
    let mut rows = FetchBatchBuilder::with_capacity(5);
    rows.append(&part(1, 0, 2), time("2026-11-04T07:00:10Z"));
    rows.append(&part(1, 1, 2), time("2026-11-04T07:00:20Z"));
    // Sent again, and kept again.
    rows.append(&part(1, 1, 2), time("2026-11-04T08:00:00Z"));
    rows.append(&part(2, 0, 3), time("2026-11-04T07:00:10Z"));
    rows.append(&part(2, 2, 3), time("2026-11-04T07:00:10Z"));
    let lake = TestLake::empty();
    lake.append("fetches", Some("observed_date"), rows.finish().unwrap()).await;
    let query = lake.open().await;
    let sql =
        "SELECT source, scope_key, period_start, observed_at, events, confirmed, recorded_at FROM fetches";
    assert_eq!(
        ask(&query, sql).await,
        ["github_copilot.billing_csv|acme|2026-10|2026-10-01T00:00:00Z|2026-11-04T07:00:00Z|40000|true|\
          2026-11-04T07:00:20Z"]
    );
    let earlier = "SELECT * FROM fetches_as_of('2026-11-04T07:00:15Z')";
    assert_eq!(ask(&query, earlier).await, [""; 0], "a half was all that was known then");
}

#[tokio::test]
async fn rules_and_models_are_counted() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    assert_eq!(
        ask(&query, "SELECT * FROM adherence_by_rule").await,
        ["2026-11-01|R1|2026-11|USD|2|1|1|0|3.000000000|4.000000000"]
    );
    let mix = "SELECT currency, requests, tokens, effective_cost, request_share, token_share, cost_share,
                      cost_per_million_tokens, cache_read_share
               FROM model_mix WHERE team = 'payments' AND week = '2026-11-02' ORDER BY currency";
    // Tokens 1200 + 600 + 350 + 10 + 2200 = 4360 for 9.60 dollars; five of seven requests; 400 of 1000 cached.
    assert_eq!(
        ask(&query, mix).await,
        [
            "USD|5|4360|9.600000000|0.714286|1.000000|1.000000|2201.834862|0.400000",
            "-|2|-|-|0.285714|-|-|-|-",
        ]
    );
}

#[tokio::test]
async fn a_report_is_narrowed_by_day_team_and_knowledge() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    let total = async |params: ReportParams| {
        let result = query.report("spend", &params).await.unwrap();
        let index = result.schema.index_of("rows").unwrap();
        let rows: Vec<_> = result.batches.iter().map(|batch| batch.project(&[index]).unwrap()).collect();
        let count: i64 = lines(&rows).iter().map(|line| line.parse::<i64>().unwrap()).sum();
        (count, result.standing)
    };
    let day = ReportParams::parse(Some("2026-11-04"), Some("2026-11-05"), None, None).unwrap();
    let (rows, standing) = total(day).await;
    assert_eq!((rows, standing.gap.rows, standing.gap.billed_text().as_str()), (4, 2, "unknown"));

    let first = ReportParams::parse(None, None, None, Some(FIRST_COMMIT)).unwrap();
    let (rows, standing) = total(first).await;
    assert_eq!((rows, standing.recorded_through.unwrap().to_string().as_str()), (9, FIRST_COMMIT));

    let (rows, standing) = total(ReportParams::default()).await;
    assert_eq!(rows, 8);
    assert_eq!(standing.recorded_through.unwrap().to_string(), "2026-11-12T00:00:00Z");
    assert_eq!(standing.data_through.unwrap().to_string(), "2026-11-04T11:00:00Z");
    assert_eq!((standing.gap.rows, standing.gap.unpriced_rows), (3, 1));
    assert_eq!(standing.gap.billed_text(), "19.000000000 USD");
    assert_eq!(standing.gap.list_text(), "20.000000000 USD");
    assert_eq!(standing.table_version, Some(1));
}

#[tokio::test]
async fn a_team_brings_those_below_it_in_the_directory_that_held() {
    let lake = TestLake::filled().await;
    let tree = [("company", None), ("tech", Some("company")), ("platform", Some("tech")), ("payments", None)];
    lake.list_teams(FIRST_COMMIT, &tree).await;
    let moved = tree.map(|(team, parent)| (team, if team == "payments" { Some("tech") } else { parent }));
    lake.list_teams(SECOND_COMMIT, &moved).await;
    let query = lake.open().await;
    let rows = async |query: &Query, team: &str, as_of: Option<&str>| {
        let params = ReportParams::parse(None, None, Some(team), as_of).unwrap();
        let result = query.report("spend", &params).await?;
        let index = result.schema.index_of("rows").unwrap();
        let rows: Vec<_> = result.batches.iter().map(|batch| batch.project(&[index]).unwrap()).collect();
        Ok::<i64, QueryError>(lines(&rows).iter().map(|line| line.parse::<i64>().unwrap()).sum())
    };
    // Platform has E5, payments the seven others that are current.
    for (team, as_of, expected) in [
        ("payments", None, 7),
        ("platform", None, 1),
        ("tech", None, 8),
        ("company", None, 8),
        ("company", Some(FIRST_COMMIT), 1),
        ("payments", Some(FIRST_COMMIT), 8),
    ] {
        assert_eq!(rows(&query, team, as_of).await.unwrap(), expected, "{team} {as_of:?}");
    }
    let listed = "SELECT team, parent FROM teams ORDER BY team";
    assert_eq!(ask(&query, listed).await, ["company|-", "payments|tech", "platform|tech", "tech|company"]);

    let unknown = rows(&query, "platfrom", None).await.unwrap_err();
    assert!(matches!(unknown, QueryError::UnknownTeam { .. }) && unknown.to_string().contains("platform"));

    // A team that is listed no more keeps what it had.
    lake.list_teams("2026-11-13T00:00:00Z", &[]).await;
    query.refresh_now().await.unwrap();
    assert_eq!(ask(&query, listed).await, [""; 0]);
    assert_eq!(rows(&query, "platform", None).await.unwrap(), 1);
    assert!(rows(&query, "tech", None).await.unwrap_err().to_string().contains("no team"));
}

#[tokio::test]
async fn every_report_is_served_and_an_unknown_one_names_them() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    for report in crate::REPORTS {
        assert!(query.report(report.name, &ReportParams::default()).await.is_ok(), "{}", report.name);
    }
    let error = query.report("spent", &ReportParams::default()).await.unwrap_err().to_string();
    assert!(error.contains("spend_daily"), "{error}");
}

#[tokio::test]
async fn a_result_over_its_limit_is_an_error_and_never_a_cut() {
    let lake = TestLake::filled().await;
    let config = QueryConfig { max_rows: 7, ..crate::testing::config() };
    let query = lake.open_with(config).await;
    assert!(matches!(query.sql("SELECT * FROM usage").await, Err(QueryError::TooManyRows { limit: 7, .. })));
    assert_eq!(ask(&query, "SELECT event_id FROM usage LIMIT 7").await.len(), 7);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let lake = TestLake::empty();
    let config = QueryConfig { statement_timeout_s: 1, ..crate::testing::config() };
    let query = lake.open_with(config).await;
    let endless = "SELECT COUNT(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b";
    let started = std::time::Instant::now();
    assert!(matches!(query.sql(endless).await, Err(QueryError::Timeout)));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[tokio::test]
async fn no_statement_reaches_files_writes_or_settings() {
    let lake = TestLake::filled().await;
    let query = lake.open().await;
    for sql in [
        "COPY (SELECT 1) TO '/tmp/modellane-escape.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM raw.usage_ledger",
        "SELECT * FROM modellane.raw.usage_ledger",
        "INSERT INTO usage SELECT * FROM usage",
        "SET datafusion.runtime.memory_limit = '1M'",
        "EXPLAIN COPY (SELECT 1) TO '/tmp/modellane-escape.csv'",
        "SELECT 1; DROP VIEW usage",
        "DECLARE c CURSOR FOR SELECT 1",
    ] {
        assert!(query.sql(sql).await.is_err(), "{sql}");
    }
    assert!(!std::path::Path::new("/tmp/modellane-escape.csv").exists());
}
