//! Weights from counts.
//!
//! A use with a session key is a labelled pair set: the intent of the same session is the match, the other
//! candidates of that use are the non-matches among which it is told apart. So *m* and *u* are counted.

use super::evidence::{KeyLevel, Level, PerLevel};
use super::model::{MatchModel, SourceModel, millibits, ratio};
use super::score::CandidateSet;
use modellane_event::{Label, Share, WorkspaceKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often each level was seen in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelCounts {
    /// Among matches.
    pub matched: PerLevel<u64>,
    /// Among other candidates of the same uses.
    pub unmatched: PerLevel<u64>,
    /// Uses counted.
    pub keyed_rows: u64,
}

/// How often uses in one repository met a non-match that declares the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermCounts {
    /// Non-matches with the same repository.
    pub equal: u64,
    /// Non-matches that declare any repository.
    pub compared: u64,
}

/// All that the weights are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchCounts {
    /// By source.
    pub sources: BTreeMap<Label, LevelCounts>,
    /// By repository of the use.
    pub repositories: BTreeMap<WorkspaceKey, TermCounts>,
}

/// Comparisons after which a repository's own frequency weighs as much as the average one.
const TERM_PRIOR: f64 = 20.0;

impl MatchCounts {
    /// Counts one use if exactly one of its candidates has its session key; says whether it has.
    pub fn add(&mut self, source: &Label, set: &CandidateSet) -> bool {
        let is_match = |c: &super::Candidate| c.comparison.key == KeyLevel::Equal;
        if set.candidates.iter().filter(|candidate| is_match(candidate)).count() != 1 {
            return false;
        }
        let counts = self.sources.entry(source.clone()).or_default();
        counts.keyed_rows += 1;
        for candidate in &set.candidates {
            let matched = is_match(candidate);
            for level in candidate.comparison.levels() {
                let side = if matched { &mut counts.matched } else { &mut counts.unmatched };
                side[level] += 1;
            }
            let Some(workspace) = set.workspace.filter(|_| !matched) else { continue };
            if let Some(level @ (Level::RepoEqual | Level::RepoDiffers)) = candidate.comparison.work {
                let term = self.repositories.entry(workspace).or_default();
                term.compared += 1;
                term.equal += u64::from(level == Level::RepoEqual);
            }
        }
        true
    }

    /// log2(u/u_r) of each repository r, in thousandths: u how often the repositories of a non-match are
    /// equal on average, u_r the same among uses in r, drawn towards u where few were compared.
    pub(super) fn term_bits(&self) -> BTreeMap<WorkspaceKey, i32> {
        let (equal, compared) = self
            .repositories
            .values()
            .fold((0.5, 1.0), |sum, term| (sum.0 + term.equal as f64, sum.1 + term.compared as f64));
        let average: f64 = equal / compared;
        let bits = |term: &TermCounts| {
            let frequency = (term.equal as f64 + TERM_PRIOR * average) / (term.compared as f64 + TERM_PRIOR);
            millibits(average / frequency)
        };
        self.repositories.iter().map(|(workspace, term)| (*workspace, bits(term))).collect()
    }
}

impl LevelCounts {
    /// Evidence of each level, in thousandths of a bit. Half a use is added to each count, so that what was
    /// never seen is unlikely and not impossible.
    ///
    /// Work items: log2(m/u), u the part of the other candidates that look so. Time: log2(m/r), r how many other
    /// candidates look so per use. A person's intents exclude each other in time, so that how many there are
    /// says nothing of whether one that is open now is the right one; with u, and a prior that is shared among
    /// all candidates, a day of many intents would look undeclared.
    pub fn bits(&self) -> PerLevel<i32> {
        let matched = |level: Level| self.matched[level] as f64 + 0.5;
        let other = |level: Level| self.unmatched[level] as f64 + 0.5;
        let sum =
            |levels: &[Level], of: &dyn Fn(Level) -> f64| levels.iter().map(|level| of(*level)).sum::<f64>();
        let others = [sum(&Level::WORK, &other), self.keyed_rows as f64 + 0.5];
        let mut bits = PerLevel::default();
        for (levels, others) in [&Level::WORK[..], &Level::TIME].into_iter().zip(others) {
            let matches = sum(levels, &matched);
            for level in levels {
                bits[*level] = millibits((matched(*level) / matches) / (other(*level) / others));
            }
        }
        bits
    }
}

/// Rounds after which the null prior no longer moves by a millionth.
const ROUNDS: usize = 200;

/// Estimates the null prior of a source from uses with candidates, keyed or not, by EM of one parameter: the
/// mean probability of "none" under the prior before. Uses of several possible persons are left out.
pub fn null_prior<'a>(
    model: &MatchModel,
    source: &SourceModel,
    sets: impl IntoIterator<Item = &'a CandidateSet>,
) -> Share {
    let flat = SourceModel { null_prior: Share::nearest(0.5), ..*source };
    let sole = |set: &&CandidateSet| set.elsewhere == Share::ZERO && !set.candidates.is_empty();
    let likelihoods: Vec<f64> = sets
        .into_iter()
        .filter(sole)
        .map(|set| set.evidence(model, &flat).map(|evidence| ratio(evidence.total())).sum())
        .collect();
    if likelihoods.is_empty() {
        return source.null_prior;
    }
    let step = |null: f64| {
        let none = |likelihood: &f64| null / (null + (1.0 - null) * likelihood);
        likelihoods.iter().map(none).sum::<f64>() / likelihoods.len() as f64
    };
    let null = (0..ROUNDS).fold(0.5, |null, _| step(null));
    Share::nearest(null.clamp(0.001, 0.999))
}
