//! Calibration on reviewed samples.
//!
//! Somebody who knows was asked about a random sample of uses without a key. The bits of a candidate against
//! "none of them" are bent to `prior + key + a·work + c·time + b`: Platt's scaling with a weight for each
//! kind of evidence, applied before candidates and "none" are made to sum to one.
//!
//! - *c*, because the times of one person's intents exclude each other: one that is open makes it likely that
//!   the others are not, so that bits of time, counted one by one, say the same thing twice.
//! - *b* for each level of the best time among the candidates. *m* and *u* are counted on declared work, and
//!   undeclared work does not look like it: somebody who has declared nothing since has an old intent open, and
//!   counts of declared work take that for a find. How often it is none, only the sample tells.

use super::evidence::{Level, PerLevel};
use super::model::{Evidence, MatchModel, SourceModel};
use super::score::{CandidateSet, Posterior};
use modellane_event::{Label, Share};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// A reviewed use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// What it may belong to.
    pub set: CandidateSet,
    /// Number of the candidate that it does belong to; null if to none of them.
    pub truth: Option<usize>,
}

/// How scores of one source become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Weight of the work item's bits, in thousandths.
    pub work: i32,
    /// Weight of time's bits, in thousandths.
    pub time: i32,
    /// Thousandths of a bit for declared work, by the best level of time among the candidates.
    pub shifts: PerLevel<i32>,
    /// Least probability of what a set must hold to contain the truth in 199 of 200 uses.
    pub floor: Share,
    /// Reviewed uses behind it.
    pub reviewed: u64,
}

/// How firmly weights of 1 and shifts of 0 bits are believed before any review: within 0.7, within 3 bits.
const BEFORE_REVIEW: Trust = Trust { weights: 2.0, shifts: 0.1 };
/// How firmly a source is believed to be as all sources together: within 0.25, within a quarter of a bit.
const AS_ALL: Trust = Trust { weights: 16.0, shifts: 16.0 };
/// Error that the conformal set is made for.
const ALPHA: f64 = 0.005;
/// Rounds of Newton's method; the likelihood is concave.
const ROUNDS: usize = 100;

/// A reviewed use as fitting reads it: bits of its candidates.
struct Scored {
    fixed: Vec<f64>,
    work: Vec<f64>,
    time: Vec<f64>,
    truth: Option<usize>,
    best: Level,
}

/// What is fitted.
#[derive(Clone, Copy)]
struct Bend {
    work: f64,
    time: f64,
    shifts: PerLevel<f64>,
}

/// Precision of the belief in a bend before the sample is looked at.
#[derive(Clone, Copy)]
struct Trust {
    weights: f64,
    shifts: f64,
}

impl MatchModel {
    /// Calibrates every source that has enough reviewed uses with candidates. All samples are fitted together
    /// first, and each source departs from that as far as its own sample says.
    pub fn calibrate(&mut self, samples: &BTreeMap<Label, Vec<Reviewed>>) {
        let raw = |source: &Label| SourceModel { calibration: None, ..*self.source(source) };
        let scored = |(source, sample): (&Label, &Vec<Reviewed>)| -> Vec<Scored> {
            sample.iter().map(|row| Scored::of(row, self, &raw(source))).collect()
        };
        let all: Vec<Scored> = samples.iter().flat_map(scored).collect();
        let unbent = Bend { work: 1.0, time: 1.0, shifts: PerLevel([0.0; 12]) };
        let together = fit(&all, unbent, BEFORE_REVIEW);
        let mut fitted = Vec::new();
        let is_enough = |sample: &[Reviewed]| sample.len() as u64 >= Calibration::LEAST_REVIEWED;
        for (source, sample) in samples.iter().filter(|(_, sample)| is_enough(sample)) {
            let bend = fit(&scored((source, sample)), together, AS_ALL);
            let calibration = Calibration::of(bend, sample.len());
            let source_model = SourceModel { calibration: Some(calibration), ..raw(source) };
            let floor = floor(self, &source_model, sample);
            fitted.push((source.clone(), Calibration { floor, ..calibration }));
        }
        for (source, calibration) in fitted {
            let own = self.sources.entry(source).or_insert(SourceModel::PRIOR);
            own.calibration = Some(calibration);
        }
    }
}

/// Newton's method from a believed bend.
fn fit(scored: &[Scored], believed: Bend, trust: Trust) -> Bend {
    let mut bend = believed;
    for _ in 0..ROUNDS {
        bend.work = improve_weight(scored, &bend, (bend.work, believed.work), trust.weights, |row| &row.work);
        bend.time = improve_weight(scored, &bend, (bend.time, believed.time), trust.weights, |row| &row.time);
        bend.shifts = improve_shifts(scored, &bend, &believed.shifts, trust.shifts);
    }
    bend
}

impl Calibration {
    /// Reviewed uses from which a source counts as calibrated.
    pub const LEAST_REVIEWED: u64 = 300;
    /// Greatest weight, in thousandths.
    pub(super) const MOST_WEIGHT: i32 = 5_000;
    /// Greatest shift either way, in thousandths of a bit.
    pub(super) const MOST_SHIFT: i32 = 20_000;

    fn of(bend: Bend, reviewed: usize) -> Self {
        let whole = |value: f64| (value * 1_000.0).round() as i32;
        Self {
            work: whole(bend.work),
            time: whole(bend.time),
            shifts: PerLevel(bend.shifts.0.map(whole)),
            floor: Share::ZERO,
            reviewed: reviewed as u64,
        }
    }

    /// Bends the bits of a candidate; `best` is the best level of time among all.
    pub(super) fn apply(&self, evidence: Evidence, best: Level) -> i32 {
        let weighed = |weight: i32, bits: i32| i64::from(weight) * i64::from(bits) / 1_000;
        let bent = i64::from(evidence.prior + evidence.key + self.shifts[best])
            + weighed(self.work, evidence.work)
            + weighed(self.time, evidence.time);
        bent.clamp(-100_000, 100_000) as i32
    }

    pub(super) fn is_sound(&self) -> bool {
        let is_weight = |weight: i32| (0..=Self::MOST_WEIGHT).contains(&weight);
        is_weight(self.work)
            && is_weight(self.time)
            && self.shifts.0.iter().all(|shift| (-Self::MOST_SHIFT..=Self::MOST_SHIFT).contains(shift))
    }
}

impl Scored {
    fn of(row: &Reviewed, model: &MatchModel, source: &SourceModel) -> Self {
        let all: Vec<Evidence> = row.set.evidence(model, source).collect();
        let bits = |of: fn(&Evidence) -> i32| all.iter().map(|e| f64::from(of(e)) / 1_000.0).collect();
        Self {
            fixed: bits(|evidence| evidence.prior + evidence.key),
            work: bits(|evidence| evidence.work),
            time: bits(|evidence| evidence.time),
            truth: row.truth,
            best: row.set.best_time(source),
        }
    }

    /// Probabilities of the candidates.
    fn probabilities(&self, bend: &Bend) -> Vec<f64> {
        let shift = bend.shifts[self.best];
        let parts = self.fixed.iter().zip(&self.work).zip(&self.time);
        let odds: Vec<f64> = parts
            .map(|((fixed, work), time)| libm::exp2(fixed + bend.work * work + bend.time * time + shift))
            .collect();
        let total: f64 = 1.0 + odds.iter().sum::<f64>();
        odds.into_iter().map(|odds| odds / total).collect()
    }
}

/// One step of Newton towards the weight of some bits under which the reviewed truth is likeliest.
fn improve_weight(
    scored: &[Scored],
    bend: &Bend,
    (weight, believed): (f64, f64),
    trust: f64,
    of: fn(&Scored) -> &Vec<f64>,
) -> f64 {
    let (mut gradient, mut curvature) = (trust * (believed - weight), trust);
    for row in scored {
        let (bits, p) = (of(row), row.probabilities(bend));
        let mean: f64 = bits.iter().zip(&p).map(|(bits, p)| bits * p).sum();
        let square: f64 = bits.iter().zip(&p).map(|(bits, p)| bits * bits * p).sum();
        gradient += LN_2 * (row.truth.map_or(0.0, |truth| bits[truth]) - mean);
        curvature += LN_2 * LN_2 * (square - mean * mean);
    }
    (weight + (gradient / curvature).clamp(-0.5, 0.5)).clamp(0.0, 5.0)
}

/// The same for the shifts.
fn improve_shifts(scored: &[Scored], bend: &Bend, believed: &PerLevel<f64>, trust: f64) -> PerLevel<f64> {
    let mut shifts = bend.shifts;
    let (mut gradients, mut curvatures) = (PerLevel([0.0; 12]), PerLevel([trust; 12]));
    for row in scored {
        let declared: f64 = row.probabilities(bend).iter().sum();
        gradients[row.best] += LN_2 * (f64::from(u8::from(row.truth.is_some())) - declared);
        curvatures[row.best] += LN_2 * LN_2 * declared * (1.0 - declared);
    }
    for level in Level::all() {
        let gradient = gradients[level] + trust * (believed[level] - shifts[level]);
        let step = (gradient / curvatures[level]).clamp(-2.0, 2.0);
        shifts[level] = (shifts[level] + step).clamp(-20.0, 20.0);
    }
    shifts
}

/// Split-conformal: the probability that all but one of 200 true outcomes reach.
fn floor(model: &MatchModel, source: &SourceModel, sample: &[Reviewed]) -> Share {
    let truth = |row: &Reviewed| {
        let Posterior { candidates, none } = row.set.posterior(model, source);
        row.truth.map_or(none, |truth| candidates.get(truth).copied().unwrap_or(0.0))
    };
    let mut reached: Vec<f64> = sample.iter().map(truth).collect();
    reached.sort_by(f64::total_cmp);
    let below = (ALPHA * (sample.len() as f64 + 1.0)).floor() as usize;
    Share::nearest(below.checked_sub(1).and_then(|last| reached.get(last)).copied().unwrap_or(0.0))
}
