//! A small table on disk, for tests of what happens to its files.

use crate::{CommitOutcome, DataFile, Lake, LakeConfig, StagedFile, Table, TableCommit, TableSpec};
use arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use modellane_event::UtcTime;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

pub(crate) const NOW: UtcTime = UtcTime(1_794_218_400_000_000);
pub(crate) const DAY: &str = "2026-11-01";

/// One that was not there before.
fn id() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Uuid::from_u64_pair(0, LAST.fetch_add(1, Ordering::Relaxed))
}

pub(crate) type Row = (Option<&'static str>, i64);

pub(crate) fn spec() -> TableSpec {
    let fields = vec![
        Field::new("day", DataType::Utf8, false),
        Field::new("team", DataType::Utf8, true),
        Field::new("amount", DataType::Int64, false),
    ];
    TableSpec {
        name: "entries".into(),
        schema: Arc::new(Schema::new(fields)),
        partition: Some("day"),
        sort: &["team"],
        unique: &[],
    }
}

pub(crate) struct Bench {
    pub(crate) table: Table,
    pub(crate) root: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let lake = Lake::open(&LakeConfig::directory(root.path())).unwrap();
        Self { table: lake.table(spec()).await.unwrap(), root }
    }

    pub(crate) async fn stage(&self, rows: &[Row]) -> StagedFile {
        let days = StringArray::from_iter_values(rows.iter().map(|_| DAY));
        let teams: StringArray = rows.iter().map(|(team, _)| *team).collect();
        let amounts = Int64Array::from_iter_values(rows.iter().map(|(_, amount)| *amount));
        let columns: Vec<Arc<dyn Array>> = vec![Arc::new(days), Arc::new(teams), Arc::new(amounts)];
        let batch = RecordBatch::try_new(spec().schema, columns).unwrap();
        self.table.stage(Some(DAY), vec![batch], id(), NOW).await.unwrap()
    }

    pub(crate) async fn put(&mut self, rows: &[Row]) -> DataFile {
        let staged = self.stage(rows).await;
        let file = staged.file.clone();
        self.commit(vec![staged]).await;
        file
    }

    pub(crate) async fn commit(&mut self, files: Vec<StagedFile>) {
        let (id, positions, info) = (id(), Vec::new(), BTreeMap::new());
        let commit = TableCommit { id, files, positions, info, now: NOW };
        assert!(matches!(self.table.commit(commit).await, Ok(CommitOutcome::Committed { .. })));
    }

    /// Every row of the table's version, file by file.
    pub(crate) async fn rows(&self) -> Vec<(Option<String>, i64)> {
        let mut rows = Vec::new();
        for file in self.table.files(None).await.unwrap() {
            rows.extend(self.rows_of(&file).await);
        }
        rows
    }

    pub(crate) async fn rows_of(&self, file: &DataFile) -> Vec<(Option<String>, i64)> {
        let batch = self.table.read_columns(file, &["team", "amount"], None).await.unwrap();
        let teams: &StringArray = batch.column(0).as_any().downcast_ref().unwrap();
        let amounts: &Int64Array = batch.column(1).as_any().downcast_ref().unwrap();
        teams.iter().map(|team| team.map(str::to_owned)).zip(amounts.values().iter().copied()).collect()
    }

    /// Data files on the disk, those of no version among them.
    pub(crate) fn on_disk(&self) -> usize {
        let directory = self.root.path().join("entries").join(format!("day={DAY}"));
        std::fs::read_dir(directory).unwrap().count()
    }
}
