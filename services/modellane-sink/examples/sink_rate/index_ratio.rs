//! What the index of versions costs: events a CPU-second of the sink, over those of a sink that appends every
//! message blindly, with the same codec, files and commits. Both in one run, in turns, medians.
//!
//! `cargo run -p modellane-sink --example sink_rate -- index-ratio 200000 5`

use crate::support::{Bench, MemoryLog, Told, cpu_seconds};
use anyhow::{Result, ensure};
use modellane_event::{Cause, Date, EntryKind, EntryStamp, Sign, UtcTime};
use modellane_lake::{CommitOutcome, Lake, LakeConfig, StagedFile, Table, TableCommit};
use modellane_runtime::{Clock, SystemClock, random_id};
use modellane_schema::{LedgerBatchBuilder, judged_codec};
use modellane_sink::{LogReader, SinkConfig, ledger_table};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Rows of a commit, for both.
const MAX_ROWS: usize = 50_000;
const POLL: usize = 8_192;
const DAYS: u32 = 5;

pub(crate) async fn measure(events: u32, rounds: u32) -> Result<()> {
    println!("{events} events over {DAYS} days, commits of {MAX_ROWS} rows, events a CPU-second");
    for (what, before) in [("new days", 0), ("days that hold as many events already", events)] {
        let (mut indexed, mut blind) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let with_index = rate(events, indexed_seconds(before, events).await?);
            let without = rate(events, blind_seconds(before, events).await?);
            println!("  {what}, round {round}: index {with_index:.0}, blind {without:.0}");
            indexed.push(with_index);
            blind.push(without);
        }
        let (indexed, blind) = (median(indexed), median(blind));
        println!("{what}: index {indexed:.0}, blind {blind:.0}, ratio {:.3}", indexed / blind);
    }
    Ok(())
}

fn rate(events: u32, seconds: f64) -> f64 {
    f64::from(events) / seconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn log(stream: &str, from: u32, to: u32) -> MemoryLog {
    let log = MemoryLog::new(stream, 4);
    for event in from..to {
        let told = Told { day: event % DAYS, ..Told::new(event, i64::from(event), 0) };
        log.put(event as usize % 4, &told.to_event());
    }
    log
}

async fn indexed_seconds(before: u32, events: u32) -> Result<f64> {
    let mut bench = Bench::new();
    // Commits are made by rows alone, as they are by the other side.
    bench.config = SinkConfig { commit_interval_ms: 60_000, max_rows: MAX_ROWS, ..SinkConfig::default() };
    bench.drain(&log("bench-before/judged", 0, before)).await?;
    let measured = log("bench/judged", before, before + events);
    let started = cpu_seconds()?;
    let progress = bench.drain(&measured).await?;
    let seconds = cpu_seconds()? - started;
    ensure!(progress.counters.original == u64::from(events), "every event is new");
    Ok(seconds)
}

async fn blind_seconds(before: u32, events: u32) -> Result<f64> {
    let root = tempfile::tempdir()?;
    let lake = Lake::open(&LakeConfig::directory(root.path()))?;
    let mut table = lake.table(ledger_table()).await?;
    append(&mut table, log("bench-before/judged", 0, before)).await?;
    let measured = log("bench/judged", before, before + events);
    let started = cpu_seconds()?;
    let rows = append(&mut table, measured).await?;
    let seconds = cpu_seconds()? - started;
    ensure!(rows == u64::from(events), "every event is a row");
    Ok(seconds)
}

/// Decodes, appends, commits; never looks at what the table holds.
async fn append(table: &mut Table, mut log: MemoryLog) -> Result<u64> {
    let codec = judged_codec();
    let starts: Vec<(i32, i64)> = log.ends().iter().map(|(_, partition, _)| (*partition, 0)).collect();
    log.assign(&starts).await?;
    let (mut days, mut waiting, mut total) = (BTreeMap::<Date, LedgerBatchBuilder>::new(), 0, 0);
    loop {
        let records = log.poll(POLL.min(MAX_ROWS - waiting), Duration::from_millis(1)).await?;
        let recorded_at = SystemClock.now();
        for record in &records {
            let event = codec.decode(record.payload.as_deref().unwrap_or_default())?;
            let day = days.entry(event.usage.event_date);
            day.or_insert_with(|| LedgerBatchBuilder::with_capacity(256)).append(&event, &stamp(recorded_at));
        }
        waiting += records.len();
        total += records.len() as u64;
        if waiting >= MAX_ROWS || (records.is_empty() && waiting > 0) {
            commit(table, std::mem::take(&mut days)).await?;
            waiting = 0;
        }
        if records.is_empty() {
            return Ok(total);
        }
    }
}

fn stamp(recorded_at: UtcTime) -> EntryStamp {
    EntryStamp {
        revision: 1,
        kind: EntryKind::Original,
        cause: Cause::First,
        entry_sign: Sign::Plus,
        usage_sign: Sign::Plus,
        cost_sign: Sign::Plus,
        recorded_at,
    }
}

async fn commit(table: &mut Table, days: BTreeMap<Date, LedgerBatchBuilder>) -> Result<()> {
    let now = SystemClock.now();
    let mut files: Vec<StagedFile> = Vec::new();
    for (day, mut rows) in days {
        let id = Uuid::from_bytes(random_id());
        files.push(table.stage(Some(&day.to_string()), vec![rows.finish()?], id, now).await?);
    }
    let commit = TableCommit {
        id: Uuid::from_bytes(random_id()),
        files,
        positions: vec![("bench/judged".to_owned(), 1)],
        info: BTreeMap::new(),
        now,
    };
    ensure!(matches!(table.commit(commit).await?, CommitOutcome::Committed { .. }), "nobody else commits");
    Ok(())
}
