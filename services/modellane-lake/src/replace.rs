//! Replacing files by others that hold the same rows, and dropping files.

use crate::commit::{Entry, is_stale, too_old};
use crate::{CommitInfo, CommitOutcome, DataFile, LakeError, MergedFile, Table};
use deltalake_core::kernel::{Action, Remove};
use deltalake_core::protocol::DeltaOperation;
use modellane_event::UtcTime;
use std::collections::HashSet;
use uuid::Uuid;

/// Files that take the place of others, all at once.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Identity of the commit, as of [`crate::TableCommit`].
    pub id: Uuid,
    /// What replaces what.
    pub merged: Vec<MergedFile>,
    /// Positions of applications after this commit.
    pub positions: Vec<(String, i64)>,
    /// What the commit says of itself, kept in the log.
    pub info: CommitInfo,
    /// Time of committing.
    pub now: UtcTime,
}

/// Files that go without a successor, with all their rows.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Identity of the commit, as of [`crate::TableCommit`].
    pub id: Uuid,
    /// What goes.
    pub files: Vec<DataFile>,
    /// What the commit says of itself, kept in the log.
    pub info: CommitInfo,
    /// Time of committing.
    pub now: UtcTime,
}

impl Table {
    /// Commits merged files in the place of their inputs, on the version that was read, or not at all. Readers
    /// see the same rows before and after. An input that this version does not hold is a conflict.
    pub async fn replace(&mut self, replacement: Replacement) -> Result<CommitOutcome, LakeError> {
        let Replacement { id, merged, positions, info, now } = replacement;
        if merged.iter().any(|file| is_stale(file.staged_at, now)) {
            return Err(too_old());
        }
        let inputs: Vec<&DataFile> = merged.iter().flat_map(|merged| &merged.inputs).collect();
        if !self.holds(&inputs).await? {
            return Ok(CommitOutcome::Conflict);
        }
        let mut actions: Vec<Action> = inputs.iter().map(|file| self.remove(file, now, false)).collect();
        actions.extend(merged.iter().map(|new| self.add(&new.file, new.staged_at, false)));
        let target_size = merged.iter().map(|new| new.file.size).max().unwrap_or_default();
        let target_size = i64::try_from(target_size).unwrap_or(i64::MAX);
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        self.submit(Entry { id, actions, positions: &positions, info: &info, operation }).await
    }

    /// Commits that files and all their rows are gone, on the version that was read, or not at all.
    pub async fn remove_files(&mut self, removal: Removal) -> Result<CommitOutcome, LakeError> {
        let Removal { id, files, info, now } = removal;
        if !self.holds(&files.iter().collect::<Vec<_>>()).await? {
            return Ok(CommitOutcome::Conflict);
        }
        let actions = files.iter().map(|file| self.remove(file, now, true)).collect();
        let operation = DeltaOperation::Delete { predicate: None };
        self.submit(Entry { id, actions, positions: &[], info: &info, operation }).await
    }

    /// Whether this version holds all of these files.
    pub async fn holds(&self, files: &[&DataFile]) -> Result<bool, LakeError> {
        let held: HashSet<String> = self.files(None).await?.into_iter().map(|file| file.path).collect();
        Ok(files.iter().all(|file| held.contains(&file.path)))
    }

    fn remove(&self, file: &DataFile, now: UtcTime, data_change: bool) -> Action {
        Action::Remove(Remove {
            path: file.path.clone(),
            data_change,
            deletion_timestamp: Some(now.micros().div_euclid(1_000)),
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition_values(file)),
            size: i64::try_from(file.size).ok(),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
        })
    }
}
