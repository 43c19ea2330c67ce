//! Bounds, expectation and interval of a cell.

use super::fixture::*;
use crate::{Adherence, AdherenceCell, ExpectationError};
use modellane_event::{ConfidenceLabel, Judgement, Share, Verdict};
use proptest::prelude::*;
use std::sync::LazyLock;

static ANY: LazyLock<Judgement> = LazyLock::new(|| World::new().judge(&request("claude-sonnet-5-5")));

fn millionth(value: i32) -> Share {
    Share::new(value).unwrap()
}

/// A judgement with these probabilities in millionths; the rest is undecided.
fn judged(verdict: Verdict, label: ConfidenceLabel, followed: i32, drifted: i32) -> Judgement {
    Judgement {
        verdict,
        verdict_label: label,
        p_followed: Some(millionth(followed)),
        p_drifted: Some(millionth(drifted)),
        p_undecided: Some(millionth(1_000_000 - followed - drifted)),
        ..ANY.clone()
    }
}

fn close(a: Option<f64>, b: f64) -> bool {
    a.is_some_and(|a| (a - b).abs() < 1e-9)
}

#[test]
fn what_is_not_known_widens_the_bounds() {
    let mut cell = AdherenceCell::default();
    cell.add(50, 1, &judged(Verdict::Followed, ConfidenceLabel::High, 1_000_000, 0));
    cell.add(10, 2, &judged(Verdict::Drifted, ConfidenceLabel::High, 0, 1_000_000));
    cell.add(20, 3, &judged(Verdict::Followed, ConfidenceLabel::Medium, 900_000, 0));
    cell.add(12, 4, &judged(Verdict::Unknown, ConfidenceLabel::None, 500_000, 250_000));
    cell.add(8, 5, &judged(Verdict::Unmatched, ConfidenceLabel::None, 0, 0));
    cell.add(900, 6, &judged(Verdict::OutOfScope, ConfidenceLabel::None, 0, 0));
    let Adherence { total, rate, lower, upper, expected, interval } =
        cell.adherence(ExpectationError::default());
    assert_eq!(total, 100);
    // 50 of 100 are surely followed, 10 surely not; the expectation adds 20 · 0.9 and 12 · 0.5.
    assert!(close(lower, 0.50) && close(upper, 0.90), "{lower:?} {upper:?}");
    assert!(close(rate, 70.0 / 80.0) && close(expected, 0.74), "{rate:?} {expected:?}");
    // Deviations of 20 · 0.3 and 12 · 0.5 rows.
    let half = 1.645 * (36.0f64 + 36.0).sqrt() / 100.0;
    let (low, high) = interval.unzip();
    assert!(close(low, 0.74 - half) && close(high, 0.74 + half), "{interval:?}");
}

#[test]
fn uses_of_one_segment_err_together() {
    let half = |segments: [u8; 2]| {
        let mut cell = AdherenceCell::default();
        let uncertain = judged(Verdict::Unknown, ConfidenceLabel::None, 500_000, 0);
        segments.into_iter().for_each(|segment| cell.add(1, segment, &uncertain));
        let certain = judged(Verdict::Followed, ConfidenceLabel::High, 1_000_000, 0);
        // A sure use in the same segment adds no doubt.
        (0..98).for_each(|_| cell.add(1, 1, &certain));
        let adherence = cell.adherence(ExpectationError::default());
        adherence.expected.unwrap() - adherence.interval.unwrap().0
    };
    assert!((half([1, 2]) - 1.645 * 0.5f64.sqrt() / 100.0).abs() < 1e-9);
    assert!((half([1, 1]) - 1.645 * 1.0 / 100.0).abs() < 1e-9);
}

#[test]
fn an_empty_cell_has_no_rates() {
    let empty = AdherenceCell::<u8>::default().adherence(ExpectationError::default());
    let nothing =
        Adherence { total: 0, rate: None, lower: None, upper: None, expected: None, interval: None };
    assert_eq!(empty, nothing);
    let mut undecided = AdherenceCell::default();
    undecided.add(3, 1, &judged(Verdict::Unmatched, ConfidenceLabel::None, 0, 0));
    let undecided = undecided.adherence(ExpectationError::default());
    assert_eq!((undecided.rate, undecided.lower, undecided.upper), (None, Some(0.0), Some(1.0)));
}

#[test]
fn the_interval_lies_where_the_reviewed_sample_puts_it() {
    // Stated 0.8 for a hundred uses of which 84 were followed.
    let reviewed: Vec<(Share, bool)> = (0..100).map(|n| (millionth(800_000), n < 84)).collect();
    let error = ExpectationError::of(&reviewed);
    assert!((error.mean - 0.04).abs() < 1e-9 && (error.deviation - (0.1344f64 / 99.0).sqrt()).abs() < 1e-9);
    let mut cell = AdherenceCell::default();
    (0..100).for_each(|n| cell.add(1, n, &judged(Verdict::Followed, ConfidenceLabel::Medium, 800_000, 0)));
    let (low, high) = cell.adherence(error).interval.unwrap();
    assert!(((low + high) / 2.0 - 0.84).abs() < 1e-9 && high - low > 2.0 * 1.645 * error.deviation);
    assert_eq!(ExpectationError::of(&[]), ExpectationError::default());
}

#[test]
fn an_interval_that_lies_beside_the_expectation_reaches_as_far_as_it() {
    let mut cell = AdherenceCell::default();
    (0..10_000).for_each(|n| cell.add(1, n, &judged(Verdict::Followed, ConfidenceLabel::Medium, 800_000, 0)));
    let at = |mean| cell.adherence(ExpectationError { mean, deviation: 0.0 }).interval.unwrap();
    let half = 1.645 * (0.8 * 0.2 / 10_000.0f64).sqrt();
    let (low, high) = at(0.1);
    assert!((low - 0.8).abs() < 1e-9 && (high - 0.9 - half).abs() < 1e-9, "{low} {high}");
    let (low, high) = at(-0.1);
    assert!((low - 0.7 + half).abs() < 1e-9 && (high - 0.8).abs() < 1e-9, "{low} {high}");
}

/// A judgement as judging makes them: the verdict follows from the probabilities.
fn any_judgement() -> impl Strategy<Value = Judgement> {
    (0i32..=1_000_000, 0i32..=1_000_000, any::<bool>()).prop_map(|(first, second, sure)| {
        let (followed, drifted) = (first, second.min(1_000_000 - first));
        let (verdict, best) = match (followed >= 800_000, drifted >= 800_000) {
            (true, _) => (Verdict::Followed, followed),
            (_, true) => (Verdict::Drifted, drifted),
            _ if sure => (Verdict::Unknown, 0),
            _ => (Verdict::Unmatched, 0),
        };
        let label = match best {
            950_000.. if sure => ConfidenceLabel::High,
            800_000.. => ConfidenceLabel::Medium,
            _ => ConfidenceLabel::None,
        };
        judged(verdict, label, followed, drifted)
    })
}

proptest! {
    /// The contract's order of the figures, whatever the rows and their weights.
    #[test]
    fn bounds_and_interval_hold_rate_and_expectation(
        rows in prop::collection::vec((any_judgement(), 0u32..10_000, 0u8..5), 0..30),
        mean in -1.0f64..1.0,
        deviation in 0.0f64..0.1,
    ) {
        let mut cell = AdherenceCell::default();
        rows.iter().for_each(|(judgement, weight, segment)| cell.add(u128::from(*weight), *segment, judgement));
        let error = ExpectationError { mean, deviation };
        let Adherence { total, rate, lower, upper, expected, interval } = cell.adherence(error);
        prop_assert_eq!(total, rows.iter().map(|(_, weight, _)| u128::from(*weight)).sum::<u128>());
        let Some(((lower, upper), expected)) = lower.zip(upper).zip(expected) else {
            prop_assert_eq!(total, 0);
            return Ok(());
        };
        let tiny = 1e-12;
        prop_assert!(0.0 <= lower && lower <= expected && expected <= upper && upper <= 1.0);
        prop_assert!(rate.is_none_or(|rate| lower <= rate + tiny && rate <= upper + tiny));
        prop_assert!(interval.is_some_and(|(low, high)| 0.0 <= low && low <= expected && expected <= high && high <= 1.0));
    }
}
