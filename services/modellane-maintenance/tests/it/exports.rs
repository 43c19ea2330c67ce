//! Exports, retention and audit.

use crate::bench::{DAY, HOUR, Upkeep, identities, rows, sum};
use arrow::array::{ArrayRef, AsArray, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use modellane_event::{Date, UtcTime};
use modellane_lake::{DataFile, TableCommit};
use modellane_ledger::Invariant;
use modellane_maintenance::{Manifest, Report, Stage, StageHook, Sum};
use modellane_runtime::{Clock, Shutdown, SystemClock, random_id};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

fn manifest(upkeep: &Upkeep, day: Date) -> Manifest {
    let path = format!("manifests/usage_ledger/recorded_date={day}.json");
    serde_json::from_slice(&std::fs::read(upkeep.bench.root.path().join(path)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_exported_once_when_it_is_over_and_globbing_gives_the_ledger() {
    let upkeep = Upkeep::filled(3).await;
    let day = SystemClock.now().date();
    upkeep.clean_round().await;
    assert!(upkeep.exported_files().is_empty(), "the day is not over");
    upkeep.to_next_day(14);
    upkeep.clean_round().await;
    assert!(upkeep.exported_files().is_empty(), "a quarter of an hour is left to it");
    upkeep.clock.advance(60_000_000);
    assert_eq!(upkeep.clean_round().await.days_exported, 1);

    let (exported, ledger) = (upkeep.exported(), rows(&upkeep.ledger().await).await);
    assert_eq!(identities(&exported), identities(&ledger));
    assert_eq!((sum(&exported), sum(&ledger)), (Upkeep::truth(), Upkeep::truth()));

    let files = upkeep.exported_files();
    let path = format!("exports/usage_ledger/recorded_date={day}/usage_ledger-{day}.parquet");
    assert_eq!(files, [upkeep.bench.root.path().join(&path)]);
    let manifest = manifest(&upkeep, day);
    let (events, tokens, cost) = Upkeep::truth();
    let amount = |column: &str, unit: &str| manifest.total.amounts[column][unit];
    assert_eq!(manifest.total.entry_signs, events);
    assert_eq!(amount("input_tokens", ""), Sum(tokens.into()));
    assert_eq!(amount("effective_cost", "USD"), Sum(cost));
    assert_eq!(manifest.total.rows, identities(&exported).len() as u64);
    assert_eq!(manifest.files.len(), 1);
    let bytes = std::fs::read(&files[0]).unwrap();
    assert_eq!(
        (manifest.files[0].path.as_str(), manifest.files[0].bytes),
        (path.as_str(), bytes.len() as u64)
    );
    let hash = upkeep.lake().object_hash(&path).await.unwrap();
    assert_eq!(manifest.files[0].blake3, hash);
    assert_eq!(manifest.event_dates.len(), 3);

    upkeep.clock.advance(HOUR);
    assert_eq!(upkeep.clean_round().await.days_exported, 0);
    assert_eq!(std::fs::read(&files[0]).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_is_in_the_day_on_which_it_was_recorded_and_days_without_any_have_a_manifest() {
    let upkeep = Upkeep::filled(2).await;
    let day = SystemClock.now().date();
    upkeep.to_next_day(20);
    upkeep.clean_round().await;
    // The sink's clock is a day behind by now; the table's own time keeps its entries out of what is exported.
    upkeep.judge(3).await;
    upkeep.clock.advance(3 * DAY);
    assert_eq!(upkeep.clean_round().await.days_exported, 3);
    assert_eq!(identities(&upkeep.exported()), identities(&rows(&upkeep.ledger().await).await));
    assert_eq!(sum(&upkeep.exported()), Upkeep::truth());
    let days: Vec<u64> = (0..4).map(|n| manifest(&upkeep, Date(day.0 + n)).total.rows).collect();
    assert_eq!(days, [90, 60, 0, 0], "30 entries, then twice 30 and 30 that take them back");
    for file in upkeep.exported_files() {
        let named = file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for batch in crate::bench::support::read(&file) {
            let times =
                batch.column_by_name("recorded_at").unwrap().as_primitive::<TimestampMicrosecondType>();
            let held = |time: &i64| format!("recorded_date={}", UtcTime(*time).date());
            assert!(times.values().iter().all(|time| held(time) == named));
        }
    }
}

/// A sink took the time of its commit before midnight and commits after the day was exported.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_under_way_at_midnight_is_exported_with_the_next_day() {
    let upkeep = Arc::new(Upkeep::filled(2).await);
    upkeep.put(3);
    upkeep.to_next_day(20);
    let inner = Arc::clone(&upkeep);
    let exported = AtomicBool::new(false);
    let hook = modellane_sink::StageHook::new(move |stage| {
        if stage == modellane_sink::Stage::Staged && !exported.swap(true, Ordering::SeqCst) {
            let inner = Arc::clone(&inner);
            let thread = std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                assert_eq!(runtime.block_on(inner.clean_round()).days_exported, 1);
            });
            thread.join().unwrap();
        }
        Ok(())
    });
    upkeep.bench.drain_with(&upkeep.log, hook).await.unwrap();
    upkeep.clock.advance(DAY);
    assert_eq!(upkeep.clean_round().await.days_exported, 1);
    assert_eq!(identities(&upkeep.exported()), identities(&rows(&upkeep.ledger().await).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_crash_left_without_its_manifest_is_taken_as_it_is_or_refused() {
    for damaged in [false, true] {
        let upkeep = Upkeep::filled(2).await;
        upkeep.to_next_day(20);
        let crash = StageHook::new(|stage| assert!(stage != Stage::ExportWritten, "crash"));
        assert!(upkeep.crashing_round(crash).await);
        let file = upkeep.exported_files().pop().unwrap();
        if damaged {
            // Another day's file, say: whole, and not the one that belongs here.
            let ledger = upkeep.ledger().await;
            let some = rows(&ledger).await.remove(0);
            let other = upkeep.lake().row_file("other.parquet", ledger.schema().clone(), &[]);
            let mut other = other.unwrap();
            other.write(&some).await.unwrap();
            other.finish().await.unwrap();
            std::fs::rename(upkeep.bench.root.path().join("other.parquet"), &file).unwrap();
        }
        let bytes = std::fs::read(&file).unwrap();
        upkeep.clock.advance(HOUR);
        let report = upkeep.round().await;
        assert_eq!((report.is_clean(), report.days_exported), (!damaged, u64::from(!damaged)), "{report}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "what is exported is never written again");
        if !damaged {
            let manifest = manifest(&upkeep, SystemClock.now().date());
            let hash = upkeep.lake().object_hash(&manifest.files[0].path).await.unwrap();
            assert_eq!(manifest.files[0].blake3, hash);
        }
    }
}

fn count(report: &Report, invariant: Invariant) -> u64 {
    report.audit.as_ref().and_then(|violations| violations.counts.get(&invariant).copied()).unwrap_or(0)
}

async fn exported(commits: i64) -> Upkeep {
    let upkeep = Upkeep::filled(commits).await;
    upkeep.to_next_day(20);
    upkeep.clean_round().await;
    upkeep
}

/// Commits without the sink, as a fault would.
async fn intrude(upkeep: &Upkeep, rows: Option<RecordBatch>, info: serde_json::Value) {
    let mut ledger = upkeep.ledger().await;
    let mut files = Vec::new();
    if let Some(rows) = rows {
        let dates = rows.column_by_name("event_date").unwrap();
        let date = Date(dates.as_primitive::<arrow::datatypes::Date32Type>().value(0)).to_string();
        let id = Uuid::from_bytes(random_id());
        files.push(ledger.stage(Some(&date), vec![rows], id, upkeep.now()).await.unwrap());
    }
    let info: BTreeMap<_, _> = info.as_object().unwrap().clone().into_iter().collect();
    let id = Uuid::from_bytes(random_id());
    let commit = TableCommit { id, files, positions: Vec::new(), info, now: upkeep.now() };
    ledger.commit(commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_an_entry_that_is_there_twice() {
    let upkeep = exported(2).await;
    let one = rows(&upkeep.ledger().await).await.remove(0).slice(0, 1);
    intrude(&upkeep, Some(one), json!({})).await;
    let report = upkeep.round().await;
    assert!(count(&report, Invariant::I4) > 0, "{report}");
    assert!(count(&report, Invariant::I5) > 0, "the exports have it once: {report}");
    let metrics = upkeep.metrics.render();
    let raised =
        metrics.lines().find(|line| line.starts_with("modellane_audit_violations{invariant=\"I4\"}"));
    assert!(raised.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
    assert!(metrics.contains("modellane_maintenance_last_success_seconds{job=\"audit\"}"), "{metrics}");
}

/// The row with other values in some columns.
fn changed(row: &RecordBatch, changes: &[(&str, ArrayRef)]) -> RecordBatch {
    let mut columns = row.columns().to_vec();
    for (name, values) in changes {
        columns[row.schema().index_of(name).unwrap()] = Arc::clone(values);
    }
    RecordBatch::try_new(row.schema(), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_an_entry_that_was_taken_back_as_another() {
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let minus = || -> ArrayRef { Arc::new(Int8Array::from(vec![-1])) };
    let same: (&str, ArrayRef) = ("currency", text("USD"));
    let others: [(&str, ArrayRef); 2] =
        [("currency", text("EUR")), ("input_tokens", Arc::new(Int64Array::from(vec![1])))];
    for (change, violations) in [(same, 0), (others[0].clone(), 1), (others[1].clone(), 1)] {
        let upkeep = Upkeep::filled(1).await;
        let entry = rows(&upkeep.ledger().await).await.remove(0).slice(0, 1);
        let signs = ["entry_sign", "usage_sign", "cost_sign"].map(|name| (name, minus()));
        let taken_back = changed(&changed(&entry, &signs), &[("entry_kind", text("withdrawal")), change]);
        intrude(&upkeep, Some(taken_back), json!({})).await;
        let report = upkeep.round().await;
        assert_eq!(count(&report, Invariant::I4), violations, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_offsets_that_overlap_or_leave_a_gap() {
    for (from, to) in [(0, 5), (1_000, 1_005)] {
        let upkeep = exported(2).await;
        let range = json!({ "stream": "test/judged", "partition": 0, "from": from, "to": to });
        intrude(&upkeep, None, json!({ "modellaneRanges": [range] })).await;
        // A table that agrees with where its ranges end says nothing about what is between them.
        let mut ledger = upkeep.ledger().await;
        let position =
            ("test/judged/0".to_owned(), to.max(ledger.position("test/judged/0").await.unwrap().unwrap()));
        let id = Uuid::from_bytes(random_id());
        let (files, info) = (Vec::new(), BTreeMap::new());
        let commit = TableCommit { id, files, positions: vec![position], info, now: upkeep.now() };
        ledger.commit(commit).await.unwrap();
        let report = upkeep.round().await;
        assert_eq!(count(&report, Invariant::I6), 1, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_commits_that_were_gone_before_they_were_kept() {
    let upkeep = exported(2).await;
    let kept = upkeep.ledger().await.version();
    for version in 3..=5 {
        upkeep.judge(version).await;
    }
    // Another program cleans the log.
    upkeep.ledger().await.checkpoint().await.unwrap();
    let log = upkeep.bench.table(modellane_sink::LEDGER_TABLE).join("_delta_log");
    for version in 0..=kept + 1 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let report = upkeep.round().await;
    assert!(count(&report, Invariant::I6) > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_exports_that_a_glob_would_read_wrongly() {
    let upkeep = exported(2).await;
    let file = upkeep.exported_files().pop().unwrap();
    let copy = file.with_file_name("copy.parquet");
    std::fs::copy(&file, &copy).unwrap();
    let report = upkeep.round().await;
    assert_eq!(count(&report, Invariant::I5), 1, "{report}");
    std::fs::remove_file(&copy).unwrap();
    upkeep.clean_round().await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(count(&upkeep.round().await, Invariant::I5), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_the_date_of_a_file_that_cannot_be_read_and_reads_on() {
    let upkeep = exported(3).await;
    let ledger = upkeep.ledger().await;
    let mut files = ledger.files(None).await.unwrap();
    files.sort_by(|one, other| one.partition.cmp(&other.partition));
    let [first, .., last] = &files[..] else { panic!("one file a date") };
    let path = |file: &DataFile| upkeep.bench.table(modellane_sink::LEDGER_TABLE).join(&file.path);
    std::fs::write(path(first), b"damaged").unwrap();
    std::fs::remove_file(path(last)).unwrap();
    let report = upkeep.round().await;
    let named = &report.audit.as_ref().unwrap().named;
    let unread: Vec<_> = named.iter().filter(|found| found.place.contains("cannot be read: ")).collect();
    assert_eq!(unread.len(), 2, "{report}");
    for (found, file) in unread.iter().zip([first, last]) {
        let date = format!("entries of {} cannot be read: ", file.partition.as_ref().unwrap());
        assert!(found.invariant == Invariant::I5 && found.place.starts_with(&date), "{found}");
    }
    assert!(unread[1].place.contains(&last.path), "{}", unread[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_a_manifest_that_says_something_else_than_the_ledger() {
    let upkeep = exported(2).await;
    let day = SystemClock.now().date();
    let path = upkeep.bench.root.path().join(format!("manifests/usage_ledger/recorded_date={day}.json"));
    let sound = manifest(&upkeep, day);
    let total = |manifest: &mut Manifest| {
        manifest.total.amounts.get_mut("effective_cost").unwrap().get_mut("USD").unwrap().0 += 1;
    };
    let date = |manifest: &mut Manifest| {
        manifest.event_dates.values_mut().next().unwrap().usage_signs += 1;
        manifest.total.usage_signs += 1;
    };
    let rows = |manifest: &mut Manifest| manifest.files[0].rows += 1;
    for damage in [total, date, rows] {
        let mut damaged = sound.clone();
        damage(&mut damaged);
        std::fs::write(&path, serde_json::to_vec(&damaged).unwrap()).unwrap();
        let report = upkeep.round().await;
        assert_eq!(count(&report, Invariant::I5), 1, "{report}");
    }
    std::fs::write(&path, serde_json::to_vec(&sound).unwrap()).unwrap();
    upkeep.clean_round().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_reads_a_date_again_whose_files_have_changed() {
    let upkeep = exported(2).await;
    let (mut maintenance, shutdown) = (upkeep.maintenance(), Shutdown::new());
    let report = maintenance.round(&shutdown).await.unwrap();
    assert!(report.is_clean() && report.audit.is_some(), "{report}");
    let one = rows(&upkeep.ledger().await).await.remove(0).slice(0, 1);
    intrude(&upkeep, Some(one), json!({})).await;
    // And once more, though nothing has changed since: what was found stays found.
    for _ in 0..2 {
        upkeep.clock.advance(DAY);
        let report = maintenance.round(&shutdown).await.unwrap();
        assert!(count(&report, Invariant::I4) > 0, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_with_entries_newer_than_the_last_export_stay() {
    let mut upkeep = exported(3).await;
    upkeep.clock.advance(40 * DAY);
    upkeep.clean_round().await;
    upkeep.judge(4).await;
    upkeep.config.keep_days = Some(31);
    upkeep.clock.advance(HOUR);
    assert_eq!(upkeep.clean_round().await.files_dropped, 0);
    assert_eq!(upkeep.totals().await, Upkeep::truth());
    upkeep.clock.advance(DAY);
    assert!(upkeep.clean_round().await.files_dropped > 0);
    assert_eq!((upkeep.totals().await, sum(&upkeep.exported())), ((0, 0, 0), Upkeep::truth()));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_dates_leave_the_ledger_only_if_asked_and_stay_in_the_exports() {
    let mut upkeep = exported(3).await;
    let before = identities(&upkeep.exported());
    upkeep.clock.advance(100 * DAY);
    assert_eq!(upkeep.clean_round().await.files_dropped, 0);
    assert_eq!(upkeep.totals().await, Upkeep::truth());

    upkeep.config.keep_days = Some(31);
    upkeep.clock.advance(HOUR);
    assert_eq!(upkeep.clean_round().await.files_dropped, 3);
    assert_eq!(upkeep.totals().await, (0, 0, 0));
    assert_eq!(identities(&upkeep.exported()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_whose_entries_are_not_exported_stay() {
    let mut upkeep = Upkeep::filled(3).await;
    upkeep.config.keep_days = Some(31);
    // Far enough that the dates are old, and the day of recording is over: but its export fails.
    upkeep.to_next_day(20);
    let crash = StageHook::new(|stage| assert!(stage != Stage::ExportWritten, "crash"));
    upkeep.crashing_round(crash).await;
    let file = upkeep.exported_files().pop().unwrap();
    std::fs::write(&file, b"damaged").unwrap();
    upkeep.clock.advance(100 * DAY);
    let report = upkeep.round().await;
    assert_eq!((report.days_exported, report.files_dropped), (0, 0), "{report}");
    assert_eq!(upkeep.totals().await, Upkeep::truth());
}
