//! Stages of a round, where tests stop it.

use std::sync::Arc;

/// What a round has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Rows of `commits` are written, nothing is committed.
    CommitsStaged,
    /// Commits are kept.
    CommitsKept,
    /// A checkpoint is written.
    Checkpointed,
    /// Merged files are written, nothing is replaced.
    Merged,
    /// Merged files have taken the place of others.
    Replaced,
    /// A day's file is written, its manifest is not.
    ExportWritten,
    /// A day's manifest is written.
    Exported,
    /// Files that no version needs are gone.
    Vacuumed,
    /// Entries of a log are gone.
    LogCleaned,
}

impl Stage {
    /// All of them, in the order of a round.
    pub const ALL: [Self; 9] = [
        Self::CommitsStaged,
        Self::CommitsKept,
        Self::Checkpointed,
        Self::ExportWritten,
        Self::Exported,
        Self::Merged,
        Self::Replaced,
        Self::Vacuumed,
        Self::LogCleaned,
    ];
}

/// Called after each stage.
#[derive(Clone)]
pub struct StageHook(Arc<dyn Fn(Stage) + Send + Sync>);

impl StageHook {
    /// Calls `hook`.
    pub fn new(hook: impl Fn(Stage) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(crate) fn reached(&self, stage: Stage) {
        (self.0)(stage);
    }
}

impl Default for StageHook {
    /// Does nothing.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl std::fmt::Debug for StageHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StageHook")
    }
}
