//! What the commits of a ledger say of themselves.

use crate::owner::{FETCHES, FETCHES_INFO, application, commit_record};
use crate::{SinkError, table};
use modellane_event::UtcTime;
use modellane_lake::{Lake, RECORDED_AT, Table, TableSpec};
use modellane_ledger::CommitRecord;
use serde_json::Value;

/// The history of a table that a sink writes, as far as the table's log still tells it.
#[derive(Debug)]
pub struct History {
    /// Commits in their order.
    pub commits: Vec<HistoryCommit>,
    /// The first version of which anything is known. It is 1 unless the log was cleaned up.
    pub known_from: u64,
    /// Time of the newest commit; null if there is none.
    pub recorded_through: Option<UtcTime>,
    /// How far in the table of fetches the ledger has come; null for other tables, and before the first fetch.
    pub fetches_applied: Option<UtcTime>,
    table: Table,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryCommit {
    /// Version of the table that it is.
    pub version: u64,
    /// Its time and ranges.
    pub record: CommitRecord,
    /// How far in the table of fetches the ledger has come with it; null if not further than before.
    pub fetches_applied: Option<UtcTime>,
}

impl History {
    /// The history of the ledger; creates the table if the lake has none.
    pub async fn of_ledger(lake: &Lake) -> Result<Self, SinkError> {
        Self::of(lake, table::ledger_table()).await
    }

    /// The history of the table of intents.
    pub async fn of_intents(lake: &Lake) -> Result<Self, SinkError> {
        Self::of(lake, table::intents()).await
    }

    /// The history of the table of rejects.
    pub async fn of_rejects(lake: &Lake) -> Result<Self, SinkError> {
        Self::of(lake, table::rejects()).await
    }

    /// The history of the table of complete fetches.
    pub async fn of_fetches(lake: &Lake) -> Result<Self, SinkError> {
        Self::of(lake, table::fetches()).await
    }

    async fn of(lake: &Lake, spec: TableSpec) -> Result<Self, SinkError> {
        let table = lake.table(spec).await?;
        let mut commits = Vec::new();
        let mut known_from = 1;
        // Version 0 creates the table.
        for version in 1..=table.version() {
            match table.commit_info(version).await? {
                // Maintenance commits as well, without offsets.
                Some(info) => commits.extend(commit_record(&info).map(|record| {
                    let fetches_applied = info.get(FETCHES_INFO).and_then(Value::as_i64).map(UtcTime);
                    HistoryCommit { version, record, fetches_applied }
                })),
                // An entry goes with all that are older.
                None => known_from = version + 1,
            }
        }
        let recorded_through = table.position(RECORDED_AT).await?.map(UtcTime);
        let fetches_applied = table.position(FETCHES).await?.map(UtcTime);
        Ok(Self { commits, known_from, recorded_through, fetches_applied, table })
    }

    /// Whether the first commits are among them.
    pub fn is_complete(&self) -> bool {
        self.known_from <= 1
    }

    /// Adds commits that the log has forgotten, as they were kept elsewhere: all of the sink's from `from` on,
    /// in their order. What the log still tells stays as it is.
    pub fn remember(&mut self, from: u64, kept: Vec<HistoryCommit>) {
        if from >= self.known_from {
            return;
        }
        let mut commits = kept;
        commits.retain(|commit| (from..self.known_from).contains(&commit.version));
        commits.append(&mut self.commits);
        (self.commits, self.known_from) = (commits, from);
    }

    /// The next offset of a partition, as the table has it.
    pub async fn position(&self, stream: &str, partition: i32) -> Result<Option<i64>, SinkError> {
        Ok(self.table.position(&application(stream, partition)).await?)
    }
}
