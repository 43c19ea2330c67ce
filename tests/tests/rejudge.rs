//! What is learned late turns the entries that it concerns and no others, keeps the totals, and leaves what was
//! known before as it was known.

use anyhow::{Context, Result, ensure};
use modellane_event::UtcTime;
use modellane_tests::clients::{ledger_checks, ledger_totals, psql, tests_dir};
use modellane_tests::instance::{Addresses, Instance, binary, command_on_free_ports, run_within, skip};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// Ben is of another team from the fifth day on, once the directory is corrected.
const DIRECTORY: &str = "\
people:
  - { id: p-1, accounts: [{ kind: email, id: ana@acme.example }], memberships: [{ team: cards }] }
  - { id: p-2, accounts: [{ kind: email, id: ben@acme.example }], memberships: [{ team: platform }] }
teams: [{ id: cards }, { id: platform }]
";
const BEN: &str = "memberships: [{ team: platform }]";
const BEN_MOVED: &str =
    "memberships: [{ team: platform, to: 2026-11-05 }, { team: cards, from: 2026-11-05 }]";
const INTENT: &str = r#"{"intent_id":"i-late","person":"ana@acme.example","task":"routine","started_at":"2026-11-04T09:00:00Z","ended_at":"2026-11-04T12:00:00Z"}"#;
const PRICES: &str = "\
prices:
  - { provider: openai, model: gpt-6.1-sol, kind: input, per: 1000, amount: \"0.3\", currency: USD, from: 2026-01-01 }
  - { provider: openai, model: gpt-6.1-sol, kind: output, per: 1000, amount: \"0.1\", currency: USD, from: 2026-01-01 }
";

/// Whose use, on which day of November, by which model, and what the gateway puts down for it.
const USES: [(&str, &str, u32, &str, &str); 6] = [
    ("r-1", "ana@acme.example", 3, "openai/gpt-6.1-sol", "0.5"),
    ("r-2", "ana@acme.example", 4, "anthropic/claude-opus-5-5", "0.25"),
    ("r-3", "ana@acme.example", 5, "anthropic/claude-opus-5-5", "0.0625"),
    ("r-4", "ben@acme.example", 4, "openai/gpt-6.1-sol", "0.000000001"),
    ("r-5", "ben@acme.example", 5, "openai/gpt-6.1-sol", "1.03125"),
    ("r-6", "nobody@acme.example", 6, "openai/gpt-6.1-sol", "0.015625"),
];

fn exports() -> String {
    let mut lines = String::new();
    for (number, (id, email, day, model, spend)) in USES.into_iter().enumerate() {
        let time = format!("2026-11-0{day}T10:00:00Z");
        let provider = model.split('/').next().unwrap_or_default();
        let tokens = 1_000 + 7 * number;
        let _ = writeln!(
            lines,
            "{{\"request_id\":\"{id}\",\"call_type\":\"acompletion\",\"spend\":{spend},\
             \"prompt_tokens\":{tokens},\"completion_tokens\":{number},\"startTime\":\"{time}\",\
             \"endTime\":\"{time}\",\"model\":\"{model}\",\"custom_llm_provider\":\"{provider}\",\
             \"session_id\":\"s-{id}\",\"metadata\":{{\"user_api_key_user_email\":\"{email}\"}},\
             \"status\":\"success\"}}"
        );
    }
    lines
}

/// The files of a bundle in force from a day on, under a version of its own.
fn bundle(version: &str, from: &str) -> Result<Map<String, Value>> {
    let dir = tests_dir().join("../deploy/demo/policy/2026.11.1");
    let mut files = Map::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        let text = std::fs::read_to_string(&path)?;
        let text = text.replace("version: 2026.11.1", &format!("version: {version}"));
        files.insert(name, text.replace("from: 2026-11-01", &format!("from: {from}")).into());
    }
    Ok(files)
}

struct Bench {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip("rejudging", "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
            skip("rejudging", "needs MODELLANE_TEST_PYTHON with duckdb and deltalake, as tests/run sets it");
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

    /// Directory, guidance, prices and exports, all in time but the intent.
    fn load(&self) -> Result<()> {
        self.write("org/directory.yaml", DIRECTORY)?;
        self.write("org/prices.yaml", PRICES)?;
        for (name, text) in bundle("2026.11.1", "2026-11-01")? {
            self.write(&format!("org/policy/1/{name}"), text.as_str().unwrap_or_default())?;
        }
        self.write("org/exports/litellm.spend_logs/a.json", &exports())?;
        self.run(&["demo", "--once", "--org", "org"]).map(drop)
    }

    /// Tells an instance something, which stops then.
    fn tell(&self, tell: impl FnOnce(&Addresses) -> Result<()>) -> Result<()> {
        let instance = Instance::start(&self.binary, &self.path("data"), 300, &self.path("log"))?;
        tell(&instance.addresses)?;
        instance.stop()
    }

    /// What other engines sum, and how many entries there are.
    fn totals(&self) -> Result<(Value, u64)> {
        let mut totals = ledger_totals("duckdb", &self.path("data/lake"), None)?;
        let entries = totals["litellm.spend_logs"]["entries"].take();
        Ok((
            totals,
            entries.as_str().and_then(|entries| entries.parse().ok()).context("a number of entries")?,
        ))
    }

    /// Judges again where nothing is new, and sees that nothing is written.
    fn rejudge_in_vain(&self) -> Result<()> {
        let before = self.versions()?;
        let printed = self.run(&["rejudge"])?;
        ensure!(printed.contains("judged again: 6 rows\nchanged: none\nsettled through "), "{printed}");
        ensure!(self.versions()? == before, "nothing was new, and something was committed");
        Ok(())
    }

    /// How many versions there are of the tables that judgements go to.
    fn versions(&self) -> Result<usize> {
        let mut versions = 0;
        for table in ["usage_ledger", "observations"] {
            let log = self.path("data/lake").join(table).join("_delta_log");
            let names = std::fs::read_dir(log)?.map(|entry| Ok(entry?.file_name()));
            let names = names.collect::<Result<Vec<_>>>()?;
            versions += names.iter().filter(|name| name.to_string_lossy().ends_with(".json")).count();
        }
        Ok(versions)
    }

    /// The invariants hold and no total has moved; the entries are so many.
    fn check(&self, totals: &Value, entries: u64) -> Result<()> {
        let checked = ledger_checks(&self.path("data/lake"))?;
        ensure!(checked["problems"].as_array().is_some_and(Vec::is_empty), "{checked}");
        let (found, number) = self.totals()?;
        ensure!(found == *totals, "totals moved: {totals} became {found}");
        ensure!(number == entries, "{number} entries, not {entries}");
        Ok(())
    }
}

/// Asks until the answer is the one that is waited for.
fn wait(address: &str, sql: &str, expected: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let answer = psql(address, sql)?;
        if answer == expected {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{sql}: {answer}, not {expected}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn put(collector: &str, part: &str, body: &str) -> Result<()> {
    ureq::put(format!("http://{collector}/v1/{part}")).send(body).with_context(|| format!("put {part}"))?;
    Ok(())
}

/// Now, to the microsecond.
#[expect(clippy::disallowed_methods, reason = "a test asks the machine as a user would")]
fn now() -> Result<String> {
    let micros = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
    Ok(UtcTime(i64::try_from(micros)?).to_string())
}

/// Who, linked to what, judged how, by which bundle and in which run.
const SAID: &str = "SELECT source_key, team, intent_id, verdict, left(policy_version, 9), cause, settle_run \
                    FROM usage ORDER BY source_key";

#[test]
fn late_context_turns_what_it_concerns_and_nothing_else() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.load()?;
    let (totals, entries) = bench.totals()?;
    ensure!(entries == 6, "{totals}");
    ensure!(totals["litellm.spend_logs"]["effective_cost"] == "1.859375001", "{totals}");
    let instance = Instance::start(&bench.binary, &bench.path("data"), 300, &bench.path("log"))?;
    let (collector, sql) = (&instance.addresses.collector, &instance.addresses.postgres);
    let before = "\
r-1|cards||followed|2026.11.1|first|0
r-2|cards||unmatched|2026.11.1|first|0
r-3|cards||unmatched|2026.11.1|first|0
r-4|platform||followed|2026.11.1|first|0
r-5|platform||followed|2026.11.1|first|0
r-6|||followed|2026.11.1|first|0";
    wait(sql, SAID, before)?;
    let known_before = now()?;

    bench.rejudge_in_vain()?;
    bench.check(&totals, 6)?;

    // An intent that comes late, for days that are not asked for and for those that are.
    ureq::post(format!("http://{collector}/v1/intents")).send(INTENT)?;
    let printed = bench.run(&["rejudge", "--to", "2026-11-04"])?;
    ensure!(printed.contains("judged again: 1 rows\nchanged: none"), "{printed}");
    let printed = bench.run(&["rejudge", "--from", "2026-11-04"])?;
    ensure!(printed.contains("judged again: 5 rows\nchanged: 1 rows (intent 1)\n"), "{printed}");
    ensure!(printed.contains("net change of effective cost: none"), "{printed}");
    let after_intent = before
        .replace("r-2|cards||unmatched|2026.11.1|first|0", "r-2|cards|i-late|drifted|2026.11.1|intent|1");
    wait(sql, SAID, &after_intent)?;
    bench.check(&totals, 8)?;

    // A correction of the directory, which holds from a day on.
    put(collector, "directory", &DIRECTORY.replace(BEN, BEN_MOVED))?;
    let printed = bench.run(&["rejudge"])?;
    ensure!(printed.contains("changed: 1 rows (identity 1)\n"), "{printed}");
    let after_directory = after_intent
        .replace("r-5|platform||followed|2026.11.1|first|0", "r-5|cards||followed|2026.11.1|identity|2");
    wait(sql, SAID, &after_directory)?;
    bench.check(&totals, 10)?;

    // Guidance that is in force from an earlier day than the one it comes on.
    put(collector, "policy", &json!(bundle("2026.11.5", "2026-11-05")?).to_string())?;
    let printed = bench.run(&["rejudge"])?;
    ensure!(printed.contains("changed: 3 rows (policy 3)\n"), "{printed}");
    let after_policy = after_directory
        .replace("r-3|cards||unmatched|2026.11.1|first|0", "r-3|cards||unmatched|2026.11.5|policy|3")
        .replace("r-5|cards||followed|2026.11.1|identity|2", "r-5|cards||followed|2026.11.5|policy|3")
        .replace("r-6|||followed|2026.11.1|first|0", "r-6|||followed|2026.11.5|policy|3");
    wait(sql, SAID, &after_policy)?;
    bench.check(&totals, 16)?;

    bench.rejudge_in_vain().context("a second run with nothing new")?;
    bench.check(&totals, 16)?;
    let then = SAID.replace("FROM usage", &format!("FROM usage_as_of('{known_before}')"));
    ensure!(psql(sql, &then)? == before, "as known before: {}", psql(sql, &then)?);
    instance.stop()?;

    bench.rejudge_in_vain().context("without an instance")?;
    bench.check(&totals, 16)
}

/// A price that changes later changes what is computed by it, and not what the gateway put down.
#[test]
fn a_price_that_comes_late_changes_the_list_cost_alone() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.load()?;
    let (mut totals, _) = bench.totals()?;
    bench.tell(|at| put(&at.collector, "prices", &PRICES.replace("\"0.3\"", "\"0.6\"")))?;
    let printed = bench.run(&["rejudge"])?;
    ensure!(printed.contains("changed: 4 rows (price 4)\n"), "{printed}");
    ensure!(printed.contains("net change of effective cost: none"), "{printed}");
    // 1000, 1021, 1028 and 1035 tokens at 0.3 and at 0.6 a thousand, 0, 3, 4 and 5 at 0.1.
    ensure!(totals["litellm.spend_logs"]["list_cost"] == "1.2264", "{totals}");
    totals["litellm.spend_logs"]["list_cost"] = "2.4516".into();
    bench.check(&totals, 14)
}

#[test]
fn an_intent_that_its_topic_has_forgotten_counts() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.load()?;
    let (totals, _) = bench.totals()?;
    bench.tell(|at| {
        ureq::post(format!("http://{}/v1/intents", at.collector)).send(INTENT)?;
        wait(&at.postgres, "SELECT intent_id FROM intents", "i-late")
    })?;
    forget(&bench.path("data/broker/topics"), "i-late")?;
    let printed = bench.run(&["rejudge"])?;
    ensure!(printed.contains("changed: 1 rows (intent 1)\n"), "{printed}");
    bench.check(&totals, 8)
}

/// What a backtest says is what the bundle turns once it is in force.
#[test]
fn a_backtest_says_what_a_bundle_would_turn_and_writes_nothing() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.load()?;
    let mut stricter = bundle("2026.11.2", "2026-11-01")?;
    let catalogue = stricter["catalogue.csv"].as_str().context("a catalogue")?;
    stricter.insert(
        "catalogue.csv".into(),
        catalogue.replace("gpt-6.1-sol*,standard", "gpt-6.1-sol*,frontier").into(),
    );
    for (name, text) in &stricter {
        bench.write(&format!("stricter/{name}"), text.as_str().unwrap_or_default())?;
    }
    let before = bench.versions()?;
    let tried: Value = serde_json::from_str(
        &bench.run(&["policy", "backtest", "--bundle", "stricter", "--format", "json"])?,
    )?;
    // The four uses of that model, one of them by nobody who is known, cost
    // 0.5 + 0.000000001 + 1.03125 + 0.015625.
    let turned = json!({ "rows": 4, "people": 2, "effective_cost": { "USD": "1.546875001" } });
    ensure!(tried["turned"] == turned, "{tried:#}");
    let rules = json!([{ "rule": "everyday-models", "decides_now": 0, "no_longer": 4 }]);
    ensure!(tried["rules"] == rules, "{tried:#}");
    let bounds = |adherence: &Value| [adherence["lower"].as_f64(), adherence["upper"].as_f64()];
    ensure!(bounds(&tried["adherence"]["in_force"]) == [Some(4.0 / 6.0), Some(1.0)], "{tried:#}");
    ensure!(bounds(&tried["adherence"]["candidate"]) == [Some(0.0), Some(1.0)], "{tried:#}");
    let some = bench.run(&[
        "policy",
        "backtest",
        "--bundle",
        "stricter",
        "--from",
        "2026-11-04",
        "--to",
        "2026-11-06",
    ])?;
    ensure!(some.contains(" 4 rows judged from 2026-11-04 on before 2026-11-06"), "{some}");
    ensure!(some.contains("1.031250001 USD"), "{some}");
    ensure!(bench.versions()? == before, "a backtest wrote something");

    bench.tell(|at| put(&at.collector, "policy", &json!(stricter).to_string()))?;
    let printed = bench.run(&["rejudge"])?;
    ensure!(printed.contains("(policy 6)\n"), "{printed}");
    let again = bench.run(&["policy", "backtest", "--bundle", "stricter"])?;
    ensure!(again.ends_with("nothing turns\n"), "{again}");
    Ok(())
}

/// Lets the partition of one message forget it, as retention does: the log begins behind it.
fn forget(topics: &Path, text: &str) -> Result<()> {
    let mut forgotten = 0;
    for topic in std::fs::read_dir(topics)? {
        for partition in std::fs::read_dir(topic?.path())? {
            let log = partition?.path().join(format!("{:020}.log", 0));
            let bytes = std::fs::read(&log).unwrap_or_default();
            if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                std::fs::remove_file(&log)?;
                std::fs::write(log.with_file_name(format!("{:020}.log", 1)), "")?;
                forgotten += 1;
            }
        }
    }
    ensure!(forgotten == 1, "{forgotten} partitions hold the intent");
    Ok(())
}
