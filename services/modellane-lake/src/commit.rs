//! Committing to a table.

mod log;

use crate::table::not_loaded;
use crate::{DataFile, LakeError, StagedFile, Table};
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, FinalizedCommit, TransactionError,
};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::logstore::get_actions;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use futures::FutureExt;
use futures::future::BoxFuture;
use log::confirm;
pub use log::{CommitLog, Unconfirmed, commit_to};
pub(crate) use log::{is_stale, too_old};
use modellane_event::UtcTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const ACTION: &str = "commit to a table";

/// Under this key a commit states its own id.
const COMMIT_ID: &str = "modellaneCommitId";

/// Everything that becomes visible at once.
#[derive(Clone, Debug)]
pub struct TableCommit {
    /// Identity of this commit, by which it is found again if the store does not say what became of it.
    pub id: Uuid,
    /// Files to add.
    pub files: Vec<StagedFile>,
    /// Positions of applications after this commit.
    pub positions: Vec<(String, i64)>,
    /// What the commit says of itself, kept in the log.
    pub info: BTreeMap<String, Value>,
    /// Time of committing, by which stale files are told.
    pub now: UtcTime,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is version `version` of the table, which stands at that version now.
    Committed {
        /// The version.
        version: u64,
    },
    /// It is version `version` of the table, and others have committed since: what was read before it does
    /// not hold any more. Read again.
    Overtaken {
        /// The version.
        version: u64,
    },
    /// Another writer committed first; nothing of this commit is in the table. Read again, then decide again.
    Conflict,
}

/// What a commit said of itself.
pub type CommitInfo = BTreeMap<String, Value>;

/// A version's entry in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// The version.
    pub version: u64,
    /// Identity of the commit; null if another program wrote it.
    pub commit_id: Option<String>,
    /// What was done, in Delta's words, such as `WRITE` or `OPTIMIZE`.
    pub operation: String,
    /// When it was written, by the writer's clock; null if it does not say.
    pub written_at: Option<UtcTime>,
    /// What the commit said of itself.
    pub info: CommitInfo,
}

/// A log entry on its way, whatever it does.
pub(crate) struct Entry<'a> {
    pub(crate) id: Uuid,
    pub(crate) actions: Vec<Action>,
    pub(crate) positions: &'a [(String, i64)],
    pub(crate) info: &'a CommitInfo,
    pub(crate) operation: DeltaOperation,
}

impl Table {
    /// [`commit_to`] this table.
    pub async fn commit(&mut self, commit: TableCommit) -> Result<CommitOutcome, LakeError> {
        commit_to(self, &commit).await
    }

    /// Writes one log entry on the version that was read, or not at all.
    pub(crate) async fn submit(&mut self, entry: Entry<'_>) -> Result<CommitOutcome, LakeError> {
        let (id, read_version) = (entry.id, self.version());
        let attempted = self.try_submit(entry).await;
        confirm(self, id, read_version, attempted).await
    }

    async fn try_submit(&mut self, entry: Entry<'_>) -> Result<u64, Unconfirmed> {
        match self.write_entry(entry).await {
            Ok(finished) => {
                let version = finished.version();
                self.delta.state = Some(finished.snapshot);
                self.note_version().map_err(|error| Unconfirmed { error, lost_race: false })?;
                Ok(version)
            }
            Err(error) => {
                let lost_race = matches!(
                    error,
                    DeltaTableError::VersionAlreadyExists(_)
                        | DeltaTableError::Transaction { source: TransactionError::MaxCommitAttempts(_) }
                );
                Err(Unconfirmed { error: LakeError::delta(ACTION, error), lost_race })
            }
        }
    }

    async fn write_entry(&self, entry: Entry<'_>) -> Result<FinalizedCommit, DeltaTableError> {
        let state = self.delta.snapshot()?;
        let mut info: HashMap<String, Value> = entry.info.clone().into_iter().collect();
        info.insert(COMMIT_ID.to_owned(), Value::String(entry.id.to_string()));
        let positions = entry.positions.iter().map(|(app, value)| Transaction::new(app, *value)).collect();
        let properties = CommitProperties::default()
            .with_metadata(info)
            .with_application_transactions(positions)
            // Rebasing on another writer's commit would add rows whose offsets that commit already holds.
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        CommitBuilder::from(properties)
            .with_actions(entry.actions)
            .build(Some(state), self.delta.log_store(), entry.operation)
            .await
    }

    fn entry<'a>(&self, commit: &'a TableCommit) -> Entry<'a> {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: self.spec.partition.map(|column| vec![column.to_owned()]),
            predicate: None,
        };
        Entry {
            id: commit.id,
            actions: commit.files.iter().map(|file| self.add(&file.file, file.staged_at, true)).collect(),
            positions: &commit.positions,
            info: &commit.info,
            operation,
        }
    }

    pub(crate) fn add(&self, file: &DataFile, staged_at: UtcTime, data_change: bool) -> Action {
        Action::Add(Add {
            path: file.path.clone(),
            partition_values: self.partition_values(file),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            modification_time: staged_at.micros().div_euclid(1_000),
            data_change,
            stats: file.rows.map(statistics),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    pub(crate) fn partition_values(&self, file: &DataFile) -> HashMap<String, Option<String>> {
        self.spec.partition.map(|column| (column.to_owned(), file.partition.clone())).into_iter().collect()
    }

    /// What a version's commit said of itself; null if the log no longer holds it.
    pub async fn commit_info(&self, version: u64) -> Result<Option<CommitInfo>, LakeError> {
        Ok(self.log_entry(version).await?.map(|entry| entry.info))
    }

    /// A version's entry in the log; null if the log no longer holds it.
    pub async fn log_entry(&self, version: u64) -> Result<Option<LogEntry>, LakeError> {
        const ACTION: &str = "read a table's log";
        let log_store = self.delta.log_store();
        let entry = log_store.read_commit_entry(version).await;
        let Some(bytes) = entry.map_err(|error| LakeError::delta(ACTION, error))? else { return Ok(None) };
        let actions = get_actions(version, &bytes).map_err(|error| LakeError::delta(ACTION, error))?;
        let info = actions.into_iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info),
            _ => None,
        });
        let info = info.ok_or_else(|| not_loaded(ACTION))?;
        Ok(Some(LogEntry {
            version,
            commit_id: info.info.get(COMMIT_ID).and_then(Value::as_str).map(str::to_owned),
            operation: info.operation.unwrap_or_default(),
            written_at: info.timestamp.map(|millis| UtcTime(millis.saturating_mul(1_000))),
            info: info.info.into_iter().collect(),
        }))
    }
}

impl CommitLog for Table {
    fn name(&self) -> &str {
        self.name()
    }

    fn version(&self) -> u64 {
        self.version()
    }

    fn refresh(&mut self) -> BoxFuture<'_, Result<(), LakeError>> {
        self.refresh().boxed()
    }

    fn attempt<'a>(&'a mut self, commit: &'a TableCommit) -> BoxFuture<'a, Result<u64, Unconfirmed>> {
        let entry = self.entry(commit);
        self.try_submit(entry).boxed()
    }

    fn commit_id(&self, version: u64) -> BoxFuture<'_, Result<Option<Uuid>, LakeError>> {
        let id = async move {
            let id = self.log_entry(version).await?.and_then(|entry| entry.commit_id);
            Ok(id.and_then(|id| Uuid::parse_str(&id).ok()))
        };
        id.boxed()
    }
}

/// What the log says of a file: its rows, and no spans of values. A reader of the `deltalake` package takes
/// a column without a span, where others have one, for a column without values and leaves every row out; the
/// spans stand in the files' own footers, which all readers use.
fn statistics(rows: usize) -> String {
    json!({ "numRecords": rows }).to_string()
}

#[cfg(test)]
mod tests;
