//! Committing once, whatever the store answers.

use super::{ACTION, CommitOutcome, TableCommit};
use crate::LakeError;
use futures::future::BoxFuture;
use modellane_event::UtcTime;
use uuid::Uuid;

/// Staged files older than this are never committed: maintenance may be about to remove them.
pub(super) const STAGED_FOR_AT_MOST: i64 = 3_600_000_000;

/// The log of a table as far as committing needs it. [`Table`](crate::Table) has the product's; a simulation
/// brings one whose faults follow from a seed.
pub trait CommitLog: Send + Sync {
    /// Name of the table.
    fn name(&self) -> &str;

    /// The version that was read.
    fn version(&self) -> u64;

    /// Moves to the newest version.
    fn refresh(&mut self) -> BoxFuture<'_, Result<(), LakeError>>;

    /// Writes the commit as the version after the one that was read unless that version exists, and moves to
    /// it.
    fn attempt<'a>(&'a mut self, commit: &'a TableCommit) -> BoxFuture<'a, Result<u64, Unconfirmed>>;

    /// The id under which a version was committed; null if the log no longer says.
    fn commit_id(&self, version: u64) -> BoxFuture<'_, Result<Option<Uuid>, LakeError>>;
}

/// A commit of which the store did not say that it was written. It may have been.
#[derive(Debug)]
pub struct Unconfirmed {
    /// What the store said.
    pub error: LakeError,
    /// Whether it said that the version exists.
    pub lost_race: bool,
}

/// Commits on the version that was read, or not at all. Afterwards the table stands at the newest version.
///
/// An error means that nothing was committed as far as the log tells. A store that was cut off in the
/// middle may still write the entry later; the next commit then ends in a conflict, so a caller that reads
/// its positions again after every failure never adds a row twice.
pub async fn commit_to(
    log: &mut (impl CommitLog + ?Sized),
    commit: &TableCommit,
) -> Result<CommitOutcome, LakeError> {
    if commit.files.iter().any(|file| is_stale(file.staged_at, commit.now)) {
        return Err(too_old());
    }
    let read_version = log.version();
    let attempted = log.attempt(commit).await;
    confirm(log, commit.id, read_version, attempted).await
}

/// What became of an attempt to commit under an id on a version.
pub(crate) async fn confirm(
    log: &mut (impl CommitLog + ?Sized),
    id: Uuid,
    read_version: u64,
    attempted: Result<u64, Unconfirmed>,
) -> Result<CommitOutcome, LakeError> {
    let unconfirmed = match attempted {
        Ok(version) => return Ok(CommitOutcome::Committed { version }),
        Err(unconfirmed) => unconfirmed,
    };
    tracing::warn!(table = log.name(), error = %unconfirmed.error, "commit not confirmed, reading the log");
    log.refresh().await?;
    for version in read_version + 1..=log.version() {
        if log.commit_id(version).await? == Some(id) {
            let overtaken = version < log.version();
            return Ok(if overtaken {
                CommitOutcome::Overtaken { version }
            } else {
                CommitOutcome::Committed { version }
            });
        }
    }
    if unconfirmed.lost_race || log.version() != read_version {
        return Ok(CommitOutcome::Conflict);
    }
    Err(unconfirmed.error)
}

/// Whether a file that was written then may no longer be committed.
pub(crate) fn is_stale(staged_at: UtcTime, now: UtcTime) -> bool {
    now.micros() - staged_at.micros() > STAGED_FOR_AT_MOST
}

pub(crate) fn too_old() -> LakeError {
    LakeError::Damaged {
        action: ACTION,
        detail: "the files were written more than an hour ago; they are written again".to_owned(),
    }
}
