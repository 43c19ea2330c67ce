//! Committing to a table.

mod log;

use crate::table::not_loaded;
use crate::{LakeError, StagedFile, Table};
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, FinalizedCommit, TransactionError,
};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::logstore::get_actions;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use futures::FutureExt;
use futures::future::BoxFuture;
pub use log::{CommitLog, Unconfirmed, commit_to};
use modellane_event::UtcTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Under this key a commit states its own id.
const COMMIT_ID: &str = "modellaneCommitId";

const ACTION: &str = "commit to a table";

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

impl Table {
    /// [`commit_to`] this table.
    pub async fn commit(&mut self, commit: TableCommit) -> Result<CommitOutcome, LakeError> {
        commit_to(self, &commit).await
    }

    async fn try_commit(&self, commit: &TableCommit) -> Result<FinalizedCommit, DeltaTableError> {
        let state = self.delta.snapshot()?;
        let mut info: HashMap<String, Value> = commit.info.clone().into_iter().collect();
        info.insert(COMMIT_ID.to_owned(), Value::String(commit.id.to_string()));
        let positions = commit.positions.iter().map(|(app, value)| Transaction::new(app, *value)).collect();
        let properties = CommitProperties::default()
            .with_metadata(info)
            .with_application_transactions(positions)
            // Rebasing on another writer's commit would add rows whose offsets that commit already holds.
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: self.spec.partition.map(|column| vec![column.to_owned()]),
            predicate: None,
        };
        CommitBuilder::from(properties)
            .with_actions(commit.files.iter().map(|file| self.add(file)).collect())
            .build(Some(state), self.delta.log_store(), operation)
            .await
    }

    fn add(&self, staged: &StagedFile) -> Action {
        let partition = self.spec.partition.map(|column| (column.to_owned(), staged.file.partition.clone()));
        Action::Add(Add {
            path: staged.file.path.clone(),
            partition_values: partition.into_iter().collect(),
            size: i64::try_from(staged.file.size).unwrap_or(i64::MAX),
            modification_time: staged.staged_at.micros().div_euclid(1_000),
            data_change: true,
            stats: staged.file.rows.map(statistics),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    /// What a version's commit said of itself; null if the log no longer holds it.
    pub async fn commit_info(&self, version: u64) -> Result<Option<CommitInfo>, LakeError> {
        const ACTION: &str = "read a table's log";
        let log_store = self.delta.log_store();
        let entry = log_store.read_commit_entry(version).await;
        let Some(bytes) = entry.map_err(|error| LakeError::delta(ACTION, error))? else { return Ok(None) };
        let actions = get_actions(version, &bytes).map_err(|error| LakeError::delta(ACTION, error))?;
        let info = actions.into_iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info.info.into_iter().collect()),
            _ => None,
        });
        info.map(Some).ok_or_else(|| not_loaded(ACTION))
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
        let attempt = async move {
            match self.try_commit(commit).await {
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
        };
        attempt.boxed()
    }

    fn commit_id(&self, version: u64) -> BoxFuture<'_, Result<Option<Uuid>, LakeError>> {
        let id = async move {
            let info = self.commit_info(version).await?.unwrap_or_default();
            Ok(info.get(COMMIT_ID).and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok()))
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
