//! Who writes the tables when several sinks could, and where a table begins to read.

use crate::exactly_once::assert_invariants;
use crate::support::*;
use modellane_event::Label;
use modellane_runtime::Shutdown;
use modellane_sink::{SinkError, SinkHandle, SinkLogs, Stage, StageHook};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

/// A sink that runs.
struct Running {
    handle: SinkHandle,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), SinkError>>,
}

impl Running {
    async fn start(bench: &Bench, log: &MemoryLog) -> Self {
        Self::start_with(bench, log, &MemoryLog::new("test/intents", 1)).await
    }

    async fn start_with(bench: &Bench, log: &MemoryLog, intents: &MemoryLog) -> Self {
        let sink = bench.open().await;
        let (handle, shutdown) = (sink.handle(), Shutdown::new());
        let logs = SinkLogs {
            judged: log.clone(),
            intents: intents.clone(),
            rejects: MemoryLog::new("test/rejects", 1),
            fetches: MemoryLog::new("test/fetches", 1),
        };
        let task = tokio::spawn(sink.run(logs, shutdown.clone()));
        Self { handle, shutdown, task }
    }

    async fn committed(&mut self, log: &MemoryLog) {
        let ends = log.ends();
        tokio::time::timeout(PATIENCE, self.handle.wait_committed(&ends)).await.unwrap().unwrap();
    }

    async fn stop(self) -> Result<(), SinkError> {
        self.shutdown.trigger();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

/// The bench with a sink of this name, which leaves another one so many seconds.
fn named(mut bench: Bench, name: &'static str, standby_s: u64) -> Bench {
    (bench.config.instance, bench.config.standby_s) = (Some(Label::literal(name)), standby_s);
    bench
}

#[tokio::test]
async fn a_sink_of_another_name_stands_by_until_the_owner_commits_no_more() {
    let bench = named(Bench::new(), "one", 1);
    let log = MemoryLog::new("test/judged", 2);
    let mut owner = Running::start(&bench, &log).await;
    log.put(0, &Told::new(0, 1, 0).to_event());
    owner.committed(&log).await;

    let bench = named(bench, "two", 1);
    let mut standby = Running::start(&bench, &log).await;
    // Longer than it leaves the owner, which always has something to commit and commits it.
    for event in 1..20 {
        log.put(event as usize % 2, &Told::new(event, 1, 0).to_event());
        owner.committed(&log).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(standby.handle.progress().commits, 0, "it took the table from a sink at work");
    // Nor does an owner lose its tables that has nothing to commit.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(standby.handle.progress().commits, 0);
    log.put(0, &Told::new(20, 1, 0).to_event());
    owner.committed(&log).await;
    assert_eq!(standby.handle.progress().commits, 0);
    owner.stop().await.unwrap();

    log.put(1, &Told::new(21, 1, 0).to_event());
    standby.committed(&log).await;
    standby.stop().await.unwrap();
    let entries = bench.entries();
    assert_eq!(entries.len(), 22);
    assert_invariants(&bench, &entries, log.len());
}

#[tokio::test]
async fn a_sink_that_comes_back_under_its_name_goes_on_at_once() {
    let log = MemoryLog::new("test/judged", 1);
    let bench = named(Bench::new(), "one", 86_400);
    log.put(0, &Told::new(0, 1, 0).to_event());
    bench.drain(&log).await.unwrap();
    log.put(0, &Told::new(1, 1, 0).to_event());
    let again = tokio::time::timeout(PATIENCE, bench.drain(&log)).await;
    assert_eq!(again.unwrap().unwrap().commits, 1);
    // One of another name is stopped in order while it waits.
    let bench = named(bench, "two", 86_400);
    log.put(0, &Told::new(2, 1, 0).to_event());
    let standby = Running::start(&bench, &log).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    standby.stop().await.unwrap();
    assert_eq!(bench.entries().len(), 2);
}

#[tokio::test]
async fn a_standby_takes_over_for_whatever_topic_has_something() {
    let bench = named(Bench::new(), "one", 1);
    let (log, intents) = (MemoryLog::new("test/judged", 1), MemoryLog::new("test/intents", 1));
    log.put(0, &Told::new(0, 1, 0).to_event());
    bench.drain(&log).await.unwrap();
    let bench = named(bench, "two", 1);
    let mut standby = Running::start_with(&bench, &log, &intents).await;
    intents.put_bytes(0, b"an intent that nobody can read".to_vec());
    standby.committed(&intents).await;
    standby.stop().await.unwrap();
}

/// As a lake is that was replayed, or written before sinks had names.
#[tokio::test]
async fn tables_of_a_sink_without_a_name_are_whoevers_comes() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 1);
    log.put(0, &Told::new(0, 1, 0).to_event());
    bench.drain(&log).await.unwrap();
    let bench = named(bench, "one", 86_400);
    log.put(0, &Told::new(1, 1, 0).to_event());
    tokio::time::timeout(PATIENCE, bench.drain(&log)).await.unwrap().unwrap();
    assert_eq!(bench.entries().len(), 2);
}

/// The second partition has its first message after the first commit, and loses it before it is read.
#[tokio::test]
async fn what_comes_to_an_empty_partition_and_goes_again_is_missed() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    log.put(0, &Told::new(0, 1, 0).to_event());
    bench.drain(&log).await.unwrap();
    for event in 1..4 {
        log.put(0, &Told::new(event, 1, 0).to_event());
        log.put(1, &Told::new(event + 10, 1, 0).to_event());
    }
    let error = bench.drain(&log.clone().with_low(1)).await.unwrap_err();
    assert!(matches!(error, SinkError::OutOfRange { partition: 1, offset: 0, low: 1, .. }), "{error}");
    bench.drain(&log).await.unwrap();
    assert_invariants(&bench, &bench.entries(), log.len());
}

/// A table that knows a stream has seen all of its partitions, so a further one is new.
#[tokio::test]
async fn a_further_partition_begins_with_its_first_message() {
    let bench = Bench::new();
    let narrow = MemoryLog::new("test/judged", 1);
    narrow.put(0, &Told::new(0, 1, 0).to_event());
    bench.drain(&narrow).await.unwrap();
    let wide = MemoryLog::new("test/judged", 2);
    wide.put(0, &Told::new(0, 1, 0).to_event());
    for event in 1..4 {
        wide.put(1, &Told::new(event, 1, 0).to_event());
    }
    let error = bench.drain(&wide.clone().with_low(1)).await.unwrap_err();
    assert!(matches!(error, SinkError::OutOfRange { partition: 1, offset: 0, .. }), "{error}");
    bench.drain(&wide).await.unwrap();
    assert_eq!(bench.entries().len(), 4);
    // Into an empty lake it may begin anywhere: nobody has promised it anything yet.
    let empty = Bench::new();
    empty.drain(&wide.with_low(1)).await.unwrap();
    assert_eq!(empty.entries().len(), 2);
}

/// A sink that is asked to stop in its first commit, which fails as all do until `conflicts` have failed.
async fn stopped_in_conflict(bench: &Bench, log: &MemoryLog, conflicts: u32) -> Result<(), SinkError> {
    let (shutdown, tried) = (Shutdown::new(), AtomicU32::new(0));
    let hook = StageHook::new({
        let shutdown = shutdown.clone();
        move |stage| {
            shutdown.trigger();
            if stage == Stage::Staged && tried.fetch_add(1, Ordering::SeqCst) < conflicts {
                return Err(SinkError::Conflict { table: "usage_ledger".to_owned() });
            }
            Ok(())
        }
    });
    let logs = SinkLogs {
        judged: log.clone(),
        intents: MemoryLog::new("test/intents", 1),
        rejects: MemoryLog::new("test/rejects", 1),
        fetches: MemoryLog::new("test/fetches", 1),
    };
    let sink = bench.open().await.with_stage_hook(hook);
    tokio::time::timeout(PATIENCE, sink.run(logs, shutdown)).await.unwrap()
}

/// Maintenance may replace files in the very moment at which the sink is told to stop.
#[tokio::test]
async fn what_waits_is_committed_at_the_end_although_another_writer_was_first() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    for event in 0..10 {
        log.put(event as usize % 2, &Told::new(event, 1, 0).to_event());
    }
    stopped_in_conflict(&bench, &log, 3).await.unwrap();
    let entries = bench.entries();
    assert_eq!(entries.len(), 10);
    assert_invariants(&bench, &entries, log.len());
    // One that always comes too late ends nevertheless.
    log.put(0, &Told::new(10, 1, 0).to_event());
    let error = stopped_in_conflict(&bench, &log, u32::MAX).await.unwrap_err();
    assert!(matches!(error, SinkError::Conflict { .. }), "{error}");
}
