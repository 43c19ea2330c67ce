//! Upkeep of a table's log, and removal of files that no version needs.

use crate::{LakeError, Table};
use deltalake_core::checkpoints::cleanup_expired_logs_for;
use futures::{StreamExt, TryStreamExt, stream};
use modellane_event::UtcTime;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use std::collections::{HashMap, HashSet};

/// What a table's log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogExtent {
    /// The oldest version whose entry is there; null if there is none.
    pub oldest: Option<u64>,
    /// The version of the newest checkpoint; null if there is none.
    pub checkpoint: Option<u64>,
}

/// Which files a vacuum may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VacuumRule {
    /// Files that were part of the table go if the log says that they left it before this time. Readers of an
    /// older version must have ended by then.
    pub removed_before: UtcTime,
    /// Files that the log does not know go if they were written before this time. It must lie so far back
    /// that nobody commits them any more: staged files are committed within an hour.
    pub unknown_before: UtcTime,
}

/// What a vacuum removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vacuumed {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Table {
    /// What the log holds, by one listing of it.
    pub async fn log_extent(&self) -> Result<LogExtent, LakeError> {
        let log_store = self.delta.log_store();
        let store = self.delta.object_store();
        let mut listed = store.list(Some(log_store.log_path()));
        let mut extent = LogExtent::default();
        while let Some(object) = listed.next().await {
            let object = object.map_err(|error| LakeError::store("list a table's log", error))?;
            let Some((version, rest)) = object.location.filename().and_then(|name| name.split_once('.'))
            else {
                continue;
            };
            let Ok(version) = version.parse::<u64>() else { continue };
            if rest == "json" {
                extent.oldest = Some(extent.oldest.map_or(version, |oldest| oldest.min(version)));
            } else if rest.starts_with("checkpoint") {
                extent.checkpoint = extent.checkpoint.max(Some(version));
            }
        }
        Ok(extent)
    }

    /// Removes entries of the log that are older than `written_before` and that opening the table takes no
    /// longer, because a checkpoint at or below `keep_from` holds all before it. Entries from `keep_from` on
    /// stay. Says how many objects went.
    pub async fn clean_log(&self, keep_from: u64, written_before: UtcTime) -> Result<usize, LakeError> {
        let millis = written_before.micros().div_euclid(1_000);
        let log_store = self.delta.log_store();
        cleanup_expired_logs_for(keep_from, log_store.as_ref(), millis, None)
            .await
            .map_err(|error| LakeError::delta("clean up a table's log", error))
    }

    /// Removes files that no version needs any more, by the rule. Files and directories whose names begin with
    /// `_` or `.` are not looked at.
    pub async fn vacuum(&mut self, rule: VacuumRule) -> Result<Vacuumed, LakeError> {
        const ACTION: &str = "remove files that no version needs";
        // First the files, then the log: a file that is committed in between is then known.
        let store = self.delta.object_store();
        let listed: Vec<ObjectMeta> =
            store.list(None).try_collect().await.map_err(|error| LakeError::store(ACTION, error))?;
        self.refresh().await?;
        let active: HashSet<String> = self.files(None).await?.into_iter().map(|file| file.path).collect();
        let removed = self.removed_files().await?;
        let expired: Vec<&ObjectMeta> =
            listed.iter().filter(|object| rule.allows(object, &active, &removed)).collect();
        let vacuumed =
            Vacuumed { files: expired.len() as u64, bytes: expired.iter().map(|object| object.size).sum() };
        let paths: Vec<_> = expired.iter().map(|object| Ok(object.location.clone())).collect();
        let mut deleted = store.delete_stream(stream::iter(paths).boxed());
        while let Some(deleted) = deleted.next().await {
            match deleted {
                // Somebody else was faster.
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(LakeError::store(ACTION, error)),
            }
        }
        Ok(vacuumed)
    }

    /// Files that left the table, with the time of leaving in milliseconds, as far back as the log knows.
    async fn removed_files(&self) -> Result<HashMap<String, i64>, LakeError> {
        const ACTION: &str = "list a table's removed files";
        let state = self.delta.snapshot().map_err(|error| LakeError::delta(ACTION, error))?;
        let log_store = self.delta.log_store();
        let removed = state.all_tombstones(log_store.as_ref()).map_ok(|file| {
            // The protocol takes a removal without a time as one at the beginning.
            (file.path().into_owned(), file.deletion_timestamp().unwrap_or(0))
        });
        removed.try_collect().await.map_err(|error| LakeError::delta(ACTION, error))
    }
}

impl VacuumRule {
    fn allows(&self, object: &ObjectMeta, active: &HashSet<String>, removed: &HashMap<String, i64>) -> bool {
        let path = object.location.as_ref();
        if is_hidden(&object.location) || !path.ends_with(".parquet") || active.contains(path) {
            return false;
        }
        match removed.get(path) {
            Some(millis) => millis.saturating_mul(1_000) < self.removed_before.micros(),
            None => object.last_modified.timestamp_micros() < self.unknown_before.micros(),
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.parts().any(|part| part.as_ref().starts_with(['_', '.']))
}

#[cfg(test)]
mod tests;
