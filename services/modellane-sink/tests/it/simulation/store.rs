//! Tables in memory, on a store that fails as the dice say.

use super::world::{Entry, Late, Pause, State, World, unreachable};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_event::UtcTime;
use modellane_lake::{CommitLog, DataFile, LakeError, StagedFile, TableCommit, Unconfirmed};
use modellane_sink::{
    FETCHES_TABLE, INTENTS_TABLE, LEDGER_TABLE, OBSERVATIONS_TABLE, REJECTS_TABLE, SinkTables, TableStore,
};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) const TABLES: [&str; 5] =
    [LEDGER_TABLE, OBSERVATIONS_TABLE, INTENTS_TABLE, REJECTS_TABLE, FETCHES_TABLE];

/// Steps that an unanswered commit takes at most.
const PATIENCE: usize = 60;

/// A bug that the store is given, to see that it does not go unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    None,
    /// A commit leaves out one of its positions.
    ForgetPosition,
    /// A commit is put behind whatever came before it, as if it had been rebased.
    Rebase,
    /// A lost race is taken for success.
    AssumeWon,
    /// The files of a commit stay, its rows come in another order than the writer was told.
    OtherOrder,
    /// Rows of the first file of a commit are missing from it.
    DropFile,
    /// A file is listed twice.
    ListTwice,
}

/// A table as one process has it open.
#[derive(Clone)]
pub(crate) struct MemoryTable {
    world: World,
    name: &'static str,
    process: u32,
    version: u64,
    plant: Plant,
}

/// All tables, one after another, while others may commit.
pub(crate) async fn open(world: &World, process: u32, plant: Plant) -> Result<SinkTables, LakeError> {
    let mut order = TABLES;
    world.state().dice.shuffle(&mut order);
    let mut opened = BTreeMap::new();
    for name in order {
        let mut table = MemoryTable { world: world.clone(), name, process, version: 0, plant };
        table.refresh().await?;
        opened.insert(name, table);
    }
    let mut table = |name| -> Box<dyn TableStore> { Box::new(opened.remove(name).expect("it was opened")) };
    Ok(SinkTables {
        ledger: table(LEDGER_TABLE),
        observations: table(OBSERVATIONS_TABLE),
        intents: table(INTENTS_TABLE),
        rejects: table(REJECTS_TABLE),
        fetches: table(FETCHES_TABLE),
    })
}

impl MemoryTable {
    /// A read: it may fail, and others may act before and after it.
    async fn read<T>(
        &self,
        action: &'static str,
        read: impl FnOnce(&mut State) -> T,
    ) -> Result<T, LakeError> {
        Pause::default().await;
        let read = {
            let mut state = self.world.state();
            let weather = state.weather;
            if state.fails(weather.read) {
                state.note("read fails", self.process, 0);
                return Err(unreachable(action));
            }
            state.note(action, self.process, 0);
            read(&mut state)
        };
        Ok(read)
    }

    async fn put(&self, rows: RecordBatch, file: DataFile, now: UtcTime) -> Result<StagedFile, LakeError> {
        Pause::default().await;
        let staged = {
            let mut state = self.world.state();
            let weather = state.weather;
            if state.fails(weather.stage) {
                state.note("file is not written", self.process, 0);
                return Err(unreachable("write a file"));
            }
            // As the lake sorts rows, the writer must not rely on its own order.
            let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
            state.dice.shuffle(&mut order);
            let rows =
                take_record_batch(&rows, &UInt32Array::from(order.clone())).expect("rows of the batch");
            if self.plant == Plant::OtherOrder {
                order.rotate_left(1);
            }
            state.files.insert(file.path.clone(), rows);
            state.note("file is written", self.process, order.len() as i64);
            if state.fails(weather.stage) {
                return Err(unreachable("write a file"));
            }
            StagedFile { file, order, staged_at: now }
        };
        Pause::default().await;
        Ok(staged)
    }

    fn entry(&self, commit: &TableCommit) -> Entry {
        let mut entry = Entry {
            id: Some(commit.id),
            files: commit.files.iter().map(|staged| staged.file.clone()).collect(),
            positions: commit.positions.clone(),
            info: commit.info.clone(),
            writer: self.process,
        };
        match self.plant {
            Plant::ForgetPosition if entry.positions.len() > 3 => drop(entry.positions.remove(0)),
            Plant::DropFile if entry.files.len() > 1 => drop(entry.files.remove(0)),
            Plant::ListTwice => entry.files.extend(entry.files.first().cloned()),
            _ => {}
        }
        entry
    }

    /// Writes the next version, or not, and answers, or not.
    fn write(&mut self, commit: &TableCommit) -> Result<u64, Unconfirmed> {
        let mut state = self.world.state();
        let weather = state.weather;
        let mut version = self.version + 1;
        let failed = |lost_race| Unconfirmed { error: unreachable("commit"), lost_race };
        let fate = if state.fails(weather.commit) { state.dice.below(5) } else { usize::MAX };
        if fate == 0 {
            state.note("commit is refused", self.process, version as i64);
            return Err(failed(false));
        }
        if fate == 1 {
            state.note("commit will be late", self.process, version as i64);
            let late = Late { table: self.name, version, entry: self.entry(commit) };
            state.late.push(late);
            return Err(failed(false));
        }
        if self.plant == Plant::Rebase {
            version = state.newest(self.name) + 1;
        }
        if !state.land(self.name, version, self.entry(commit)) {
            state.note("commit loses its race", self.process, version as i64);
            if self.plant == Plant::AssumeWon {
                self.version = state.newest(self.name);
                return Ok(self.version);
            }
            return Err(failed(true));
        }
        match fate {
            2 | 3 => Err(failed(false)),
            // The client of the store tries again by itself and finds the version there.
            4 => Err(failed(true)),
            _ => {
                self.version = version;
                Ok(version)
            }
        }
    }
}

impl CommitLog for MemoryTable {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn refresh(&mut self) -> BoxFuture<'_, Result<(), LakeError>> {
        let name = self.name;
        async move {
            self.version = self.read("read a table's log", |state| state.newest(name)).await?;
            Pause::default().await;
            Ok(())
        }
        .boxed()
    }

    fn attempt<'a>(&'a mut self, commit: &'a TableCommit) -> BoxFuture<'a, Result<u64, Unconfirmed>> {
        async move {
            Pause::default().await;
            let written = self.write(commit);
            // Whoever gets no answer waits for one, and others go on meanwhile.
            let patience = if written.is_err() { self.world.state().dice.below(PATIENCE) } else { 1 };
            for _ in 0..patience.max(1) {
                Pause::default().await;
            }
            written
        }
        .boxed()
    }

    fn commit_id(&self, version: u64) -> BoxFuture<'_, Result<Option<Uuid>, LakeError>> {
        let name = self.name;
        self.read("read a commit", move |state| state.tables[name][version as usize].id).boxed()
    }
}

impl TableStore for MemoryTable {
    fn files<'a>(&'a self, partition: Option<&'a str>) -> BoxFuture<'a, Result<Vec<DataFile>, LakeError>> {
        let listed = move |state: &mut State| {
            let entries = &state.tables[self.name][..=self.version as usize];
            let files = entries.iter().flat_map(|entry| &entry.files);
            let wanted = |file: &&DataFile| partition.is_none() || file.partition.as_deref() == partition;
            files.filter(wanted).cloned().collect()
        };
        self.read("list files", listed).boxed()
    }

    fn read_columns<'a>(
        &'a self,
        file: &'a DataFile,
        columns: &'a [&'a str],
        rows: Option<&'a [u32]>,
    ) -> BoxFuture<'a, Result<RecordBatch, LakeError>> {
        let read = move |state: &mut State| {
            let batch = state.files.get(&file.path).cloned();
            let batch = batch.ok_or_else(|| LakeError::Missing { what: file.path.clone() })?;
            pick(&batch, columns, rows)
                .map_err(|error| LakeError::Damaged { action: "read a file", detail: error.to_string() })
        };
        async move { self.read("read a file", read).await? }.boxed()
    }

    fn position<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<Option<i64>, LakeError>> {
        let found = move |state: &mut State| state.position(self.name, self.version, application);
        self.read("read a position", found).boxed()
    }

    fn stage<'a>(
        &'a self,
        partition: Option<&'a str>,
        batches: Vec<RecordBatch>,
        id: Uuid,
        now: UtcTime,
    ) -> BoxFuture<'a, Result<StagedFile, LakeError>> {
        let rows = concat_batches(&batches[0].schema(), &batches).expect("batches of one table");
        let file = DataFile {
            path: format!("{}/{id}", self.name),
            size: 1,
            partition: partition.map(str::to_owned),
            rows: Some(rows.num_rows()),
        };
        self.put(rows, file, now).boxed()
    }

    fn duplicate(&self) -> Box<dyn TableStore> {
        Box::new(self.clone())
    }
}

fn pick(
    batch: &RecordBatch,
    columns: &[&str],
    rows: Option<&[u32]>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let schema = batch.schema();
    let columns: Result<Vec<usize>, _> = columns.iter().map(|column| schema.index_of(column)).collect();
    let batch = batch.project(&columns?)?;
    match rows {
        Some(rows) => take_record_batch(&batch, &UInt32Array::from(rows.to_vec())),
        None => Ok(batch),
    }
}
