//! The sink against a log in memory and a lake on disk: what readers of the files see.

use crate::support::{Bench, Entry, MemoryLog, Told, active_files, commits, drain_sink, read, sums, truth};
use modellane_event::{EntryKind, RejectReason, UtcTime};
use modellane_ledger::{check_commits, check_counters, check_entries, check_verdicts};
use modellane_sink::{IndexFate, IndexHook, LEDGER_TABLE, REJECTS_TABLE, SinkError, Stage, StageHook};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn fill(log: &MemoryLog, told: &[Told]) {
    for (index, told) in told.iter().enumerate() {
        log.put(index % 2, &told.to_event());
    }
}

fn originals(count: u32) -> Vec<Told> {
    (0..count).map(|event| Told::new(event, 100 + i64::from(event), 0)).collect()
}

/// I2, I4, I6, I7, I8, I9 over the files, `produced` messages having been put into the logs.
pub(crate) fn assert_invariants(bench: &Bench, entries: &[Entry], produced: u64) {
    let views: Vec<_> = entries.iter().map(|entry| entry.view).collect();
    let (records, counters) = commits(&bench.table(LEDGER_TABLE));
    let mut violations = check_entries(&views);
    violations.extend(check_verdicts(&views));
    violations.extend(check_counters(produced, &counters, &views));
    violations.extend(check_commits(&records));
    assert!(violations.is_empty(), "{violations:?}");
}

#[tokio::test]
async fn every_event_is_in_the_files_once() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    let told = originals(200);
    fill(&log, &told);
    fill(&log, &told);
    let progress = bench.drain(&log).await.unwrap();
    assert_eq!((progress.counters.original, progress.counters.duplicate), (200, 200));
    assert!(progress.commits > 1, "the batch limit splits the work");

    let entries = bench.entries();
    assert_eq!(entries.len(), 200);
    assert_eq!(sums(&entries), truth(&told));
    assert_invariants(&bench, &entries, 400);
}

#[tokio::test]
async fn a_crash_at_any_stage_loses_and_doubles_nothing() {
    for stage in [Stage::Staged, Stage::Observed, Stage::Committed] {
        let bench = Bench::new();
        let log = MemoryLog::new("test/judged", 2);
        let mut told = originals(90);
        fill(&log, &told);
        // The same content again later, so that there is something to observe, then newer content.
        let again: Vec<Told> = told.iter().map(|told| Told { seen: 50, ..*told }).collect();
        fill(&log, &again);
        told.iter_mut().filter(|told| told.event % 4 == 0).for_each(|told| {
            told.tokens *= 3;
            told.seen = 60;
            log.put(told.event as usize % 2, &told.to_event());
        });
        // Each life of the sink ends at its second commit, until all is done.
        let mut lives = 0;
        loop {
            let reached = Arc::new(AtomicU32::new(0));
            let hook = StageHook::new(move |at| {
                let dies = at == stage && reached.fetch_add(1, Ordering::SeqCst) == 1;
                if dies { Err(SinkError::Stopped) } else { Ok(()) }
            });
            lives += 1;
            if bench.drain_with(&log, hook).await.is_ok() {
                break;
            }
            assert!(lives < 100, "{stage:?}: no progress");
        }
        assert!(lives > 2, "{stage:?}: the sink died {lives} times");
        let entries = bench.entries();
        assert_eq!(sums(&entries), truth(&told), "{stage:?}");
        assert_invariants(&bench, &entries, log.len());
    }
}

#[tokio::test]
async fn a_restatement_changes_the_totals_by_the_difference_and_the_past_stays() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    let first = originals(30);
    fill(&log, &first);
    bench.drain(&log).await.unwrap();
    let known_at = |at: UtcTime, entries: &[Entry]| sums(entries.iter().filter(|e| e.view.recorded_at <= at));
    let before = bench.entries().iter().map(|entry| entry.view.recorded_at).max().unwrap();

    let restated: Vec<Told> =
        first.iter().take(10).map(|told| Told { tokens: told.tokens + 7, seen: 10, ..*told }).collect();
    fill(&log, &restated);
    bench.drain(&log).await.unwrap();
    let entries = bench.entries();
    let (tokens, cost) = truth(&first);
    assert_eq!(sums(&entries), (tokens + 70, cost + 70 * 1_000_000));
    assert_eq!(known_at(before, &entries), (tokens, cost));
    assert_eq!(entries.len(), 30 + 20);
    for entry in entries.iter().filter(|entry| entry.view.revision == 2) {
        assert_eq!((entry.view.kind, entry.cause.as_str()), (EntryKind::Restatement, "restated"));
    }
    for reversal in entries.iter().filter(|entry| entry.view.kind == EntryKind::Reversal) {
        let partner =
            entries.iter().find(|e| e.view.event_id == reversal.view.event_id && e.view.revision == 2);
        assert_eq!(partner.unwrap().view.recorded_at, reversal.view.recorded_at, "one commit");
    }

    // An older export that comes last changes nothing.
    let older: Vec<Told> = first.iter().map(|told| Told { tokens: 1, seen: -5, ..*told }).collect();
    fill(&log, &older);
    let progress = bench.drain(&log).await.unwrap();
    assert_eq!(progress.counters.stale, 30);
    assert_eq!(bench.entries(), entries);
    assert_invariants(&bench, &entries, log.len());
}

#[tokio::test]
async fn corrections_within_one_commit_and_across_commits_are_the_same() {
    let told = Told::new(1, 10, 0);
    let steps = [
        told,
        Told { tokens: 20, seen: 5, ..told },
        Told { tokens: 20, seen: 5, ..told }.judged(4, "search"),
        Told { tokens: 20, seen: 5, ..told }.judged(6, "search"),
        Told { tokens: 30, seen: 9, ..told }.judged(6, "search"),
    ];
    let mut seen = Vec::new();
    for one_by_one in [false, true] {
        let bench = Bench::new();
        let log = MemoryLog::new("test/judged", 1);
        for step in &steps {
            log.put(0, &step.to_event());
            if one_by_one {
                bench.drain(&log).await.unwrap();
            }
        }
        bench.drain(&log).await.unwrap();
        let mut entries = bench.entries();
        assert_invariants(&bench, &entries, steps.len() as u64);
        let (_, counters) = commits(&bench.table(LEDGER_TABLE));
        assert_eq!((counters.restated, counters.rejudged, counters.observed), (2, 1, 1));
        entries.sort_by_key(|entry| (entry.view.revision, -entry.view.entry_sign));
        entries.iter_mut().for_each(|entry| entry.view.recorded_at = UtcTime(0));
        seen.push(entries);
    }
    assert_eq!(seen[0], seen[1]);
    let kinds: Vec<_> = seen[0].iter().map(|e| (e.view.revision, e.cause.as_str(), e.tokens)).collect();
    assert_eq!(
        kinds,
        [
            (1, "first", 10),
            (1, "restated", 10),
            (2, "restated", 20),
            (2, "identity", 20),
            (3, "identity", 20),
            (3, "restated", 20),
            (4, "restated", 30),
        ]
    );
}

#[tokio::test]
async fn what_was_seen_again_is_remembered_by_the_next_sink() {
    let told = Told::new(1, 10, 1);
    let again = Told { seen: 3, ..told };
    let other = Told { tokens: 99, seen: 2, ..told };
    let log = MemoryLog::new("test/judged", 1);
    let bench = Bench::new();
    for step in [told, again, other] {
        log.put(0, &step.to_event());
        bench.drain(&log).await.unwrap();
    }
    assert_eq!(sums(&bench.entries()), truth([&told]), "the content at 2 was superseded at 3 already");
    // And an equal judgement with more knowledge, after which an older one says nothing.
    for step in [told.judged(9, "payments"), told.judged(5, "search")] {
        log.put(0, &step.to_event());
        bench.drain(&log).await.unwrap();
    }
    assert_eq!(bench.entries().len(), 1);
    log.put(0, &told.judged(10, "search").to_event());
    bench.drain(&log).await.unwrap();
    assert_eq!(bench.entries().len(), 3);
}

#[tokio::test]
async fn the_index_may_be_lost_at_any_time() {
    let mut bench = Bench::new();
    // No page outlives its poll once another day is needed.
    bench.config.index_mib = 0;
    let log = MemoryLog::new("test/judged", 2);
    let told = originals(60);
    fill(&log, &told);
    bench.drain(&log).await.unwrap();
    let restated: Vec<Told> = told.iter().map(|told| Told { tokens: 5, seen: 1, ..*told }).collect();
    for told in &restated {
        log.put(0, &told.to_event());
        log.put(1, &told.to_event());
    }
    bench.drain(&log).await.unwrap();
    let entries = bench.entries();
    assert_eq!(sums(&entries), truth(&restated));
    assert_invariants(&bench, &entries, log.len());
}

#[tokio::test]
async fn a_damaged_index_is_noticed_and_read_from_the_lake_again() {
    let log = MemoryLog::new("test/judged", 2);
    let told = originals(60);
    fill(&log, &told);
    let bench = Bench::new();
    bench.drain(&log).await.unwrap();
    let mut restated = Vec::new();
    // Every fourth would hit an observation, and nothing was seen again here.
    for pick in (0..16u64).filter(|pick| pick % 4 != 3) {
        // A bit flips while the second poll of this sink is decided; the first has read the pages.
        let polls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&polls);
        let hook = IndexHook::new(move || match counted.fetch_add(1, Ordering::SeqCst) {
            1 => IndexFate::Damaged { pick: pick | pick << 8 },
            _ => IndexFate::Kept,
        });
        restated = told.iter().map(|told| Told { tokens: 5, seen: 1 + pick as i64, ..*told }).collect();
        fill(&log, &restated);
        let sink = bench.open().await.with_index_hook(hook);
        drain_sink(sink, &log).await.unwrap();
        assert!(polls.load(Ordering::SeqCst) > 2, "pick {pick}: what was read was not read again");
        let entries = bench.entries();
        assert_eq!(sums(&entries), truth(&restated), "pick {pick}");
        assert_invariants(&bench, &entries, log.len());
    }
    assert_eq!(restated.len(), 60);
}

#[tokio::test]
async fn the_same_data_from_another_cluster_adds_nothing() {
    let bench = Bench::new();
    let told = originals(50);
    let log = MemoryLog::new("one/judged", 2);
    fill(&log, &told);
    bench.drain(&log).await.unwrap();
    let entries = bench.entries();

    let other = MemoryLog::new("two/judged", 3);
    for (index, told) in told.iter().rev().enumerate() {
        other.put(index % 3, &told.to_event());
    }
    let progress = bench.drain(&other).await.unwrap();
    assert_eq!(progress.counters.duplicate, 50);
    assert_eq!(bench.entries(), entries);
    assert_invariants(&bench, &entries, 100);
}

#[tokio::test]
async fn a_lake_restored_to_an_earlier_state_catches_up_from_its_own_offsets() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    let told = originals(60);
    fill(&log, &told);
    bench.drain(&log).await.unwrap();
    let backup = bench.copy();
    let restated: Vec<Told> = told.iter().map(|told| Told { tokens: 5, seen: 1, ..*told }).collect();
    fill(&log, &restated);
    bench.drain(&log).await.unwrap();
    assert_eq!(sums(&backup.entries()), truth(&told), "the backup is older than the log");

    backup.drain(&log).await.unwrap();
    let entries = backup.entries();
    assert_eq!(sums(&entries), truth(&restated));
    assert_eq!(entries.len(), bench.entries().len());
    assert_invariants(&backup, &entries, log.len());
}

#[tokio::test]
async fn of_two_sinks_one_stops_and_nothing_is_doubled() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    let told = originals(30);
    fill(&log, &told);
    let first = bench.open().await;
    let second = bench.open().await;
    drain_sink(second, &log).await.unwrap();
    let error = drain_sink(first, &log).await.unwrap_err();
    assert!(matches!(error, SinkError::NotOwner { .. }), "{error}");

    // A sink that had the table loses it to one that opens later.
    let shutdown = modellane_runtime::Shutdown::new();
    let running = bench.open().await;
    let mut handle = running.handle();
    let logs = modellane_sink::SinkLogs {
        judged: log.clone(),
        intents: MemoryLog::new("test/intents", 1),
        rejects: MemoryLog::new("test/rejects", 1),
        fetches: MemoryLog::new("test/fetches", 1),
    };
    let task = tokio::spawn(running.run(logs, shutdown.clone()));
    log.put(0, &Told::new(1_000, 1, 0).to_event());
    handle.wait_committed(&log.ends()).await.unwrap();
    let third = bench.open().await;
    log.put(0, &Told::new(1_001, 1, 0).to_event());
    log.put(1, &Told::new(1_002, 1, 0).to_event());
    let third = drain_sink(third, &log).await;
    log.put(1, &Told::new(1_003, 1, 0).to_event());
    shutdown.trigger();
    let first = task.await.unwrap();
    assert!(third.is_ok() || first.is_ok(), "one of them goes on");
    bench.drain(&log).await.unwrap();
    let entries = bench.entries();
    assert_eq!(entries.len(), 34);
    assert_invariants(&bench, &entries, log.len());
}

#[tokio::test]
async fn an_undecodable_message_is_kept_as_coordinates() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 1);
    log.put(0, &Told::new(1, 10, 0).to_event());
    log.put_bytes(0, b"the secret prompt".to_vec());
    log.put(0, &Told::new(2, 10, 0).to_event());
    bench.drain(&log).await.unwrap();
    let entries = bench.entries();
    assert_eq!(entries.len(), 2);
    assert_invariants(&bench, &entries, 3);

    let files = active_files(&bench.table(REJECTS_TABLE));
    let rejects: Vec<_> = files.iter().flat_map(|file| read(file)).collect();
    assert_eq!(rejects.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    let shown = format!("{:?}", rejects[0]);
    assert!(shown.contains(RejectReason::Undecodable.as_str()), "{shown}");
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
    }
}

#[tokio::test]
async fn an_offset_that_the_log_lost_stops_the_sink() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 1);
    fill_one(&log, 10);
    bench.drain(&log).await.unwrap();
    fill_one(&log, 10);
    let error = bench.drain(&log.clone().with_low(15)).await.unwrap_err();
    assert!(matches!(error, SinkError::OutOfRange { offset: 10, low: 15, .. }), "{error}");
    let recreated = MemoryLog::new("test/judged", 1);
    fill_one(&recreated, 3);
    let error = bench.drain(&recreated).await.unwrap_err();
    assert!(matches!(error, SinkError::OutOfRange { offset: 10, high: 3, .. }), "{error}");
    assert_eq!(bench.entries().len(), 10);
}

fn fill_one(log: &MemoryLog, count: u32) {
    for told in originals(count) {
        log.put(0, &told.to_event());
    }
}
