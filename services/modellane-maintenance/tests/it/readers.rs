//! Another engine reads the table over and over while the sink commits, files are merged, checkpoints are
//! written, and files and log entries are removed: it sees the same totals every time.

use crate::bench::support::MemoryLog;
use crate::bench::{HOUR, Upkeep};
use modellane_runtime::Shutdown;
use modellane_sink::SinkLogs;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Rounds of maintenance; the clock moves on by an hour in between.
const ROUNDS: i64 = 12;

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("MODELLANE_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        let required = std::env::var_os("MODELLANE_REQUIRE_ALL_TIERS").is_some();
        assert!(!required, "readers beside maintenance were skipped");
        eprintln!("skipped: readers beside maintenance: needs MODELLANE_TEST_PYTHON, as tests/run sets it");
    }
    python
}

/// Events, tokens and money as `engine` finds them in the Delta table.
fn read(python: &Path, engine: &str, lake: &Path) -> (String, String, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/ledger_totals.py");
    let output = Command::new(python).arg("-B").arg(script).arg(engine).arg(lake).output().unwrap();
    assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
    let totals: Value = serde_json::from_slice(&output.stdout).unwrap();
    let total = |name: &str| totals["litellm.spend_logs"][name].as_str().unwrap().to_owned();
    (total("events"), total("input_tokens"), total("effective_cost"))
}

fn expected() -> (String, String, String) {
    let (events, tokens, billionths) = Upkeep::truth();
    let cost = format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000);
    let cost = cost.trim_end_matches('0').trim_end_matches('.').to_owned();
    (events.to_string(), tokens.to_string(), cost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_engines_see_the_same_totals_at_every_step() {
    let Some(python) = python() else { return };
    let mut upkeep = Upkeep::filled(3).await;
    (upkeep.config.removed_file_hours, upkeep.config.log_hours) = (2, 2);
    let mut stamped = BTreeSet::new();
    let lake = upkeep.bench.root.path().to_owned();

    let (reads, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = ["duckdb", "polars"]
        .into_iter()
        .map(|engine| {
            let (python, lake) = (python.clone(), lake.clone());
            let (reads, over) = (Arc::clone(&reads), Arc::clone(&over));
            tokio::task::spawn_blocking(move || {
                while !over.load(Ordering::SeqCst) {
                    assert_eq!(read(&python, engine, &lake), expected(), "{engine}");
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();

    let sink = upkeep.bench.open().await;
    let (mut handle, stop) = (sink.handle(), Shutdown::new());
    let logs = SinkLogs {
        judged: upkeep.log.clone(),
        intents: MemoryLog::new("test/intents", 1),
        rejects: MemoryLog::new("test/rejects", 1),
        fetches: MemoryLog::new("test/fetches", 1),
    };
    let running = tokio::spawn(sink.run(logs, stop.clone()));
    let (mut merged, mut vacuumed, mut cleaned) = (0, 0, 0);
    for version in 4..4 + ROUNDS {
        let before = reads.load(Ordering::SeqCst);
        upkeep.stamp_log(&mut stamped);
        upkeep.put(version);
        let report = upkeep.round().await;
        // The sink commits all the while; what gives way to it is done in a later round.
        assert!(report.audit.as_ref().is_none_or(|violations| violations.is_empty()), "{report}");
        merged += report.files_merged;
        vacuumed += report.files_vacuumed;
        cleaned += report.log_entries_removed;
        handle.wait_committed(&upkeep.log.ends()).await.unwrap();
        // No reader takes as long as the hours after which files go.
        while reads.load(Ordering::SeqCst) < before + 3 && !readers.iter().any(|reader| reader.is_finished())
        {
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        upkeep.clock.advance(HOUR);
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    stop.trigger();
    running.await.unwrap().unwrap();
    assert!(
        merged > 20 && vacuumed > 20 && cleaned > 20,
        "{merged} merged, {vacuumed} and {cleaned} removed"
    );
    assert_eq!(upkeep.totals().await, Upkeep::truth());
    upkeep.clean_round().await;

    // And whoever globs the exports reads the ledger.
    upkeep.to_next_day(20);
    upkeep.clean_round().await;
    let exports = lake.join("exports");
    let query = "import duckdb, sys; print(duckdb.sql(f\"SELECT SUM(entry_sign), SUM(usage_sign * input_tokens) \
                 FROM read_parquet('{sys.argv[1]}/**', hive_partitioning = true)\").fetchall()[0])";
    let output = Command::new(&python).args(["-c", query]).arg(&exports).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (events, tokens, _) = expected();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("({events}, {tokens})"));
}
