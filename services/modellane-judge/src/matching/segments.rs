//! Segments: uses that belong to one piece of work, and so to one intent.
//!
//! A chatty session is one observation, however many requests it makes: its events share one score.

use super::evidence::Trace;
use modellane_event::{Label, PersonId, SessionKey, UtcTime};

/// A pause after which uses without a session are another piece of work.
const PAUSE: i64 = 30 * 60_000_000;

/// What holds uses together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKey {
    /// A source's session, however long it pauses.
    Session(Label, SessionKey),
    /// A person's use of a tool, without pauses of half an hour.
    Stretch(PersonId, Option<Label>),
}

/// One use to be put into a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseMoment {
    /// What holds it together with others.
    pub key: SegmentKey,
    /// What it tells.
    pub trace: Trace,
}

/// Uses that share one score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What they tell together.
    pub trace: Trace,
    /// Their numbers in the order given.
    pub uses: Vec<usize>,
}

/// Cuts uses into segments, ordered by key and time. `edges` are the moments at which any candidate intent
/// starts or ends: no segment reaches across one.
pub fn segments(uses: &[UseMoment], edges: &[UtcTime]) -> Vec<Segment> {
    let mut edges = edges.to_vec();
    edges.sort_unstable();
    let mut order: Vec<usize> = (0..uses.len()).collect();
    order.sort_by_key(|number| (&uses[*number].key, uses[*number].trace.at(), *number));
    let belongs = |before: &UseMoment, after: &UseMoment| {
        let (from, to) = (before.trace.at(), after.trace.at());
        let paused = matches!(after.key, SegmentKey::Stretch(..)) && to.0 - from.0 >= PAUSE;
        let crossed = edges[edges.partition_point(|edge| *edge <= from)..].first().is_some_and(|e| *e <= to);
        before.key == after.key && !paused && !crossed
    };
    let runs = order.chunk_by(|before, after| belongs(&uses[*before], &uses[*after]));
    runs.filter_map(|run| {
        let trace = Trace::merged(run.iter().map(|number| uses[*number].trace))?;
        Some(Segment { trace, uses: run.to_vec() })
    })
    .collect()
}
