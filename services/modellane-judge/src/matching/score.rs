//! From comparisons to a distribution over candidates and none of them.

use super::evidence::{Comparison, KeyLevel, Level};
use super::model::{Evidence, MatchModel, SourceModel, millibits, ratio};
use crate::reason::Reason;
use modellane_event::{Share, WorkspaceKey};

/// One intent that a use may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How the use compares with it.
    pub comparison: Comparison,
    /// Bits, in thousandths, of the probability that the use is of this intent's person.
    pub person_bits: i32,
}

/// A use with all that it may belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CandidateSet {
    /// Repository that the use states.
    pub workspace: Option<WorkspaceKey>,
    /// Probability that the use is of a person who has no candidate.
    pub elsewhere: Share,
    /// The candidates.
    pub candidates: Vec<Candidate>,
}

impl CandidateSet {
    /// Puts candidates together. One that is open is contested if an earlier one is open beside it.
    pub fn new(workspace: Option<WorkspaceKey>, elsewhere: Share, mut candidates: Vec<Candidate>) -> Self {
        if candidates.iter().any(|candidate| candidate.comparison.time == Level::Superseded) {
            let open = candidates.iter_mut().filter(|candidate| candidate.comparison.time == Level::Inside);
            open.for_each(|candidate| candidate.comparison.time = Level::Contested);
        }
        Self { workspace, elsewhere, candidates }
    }
}

impl Candidate {
    /// A candidate of a person whose use it is with probability `owner`.
    pub fn new(comparison: Comparison, owner: f64) -> Self {
        Self { comparison, person_bits: millibits(owner) }
    }
}

/// Probabilities that sum to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// Of each candidate, in the order of the set.
    pub candidates: Vec<f64>,
    /// Of none of them.
    pub none: f64,
}

/// One step of the waterfall: evidence and the bits, in thousandths, that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was compared.
    pub reason: Reason,
    /// Positive for the candidate, negative against it.
    pub millibits: i32,
}

impl CandidateSet {
    /// The evidence for each candidate.
    pub fn evidence(&self, model: &MatchModel, source: &SourceModel) -> impl Iterator<Item = Evidence> {
        let term = model.term_bits(self.workspace);
        let prior = self.prior_bits(source);
        self.candidates
            .iter()
            .map(move |candidate| source.weigh(prior + candidate.person_bits, term, &candidate.comparison))
    }

    /// The distribution, calibrated where the source's reviewed sample allows it.
    pub fn posterior(&self, model: &MatchModel, source: &SourceModel) -> Posterior {
        let mut odds: Vec<f64> = match source.calibration {
            None => self.evidence(model, source).map(|evidence| ratio(evidence.total())).collect(),
            Some(calibration) => {
                let best = self.best_time(source);
                let calibrated = |evidence| ratio(calibration.apply(evidence, best));
                self.evidence(model, source).map(calibrated).collect()
            }
        };
        let total: f64 = 1.0 + odds.iter().sum::<f64>();
        odds.iter_mut().for_each(|odds| *odds /= total);
        Posterior { candidates: odds, none: 1.0 / total }
    }

    /// The level of time that speaks most for any candidate.
    pub(super) fn best_time(&self, source: &SourceModel) -> Level {
        let times = self.candidates.iter().map(|candidate| candidate.comparison.time);
        times.max_by_key(|level| (source.bits[*level], *level)).unwrap_or(Level::Far)
    }

    /// The evidence for and against one candidate, by reason. The steps sum to its [`Evidence::total`].
    pub fn waterfall(&self, model: &MatchModel, source: &SourceModel, number: usize) -> Vec<Step> {
        let Some(evidence) = self.evidence(model, source).nth(number) else { return Vec::new() };
        let Comparison { key, work, time } = self.candidates[number].comparison;
        let term = model.term_bits(self.workspace);
        let key = match key {
            KeyLevel::Missing => None,
            KeyLevel::Equal => Some(Reason::KeyEqual),
            KeyLevel::Differs => Some(Reason::KeyConflict),
        };
        let steps = [
            Some((Reason::Prior, evidence.prior)),
            key.map(|reason| (reason, evidence.key)),
            work.map(|level| (reason_of(level, term), evidence.work)),
            Some((reason_of(time, term), evidence.time)),
        ];
        steps.into_iter().flatten().map(|(reason, millibits)| Step { reason, millibits }).collect()
    }

    /// Bits of (1−π₀)/P(none before evidence). A use of somebody without candidates belongs to none of them.
    fn prior_bits(&self, source: &SourceModel) -> i32 {
        let null = probability(source.null_prior);
        let elsewhere = probability(self.elsewhere);
        millibits((1.0 - null) / (null * (1.0 - elsewhere) + elsewhere))
    }
}

fn probability(share: Share) -> f64 {
    f64::from(share.millionths()) / 1e6
}

/// The code of a level; whether an equal repository is a rare one follows from its term's bits.
fn reason_of(level: Level, term: i32) -> Reason {
    match level {
        Level::TicketEqual => Reason::TicketEqual,
        Level::TicketDiffers => Reason::TicketConflict,
        Level::RepoEqual if term > 0 => Reason::RepoRareEqual,
        Level::RepoEqual => Reason::RepoCommonEqual,
        Level::RepoDiffers => Reason::RepoConflict,
        Level::Inside | Level::Contested => Reason::TimeInside,
        Level::Superseded => Reason::TimeSuperseded,
        Level::Abandoned | Level::Stale => Reason::TimeStaleIntent,
        Level::Near => Reason::TimeNear,
        Level::Outside | Level::Far => Reason::TimeOutside,
    }
}
