//! SIGTERM under load: the process ends in order and soon, and nothing that it acknowledged is lost.

use anyhow::{Context, Result, ensure};
use modellane_tests::instance::{Instance, binary, skip};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What ARCHITECTURE.md states: requests in flight, one batch of the processor and one commit.
const STOP: Duration = Duration::from_secs(45);
const LIMIT: Duration = Duration::from_secs(120);
const SENDERS: usize = 8;
const ROWS: usize = 50;
/// Rows that are acknowledged before the stop, so that it comes in the middle of the work.
const BEFORE: usize = 4_000;

fn payload(sender: usize, request: usize) -> (Vec<String>, String) {
    let ids: Vec<String> = (0..ROWS).map(|row| format!("s{sender}-q{request}-r{row}")).collect();
    let rows: Vec<String> = ids
        .iter()
        .map(|id| {
            format!(
                "{{\"request_id\":\"{id}\",\"spend\":0.5,\"startTime\":\"2026-11-05T10:00:00Z\",\
                 \"model\":\"openai/gpt-6.1-sol\",\"status\":\"success\"}}"
            )
        })
        .collect();
    (ids, rows.join("\n"))
}

/// Sends until told to stop or nobody listens any more; keeps what was acknowledged.
fn send(url: &str, sender: usize, done: &AtomicBool, acknowledged: &Mutex<BTreeSet<String>>) {
    for request in 0.. {
        if done.load(Ordering::SeqCst) {
            return;
        }
        let (ids, body) = payload(sender, request);
        let answer = ureq::post(url).config().http_status_as_error(false).build().send(body);
        if answer.is_ok_and(|answer| answer.status() == 200) {
            acknowledged.lock().expect("no panic").extend(ids);
        }
    }
}

fn lake_ids(instance: &Instance) -> Result<BTreeSet<String>> {
    let url = format!("http://{}/v1/sql", instance.addresses.http);
    let answer = ureq::post(url).header("accept", "text/csv").send("SELECT source_key FROM usage");
    let text = answer?.into_body().with_config().limit(1 << 30).read_to_string()?;
    Ok(text.lines().skip(1).map(str::to_owned).collect())
}

#[test]
fn a_stop_under_load_is_orderly_and_loses_nothing() -> Result<()> {
    let Some(binary) = binary() else {
        skip("a stop under load", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let instance = Instance::start(&binary, &data, 300, &log)?;
    let url = format!("http://{}/v1/sources/litellm.spend_logs/records", instance.addresses.collector);
    let (done, acknowledged) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| -> Result<()> {
        for sender in 0..SENDERS {
            let (url, done, acknowledged) = (&url, &done, &acknowledged);
            scope.spawn(move || send(url, sender, done, acknowledged));
        }
        let begun = Instant::now();
        while acknowledged.lock().expect("no panic").len() < BEFORE && begun.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        let stopped = instance.stop_within(STOP);
        done.store(true, Ordering::SeqCst);
        stopped
    })
    .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    let acknowledged = acknowledged.into_inner().expect("no panic");
    ensure!(acknowledged.len() >= BEFORE, "{} rows were acknowledged", acknowledged.len());

    let instance = Instance::start(&binary, &data, 300, &log)?;
    let begun = Instant::now();
    loop {
        let lacking = acknowledged.difference(&lake_ids(&instance)?).count();
        if lacking == 0 {
            break;
        }
        ensure!(begun.elapsed() < LIMIT, "{lacking} of {} acknowledged rows are lost", acknowledged.len());
        std::thread::sleep(Duration::from_millis(200));
    }
    instance.stop_within(STOP)
}
