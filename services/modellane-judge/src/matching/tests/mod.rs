mod calibrating;
mod comparing;
mod counting;
mod days;

mod scoring;
mod storing;

use super::*;
use modellane_event::{Label, Share, WorkspaceKey};

/// Weights that are easy to add up: two bits for a repository, three for being open, one against a stale intent.
fn weights() -> SourceModel {
    let mut bits = PerLevel([0; 12]);
    bits[Level::TicketEqual] = 5_000;
    bits[Level::RepoEqual] = 2_000;
    bits[Level::RepoDiffers] = -4_000;
    bits[Level::Inside] = 3_000;
    bits[Level::Stale] = -1_000;
    bits[Level::Far] = -6_000;
    SourceModel { bits, null_prior: Share::nearest(0.5), keyed_rows: 1_000, calibration: None }
}

fn source() -> Label {
    Label::literal("cursor.usage_events")
}

const REPO: WorkspaceKey = WorkspaceKey([1; 16]);
const MONOREPO: WorkspaceKey = WorkspaceKey([2; 16]);

fn candidate(key: KeyLevel, work: Option<Level>, time: Level) -> Candidate {
    Candidate::new(Comparison { key, work, time }, 1.0)
}

/// A candidate of which only the time is known.
fn timed(time: Level) -> Candidate {
    candidate(KeyLevel::Missing, None, time)
}

fn set(candidates: &[Candidate]) -> CandidateSet {
    CandidateSet::new(Some(REPO), Share::ZERO, candidates.to_vec())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}
