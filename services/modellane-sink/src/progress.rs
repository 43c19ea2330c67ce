//! How far the sink has come, for those who wait.

use crate::{CommitReport, SinkError};
use modellane_ledger::Counters;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// What is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Next offset by stream and partition.
    pub committed: BTreeMap<(String, i32), i64>,
    /// Commits of the ledger since the sink started.
    pub commits: u64,
    /// What became of the messages of those commits.
    pub counters: Counters,
}

impl Progress {
    /// The next offset of a partition that is not committed yet; null if nothing of it was read.
    pub fn committed_through(&self, stream: &str, partition: i32) -> Option<i64> {
        self.committed.get(&(stream.to_owned(), partition)).copied()
    }
}

/// Watches a sink. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SinkHandle {
    progress: watch::Receiver<Progress>,
    waiting: Arc<AtomicUsize>,
}

impl SinkHandle {
    /// What is committed now.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// The next offset of a partition that is not committed yet.
    pub fn committed_through(&self, stream: &str, partition: i32) -> Option<i64> {
        self.progress.borrow().committed_through(stream, partition)
    }

    /// Waits until everything before these next offsets is committed. While somebody waits, the sink commits
    /// whenever it has read all there is, without waiting for its interval.
    pub async fn wait_committed(&mut self, targets: &[(String, i32, i64)]) -> Result<(), SinkError> {
        let _waiting = Waiting::new(&self.waiting);
        let reached = |progress: &Progress| {
            targets.iter().all(|(stream, partition, next)| {
                progress.committed_through(stream, *partition).is_some_and(|done| done >= *next) || *next == 0
            })
        };
        self.progress.wait_for(reached).await.map(|_| ()).map_err(|_| SinkError::Stopped)
    }
}

struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The sink's side of the handles.
#[derive(Clone, Debug)]
pub(crate) struct ProgressSender {
    progress: Arc<watch::Sender<Progress>>,
    waiting: Arc<AtomicUsize>,
}

impl ProgressSender {
    pub(crate) fn new() -> Self {
        Self { progress: Arc::new(watch::Sender::default()), waiting: Arc::default() }
    }

    pub(crate) fn handle(&self) -> SinkHandle {
        SinkHandle { progress: self.progress.subscribe(), waiting: Arc::clone(&self.waiting) }
    }

    pub(crate) fn somebody_waits(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Notes where partitions stand.
    pub(crate) fn positions(&self, stream: &str, positions: &[(i32, i64)]) {
        self.progress.send_modify(|progress| {
            for (partition, next) in positions {
                progress.committed.insert((stream.to_owned(), *partition), *next);
            }
        });
    }

    /// Notes a commit; only those of the ledger have counters.
    pub(crate) fn committed(&self, report: &CommitReport) {
        self.progress.send_modify(|progress| {
            for range in &report.ranges {
                progress.committed.insert((range.stream.clone(), range.partition), range.to);
            }
            if let Some(counters) = &report.counters {
                progress.commits += 1;
                progress.counters.add(counters);
            }
        });
    }
}
