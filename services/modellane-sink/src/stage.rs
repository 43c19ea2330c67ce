//! Stages of a commit, where tests stop a sink.

use crate::SinkError;
use std::sync::Arc;

/// What a commit of the ledger has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Files of entries are written, nothing is committed.
    Staged,
    /// Observations are committed, entries are not.
    Observed,
    /// Entries and offsets are committed, the sink has not taken note of it.
    Committed,
}

/// Called after each stage of a commit of the ledger; an error is treated like one of the lake.
#[derive(Clone)]
pub struct StageHook(Arc<dyn Fn(Stage) -> Result<(), SinkError> + Send + Sync>);

impl StageHook {
    /// Calls `hook`.
    pub fn new(hook: impl Fn(Stage) -> Result<(), SinkError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(crate) fn reached(&self, stage: Stage) -> Result<(), SinkError> {
        (self.0)(stage)
    }
}

impl Default for StageHook {
    /// Does nothing.
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl std::fmt::Debug for StageHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StageHook")
    }
}
