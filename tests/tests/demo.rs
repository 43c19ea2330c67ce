//! The whole way as a user goes it: the demo, SQL from several clients, more imports, as-known-at.

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::{ledger_checks, ledger_totals, psql, tests_dir};
use modellane_tests::instance::{Instance, binary, command_on_free_ports, run, skip};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Column of the ledger, and the truth's name for its sum.
const SUMS: [(&str, &str); 14] = [
    ("events", "events"),
    ("requests", "requests"),
    ("input_tokens", "input_tokens"),
    ("cache_read_tokens", "cache_read_tokens"),
    ("cache_write_tokens", "cache_write_tokens"),
    ("output_tokens", "output_tokens"),
    ("reasoning_tokens", "reasoning_tokens"),
    ("lines_accepted", "lines_accepted"),
    ("credits", "credits"),
    ("billed_cost", "billed_usd"),
    ("effective_cost", "effective_cost_usd"),
    ("list_cost", "list_cost_usd"),
    ("effective_cost_null", "effective_cost_null_events"),
    ("list_cost_null", "list_cost_null_events"),
];

struct Demo {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Demo {
    /// Loads the bundled sample into a fresh directory; `None` where a tool is missing.
    fn load() -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip("the demo", "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
            skip("the demo", "needs MODELLANE_TEST_PYTHON with duckdb and polars, as tests/run sets it");
            return Ok(None);
        }
        let dir = tempfile::tempdir()?;
        let demo = Self { binary, dir };
        let output = command_on_free_ports(&demo.binary)
            .args(["demo", "--once", "--format", "json", "--data-dir"])
            .arg(demo.data())
            .output()?;
        ensure!(output.status.success(), "demo: {}", String::from_utf8_lossy(&output.stderr));
        let printed: Value = serde_json::from_slice(&output.stdout).context("the demo prints JSON")?;
        for report in ["spend", "adherence", "unmatched", "sources"] {
            ensure!(printed[report].as_array().is_some_and(|rows| !rows.is_empty()), "{report} is empty");
        }
        Ok(Some(demo))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn lake(&self) -> PathBuf {
        self.data().join("lake")
    }

    fn import(&self, args: &[&str]) -> Result<String> {
        let data = self.data();
        let mut all = vec!["import", "--data-dir", data.to_str().context("a path of text")?];
        all.extend(args);
        let output = run(&self.binary, &all)?;
        ensure!(output.status.success(), "import: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn totals(&self) -> Result<Value> {
        ledger_totals("duckdb", &self.lake(), None)
    }
}

fn truth() -> Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(tests_dir().join("expected/demo_totals.json"))?)?)
}

fn sample(path: &str) -> PathBuf {
    tests_dir().parent().expect("tests/ has a parent").join("deploy/demo/exports").join(path)
}

/// Numbers and decimal texts in one spelling.
fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text })
}

#[test]
fn a_user_gets_the_same_true_sums_everywhere() -> Result<()> {
    let Some(demo) = Demo::load()? else { return Ok(()) };
    let truth = truth()?;
    for engine in ["duckdb", "polars"] {
        let totals = ledger_totals(engine, &demo.lake(), None)?;
        let sources = truth["sources"].as_object().context("sources")?;
        let found = totals.as_object().context("totals")?;
        ensure!(found.keys().eq(sources.keys()), "{engine}: sources are {:?}", found.keys());
        for (source, expected) in sources {
            for (column, name) in SUMS {
                let wanted = expected.get(name).with_context(|| format!("the truth lacks {name}"))?;
                let (found, wanted) = (plain(&totals[source][column]), plain(wanted));
                ensure!(found == wanted, "{engine}: {source} {column} is {found:?}, the truth is {wanted:?}");
            }
        }
    }
    let checked = ledger_checks(&demo.lake())?;
    ensure!(checked["problems"].as_array().is_some_and(Vec::is_empty), "{checked}");
    let (found, wanted) = (checked["reversals"].as_u64(), [&truth["restatements"], &truth["overlaps"]]);
    let wanted = wanted.iter().map(|number| number.as_u64()).sum::<Option<u64>>();
    ensure!(
        found == wanted,
        "{found:?} entries were taken back, {wanted:?} were restated or counted elsewhere"
    );
    served(&demo, &truth)?;
    imports(&demo)
}

/// What SQL and HTTP clients see of the same table.
fn served(demo: &Demo, truth: &Value) -> Result<()> {
    let log = demo.dir.path().join("log");
    let instance = Instance::start(&demo.binary, &demo.data(), 300, &log)?;
    let at = &instance.addresses;
    ensure!(psql(&at.postgres, "select count(*) from usage")? == truth["events"].to_string());
    for view in
        ["usage", "usage_ledger", "spend", "spend_daily", "adherence", "unmatched", "freshness", "rejects"]
    {
        let count: i64 = psql(&at.postgres, &format!("select count(*) from {view}"))?.parse()?;
        ensure!(count > 0, "{view} is empty");
    }
    let bounds = "select count(*) from adherence where lower > expected or expected > upper or lower > rate or rate > upper";
    ensure!(psql(&at.postgres, bounds)? == "0", "bounds of adherence are out of order");
    let verdicts =
        "select count(*) from usage where explained_share + partial_share + unexplained_share <> 1";
    ensure!(psql(&at.postgres, verdicts)? == "0", "shares do not sum to one");
    for refused in [
        "copy (select 1) to '/tmp/x'",
        "create table t (a int)",
        "set datafusion.runtime.memory_limit = '1G'",
    ] {
        ensure!(psql(&at.postgres, refused).is_err(), "{refused} was let through");
    }
    let csv = http(&format!("http://{}/v1/reports/spend.csv", at.http))?;
    ensure!(
        csv.lines().count() > 1 && csv.starts_with("month,"),
        "spend.csv: {}",
        csv.lines().next().unwrap_or("")
    );
    let json: Value = serde_json::from_str(&http(&format!("http://{}/v1/reports/spend.json", at.http))?)?;
    ensure!(!json.is_null());
    instance.stop()
}

fn http(url: &str) -> Result<String> {
    Ok(ureq::get(url).call()?.body_mut().read_to_string()?)
}

/// A second import adds nothing, a restated file changes totals by the difference, an older one imported
/// last changes nothing, and earlier totals can still be had.
fn imports(demo: &Demo) -> Result<()> {
    const SOURCE: &str = "litellm.spend_logs";
    let before = demo.totals()?;
    let file = demo.dir.path().join("restated.json");
    let row = |spend: &str| {
        format!(
            "{{\"data\":[{{\"request_id\":\"extra-1\",\"call_type\":\"acompletion\",\"spend\":{spend},\
             \"prompt_tokens\":10,\"completion_tokens\":5,\"startTime\":\"2026-11-05T10:00:00Z\",\
             \"endTime\":\"2026-11-05T10:00:01Z\",\"model\":\"openai/gpt-6.1-sol\",\"metadata\":{{}},\
             \"status\":\"success\"}}]}}"
        )
    };
    let path = file.to_str().context("a path of text")?;
    let changed_by = |from: &Value, to: &Value| anyhow::Ok(spent(SOURCE, to)? - spent(SOURCE, from)?);

    std::fs::write(&file, row("0.000000125"))?;
    demo.import(&[SOURCE, path, "--observed-at", "2026-11-20T00:00:00Z"])?;
    let first = demo.totals()?;
    let changed = changed_by(&before, &first)?;
    ensure!(changed == 125, "a new row changed the total by {changed} billionths");
    let known_at = now()?;

    demo.import(&[SOURCE, path, "--observed-at", "2026-11-20T00:00:00Z"])?;
    demo.import(&[SOURCE, path])?;
    ensure!(demo.totals()? == first, "a second import of the same file added something");

    std::thread::sleep(Duration::from_millis(5));
    std::fs::write(&file, row("0.000000625"))?;
    demo.import(&[SOURCE, path])?;
    let restated = demo.totals()?;
    let changed = changed_by(&first, &restated)?;
    ensure!(changed == 500, "a restated row changed the total by {changed} billionths");
    ensure!(restated[SOURCE]["events"] == first[SOURCE]["events"], "a restatement is no new event");

    std::fs::write(&file, row("0.5"))?;
    demo.import(&[SOURCE, path, "--observed-at", "2026-11-10T00:00:00Z"])?;
    ensure!(demo.totals()? == restated, "an older export imported last changed something");

    let then = ledger_totals("duckdb", &demo.lake(), Some(&known_at))?;
    ensure!(then == first, "totals as known at {known_at} are others than they were");
    Ok(())
}

/// Effective cost of a source in billionths, exactly.
fn spent(source: &str, totals: &Value) -> Result<i128> {
    let text = plain(&totals[source]["effective_cost"]).context("no effective cost")?;
    Ok(modellane_event::Amount::parse(&text)?.billionths())
}

/// Now, to the microsecond: after the last commit and before the next.
#[expect(clippy::disallowed_methods, reason = "a test asks the machine as a user would")]
fn now() -> Result<String> {
    let micros = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
    Ok(modellane_event::UtcTime(i64::try_from(micros)?).to_string())
}

#[test]
fn beginners_get_told_what_to_do() -> Result<()> {
    let Some(binary) = binary() else {
        skip("messages", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let data = data.to_str().context("text")?;
    let absent = dir.path().join("absent");
    let absent = absent.to_str().context("text")?;
    let file = sample("cursor.usage_events");
    for (args, code, told) in [
        (vec!["import", "nonsense", "x.json", "--data-dir", data], 2, "litellm.spend_logs"),
        (vec!["import", "claude_code.otel", "x.json", "--data-dir", data], 2, "send it as otlp"),
        (vec!["import", "otlp", "x.json", "--observed-at", "now", "--data-dir", data], 2, "2026-"),
        (vec!["import", "litellm.spend_logs", "missing.json", "--data-dir", data], 1, "missing.json"),
        (
            vec!["import", "litellm.spend_logs", file.to_str().context("text")?, "--data-dir", data],
            1,
            "director",
        ),
        (vec!["collector"], 1, "kafka.bootstrap"),
        (vec!["demo", "--org", "/nonexistent", "--once", "--data-dir", data], 1, "directory.yaml"),
        (vec!["frobnicate"], 2, "Usage"),
        (vec!["report", "nonsense", "--data-dir", data], 2, "spend"),
        (vec!["report", "spend", "--from", "yesterday", "--data-dir", data], 2, "2026-"),
        (vec!["report", "spend", "--data-dir", absent], 1, "--data-dir"),
        (vec!["sources", "--data-dir", absent], 1, "--data-dir"),
    ] {
        let output = modellane_tests::instance::command(&binary)
            .args(&args)
            .env("MODELLANE__COLLECTOR__LISTEN", "127.0.0.1:0")
            .env("MODELLANE__COLLECTOR__OTLP_HTTP_LISTEN", "127.0.0.1:0")
            .env("MODELLANE__QUERY__PG_LISTEN", "127.0.0.1:0")
            .env("MODELLANE__QUERY__HTTP_LISTEN", "127.0.0.1:0")
            .output()?;
        let message = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "{args:?}: {:?} {message}", output.status);
        ensure!(message.contains(told), "{args:?} should speak of {told}: {message}");
    }
    ensure!(!Path::new(absent).exists(), "a command that reads made a lake");
    Ok(())
}
