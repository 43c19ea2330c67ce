//! `modellane maintenance` beside a running instance: totals stay what they are for other engines, exit codes
//! and metrics say what happened.

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::{client, ledger_totals};
use modellane_tests::faults::clock::Clock;
use modellane_tests::faults::reader::Reader;
use modellane_tests::instance::{Ended, Instance, binary, command, run_within, skip};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
const COMMIT_MS: u64 = 300;
const BATCHES: usize = 8;
const BATCH: usize = 50;

/// Row `i` spends `i` millionths of a dollar, over three days that are long closed.
fn payload(batch: usize) -> String {
    let row = |i: usize| {
        let time = format!("2026-11-0{}T10:00:{:02}Z", 1 + i % 3, i % 60);
        format!(
            "{{\"request_id\":\"row-{i}\",\"call_type\":\"acompletion\",\"spend\":0.{i:06},\
             \"prompt_tokens\":7,\"completion_tokens\":1,\"startTime\":\"{time}\",\"endTime\":\"{time}\",\
             \"model\":\"openai/gpt-6.1-sol\",\"custom_llm_provider\":\"openai\",\"user\":\"u-1\",\
             \"status\":\"success\",\"metadata\":{{}}}}"
        )
    };
    let rows: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(row).collect();
    format!("{{\"data\":[{}]}}", rows.join(","))
}

fn send(collector: &str, batch: usize) -> Result<()> {
    ureq::post(format!("http://{collector}/v1/sources/litellm.spend_logs/records"))
        .header("content-type", "application/json")
        .send(payload(batch))
        .context("send a batch")?;
    Ok(())
}

fn is_whole(lake: &Path, engine: &str) -> Result<bool> {
    let totals = ledger_totals(engine, lake, None)?;
    let total = |name: &str| totals["litellm.spend_logs"][name].as_str().map(str::to_owned);
    let rows = BATCHES * BATCH;
    let millionths = rows * (rows - 1) / 2;
    let cost = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    Ok(total("events") == Some(rows.to_string())
        && total("input_tokens") == Some((7 * rows).to_string())
        && total("effective_cost").as_deref() == Some(cost.trim_end_matches('0')))
}

/// An instance with rows in many files, and what it takes to maintain its lake.
struct Bench {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(what: &str) -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip(what, "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
            skip(what, "needs MODELLANE_TEST_PYTHON with duckdb and deltalake, as tests/run sets it");
            return Ok(None);
        }
        Ok(Some(Self { binary, dir: tempfile::tempdir()? }))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn lake(&self) -> PathBuf {
        self.data().join("lake")
    }

    fn filled(&self) -> Result<Instance> {
        let log = self.dir.path().join("log");
        let instance = Instance::start(&self.binary, &self.data(), COMMIT_MS, &log)?;
        for batch in 0..BATCHES {
            send(&instance.addresses.collector, batch)?;
            // What comes next goes into another commit, so that each day has files to merge.
            let begun = Instant::now();
            while batch == 0 && self.data_files() == 0 {
                ensure!(begun.elapsed() < LIMIT, "nothing was written");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(COMMIT_MS));
        }
        let begun = Instant::now();
        while !is_whole(&self.lake(), "duckdb").unwrap_or(false) {
            ensure!(begun.elapsed() < LIMIT, "the rows did not come into the lake");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(instance)
    }

    fn maintenance(&self) -> Command {
        let mut command = command(&self.binary);
        command
            .args(["maintenance", "--data-dir"])
            .arg(self.data())
            .env("MODELLANE__MAINTENANCE__COMPACT_MIN_FILES", "2")
            .env("MODELLANE__MAINTENANCE__COMPACT_PAUSE_S", "0")
            // A machine that is busy makes few commits.
            .env("MODELLANE__MAINTENANCE__CHECKPOINT_EVERY", "2");
        command
    }

    fn once(&self) -> Result<Ended> {
        run_within(self.maintenance().arg("--once"), LIMIT)
    }

    /// Files that the ledger's log says have left the table.
    fn replaced(&self) -> Result<Vec<PathBuf>> {
        let table = self.lake().join("usage_ledger");
        let mut replaced = Vec::new();
        for entry in std::fs::read_dir(table.join("_delta_log"))?.flatten() {
            if entry.path().extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            for line in std::fs::read_to_string(entry.path())?.lines() {
                let action: serde_json::Value = serde_json::from_str(line)?;
                replaced.extend(action["remove"]["path"].as_str().map(|path| table.join(path)));
            }
        }
        Ok(replaced)
    }

    fn data_files(&self) -> usize {
        let days = std::fs::read_dir(self.lake().join("usage_ledger")).into_iter().flatten().flatten();
        let files = days.filter(|day| day.file_name().to_string_lossy().starts_with("event_date="));
        files.map(|day| std::fs::read_dir(day.path()).into_iter().flatten().count()).sum()
    }
}

#[test]
fn totals_stand_still_while_a_sink_commits_and_files_are_merged() -> Result<()> {
    let Some(bench) = Bench::new("maintenance beside an instance")? else { return Ok(()) };
    let instance = bench.filled()?;
    let over = Arc::new(AtomicBool::new(false));
    let sender = std::thread::spawn({
        let (over, collector) = (Arc::clone(&over), instance.addresses.collector.clone());
        move || -> Result<()> {
            // Rows that are known already: the sink commits their offsets and counts nothing twice.
            for batch in (0..BATCHES).cycle().take_while(|_| !over.load(Ordering::SeqCst)) {
                send(&collector, batch)?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
    });
    let before = bench.data_files();
    for round in 0..3 {
        let ended = bench.once()?;
        ensure!(ended.code == Some(0), "round {round}: {}{}", ended.stdout, ended.stderr);
        ensure!(ended.stdout.contains("audit: no violation"), "{}", ended.stdout);
        for engine in ["duckdb", "polars"] {
            ensure!(is_whole(&bench.lake(), engine)?, "{engine} after round {round}");
        }
    }
    over.store(true, Ordering::SeqCst);
    sender.join().expect("the sender")?;
    instance.stop()?;
    ensure!(bench.data_files() > before, "files were merged, and the ones before are still there");
    let log = std::fs::read_dir(bench.lake().join("usage_ledger/_delta_log"))?.flatten();
    ensure!(log.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("checkpoint.parquet")));
    let commits = client("kept_commits.py", &[bench.lake().as_os_str()])?;
    ensure!(commits.starts_with(b"whole"), "{}", String::from_utf8_lossy(&commits));
    ensure!(is_whole(&bench.lake(), "polars")?, "after the end");
    Ok(())
}

/// Whoever began to read before a merge has all its files, for as long as was said; whoever asks after that sees
/// no difference, nor does the sink that knows its rows by the old files.
#[test]
fn replaced_files_stay_for_their_hours_and_then_go() -> Result<()> {
    let Some(bench) = Bench::new("removal of replaced files")? else { return Ok(()) };
    let instance = bench.filled()?;
    let reader = Reader::start(&instance.addresses.http);
    let at = |clock: &Clock| -> Result<()> {
        let mut command = bench.maintenance();
        command
            .arg("--once")
            .env("MODELLANE__MAINTENANCE__REMOVED_FILE_HOURS", "2")
            .envs(clock.environment());
        let ended = run_within(&mut command, LIMIT)?;
        ensure!(ended.code == Some(0), "{}{}", ended.stdout, ended.stderr);
        ensure!(is_whole(&bench.lake(), "duckdb")?, "{}", ended.stdout);
        Ok(())
    };
    let clock = Clock::new(&Clock::library(bench.dir.path())?, &bench.dir.path().join("ahead"))?;
    at(&clock)?;
    let replaced = bench.replaced()?;
    ensure!(!replaced.is_empty(), "no file was merged");
    let left = || replaced.iter().filter(|file| file.exists()).count();
    clock.set(3_600)?;
    at(&clock)?;
    ensure!(left() == replaced.len(), "{} of {} files are left after an hour", left(), replaced.len());
    clock.set(3 * 3_600)?;
    at(&clock)?;
    ensure!(left() == 0, "{} of {} files are left after three hours", left(), replaced.len());
    for batch in 0..BATCHES {
        send(&instance.addresses.collector, batch)?;
    }
    let heard = reader.finish(0, &bench.dir.path().join("polls"))?;
    ensure!(heard.answers > 0 && heard.unanswered.is_empty(), "{heard:?}");
    instance.stop()?;
    ensure!(is_whole(&bench.lake(), "duckdb")?, "after the sink has met every row again");
    Ok(())
}

#[test]
fn the_service_alone_says_how_it_is_and_stops_when_asked() -> Result<()> {
    let Some(bench) = Bench::new("maintenance as a service")? else { return Ok(()) };
    bench.filled()?.stop()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let service = bench
        .maintenance()
        .env("MODELLANE__MAINTENANCE__HEALTH_LISTEN", port.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut service = Killed(service);
    let begun = Instant::now();
    let metrics = loop {
        ensure!(service.0.try_wait()?.is_none(), "the service ended by itself");
        let answer = ureq::get(format!("http://{port}/metrics")).call();
        let text = answer.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
        match text.filter(|text| text.contains("modellane_audit_violations{")) {
            Some(text) => break text,
            None if begun.elapsed() > LIMIT => anyhow::bail!("no audit within {LIMIT:?}"),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    for invariant in ["I2", "I4", "I5", "I6", "I8"] {
        let line = format!("modellane_audit_violations{{invariant=\"{invariant}\"}} 0");
        ensure!(metrics.contains(&line), "{metrics}");
    }
    ensure!(metrics.contains("modellane_maintenance_last_success_seconds{job=\"compact\"}"), "{metrics}");
    Command::new("kill").arg("-TERM").arg(service.0.id().to_string()).status()?;
    ensure!(service.0.wait()?.success(), "an orderly end");
    Ok(())
}

#[test]
fn a_lake_that_is_not_there_is_not_created() -> Result<()> {
    let Some(bench) = Bench::new("maintenance without a lake")? else { return Ok(()) };
    let ended = bench.once()?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("--data-dir"), "{}", ended.stderr);
    ensure!(!bench.data().exists());
    Ok(())
}

/// Ended with the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
