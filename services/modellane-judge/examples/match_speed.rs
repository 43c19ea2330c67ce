//! How many uses a core scores in a second, four or five candidates each.
//!
//! `cargo run --release -p modellane-judge --example match_speed`

use modellane_event::{Label, Share, WorkspaceKey};
use modellane_judge::matching::{
    Calibration, Candidate, CandidateSet, Comparison, KeyLevel, Level, MatchModel, PerLevel, SourceModel,
};
use std::time::Instant;

const SETS: usize = 10_000;
const ROUNDS: usize = 300;

fn main() {
    let source = Label::literal("cursor.usage_events");
    let shifts = PerLevel([-500; 12]);
    let floor = Share::ZERO;
    let calibration = Calibration { work: 950, time: 640, shifts, floor, reviewed: 1_000 };
    let own = SourceModel { calibration: Some(calibration), keyed_rows: 5_000, ..SourceModel::PRIOR };
    let mut model = MatchModel::prior();
    model.sources.insert(source.clone(), own);
    model.repositories = (0..1_000u32).map(|repo| (workspace(repo), repo as i32 - 500)).collect();
    let sets: Vec<CandidateSet> = (0..SETS).map(candidates).collect();
    let before = Instant::now();
    let mut none = 0.0;
    for _ in 0..ROUNDS {
        let own = model.source(&source);
        none += sets.iter().map(|set| std::hint::black_box(set.posterior(&model, own)).none).sum::<f64>();
    }
    let elapsed = before.elapsed();
    let rows = (SETS * ROUNDS) as f64;
    println!(
        "{rows} uses in {elapsed:.2?}: {:.0} a second, none {:.3}",
        rows / elapsed.as_secs_f64(),
        none / rows
    );
}

fn workspace(number: u32) -> WorkspaceKey {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    WorkspaceKey(bytes)
}

/// Candidates that differ from use to use, so that no branch is always the same.
fn candidates(number: usize) -> CandidateSet {
    let keys = [KeyLevel::Missing, KeyLevel::Missing, KeyLevel::Differs];
    let candidate = |place: usize| {
        let turn = number * 7 + place * 3;
        let work = (!turn.is_multiple_of(3)).then(|| Level::WORK[turn % 4]);
        let comparison = Comparison { key: keys[turn % 3], work, time: Level::TIME[turn % 8] };
        Candidate::new(comparison, 1.0)
    };
    let workspace = Some(workspace((number % 1_000) as u32));
    CandidateSet::new(workspace, Share::ZERO, (0..4 + number % 2).map(candidate).collect())
}
