//! Maintenance beside a sink: totals stay, nothing that anybody needs goes, a crash anywhere is harmless.

use crate::bench::support::commits;
use crate::bench::{DAY, HOUR, Upkeep, rows};
use modellane_lake::TableCommit;
use modellane_ledger::CommitRecord;
use modellane_maintenance::{COMMITS_TABLE, Job, MaintenanceError, Stage, StageHook};
use modellane_runtime::{Shutdown, random_id};
use modellane_sink::{LEDGER_TABLE, SinkLogs};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn compaction_leaves_fewer_files_and_the_same_totals_and_a_sink_goes_on_from_them() {
    let upkeep = Upkeep::filled(6).await;
    let before = upkeep.files().await.len();
    let report = upkeep.clean_round().await;
    assert_eq!((report.files_merged, report.files_written), (before as u64, 3), "one file a date");
    assert_eq!(upkeep.files().await.len(), 3);
    assert_eq!(upkeep.totals().await, Upkeep::truth());

    // Each event is taken back out of a merged file and judged anew.
    upkeep.judge(7).await;
    assert_eq!(upkeep.totals().await, Upkeep::truth());
    upkeep.clock.advance(DAY);
    upkeep.clean_round().await;
    assert_eq!(upkeep.totals().await, Upkeep::truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_merged_file_are_in_the_order_of_the_table() {
    use arrow::array::AsArray;
    let upkeep = Upkeep::filled(6).await;
    upkeep.clean_round().await;
    for batch in rows(&upkeep.ledger().await).await {
        let teams = batch.column_by_name("team").unwrap().as_string::<i32>();
        assert!(teams.iter().is_sorted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_compaction_overtakes_reads_again_and_commits() {
    let upkeep = Arc::new(Upkeep::filled(3).await);
    upkeep.put(4);
    let overtaken = Arc::new(AtomicBool::new(false));
    let (inner, flag) = (Arc::clone(&upkeep), Arc::clone(&overtaken));
    // Its files are staged and it stands before its commit: now the table moves on.
    let hook = modellane_sink::StageHook::new(move |stage| {
        if stage == modellane_sink::Stage::Staged && !flag.swap(true, Ordering::SeqCst) {
            let inner = Arc::clone(&inner);
            let thread = std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async { assert!(inner.clean_round().await.files_merged > 0) });
            });
            thread.join().unwrap();
        }
        Ok(())
    });
    upkeep.bench.drain_with(&upkeep.log, hook).await.unwrap();
    assert!(overtaken.load(Ordering::SeqCst));
    assert_eq!(upkeep.totals().await, Upkeep::truth());
}

/// A sink without records for days holds an index of files that are gone meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sink_notices_that_its_files_were_replaced_and_removed() {
    let mut upkeep = Upkeep::new();
    upkeep.config.removed_file_hours = 2;
    upkeep.put(1);
    let sink = upkeep.bench.open().await;
    let (mut handle, shutdown) = (sink.handle(), Shutdown::new());
    let logs = SinkLogs {
        judged: upkeep.log.clone(),
        intents: crate::bench::support::MemoryLog::new("test/intents", 1),
        rejects: crate::bench::support::MemoryLog::new("test/rejects", 1),
        fetches: crate::bench::support::MemoryLog::new("test/fetches", 1),
    };
    let running = tokio::spawn(sink.run(logs, shutdown.clone()));
    for version in 2..=4 {
        handle.wait_committed(&upkeep.log.ends()).await.unwrap();
        upkeep.put(version);
    }
    handle.wait_committed(&upkeep.log.ends()).await.unwrap();

    assert!(upkeep.clean_round().await.files_merged > 0);
    upkeep.clock.advance(3 * HOUR);
    assert!(upkeep.clean_round().await.files_vacuumed > 0);

    upkeep.put(5);
    handle.wait_committed(&upkeep.log.ends()).await.unwrap();
    shutdown.trigger();
    running.await.unwrap().unwrap();
    assert_eq!(upkeep.totals().await, Upkeep::truth());
    upkeep.clean_round().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_stage_leaves_totals_right_and_the_next_round_finishes() {
    for stage in Stage::ALL {
        let mut upkeep = Upkeep::filled(6).await;
        upkeep.config.removed_file_hours = 2;
        upkeep.to_next_day(20);
        // The first reaching of a stage is that of the first table; the third is in the midst of the round.
        for nth in [1, 3] {
            let reached = Mutex::new(0);
            let hook = StageHook::new(move |now| {
                if now == stage {
                    let mut reached = reached.lock().unwrap();
                    *reached += 1;
                    assert!(*reached != nth, "crash");
                }
            });
            let crashed = upkeep.crashing_round(hook).await;
            assert!(crashed || nth > 1, "{stage:?} was not reached");
            assert_eq!(upkeep.totals().await, Upkeep::truth(), "{stage:?}");
            // What the crashed one held runs out.
            upkeep.clock.advance(HOUR);
        }
        upkeep.judge(7).await;
        upkeep.clock.advance(3 * HOUR);
        upkeep.clean_round().await;
        upkeep.clock.advance(26 * HOUR);
        upkeep.clean_round().await;
        assert_eq!(upkeep.totals().await, Upkeep::truth(), "{stage:?}");
        assert_eq!(crate::bench::sum(&upkeep.exported()), Upkeep::truth(), "{stage:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_outlive_their_log() {
    let upkeep = Upkeep::filled(12).await;
    let (said, counters) = commits(&upkeep.bench.table(LEDGER_TABLE));
    let ranges: usize = said.iter().map(|commit| commit.ranges.len()).sum();
    let versions = upkeep.ledger().await.version() + 1;
    upkeep.clean_round().await;
    upkeep.clock.advance(8 * DAY);
    let report = upkeep.clean_round().await;
    assert!(report.log_entries_removed > 0, "{report}");
    let extent = upkeep.ledger().await.log_extent().await.unwrap();
    assert!(extent.oldest > Some(5), "{extent:?}");

    let kept = kept(&upkeep).await;
    let of_sink: Vec<_> = kept.iter().filter(|row| row.recorded_at.is_some()).collect();
    assert_eq!(of_sink.len(), said.len());
    for (row, said) in of_sink.iter().zip(&said) {
        assert_eq!(row.recorded_at, Some(said.recorded_at.micros()));
    }
    assert_eq!(kept.iter().map(|row| row.ranges).sum::<usize>(), ranges);
    assert_eq!(kept.iter().filter_map(|row| row.original).sum::<i64>() as u64, counters.original);
    assert_eq!(kept.iter().filter_map(|row| row.rejudged).sum::<i64>() as u64, counters.rejudged);
    assert!(kept.iter().all(|row| row.version < versions as i64 || row.owner.is_none()));
    assert!(kept.iter().all(|row| row.commit_id || row.version == 0));
    let order: Vec<i64> = kept.iter().map(|row| row.version).collect();
    assert_eq!(order, (0..order.len() as i64).collect::<Vec<_>>());
    assert_eq!(upkeep.totals().await, Upkeep::truth());

    // Whoever rebuilds the ledger asks for times and ranges alone.
    let history = modellane_maintenance::kept_history(&upkeep.lake(), LEDGER_TABLE).await.unwrap();
    let versions: Vec<i64> = history.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, order);
    let records: Vec<CommitRecord> = history
        .into_iter()
        .filter_map(|commit| Some(CommitRecord { recorded_at: commit.recorded_at?, ranges: commit.ranges }))
        .collect();
    assert_eq!(records, said);
}

struct Kept {
    version: i64,
    recorded_at: Option<i64>,
    owner: Option<i64>,
    ranges: usize,
    original: Option<i64>,
    rejudged: Option<i64>,
    commit_id: bool,
}

/// What `commits` holds of the ledger, read from the files by another reader than the product's.
async fn kept(upkeep: &Upkeep) -> Vec<Kept> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
    let root = upkeep.bench.table(COMMITS_TABLE);
    let removed: Vec<String> = crate::bench::support::actions(&root, "remove")
        .iter()
        .map(|remove| remove["path"].as_str().unwrap().to_owned())
        .collect();
    let added = crate::bench::support::actions(&root, "add");
    let paths = added.iter().map(|add| add["path"].as_str().unwrap());
    let live = paths.filter(|path| path.contains(LEDGER_TABLE) && !removed.contains(&(*path).to_owned()));
    let mut kept = Vec::new();
    for batch in live.flat_map(|path| crate::bench::support::read(&root.join(path))) {
        let numbers = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
        let times = batch.column_by_name("recorded_at").unwrap().as_primitive::<TimestampMicrosecondType>();
        let ranges = batch.column_by_name("ranges").unwrap().as_list::<i32>();
        let ids = batch.column_by_name("commit_id").unwrap();
        let optional = |name: &str, row: usize| {
            let column = numbers(name);
            column.is_valid(row).then(|| column.value(row))
        };
        kept.extend((0..batch.num_rows()).map(|row| Kept {
            version: numbers("version").value(row),
            recorded_at: times.is_valid(row).then(|| times.value(row)),
            owner: optional("owner_epoch", row),
            ranges: if ranges.is_valid(row) { ranges.value(row).len() } else { 0 },
            original: optional("original", row),
            rejudged: optional("rejudged", row),
            commit_id: ids.is_valid(row),
        }));
    }
    kept.sort_by_key(|row| row.version);
    kept
}

/// What cannot be kept must not be cleaned away either.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_commits_are_not_kept_stays() {
    let upkeep = Upkeep::filled(6).await;
    let mut ledger = upkeep.ledger().await;
    let commit = TableCommit {
        id: Uuid::from_bytes(random_id()),
        files: Vec::new(),
        positions: Vec::new(),
        info: BTreeMap::from([("modellaneRanges".to_owned(), json!([{ "stream": 7 }]))]),
        now: upkeep.now(),
    };
    ledger.commit(commit).await.unwrap();
    upkeep.clock.advance(8 * DAY);
    for _ in 0..2 {
        let report = upkeep.round().await;
        assert!(report.failures.iter().any(|(job, _)| *job == Job::Commits), "{report}");
        upkeep.clock.advance(HOUR);
    }
    let extent = upkeep.ledger().await.log_extent().await.unwrap();
    assert!(extent.oldest == Some(0) && extent.checkpoint.is_some(), "{extent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_maintenance_works_at_a_time_and_a_crashed_one_is_followed() {
    let upkeep = Arc::new(Upkeep::filled(2).await);
    let inner = Arc::clone(&upkeep);
    let refused = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&refused);
    let hook = StageHook::new(move |stage| {
        if stage == Stage::CommitsKept {
            let inner = Arc::clone(&inner);
            let second = std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(inner.maintenance().round(&Shutdown::new()))
            });
            let busy = matches!(second.join().unwrap(), Err(MaintenanceError::Busy { .. }));
            flag.store(busy, Ordering::SeqCst);
            panic!("crash");
        }
    });
    assert!(upkeep.crashing_round(hook).await);
    assert!(refused.load(Ordering::SeqCst), "the second one went to work");
    let busy = upkeep.maintenance().round(&Shutdown::new()).await;
    assert!(matches!(busy, Err(MaintenanceError::Busy { .. })), "{busy:?}");
    upkeep.clock.advance(11 * 60 * 1_000_000);
    upkeep.clean_round().await;
    // A round that ends gives its lease back.
    upkeep.clean_round().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_waits_for_its_pause() {
    let mut upkeep = Upkeep::filled(3).await;
    upkeep.config.compact_pause_s = 600;
    upkeep.clean_round().await;
    let merged = upkeep.files().await.len();
    upkeep.judge(4).await;
    upkeep.judge(5).await;
    let before = upkeep.files().await;
    assert!(before.len() > merged);
    upkeep.clean_round().await;
    assert_eq!(upkeep.files().await, before, "the pause is not over");
    upkeep.clock.advance(HOUR / 5);
    upkeep.clean_round().await;
    assert!(upkeep.files().await.len() < before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_without_tables_is_left_as_it_is() {
    let upkeep = Upkeep::new();
    let report = upkeep.clean_round().await;
    assert_eq!((report.commits_kept, report.files_merged, report.days_exported), (0, 0, 0));
    assert!(!upkeep.bench.table(LEDGER_TABLE).exists());
}
