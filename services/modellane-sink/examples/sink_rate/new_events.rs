//! How many judged events a second of one core the sink takes: decode, decide, write, commit.
//!
//! `cargo run --release -p modellane-sink --example sink_rate -- new-events 1000000`

use crate::support::{Bench, MemoryLog, Told, actions, cpu_seconds};
use modellane_runtime::Shutdown;
use modellane_sink::{SinkConfig, SinkLogs};

pub(crate) async fn measure(count: u32) -> anyhow::Result<()> {
    let mut bench = Bench::new();
    bench.config = SinkConfig { commit_interval_ms: 2_000, ..SinkConfig::default() };
    let log = MemoryLog::new("bench/judged", 4);
    for event in 0..count {
        log.put(
            event as usize % 4,
            &Told { day: event % 5, ..Told::new(event, i64::from(event), 0) }.to_event(),
        );
    }
    run(&bench, &log, "new events", count).await?;
    let again = MemoryLog::new("bench-again/judged", 4);
    for event in 0..count {
        again.put(
            event as usize % 4,
            &Told { day: event % 5, ..Told::new(event, i64::from(event), 0) }.to_event(),
        );
    }
    run(&bench, &again, "the same again, index read from the lake", count).await?;
    let restated = MemoryLog::new("bench-restated/judged", 4);
    for event in 0..count / 4 {
        restated.put(event as usize % 4, &Told { day: event % 5, ..Told::new(event, 7, 1) }.to_event());
    }
    run(&bench, &restated, "restated", count / 4).await?;
    let bytes: i64 =
        actions(&bench.table("usage_ledger"), "add").iter().filter_map(|add| add["size"].as_i64()).sum();
    println!("{} bytes an entry in the files", bytes / i64::from(count + count / 2));
    Ok(())
}

async fn run(bench: &Bench, log: &MemoryLog, what: &str, count: u32) -> anyhow::Result<()> {
    let sink = bench.open().await;
    let shutdown = Shutdown::new();
    let mut handle = sink.handle();
    let logs = SinkLogs {
        judged: log.clone(),
        intents: MemoryLog::new("bench/intents", 1),
        rejects: MemoryLog::new("bench/rejects", 1),
        fetches: MemoryLog::new("bench/fetches", 1),
    };
    let before = cpu_seconds()?;
    let task = tokio::spawn(sink.run(logs, shutdown.clone()));
    handle.wait_committed(&log.ends()).await?;
    let spent = cpu_seconds()? - before;
    shutdown.trigger();
    task.await??;
    println!("{what}: {count} messages, {spent:.2} CPU-s, {:.0} a CPU-second", f64::from(count) / spent);
    Ok(())
}
