//! Complete fetches on their way from their table into the ledger.

use crate::CommitReport;
use modellane_event::UtcTime;
use modellane_ledger::StreamRange;
use std::sync::{Arc, Mutex, PoisonError};

/// What the table of fetches has got since the ledger looked. Whoever waits for a fetch waits for what it
/// does to the ledger, so the offsets are passed on with it and told when it is done. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Arrival>>>);

struct Arrival {
    recorded_at: UtcTime,
    ranges: Vec<StreamRange>,
}

impl Arrivals {
    /// The table of fetches has a new commit; takes the offsets out of its report.
    pub(crate) fn announce(&self, report: &mut CommitReport) {
        let ranges = std::mem::take(&mut report.ranges);
        self.lock().push(Arrival { recorded_at: report.recorded_at, ranges });
    }

    /// The table of fetches was read again and has got as far as that, perhaps by another sink's commits.
    pub(crate) fn note(&self, recorded_at: UtcTime) {
        self.lock().push(Arrival { recorded_at, ranges: Vec::new() });
    }

    /// Whether something waits that the ledger, which has come so far, does not take account of, or that
    /// somebody may wait to be told of.
    pub(crate) fn is_waiting(&self, applied: UtcTime) -> bool {
        self.lock().iter().any(|arrival| arrival.recorded_at > applied || !arrival.ranges.is_empty())
    }

    /// When the newest of what waits was recorded.
    pub(crate) fn newest(&self) -> Option<UtcTime> {
        self.lock().iter().map(|arrival| arrival.recorded_at).max()
    }

    /// The ledger takes account of everything that was recorded until then: the offsets of that.
    pub(crate) fn settle(&self, applied: UtcTime) -> Vec<StreamRange> {
        let mut waiting = self.lock();
        let (done, rest) = waiting.drain(..).partition::<Vec<_>, _>(|a| a.recorded_at <= applied);
        *waiting = rest;
        done.into_iter().flat_map(|arrival| arrival.ranges).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
