//! Adherence of a cell, such as a team's week: bounds, an expected rate and its interval.
//!
//! A bare percentage hides what is not known. The bounds hold without any model of the unknown: `lower` counts
//! as followed only what is known to be, `upper` all but what is known to have drifted. The expectation uses
//! every probability, and its interval says how far the truth may lie from it.

use modellane_event::{ConfidenceLabel, Judgement, Share, Verdict};
use std::collections::BTreeMap;

/// Two-sided 90 % of the normal distribution.
const Z90: f64 = 1.645;

/// Sums of one cell. `S` names segments: uses that share one link, and so err together.
#[derive(Clone, Debug)]
pub struct AdherenceCell<S> {
    /// Weight by verdict: followed, drifted, unknown, unmatched.
    weights: [u128; 4],
    /// Weight times millionths that are followed, as far as the verdict is labelled high.
    surely_followed: u128,
    /// The same for drifted.
    surely_drifted: u128,
    /// Weight times millionths of `p_followed`.
    followed: u128,
    /// Standard deviation of the followed weight, by segment.
    segments: BTreeMap<S, f64>,
}

/// What is known of a cell's adherence. Rates are null where nothing, or nothing decided, is in scope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adherence {
    /// Weight in scope.
    pub total: u128,
    /// Followed weight among followed and drifted weight.
    pub rate: Option<f64>,
    /// Least adherence that the sure verdicts allow.
    pub lower: Option<f64>,
    /// Greatest adherence that they allow.
    pub upper: Option<f64>,
    /// Mean probability of `followed`.
    pub expected: Option<f64>,
    /// 90 % interval of the true rate. It holds the expectation.
    pub interval: Option<(f64, f64)>,
}

/// By how much the true rate of a source's reviewed uses differs from the expected one. It is an error that all
/// uses share and that no number of them averages out; some is there by construction, because the choice of
/// the model, which people mostly make well, is no evidence for the work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExpectationError {
    /// Mean of truth minus expectation.
    pub mean: f64,
    /// Standard error of that mean.
    pub deviation: f64,
}

impl ExpectationError {
    /// From a random sample: the probability of `followed` that was stated, and whether it was so.
    pub fn of(reviewed: &[(Share, bool)]) -> Self {
        let error =
            |(stated, so): &(Share, bool)| f64::from(u8::from(*so)) - f64::from(stated.millionths()) / 1e6;
        let n = reviewed.len() as f64;
        if reviewed.len() < 2 {
            return Self::default();
        }
        let mean = reviewed.iter().map(error).sum::<f64>() / n;
        let squares: f64 = reviewed.iter().map(|row| (error(row) - mean).powi(2)).sum();
        Self { mean, deviation: (squares / (n - 1.0) / n).sqrt() }
    }
}

impl<S: Ord> Default for AdherenceCell<S> {
    fn default() -> Self {
        Self {
            weights: [0; 4],
            surely_followed: 0,
            surely_drifted: 0,
            followed: 0,
            segments: BTreeMap::new(),
        }
    }
}

impl<S: Ord> AdherenceCell<S> {
    /// Adds one use with its weight: a row, its requests, or its list cost in billionths. What is out of scope
    /// does not count.
    pub fn add(&mut self, weight: u128, segment: S, judgement: &Judgement) {
        let place = match judgement.verdict {
            Verdict::Followed => 0,
            Verdict::Drifted => 1,
            Verdict::Unknown => 2,
            Verdict::Unmatched => 3,
            Verdict::OutOfScope => return,
        };
        let mass = |share: Option<Share>| {
            weight * u128::from(share.unwrap_or(Share::ZERO).millionths().unsigned_abs())
        };
        self.weights[place] += weight;
        if judgement.verdict_label == ConfidenceLabel::High {
            match judgement.verdict {
                Verdict::Followed => self.surely_followed += mass(judgement.p_followed),
                Verdict::Drifted => self.surely_drifted += mass(judgement.p_drifted),
                Verdict::Unknown | Verdict::Unmatched | Verdict::OutOfScope => {}
            }
        }
        self.followed += mass(judgement.p_followed);
        // Uses of one segment are right or wrong together, so their deviations add up and not their variances.
        let p = f64::from(judgement.p_followed.unwrap_or(Share::ZERO).millionths()) / 1e6;
        *self.segments.entry(segment).or_default() += weight as f64 * (p * (1.0 - p)).sqrt();
    }

    /// Adherence of the cell. The interval lies where reviewed uses of its source say that the truth does. Where
    /// that leaves the expectation outside, it reaches as far as the expectation: somebody who reads both must
    /// not find that they contradict each other, and the 90 % are then a few more.
    pub fn adherence(&self, error: ExpectationError) -> Adherence {
        let [followed, drifted, ..] = self.weights;
        let total: u128 = self.weights.iter().sum();
        // Masses are compared as whole numbers, and rounding keeps their order.
        let whole = total * u128::from(Share::ONE.millionths().unsigned_abs());
        let part = |mass: u128| (total > 0).then(|| mass as f64 / whole as f64);
        let expected = part(self.followed);
        let squares: f64 = self.segments.values().map(|deviation| deviation * deviation).sum();
        let variance = squares / (total.max(1) as f64 * total.max(1) as f64);
        let half = Z90 * (variance + error.deviation * error.deviation).sqrt();
        let around = |expected: f64| {
            let centre = expected + error.mean;
            let (low, high) = (centre - half, centre + half);
            (low.min(expected).max(0.0), high.max(expected).min(1.0))
        };
        Adherence {
            total,
            rate: (followed + drifted > 0).then(|| followed as f64 / (followed + drifted) as f64),
            lower: part(self.surely_followed),
            upper: part(whole - self.surely_drifted),
            expected,
            interval: expected.map(around),
        }
    }
}
