//! What somebody meets who tries the product out: mistakes in folders, files and configuration, and context
//! that comes over HTTP. Nothing here needs more than the binary.

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::tests_dir;
use modellane_tests::instance::{Instance, binary, command_on_free_ports, skip};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const DIRECTORY: &str =
    "people:\n  - { id: p-1, name: Ana, accounts: [{ kind: email, id: ana@acme.example }] }\n";
const OTHER_DIRECTORY: &str =
    "people:\n  - { id: p-2, name: Ben, accounts: [{ kind: email, id: ben@acme.example }] }\n";

/// The binary and a directory of its own; `None` where the binary was not built.
struct Bench {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Option<Self>> {
        match binary() {
            Some(binary) => Ok(Some(Self { binary, dir: tempfile::tempdir()? })),
            None => {
                skip("first use", "build the binary with `cargo build -p modellane`");
                Ok(None)
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(&path, content)?;
        Ok(path)
    }

    /// The binary on free ports, in this directory.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command_on_free_ports(&self.binary);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Result<Output> {
        self.command(args).output().context("run the binary")
    }

    /// Runs to its end, which must be with this code; what it printed, both streams together.
    fn ends(&self, code: i32, args: &[&str]) -> Result<String> {
        let output = self.run(args)?;
        let printed = text(&output);
        ensure!(output.status.code() == Some(code), "{args:?}: {:?} {printed}", output.status);
        Ok(printed)
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

/// A row of a gateway's log.
fn row(id: &str) -> String {
    row_of(id, "nobody@acme.example")
}

/// The same of the person with this address.
fn row_of(id: &str, email: &str) -> String {
    format!(
        "{{\"data\":[{{\"request_id\":\"{id}\",\"call_type\":\"acompletion\",\"spend\":0.5,\
         \"prompt_tokens\":10,\"completion_tokens\":5,\"startTime\":\"2026-11-05T10:00:00Z\",\
         \"endTime\":\"2026-11-05T10:00:01Z\",\"model\":\"openai/gpt-6.1-sol\",\
         \"metadata\":{{\"user_api_key_user_email\":\"{email}\"}},\"status\":\"success\"}}]}}"
    )
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("a pipe")?;
    let content = content.to_vec();
    let writing = std::thread::spawn(move || input.write_all(&content));
    let output = child.wait_with_output()?;
    writing.join().expect("the writer")?;
    Ok(output.stdout)
}

/// Status and JSON of the answer.
fn put(url: &str, encoding: Option<&str>, body: &[u8]) -> Result<(u16, Value)> {
    let mut request = ureq::put(url).config().http_status_as_error(false).build();
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    let mut response = request.send(body)?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string()?;
    Ok((status, serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))?))
}

#[test]
fn context_over_http_comes_like_records_do() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    let data = bench.path("data");
    let instance = Instance::start(&bench.binary, &data, 300, &bench.path("log"))?;
    let url = |name: &str| format!("http://{}/v1/{name}", instance.addresses.collector);
    let taken = |answer: (u16, Value)| {
        ensure!(answer.0 == 200 && answer.1["accepted"] == true, "{answer:?}");
        Ok(())
    };
    taken(put(&url("directory"), None, DIRECTORY.as_bytes())?)?;
    taken(put(&url("directory"), Some("gzip"), &gzip(DIRECTORY.as_bytes())?)?)?;
    // More than the two megabytes at which the web framework stops by itself.
    let long = format!("{DIRECTORY}{}", "# nobody else\n".repeat(250_000));
    taken(put(&url("directory"), None, long.as_bytes())?)?;
    ensure!(entries(&data.join("lake/context")) == 1, "one content is one version");

    let (status, answer) = put(&url("directory"), Some("gzip"), &gzip(&vec![b' '; 65 << 20])?)?;
    ensure!(status == 413 && answer["error"].is_string(), "a bomb: {status} {answer}");
    let (status, answer) = put(&url("prices"), Some("br"), b"x")?;
    ensure!(status == 415 && answer["error"].is_string(), "an unknown encoding: {status} {answer}");
    let (status, answer) = put(&url("prices"), None, b"prices: hunter2")?;
    ensure!(status == 422 && answer["problems"].is_array(), "a broken file: {status} {answer}");
    ensure!(!answer.to_string().contains("hunter2"), "a reply repeats a value");
    let (status, answer) = put(&url("weights"), None, br#"{"format":2,"sources":"hunter2"}"#)?;
    ensure!(status == 422 && answer["problems"].is_array(), "weights of another version: {status} {answer}");
    ensure!(!answer.to_string().contains("hunter2"), "a reply repeats a value");
    let (status, answer) = put(&url("policy"), None, b"[]")?;
    ensure!(status == 400 && answer["error"].is_string(), "no bundle: {status} {answer}");
    let wrong = ureq::post(url("finance")).config().http_status_as_error(false).build().send("x")?;
    ensure!(wrong.status().as_u16() == 405, "a wrong method: {}", wrong.status());
    ensure!(wrong.headers().get("allow").is_some_and(|allow| allow == "PUT"));
    ensure!(entries(&data.join("lake/context")) == 1, "what was refused left something behind");
    let metrics = format!("http://{}/metrics", instance.addresses.collector);
    let metrics = ureq::get(&metrics).call()?.body_mut().read_to_string()?;
    let refused = r#"modellane_context_refused_total{service="collector",kind="weights"} 1"#;
    ensure!(metrics.contains(refused), "{metrics}");
    taken(put(&url("weights"), None, br#"{"format":1,"sources":{},"repositories":{}}"#)?)?;
    ensure!(entries(&data.join("lake/context")) == 2);
    instance.stop()
}

#[test]
fn a_person_who_was_removed_stays_removed() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    let data = bench.path("data");
    let persons = data.join("secrets/persons.json");
    let instance = Instance::start(&bench.binary, &data, 300, &bench.path("log"))?;
    let url = format!("http://{}/v1/directory", instance.addresses.collector);
    ensure!(put(&url, None, DIRECTORY.as_bytes())?.0 == 200);
    let kept: Vec<String> = std::fs::read_to_string(&persons)?
        .lines()
        .filter(|line| !line.contains("Ana"))
        .map(str::to_owned)
        .collect();
    std::fs::write(&persons, kept.join("\n"))?;
    ensure!(put(&url, None, OTHER_DIRECTORY.as_bytes())?.0 == 200);
    instance.stop()?;
    let after = std::fs::read_to_string(&persons)?;
    ensure!(after.contains("Ben") && !after.contains("Ana") && !after.contains("p-1"), "{after}");
    Ok(())
}

#[test]
fn a_broken_folder_is_told_whole_and_taken_not_at_all() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("org/directory.yaml", DIRECTORY)?;
    bench.write("org/prices.yaml", "prices: wrong\n")?;
    bench.write("org/policy/1/bundle.yaml", "id: b\n")?;
    bench.write("org/policy/2/rules.cedar", "permit (\n")?;
    let printed = bench.ends(1, &["demo", "--once", "--org", "org", "--data-dir", "data"])?;
    for part in ["prices.yaml", "policy/1", "policy/2"] {
        ensure!(printed.contains(part), "{part} is not named: {printed}");
    }
    ensure!(entries(&bench.path("data/lake/context")) == 0, "a part of a broken folder was taken");
    ensure!(!bench.path("data/secrets/persons.json").exists(), "persons of a broken folder were kept");
    Ok(())
}

#[test]
fn a_folder_that_is_none_is_refused_and_missing_parts_are_named() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    std::fs::create_dir(bench.path("org"))?;
    let printed = bench.ends(1, &["demo", "--once", "--org", "org", "--data-dir", "data"])?;
    ensure!(printed.contains("directory.yaml") && !bench.path("data").exists(), "{printed}");
    bench.write("org/exports/litellm.spend_logs/a.json", &row("r-1"))?;
    bench.write("org/exports/litellm.spend_logs/b.json", &row("r-1"))?;
    bench.write("org/exports/claude_code.otel/a.json", "{}")?;
    let printed = bench.ends(0, &["demo", "--once", "--org", "org", "--data-dir", "data"])?;
    for part in ["no directory.yaml", "no policy", "no prices.yaml", "no intents.ndjson", "send it as otlp"] {
        ensure!(printed.contains(part), "{part} is not said: {printed}");
    }
    ensure!(printed.contains("2 records read: 1 new events, 1 that repeat"), "{printed}");
    Ok(())
}

#[test]
fn an_import_says_where_files_go_and_what_came_of_them() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("good.json", &row("r-1"))?;
    bench.write("wrong.json", "{\"data\":[{\"nothing\":1}]}")?;
    bench.write("empty.json", "")?;
    let import = |code: i32, args: &[&str]| {
        bench.ends(code, &[&["import", "litellm.spend_logs", "--data-dir", "data"][..], args].concat())
    };
    let printed = import(0, &["good.json", "--dry-run"])?;
    ensure!(printed.contains("accepted 1") && !bench.path("data").exists(), "{printed}");
    for missing in ["missing.json", "."] {
        let printed = import(1, &["good.json", missing])?;
        ensure!(printed.contains(missing) && !bench.path("data").exists(), "{printed}");
    }
    let printed = import(0, &["good.json"])?;
    ensure!(printed.contains("lake there") && printed.contains("data"), "{printed}");
    ensure!(import(0, &["good.json", "wrong.json"])?.contains("rejected 1"));
    import(3, &["good.json", "wrong.json", "--strict"])?;
    for file in ["wrong.json", "empty.json"] {
        let printed = import(1, &[file])?;
        ensure!(printed.contains("litellm.spend_logs"), "{printed}");
    }

    let instance = Instance::start(&bench.binary, &bench.path("data"), 300, &bench.path("log"))?;
    ensure!(import(0, &["good.json"])?.contains("into the running instance in data"));
    let printed = import(1, &["wrong.json"])?;
    ensure!(!printed.contains("acknowledged"), "{printed}");
    instance.stop()
}

#[test]
fn what_cannot_start_leaves_nothing_behind() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("open.toml", "[collector]\nlisten = \"0.0.0.0:0\"\n[sink]\ncommit_interval_ms = 0\n")?;
    let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    bench.write("busy.toml", &format!("[query]\nhttp_listen = \"{}\"\n", held.local_addr()?))?;
    for (config, told) in [("open.toml", "collector.keys"), ("busy.toml", "query.http_listen")] {
        // The environment would override the file.
        let start = |args: &[&str]| {
            let mut command = bench.command(&[args, &["--config", config][..]].concat());
            command.env_remove("MODELLANE__COLLECTOR__LISTEN").env_remove("MODELLANE__QUERY__HTTP_LISTEN");
            if config == "busy.toml" {
                command.env("MODELLANE__COLLECTOR__LISTEN", "127.0.0.1:0");
            }
            command.output()
        };
        let output = start(&["all"])?;
        let printed = text(&output);
        ensure!(output.status.code() == Some(1) && printed.contains(told), "{config}: {printed}");
        ensure!(!printed.contains('\u{1b}'), "colours in a redirected log: {printed}");
        ensure!(!bench.path("modellane-data").exists(), "{config} left a data directory");
        let checked = start(&["config", "check"])?.status.code();
        ensure!(checked == Some(i32::from(config == "open.toml")), "config check of {config}: {checked:?}");
    }
    Ok(())
}

#[test]
fn a_shared_cluster_needs_one_key_that_somebody_made() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("good.json", &row("r-1"))?;
    let import = ["import", "litellm.spend_logs", "good.json", "--data-dir"];
    bench.ends(0, &[&import[..], &["data"][..]].concat())?;
    // A second directory with the lake of the first and a key of its own.
    let key = bench.path("other.key");
    let created = bench.ends(0, &["config", "key", "--out", "other.key"])?;
    ensure!(created.contains("lake.key_file"), "{created}");
    ensure!(bench.ends(1, &["config", "key", "--out", "other.key"])?.contains("never replaced"));
    let mut command = bench.command(&[&import[..], &["second"][..]].concat());
    command.env("MODELLANE__LAKE__URL", bench.path("data/lake")).env("MODELLANE__LAKE__KEY_FILE", &key);
    let output = command.output()?;
    let printed = text(&output);
    ensure!(output.status.code() == Some(1) && printed.contains("another lake key"), "{printed}");
    let key = std::fs::read_to_string(&key)?;
    ensure!(!printed.contains(&key), "a message repeats the key");
    Ok(())
}

#[test]
fn a_reader_that_leaves_early_ends_a_command_quietly() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    let mut child =
        bench.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "{:?} {said}", output.status);
    Ok(())
}

#[test]
fn the_list_of_sources_says_how_to_send() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("good.json", &row("r-1"))?;
    bench.ends(0, &["import", "litellm.spend_logs", "good.json", "--data-dir", "data"])?;
    let printed = bench.run(&["sources", "--format", "json", "--data-dir", "data"])?.stdout;
    let sources: Value = serde_json::from_slice(&printed)?;
    let sent_as = |name: &str| {
        let rows = sources.as_array().into_iter().flatten();
        rows.filter(|row| row["source"] == name).map(|row| row["send_as"].clone()).next()
    };
    ensure!(sent_as("claude_code.otel") == Some("otlp".into()), "{sources}");
    ensure!(sent_as("litellm.spend_logs") == Some("litellm.spend_logs".into()), "{sources}");
    Ok(())
}

const TEAMS: &str = "\
people:
  - { id: p-1, accounts: [{ kind: email, id: ana@acme.example }], memberships: [{ team: cards }] }
  - { id: p-2, accounts: [{ kind: email, id: ben@acme.example }], memberships: [{ team: platform }] }
teams:
  - { id: company }
  - { id: product, parent: company }
  - { id: cards, parent: product }
  - { id: platform, parent: company }
";

#[test]
fn a_report_on_a_team_holds_those_below_it() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("org/directory.yaml", TEAMS)?;
    for (id, email) in [("r-1", "ana@acme.example"), ("r-2", "ben@acme.example")] {
        bench.write(&format!("org/exports/litellm.spend_logs/{id}.json"), &row_of(id, email))?;
    }
    bench.ends(0, &["demo", "--once", "--org", "org", "--data-dir", "data"])?;
    let rows = |report: &[u8]| -> Result<u64> {
        let report: Value = serde_json::from_slice(report)?;
        let counts = report.as_array().into_iter().flatten().map(|row| &row["rows"]);
        Ok(counts.filter_map(|rows| rows.as_u64().or_else(|| rows.as_str()?.parse().ok())).sum())
    };
    for (team, expected) in [("company", 2), ("product", 1), ("cards", 1), ("platform", 1)] {
        let report = ["report", "spend", "--format", "json", "--data-dir", "data", "--team", team];
        ensure!(rows(&bench.run(&report)?.stdout)? == expected, "{team} has not {expected} rows");
    }
    let printed = bench.ends(1, &["report", "spend", "--data-dir", "data", "--team", "crads"])?;
    ensure!(printed.contains("cards") && !printed.contains("crads"), "{printed}");

    let instance = Instance::start(&bench.binary, &bench.path("data"), 300, &bench.path("log"))?;
    let asked = |query: &str| -> Result<u64> {
        let url = format!("http://{}/v1/reports/spend.json?{query}", instance.addresses.http);
        rows(ureq::get(url).call()?.body_mut().read_to_string()?.as_bytes())
    };
    ensure!(asked("team=product")? == 1 && asked("team=company")? == 2);
    let moved = TEAMS.replace("platform, parent: company", "platform, parent: product");
    let directory = format!("http://{}/v1/directory", instance.addresses.collector);
    ensure!(put(&directory, None, moved.as_bytes())?.0 == 200);
    let started = std::time::Instant::now();
    while asked("team=product")? != 2 {
        ensure!(started.elapsed().as_secs() < 60, "a directory that came by HTTP does not show");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    instance.stop()
}

#[test]
fn a_budget_that_was_spent_yesterday_is_a_fact_today() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("org/directory.yaml", TEAMS)?;
    let budget = "{ id: B-1, team: product, from: 2020-01-01, original: \"0.50\", currency: USD }";
    bench.write("org/finance.yaml", &format!("reporting_currency: USD\nbudgets: [{budget}]\n"))?;
    let policy = tests_dir().join("../services/modellane-judge/fixtures/policy/2026.11.1");
    for entry in std::fs::read_dir(policy)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?;
        bench.write(&format!("org/policy/1/{name}"), &std::fs::read_to_string(&path)?)?;
    }
    bench.write("org/exports/litellm.spend_logs/a.json", &row_of("r-1", "ana@acme.example"))?;
    bench.ends(0, &["demo", "--once", "--org", "org", "--data-dir", "data"])?;

    let instance = Instance::start(&bench.binary, &bench.path("data"), 300, &bench.path("log"))?;
    let started = std::time::Instant::now();
    let day = loop {
        let log = std::fs::read_to_string(bench.path("log"))?;
        let line = log.lines().find(|line| line.contains("published what the budgets had been spent"));
        if let Some((_, day)) = line.and_then(|line| line.split_once("day=")) {
            break day[..10].to_owned();
        }
        ensure!(started.elapsed().as_secs() < 150, "no budget was published: {log}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    bench.write("today.json", &row_of("r-2", "ana@acme.example").replace("2026-11-05", &day))?;
    bench.ends(0, &["import", "litellm.spend_logs", "today.json", "--data-dir", "data"])?;
    let url = format!("http://{}/v1/sql", instance.addresses.http);
    let facts = loop {
        let sql = format!("SELECT facts FROM usage WHERE event_date = DATE '{day}'");
        let answer = ureq::post(&url).send(sql.as_str())?.body_mut().read_to_string()?;
        if answer.contains("facts") {
            break answer;
        }
        ensure!(started.elapsed().as_secs() < 240, "the import does not show");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    ensure!(facts.contains("budget_state=over"), "{facts}");
    instance.stop()
}

#[test]
fn an_explanation_weighs_the_evidence_again() -> Result<()> {
    let Some(bench) = Bench::new()? else { return Ok(()) };
    bench.write("org/directory.yaml", TEAMS)?;
    bench.write("org/weights.json", r#"{"format":1,"sources":{},"repositories":{}}"#)?;
    let intent = r#"{"intent_id":"i-1","person":"ana@acme.example","started_at":"2026-11-05T09:00:00Z"}"#;
    bench.write("org/intents.ndjson", &format!("{intent}\n"))?;
    bench.write("org/exports/litellm.spend_logs/a.json", &row_of("r-1", "ana@acme.example"))?;
    bench.ends(0, &["demo", "--once", "--org", "org", "--data-dir", "data"])?;
    let report = ["report", "unmatched_detail", "--format", "json", "--data-dir", "data"];
    let report: Value = serde_json::from_slice(&bench.run(&report)?.stdout)?;
    let event_id = report[0]["event_id"].as_str().with_context(|| format!("no event in {report}"))?;
    let printed = bench.ends(0, &["policy", "explain", event_id, "--data-dir", "data"])?;
    for part in
        [event_id, "NO_GUIDANCE", "weights     match-", "i-1, ", "PRIOR", "TIME_INSIDE", "none of them"]
    {
        ensure!(printed.contains(part), "{part} is not explained: {printed}");
    }
    ensure!(!printed.contains("another verdict"), "{printed}");
    let nobody = "00000000-0000-0000-0000-000000000001";
    let printed = bench.ends(1, &["policy", "explain", nobody, "--data-dir", "data"])?;
    ensure!(printed.contains("the ledger has no event"), "{printed}");
    Ok(())
}
