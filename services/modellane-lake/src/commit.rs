//! Committing to a table.

use crate::table::not_loaded;
use crate::{LakeError, StagedFile, Table};
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, FinalizedCommit, TransactionError,
};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::logstore::get_actions;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use modellane_event::UtcTime;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Under this key a commit states its own id.
const COMMIT_ID: &str = "modellaneCommitId";

/// Staged files older than this are never committed: maintenance may be about to remove them.
const STAGED_FOR_AT_MOST: i64 = 3_600_000_000;

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
    /// It is version `version` of the table.
    Committed {
        /// The version.
        version: u64,
    },
    /// Another writer committed first; nothing of this commit is in the table. Read again, then decide again.
    Conflict,
}

/// What a commit said of itself.
pub type CommitInfo = BTreeMap<String, Value>;

impl Table {
    /// Commits on the version that was read, or not at all. Afterwards the table stands at the newest version.
    ///
    /// An error means that nothing was committed as far as the log tells. A store that was cut off in the
    /// middle may still write the entry later; the next commit then ends in a conflict, so a caller that reads
    /// its positions again after every failure never adds a row twice.
    pub async fn commit(&mut self, commit: TableCommit) -> Result<CommitOutcome, LakeError> {
        const ACTION: &str = "commit to a table";
        let too_old = |file: &StagedFile| commit.now.micros() - file.staged_at.micros() > STAGED_FOR_AT_MOST;
        if commit.files.iter().any(too_old) {
            return Err(LakeError::Damaged {
                action: ACTION,
                detail: "the files were written more than an hour ago; they are written again".to_owned(),
            });
        }
        let read_version = self.version();
        let error = match self.try_commit(&commit).await {
            Ok(finished) => {
                let version = finished.version();
                self.delta.state = Some(finished.snapshot);
                self.note_version()?;
                return Ok(CommitOutcome::Committed { version });
            }
            Err(error) => error,
        };
        tracing::warn!(table = self.name(), %error, "commit not confirmed, reading the log");
        self.refresh().await?;
        if let Some(version) = self.find_commit(read_version, commit.id).await? {
            return Ok(CommitOutcome::Committed { version });
        }
        let lost_race = matches!(
            error,
            DeltaTableError::VersionAlreadyExists(_)
                | DeltaTableError::Transaction { source: TransactionError::MaxCommitAttempts(_) }
        );
        if lost_race || self.version() != read_version {
            return Ok(CommitOutcome::Conflict);
        }
        Err(LakeError::delta(ACTION, error))
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
            stats: Some(staged.stats.clone()),
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

    async fn find_commit(&self, after: u64, id: Uuid) -> Result<Option<u64>, LakeError> {
        let id = id.to_string();
        for version in after + 1..=self.version() {
            let info = self.commit_info(version).await?.unwrap_or_default();
            if info.get(COMMIT_ID).and_then(Value::as_str) == Some(&id) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
