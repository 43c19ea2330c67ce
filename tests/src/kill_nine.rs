//! Rows on their way into the lake while the product is killed at random moments.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::clients::{ledger_checks, ledger_totals};
use crate::instance::Instance;

const BATCH: usize = 500;
/// Of so many batches one is restated: it is sent first with other spends.
const RESTATED: usize = 10;

/// How often the sink commits, so that kills meet every part of a commit.
const COMMIT_MS: u64 = 300;

/// How many rows, how many kills, and when.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rows that are sent.
    pub rows: usize,
    /// Kills of the product, spread over the rows.
    pub kills: usize,
    /// The same seed gives the same moments.
    pub seed: u64,
}

impl Plan {
    /// These sizes, unless `MODELLANE_ROWS`, `MODELLANE_KILLS` and `MODELLANE_SEED` say others.
    pub fn from_environment(rows: usize, kills: usize) -> Self {
        let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        Self {
            rows: setting("MODELLANE_ROWS").unwrap_or(rows),
            kills: setting("MODELLANE_KILLS").unwrap_or(kills),
            seed: setting("MODELLANE_SEED").unwrap_or(1) as u64,
        }
    }
}

/// The product under test, on its embedded broker and a lake in its data directory.
pub struct Target<'a> {
    /// The product.
    pub binary: &'a Path,
    /// Its data directory.
    pub data: &'a Path,
    /// What it prints, over all its starts.
    pub log: &'a Path,
}

impl Target<'_> {
    fn start(&self) -> Result<Instance> {
        Instance::start(self.binary, self.data, COMMIT_MS, self.log)
    }

    fn lake(&self) -> PathBuf {
        self.data.join("lake")
    }

    /// Sends the plan's rows and kills the product meanwhile; then I1 to I7 and I9 hold in the lake, and its
    /// totals are the truth to the last decimal. An error names the seed.
    pub fn survive(&self, plan: Plan) -> Result<()> {
        self.drive(plan).and_then(|()| self.check(plan.rows as u64)).with_context(|| {
            let log = std::fs::read_to_string(self.log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            format!("{plan:?}; end of the log, newest first:\n{}", tail.join("\n"))
        })
    }

    fn drive(&self, plan: Plan) -> Result<()> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(plan.seed);
        let mut instance = self.start()?;
        let address = Arc::new(RwLock::new(instance.addresses.collector.clone()));
        let allowed = Arc::new(AtomicUsize::new(0));
        let sender = std::thread::spawn({
            let (address, allowed) = (Arc::clone(&address), Arc::clone(&allowed));
            move || send_all(&address, plan.rows, &allowed)
        });
        for kill in 0..plan.kills {
            allowed.store(plan.rows * (kill + 1) / plan.kills, Ordering::SeqCst);
            // From the middle of a request to some commits later.
            std::thread::sleep(Duration::from_millis(random.random_range(0..900)));
            ensure!(instance.is_alive()?, "the product ended by itself before kill {kill}");
            instance.kill()?;
            instance = self.start().with_context(|| format!("restart after kill {kill}"))?;
            *address.write().expect("address") = instance.addresses.collector.clone();
        }
        allowed.store(plan.rows, Ordering::SeqCst);
        sender.join().expect("the sender");
        self.wait_for(&truth(plan.rows as u64))?;
        instance.stop()
    }

    /// Waits until the lake holds what it should, or for two minutes: rows and restatements come by and by.
    fn wait_for(&self, expected: &[(&str, String)]) -> Result<()> {
        let missing = || difference(&ledger_totals("duckdb", &self.lake(), None)?, expected);
        for _ in 0..120 {
            if missing().is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        missing().context("after two minutes the lake does not hold what was sent")
    }

    fn check(&self, rows: u64) -> Result<()> {
        for engine in ["duckdb", "polars"] {
            difference(&ledger_totals(engine, &self.lake(), None)?, &truth(rows)).context(engine)?;
        }
        let checked = ledger_checks(&self.lake())?;
        let problems = checked["problems"].as_array().context("a list of problems")?;
        ensure!(problems.is_empty(), "{} problems, such as {:?}", problems.len(), problems.first());
        ensure!(checked["reversals"].as_u64() > Some(0), "nothing was restated: {checked}");
        Ok(())
    }
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

/// Sends every batch until it is acknowledged, whatever happens to the instance meanwhile. A batch goes when
/// its first row is among the `allowed` ones, so that rows last for all kills.
fn send_all(address: &RwLock<String>, rows: usize, allowed: &AtomicUsize) {
    for from in (0..rows).step_by(BATCH) {
        while allowed.load(Ordering::SeqCst) <= from {
            std::thread::sleep(Duration::from_millis(5));
        }
        let to = (from + BATCH).min(rows);
        if (from / BATCH).is_multiple_of(RESTATED) {
            send(address, &payload(from, to, 1));
        }
        send(address, &payload(from, to, 0));
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

/// An error names the first total that is not what it should be.
fn difference(totals: &Value, expected: &[(&str, String)]) -> Result<()> {
    for (column, value) in expected {
        let found = totals["litellm.spend_logs"][*column].as_str();
        if found != Some(value) {
            bail!("{column} is {found:?}, the truth is {value}");
        }
    }
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

fn decimal_millionths(value: u64) -> String {
    let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
