//! A lake that a sink writes and maintenance keeps up, with a clock that is moved by hand.

#![allow(dead_code, reason = "each test file uses its part")]

#[path = "../../../../modellane-sink/tests/it/support/mod.rs"]
pub(crate) mod support;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int8Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use modellane_event::UtcTime;
use modellane_lake::{DataFile, Lake, LakeConfig, Table, TableSpec};
use modellane_maintenance::{Maintenance, MaintenanceConfig, Report, StageHook};
use modellane_runtime::{Clock, ManualClock, Metrics, Shutdown, SystemClock};
use modellane_sink::LEDGER_TABLE;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use support::{Bench, MemoryLog, Told};

pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) struct Upkeep {
    pub(crate) bench: Bench,
    pub(crate) log: MemoryLog,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: MaintenanceConfig,
    pub(crate) metrics: Metrics,
}

impl Upkeep {
    /// Nothing in the lake yet. The clock of maintenance begins at the present, which is the sink's.
    pub(crate) fn new() -> Self {
        let config = MaintenanceConfig {
            checkpoint_every: 5,
            compact_min_files: 2,
            compact_pause_s: 0,
            // The files' own times are those of the machine, and this clock runs ahead of it.
            orphan_hours: 10_000,
            ..MaintenanceConfig::default()
        };
        Self {
            bench: Bench::new(),
            log: MemoryLog::new("test/judged", 2),
            clock: Arc::new(ManualClock::at(SystemClock.now())),
            config,
            metrics: Metrics::new(),
        }
    }

    /// So many commits of the sink, each with every event and an equal judgement of a newer context that puts
    /// it into another team: totals stay what [`Upkeep::truth`] says, entries grow.
    pub(crate) async fn filled(commits: i64) -> Self {
        let upkeep = Self::new();
        for version in 1..=commits {
            upkeep.judge(version).await;
        }
        upkeep
    }

    /// One drained sink after a judgement of every event.
    pub(crate) async fn judge(&self, version: i64) {
        self.put(version);
        self.bench.drain(&self.log).await.unwrap();
    }

    pub(crate) fn put(&self, version: i64) {
        for told in Self::told() {
            let team = if version % 2 == 0 { "platform" } else { "payments" };
            self.log.put((told.event % 2) as usize, &told.judged(version, team).to_event());
        }
    }

    pub(crate) fn told() -> Vec<Told> {
        (0..30).map(|event| Told::new(event, 100 + i64::from(event), 0)).collect()
    }

    /// Current events, tokens and billionths of money, from what was put in.
    pub(crate) fn truth() -> (i64, i64, i128) {
        let told = Self::told();
        let (tokens, cost) = support::truth(&told);
        (told.len() as i64, tokens, cost)
    }

    pub(crate) fn lake(&self) -> Lake {
        Lake::open(&LakeConfig::directory(self.bench.root.path())).unwrap()
    }

    pub(crate) fn maintenance(&self) -> Maintenance {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let (config, metrics) = (self.config.clone(), self.metrics.clone());
        Maintenance::new(self.lake(), modellane_sink::tables(), config, clock, metrics).unwrap()
    }

    pub(crate) async fn round(&self) -> Report {
        self.maintenance().round(&Shutdown::new()).await.unwrap()
    }

    /// A round in which nothing failed and nothing was violated.
    pub(crate) async fn clean_round(&self) -> Report {
        let report = self.round().await;
        assert!(report.is_clean() && report.audit.is_some(), "{report}");
        report
    }

    /// Runs a round until `hook` breaks it off by panicking, as a crash would.
    pub(crate) async fn crashing_round(&self, hook: StageHook) -> bool {
        let mut maintenance = self.maintenance().with_stage_hook(hook);
        let shutdown = Shutdown::new();
        tokio::spawn(async move { maintenance.round(&shutdown).await.map(drop) }).await.is_err()
    }

    pub(crate) async fn table(&self, name: &str) -> Table {
        let spec = modellane_sink::tables().into_iter().find(|spec: &TableSpec| spec.name == name).unwrap();
        self.lake().existing_table(spec).await.unwrap().unwrap()
    }

    pub(crate) async fn ledger(&self) -> Table {
        self.table(LEDGER_TABLE).await
    }

    pub(crate) async fn files(&self) -> Vec<DataFile> {
        self.ledger().await.files(None).await.unwrap()
    }

    /// Signed totals of the ledger.
    pub(crate) async fn totals(&self) -> (i64, i64, i128) {
        sum(&rows(&self.ledger().await).await)
    }

    /// Parquet files below `exports/`, as a glob finds them.
    pub(crate) fn exported_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.bench.root.path().join("exports"), &mut found);
        found.sort();
        found
    }

    /// All rows below `exports/`.
    pub(crate) fn exported(&self) -> Vec<RecordBatch> {
        self.exported_files().iter().flat_map(|file| support::read(file)).collect()
    }

    pub(crate) fn now(&self) -> UtcTime {
        self.clock.now()
    }

    /// Gives the entries of the ledger's log that are new the present by this clock, as a store would.
    pub(crate) fn stamp_log(&self, stamped: &mut BTreeSet<PathBuf>) {
        let time = UNIX_EPOCH + Duration::from_micros(self.now().micros() as u64);
        for entry in std::fs::read_dir(self.bench.table(LEDGER_TABLE).join("_delta_log")).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_entry = name.starts_with('0') && !name.contains('#');
            if is_entry && stamped.insert(entry.path()) {
                std::fs::File::options().write(true).open(entry.path()).unwrap().set_modified(time).unwrap();
            }
        }
    }

    /// Moves the clock to `minutes` after the next midnight.
    pub(crate) fn to_next_day(&self, minutes: i64) {
        let now = self.now();
        self.clock.advance(now.date().next().start().micros() - now.micros() + minutes * 60_000_000);
    }
}

fn walk(directory: &std::path::Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

/// Every row of a table.
pub(crate) async fn rows(table: &Table) -> Vec<RecordBatch> {
    let mut rows = Vec::new();
    for file in table.files(None).await.unwrap() {
        rows.extend(
            table
                .scan(&file, &table.column_names(), 1_000)
                .await
                .unwrap()
                .try_collect::<Vec<_>>()
                .await
                .unwrap(),
        );
    }
    rows
}

/// Current events, tokens and billionths of money.
pub(crate) fn sum(batches: &[RecordBatch]) -> (i64, i64, i128) {
    let mut sums = (0, 0, 0);
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let sign = |name: &str| column(name).as_primitive::<Int8Type>().clone();
        let (entry, usage, cost) = (sign("entry_sign"), sign("usage_sign"), sign("cost_sign"));
        let tokens = column("input_tokens").as_primitive::<Int64Type>();
        let money = column("effective_cost").as_primitive::<Decimal128Type>();
        for row in 0..batch.num_rows() {
            sums.0 += i64::from(entry.value(row));
            sums.1 += i64::from(usage.value(row)) * tokens.value(row);
            sums.2 += i128::from(cost.value(row)) * money.value(row);
        }
    }
    sums
}

/// Event, revision and sign of every row: no two rows of a ledger have the same.
pub(crate) fn identities(batches: &[RecordBatch]) -> Vec<(Vec<u8>, i32, i8)> {
    let mut found = Vec::new();
    for batch in batches {
        let ids = batch.column_by_name("event_id").unwrap();
        let ids = arrow::compute::cast(ids, &arrow::datatypes::DataType::Binary).unwrap();
        let revisions = batch.column_by_name("revision").unwrap().as_primitive::<Int32Type>();
        let signs = batch.column_by_name("entry_sign").unwrap().as_primitive::<Int8Type>();
        found.extend(
            (0..batch.num_rows()).map(|row| {
                (ids.as_binary::<i32>().value(row).to_vec(), revisions.value(row), signs.value(row))
            }),
        );
    }
    found.sort();
    found
}
