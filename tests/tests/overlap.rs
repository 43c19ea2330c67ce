//! A use that several feeds report counts once for tokens and once for money, whichever came first, and counts again
//! for the other feed when the one that counted is gone.

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::{ledger_checks, ledger_totals};
use modellane_tests::instance::{binary, command_on_free_ports, run_within, skip};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

const DIRECTORY: &str = "\
people:
  - { id: p-1, accounts: [{ kind: email, id: ana@acme.example }, { kind: github, id: ana-dev }], memberships: [{ team: cards }] }
  - { id: p-2, accounts: [{ kind: github, id: ben-dev }], memberships: [{ team: cards }] }
teams: [{ id: cards }]
";
const PRICES: &str = "\
prices:
  - { provider: github, model: \"*\", kind: credit, per: 1, amount: \"0.01\", currency: USD, from: 2026-01-01 }
";

/// Two requests of the gateway, of which a client reports the first as well.
const GATEWAY: &str = r#"{"request_id":"req_1","call_type":"acompletion","spend":0.5,"prompt_tokens":1000,"completion_tokens":50,"startTime":"2026-11-03T23:59:59Z","endTime":"2026-11-03T23:59:59Z","model":"anthropic/claude-opus-5-5","custom_llm_provider":"anthropic","metadata":{"user_api_key_user_email":"ana@acme.example"},"status":"success"}
{"request_id":"req_2","call_type":"acompletion","spend":0.25,"prompt_tokens":300,"completion_tokens":7,"startTime":"2026-11-03T10:00:00Z","endTime":"2026-11-03T10:00:00Z","model":"anthropic/claude-opus-5-5","custom_llm_provider":"anthropic","metadata":{"user_api_key_user_email":"ana@acme.example"},"status":"success"}
"#;

/// Claude Code's event of a request: a second later by its clock, which is the next day.
fn client_event(request: &str) -> String {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let number = |key: &str, value: &str| json!({ "key": key, "value": { "intValue": value } });
    let attributes = [
        text("session.id", "s-1"),
        text("user.email", "ana@acme.example"),
        text("event.name", "api_request"),
        text("event.timestamp", "2026-11-04T00:00:00Z"),
        number("event.sequence", "2"),
        text("model", "claude-opus-5-5"),
        number("cost_usd_micros", "600000"),
        number("input_tokens", "990"),
        number("output_tokens", "50"),
        text("request_id", request),
    ];
    let record = json!({
        "timeUnixNano": "1793750400000000000",
        "eventName": "claude_code.api_request",
        "body": { "stringValue": "claude_code.api_request" },
        "attributes": attributes
    });
    json!({ "resourceLogs": [{
        "resource": { "attributes": [text("service.name", "claude-code")] },
        "scopeLogs": [{ "scope": { "name": "com.anthropic.claude_code.events" }, "logRecords": [record] }]
    }] })
    .to_string()
}

/// A day of two people with Copilot, of which the bill has one.
fn report() -> String {
    let day = |login: &str, id: u32, prompts: u32, credits: f64| {
        json!({
            "user_id": id, "user_login": login, "day": "2026-11-03", "organization_id": "1",
            "user_initiated_interaction_count": prompts, "ai_credits_used": credits
        })
    };
    format!("{}\n{}\n", day("ana-dev", 1, 14, 52.5), day("ben-dev", 2, 3, 4.25))
}

const BILL: &str = r#""date","username","product","sku","model","quantity","unit_type","applied_cost_per_quantity","gross_amount","discount_amount","net_amount","total_monthly_quota","organization","repository","cost_center_name","aic_quantity","aic_gross_amount"
"2026-11-03","ana-dev","copilot","copilot_ai_credit","Claude Sonnet 5.5","50","ai-credits","0.01","0.5","0.3","0.2","300","acme","","","50","0.5"
"2026-11-03","ana-dev","copilot","copilot_ai_credit","GPT-6.1","2.5","ai-credits","0.01","0.025","0.025","0","300","acme","","","2.5","0.025"
"#;

struct Bench {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip("overlapping feeds", "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
            skip(
                "overlapping feeds",
                "needs MODELLANE_TEST_PYTHON with duckdb and deltalake, as tests/run sets it",
            );
            return Ok(None);
        }
        Ok(Some(Self { binary, dir: tempfile::tempdir()? }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        Ok(std::fs::write(path, content)?)
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = command_on_free_ports(&self.binary);
        command.args(args).args(["--data-dir", "data"]).current_dir(self.dir.path());
        let ended = run_within(&mut command, PATIENCE)?;
        ensure!(ended.code == Some(0), "{args:?}: {}{}", ended.stdout, ended.stderr);
        Ok(ended.stdout)
    }

    /// Signed totals by DuckDB, with the invariants of the ledger.
    fn totals(&self) -> Result<Value> {
        let checked = ledger_checks(&self.lake())?;
        ensure!(checked["problems"].as_array().is_some_and(Vec::is_empty), "{checked}");
        ledger_totals("duckdb", &self.lake(), None)
    }

    fn lake(&self) -> PathBuf {
        self.path("data/lake")
    }
}

/// The named totals of a feed are these, in the order of the names.
fn ensure_totals(totals: &Value, feed: &str, names: &[&str], expected: &[&str]) -> Result<()> {
    let found: Vec<&str> = names.iter().filter_map(|name| totals[feed][*name].as_str()).collect();
    ensure!(found == expected, "{names:?} of {feed} are {found:?}, not {expected:?}");
    Ok(())
}

fn write_org(bench: &Bench) -> Result<()> {
    bench.write("org/directory.yaml", DIRECTORY)?;
    bench.write("org/prices.yaml", PRICES)?;
    bench.write("org/exports/litellm.spend_logs/a.ndjson", GATEWAY)?;
    bench.write(
        "org/exports/github_copilot.user_day/2026-11-04T06-00-00Z_users-1-day_2026-11-03.ndjson",
        &report(),
    )?;
    bench.write(
        "org/exports/github_copilot.billing_csv/2026-11-30T07-00-00Z_ai-credit-report_2026-11.csv",
        BILL,
    )
}

#[test]
fn what_two_feeds_report_counts_once_for_tokens_and_once_for_money() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    write_org(&bench)?;
    bench.write("org/exports/otlp/a.ndjson", &client_event("req_1"))?;
    bench.run(&["demo", "--once", "--org", "org"])?;

    let totals = bench.totals()?;
    let of_use = ["requests", "input_tokens", "output_tokens", "effective_cost"];
    ensure_totals(&totals, "litellm.spend_logs", &of_use, &["2", "1300", "57", "0.75"])?;
    ensure_totals(&totals, "claude_code.otel", &of_use, &["0", "0", "0", "0"])?;
    // Ben's day is not billed, so that it counts for itself: 4.25 credits at one cent.
    ensure_totals(&totals, "github_copilot.user_day", &["requests", "list_cost"], &["17", "0.0425"])?;
    ensure_totals(&totals, "github_copilot.billing_csv", &["list_cost", "billed_cost"], &["0.525", "0.2"])?;

    let again = bench.run(&["rejudge"])?;
    ensure!(again.contains("judged again: 7 rows\nchanged: none"), "{again}");
    ensure!(bench.totals()? == totals, "judging again where nothing is new changes nothing");
    Ok(())
}

/// The client's event comes when the gateway's is settled, and the gateway's report loses the request then.
#[test]
fn a_feed_counts_again_when_the_one_that_counted_instead_has_lost_the_use() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    write_org(&bench)?;
    bench.run(&["demo", "--once", "--org", "org"])?;
    let of_use = ["requests", "input_tokens", "effective_cost"];
    let before = bench.totals()?;

    bench.write("late.ndjson", &client_event("req_1"))?;
    bench.run(&["import", "otlp", "late.ndjson"])?;
    ensure_totals(&bench.totals()?, "claude_code.otel", &of_use, &["1", "990", "0.6"])
        .context("nothing is settled yet, so both count")?;
    let settled = bench.run(&["rejudge"])?;
    ensure!(
        settled.contains("changed: 2 rows (overlap 2)\nnet change of effective cost: -0.6 USD\n"),
        "{settled}"
    );
    let totals = bench.totals()?;
    ensure_totals(&totals, "claude_code.otel", &of_use, &["0", "0", "0"])?;
    ensure_totals(&totals, "litellm.spend_logs", &of_use, &["2", "1300", "0.75"])?;
    ensure!(before["github_copilot.billing_csv"] == totals["github_copilot.billing_csv"], "{totals}");

    // Two complete exports of the gateway's day lack the request.
    let (_, rest) = GATEWAY.split_once('\n').context("two records")?;
    bench.write("lost.ndjson", rest)?;
    for _ in 0..2 {
        bench.run(&["import", "litellm.spend_logs", "lost.ndjson", "--complete"])?;
    }
    let settled = bench.run(&["rejudge"])?;
    ensure!(settled.contains("(overlap 1)\nnet change of effective cost: 0.6 USD\n"), "{settled}");
    let totals = bench.totals()?;
    ensure_totals(&totals, "claude_code.otel", &of_use, &["1", "990", "0.6"])?;
    ensure_totals(&totals, "litellm.spend_logs", &of_use, &["1", "300", "0.25"])
}
