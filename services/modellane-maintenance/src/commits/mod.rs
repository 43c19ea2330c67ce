//! Table `commits`: what every commit of the other tables said of itself, kept beyond the life of their logs.
//!
//! The table also holds the lease of whoever maintains the lake. A lease is a Delta position that is committed
//! on the version that was read, so of two that take it at once one gets it, on every store.

mod rows;

pub use rows::KeptCommit;
pub(crate) use rows::kept_commits;

use crate::MaintenanceError;
use crate::stage::{Stage, StageHook};
use futures::{StreamExt, TryStreamExt, stream};
use modellane_event::UtcTime;
use modellane_lake::{CommitOutcome, Lake, LogEntry, StagedFile, Table, TableCommit, TableSpec};
use modellane_runtime::{Clock, random_id};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Name of the table.
pub const COMMITS_TABLE: &str = "commits";

/// The application under which `commits` states until when somebody maintains the lake, in microseconds.
const LEASE: &str = "lease";
/// Commits of one table that are kept at once.
const CHUNK: u64 = 1_000;
const ENTRIES_AT_ONCE: usize = 8;
const HISTORY_ROWS: usize = 8_192;
/// Partition of the table.
const TABLE_NAME: &str = "table_name";

/// What the table is.
pub(crate) fn spec() -> TableSpec {
    TableSpec {
        name: COMMITS_TABLE.to_owned(),
        schema: rows::schema(),
        partition: Some(TABLE_NAME),
        sort: &["version"],
        unique: &["commit_id"],
    }
}

/// The table of commits, while this process maintains the lake.
pub(crate) struct Commits {
    pub(crate) table: Table,
    clock: Arc<dyn Clock>,
    /// How long a lease lasts.
    lease_micros: i64,
    /// When ours ends.
    lease: i64,
}

impl Commits {
    /// Opens the table, creates it if it is missing, and takes the lease.
    pub(crate) async fn acquire(
        lake: &Lake,
        clock: Arc<dyn Clock>,
        lease_s: u64,
    ) -> Result<Self, MaintenanceError> {
        let lease_micros = i64::try_from(lease_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let mut commits = Self { table: lake.table(spec()).await?, clock, lease_micros, lease: 0 };
        let until = commits.table.position(LEASE).await?.unwrap_or(0);
        if until > commits.now() {
            return Err(MaintenanceError::Busy { until: UtcTime(until) });
        }
        commits.set_lease(lease_micros).await?;
        Ok(commits)
    }

    /// Renews the lease when half of it has passed, and fails if it is no longer ours.
    pub(crate) async fn hold(&mut self) -> Result<(), MaintenanceError> {
        if self.lease - self.now() > self.lease_micros / 2 {
            return Ok(());
        }
        self.table.refresh().await?;
        let stored = self.table.position(LEASE).await?.unwrap_or(0);
        if stored != self.lease {
            return Err(MaintenanceError::Busy { until: UtcTime(stored) });
        }
        self.set_lease(self.lease_micros).await
    }

    /// Gives the lease back.
    pub(crate) async fn release(&mut self) -> Result<(), MaintenanceError> {
        self.set_lease(0).await
    }

    async fn set_lease(&mut self, micros: i64) -> Result<(), MaintenanceError> {
        let until = self.now() + micros;
        self.commit(Vec::new(), vec![(LEASE.to_owned(), until)]).await?;
        self.lease = until;
        Ok(())
    }

    /// The version of a table from which on its commits are not kept yet.
    pub(crate) async fn kept_before(&self, table: &str) -> Result<u64, MaintenanceError> {
        let position = self.table.position(&application(table)).await?;
        Ok(position.and_then(|next| u64::try_from(next).ok()).unwrap_or(0))
    }

    /// Keeps what a table's log says up to the version that `table` stands at; says how many commits are new.
    pub(crate) async fn keep(&mut self, table: &Table, hook: &StageHook) -> Result<u64, MaintenanceError> {
        let mut next = self.kept_before(table.name()).await?;
        let until = table.version() + 1;
        if next >= until {
            return Ok(0);
        }
        let oldest = table.log_extent().await?.oldest.unwrap_or(until);
        if next < oldest {
            // The audit finds the gap in the offsets; what there still is must be kept nevertheless.
            tracing::error!(table = table.name(), from = next, to = oldest, "entries of the log are gone");
            next = oldest;
        }
        let from = next;
        while next < until {
            let end = until.min(next + CHUNK);
            let entries = entries(table, next, end).await?;
            if (entries.len() as u64) < end - next {
                tracing::error!(table = table.name(), from = next, to = end, "entries of the log are gone");
            }
            let id = Uuid::from_bytes(random_id());
            let rows = rows::batch(table.name(), &entries)?;
            let file = self.table.stage(Some(table.name()), vec![rows], id, self.clock.now()).await?;
            hook.reached(Stage::CommitsStaged);
            let position = i64::try_from(end).unwrap_or(i64::MAX);
            self.commit(vec![file], vec![(application(table.name()), position)]).await?;
            hook.reached(Stage::CommitsKept);
            next = end;
        }
        Ok(until - from)
    }

    async fn commit(
        &mut self,
        files: Vec<StagedFile>,
        positions: Vec<(String, i64)>,
    ) -> Result<(), MaintenanceError> {
        let id = Uuid::from_bytes(random_id());
        let commit = TableCommit { id, files, positions, info: BTreeMap::new(), now: self.clock.now() };
        match self.table.commit(commit).await? {
            CommitOutcome::Committed { .. } => Ok(()),
            // Somebody else maintains the lake at the same time.
            CommitOutcome::Overtaken { .. } | CommitOutcome::Conflict => {
                Err(MaintenanceError::GaveWay { table: COMMITS_TABLE.to_owned() })
            }
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().micros()
    }
}

/// Every kept commit of a table, in order of version; none if nobody maintains the lake.
pub async fn kept_history(lake: &Lake, table: &str) -> Result<Vec<KeptCommit>, MaintenanceError> {
    let Some(commits) = lake.existing_table(spec()).await? else { return Ok(Vec::new()) };
    let mut history = Vec::new();
    for file in commits.files(Some(table)).await? {
        let mut batches = commits.scan(&file, &KeptCommit::COLUMNS, HISTORY_ROWS).await?;
        while let Some(batch) = batches.try_next().await? {
            history.extend(kept_commits(&batch)?);
        }
    }
    history.sort_by_key(|commit| commit.version);
    Ok(history)
}

fn application(table: &str) -> String {
    format!("kept/{table}")
}

async fn entries(table: &Table, from: u64, to: u64) -> Result<Vec<LogEntry>, MaintenanceError> {
    let read = stream::iter(from..to).map(|version| table.log_entry(version)).buffered(ENTRIES_AT_ONCE);
    let entries: Vec<Option<LogEntry>> = read.try_collect().await?;
    Ok(entries.into_iter().flatten().collect())
}
