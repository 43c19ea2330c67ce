//! Kill −9 at random moments while rows go through: I1 to I7 and I9 hold, and totals to the last decimal.
//!
//! `MODELLANE_KILLS` and `MODELLANE_ROWS` set the size, `MODELLANE_SEED` the moments; a failure prints the
//! seed.

use anyhow::{Context, Result, bail};
use modellane_tests::clients::{client, ledger_checks, ledger_totals};
use modellane_tests::instance::{Instance, binary, skip};
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

const BATCH: usize = 500;
/// Of so many batches one is restated: it is sent first with other spends.
const RESTATED: usize = 10;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Row `i` spends `i` millionths of a dollar and a surcharge in whole dollars, reads `i % 1000` tokens and
/// writes one, over five days.
fn payload(from: usize, to: usize, surcharge: usize) -> String {
    let mut body = String::from("{\"data\":[");
    for i in from..to {
        let comma = if i == from { "" } else { "," };
        let (day, second) = (1 + i % 5, i % 86_400);
        let time = format!("2026-11-0{day}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
        write!(
            body,
            "{comma}{{\"request_id\":\"row-{i}\",\"call_type\":\"acompletion\",\"spend\":{}.{:06},\
             \"prompt_tokens\":{},\"completion_tokens\":1,\"startTime\":\"{time}\",\"endTime\":\"{time}\",\
             \"model\":\"openai/gpt-6.1-sol\",\"custom_llm_provider\":\"openai\",\"user\":\"u-{}\",\
             \"status\":\"success\",\"metadata\":{{}}}}",
            i / 1_000_000 + surcharge,
            i % 1_000_000,
            i % 1000,
            i % 40,
        )
        .expect("writing to a string");
    }
    body.push_str("]}");
    body
}

/// Sends every batch until it is acknowledged, whatever happens to the instance meanwhile.
fn send_all(address: &RwLock<String>, rows: usize, sent: &AtomicUsize) {
    for from in (0..rows).step_by(BATCH) {
        let to = (from + BATCH).min(rows);
        if (from / BATCH).is_multiple_of(RESTATED) {
            send(address, &payload(from, to, 1));
        }
        send(address, &payload(from, to, 0));
        sent.fetch_add(BATCH, Ordering::SeqCst);
    }
}

/// Sends one batch again and again until it is acknowledged.
fn send(address: &RwLock<String>, body: &str) {
    loop {
        let url =
            format!("http://{}/v1/sources/litellm.spend_logs/records", address.read().expect("address"));
        let answer = ureq::post(&url)
            .config()
            .timeout_global(Some(Duration::from_secs(40)))
            .build()
            .header("content-type", "application/json")
            .send(body);
        if answer.is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the lake holds what it should, or for two minutes: rows and restatements come by and by.
fn wait_for(lake: &Path, expected: &[(&str, String)]) -> Result<()> {
    for _ in 0..120 {
        if ledger_totals("duckdb", lake, None).is_ok_and(|totals| difference(&totals, expected).is_none()) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let difference = difference(&ledger_totals("duckdb", lake, None)?, expected);
    bail!("after two minutes the lake does not hold what was sent: {difference:?}")
}

/// The first total that is not what it should be.
fn difference(totals: &Value, expected: &[(&str, String)]) -> Option<String> {
    expected.iter().find_map(|(column, value)| {
        let found = totals["litellm.spend_logs"][*column].as_str();
        (found != Some(value)).then(|| format!("{column} is {found:?}, the truth is {value}"))
    })
}

#[test]
fn totals_are_exact_after_random_kills() -> Result<()> {
    let Some(binary) = binary() else {
        skip("kill -9", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
        skip("kill -9", "needs MODELLANE_TEST_PYTHON with duckdb and deltalake, as tests/run sets it");
        return Ok(());
    }
    let rows = setting("MODELLANE_ROWS", 100_000);
    let kills = setting("MODELLANE_KILLS", 50);
    let seed = setting("MODELLANE_SEED", 1) as u64;
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    run(&binary, &data, &log, rows, kills, seed).with_context(|| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        format!("seed {seed}; end of the log, newest first:\n{}", tail.join("\n"))
    })
}

fn run(binary: &Path, data: &Path, log: &Path, rows: usize, kills: usize, seed: u64) -> Result<()> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut instance = Instance::start(binary, data, 300, log)?;
    let address = Arc::new(RwLock::new(instance.addresses.collector.clone()));
    let (sent, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let sender = std::thread::spawn({
        let (address, sent, done) = (Arc::clone(&address), Arc::clone(&sent), Arc::clone(&done));
        move || {
            send_all(&address, rows, &sent);
            done.store(true, Ordering::SeqCst);
        }
    });
    for kill in 0..kills {
        // From the middle of a request to some commits later; spread so that rows last for all kills.
        let target = rows * kill / kills;
        while sent.load(Ordering::SeqCst) < target && !done.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..900)));
        instance.kill()?;
        instance =
            Instance::start(binary, data, 300, log).with_context(|| format!("restart after kill {kill}"))?;
        *address.write().expect("address") = instance.addresses.collector.clone();
    }
    sender.join().expect("the sender");
    let lake = data.join("lake");
    let expected = truth(rows as u64);
    wait_for(&lake, &expected)?;
    instance.stop()?;
    for engine in ["duckdb", "polars"] {
        let difference = difference(&ledger_totals(engine, &lake, None)?, &expected);
        anyhow::ensure!(difference.is_none(), "{engine}: {difference:?}");
    }
    let checked = ledger_checks(&lake)?;
    let problems = checked["problems"].as_array().context("a list of problems")?;
    anyhow::ensure!(problems.is_empty(), "{} problems, such as {:?}", problems.len(), problems.first());
    anyhow::ensure!(checked["reversals"].as_u64() > Some(0), "nothing was restated: {checked}");
    Ok(())
}

/// What the rows add up to once every restatement is in.
fn truth(rows: u64) -> [(&'static str, String); 5] {
    [
        ("events", rows.to_string()),
        ("requests", rows.to_string()),
        ("output_tokens", rows.to_string()),
        ("input_tokens", (0..rows).map(|i| i % 1000).sum::<u64>().to_string()),
        ("effective_cost", decimal_millionths(rows * (rows - 1) / 2)),
    ]
}

/// The checks of the final table find each damage that they are for.
#[test]
fn the_checks_of_the_ledger_can_fail() -> Result<()> {
    if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
        skip("checks of the ledger", "needs MODELLANE_TEST_PYTHON with duckdb, as tests/run sets it");
        return Ok(());
    }
    client("ledger_checks_test.py", &[]).map(drop)
}

fn decimal_millionths(value: u64) -> String {
    let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
