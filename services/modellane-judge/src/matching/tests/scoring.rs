use super::*;
use crate::reason::Reason;
use proptest::prelude::*;

fn posterior(candidates: &[Candidate]) -> Posterior {
    set(candidates).posterior(&MatchModel::prior(), &weights())
}

#[test]
fn three_bits_against_even_odds_are_eight_to_one() {
    let Posterior { candidates, none } = posterior(&[timed(Level::Inside)]);
    assert!(close(candidates[0], 8.0 / 9.0) && close(none, 1.0 / 9.0), "{candidates:?}");
}

#[test]
fn candidates_and_none_share_one_unit() {
    // Odds against none: 8, 8 and 1/64.
    let two = posterior(&[timed(Level::Inside), timed(Level::Inside), timed(Level::Far)]);
    let total = 1.0 + 8.0 + 8.0 + 1.0 / 64.0;
    assert!(close(two.candidates[1], 8.0 / total) && close(two.none, 1.0 / total), "{two:?}");
    assert!(close(posterior(&[]).none, 1.0));
}

#[test]
fn a_weak_only_candidate_is_not_taken_for_want_of_another() {
    let weak = posterior(&[candidate(KeyLevel::Missing, Some(Level::RepoDiffers), Level::Far)]);
    assert!(weak.candidates[0] < 0.001 && weak.none > 0.999, "{weak:?}");
}

#[test]
fn one_of_two_owners_is_half_as_likely_and_an_owner_without_intents_counts_for_none() {
    let comparison = timed(Level::Inside).comparison;
    let shared = |elsewhere: f64| {
        let half = Candidate::new(comparison, 0.5);
        CandidateSet::new(None, Share::nearest(elsewhere), vec![half])
    };
    // Prior 1/2 declared; the other owner has a candidate too, left out here: odds 8 · 1/2 against 1.
    let p = shared(0.0).posterior(&MatchModel::prior(), &weights()).candidates[0];
    assert!(close(p, 4.0 / 5.0), "{p}");
    // The other owner has none: before evidence none is 1/2 · 1/2 + 1/2 and this one 1/2 · 1/2.
    let p = shared(0.5).posterior(&MatchModel::prior(), &weights()).candidates[0];
    let odds = 0.25 * 8.0 / 0.75;
    assert!((p - odds / (1.0 + odds)).abs() < 1e-3, "{p}");
}

#[test]
fn an_equal_key_outweighs_everything_else() {
    let keyed = candidate(KeyLevel::Equal, Some(Level::RepoDiffers), Level::Far);
    let rival = candidate(KeyLevel::Missing, Some(Level::RepoEqual), Level::Inside);
    assert!(posterior(&[keyed]).candidates[0] > 0.9);
    let both = posterior(&[keyed, rival]);
    let restarted = candidate(KeyLevel::Differs, Some(Level::RepoEqual), Level::Inside);
    assert!(posterior(&[restarted]).candidates[0] < posterior(&[rival]).candidates[0]);
    assert!(both.none < 0.1);
}

#[test]
fn the_waterfall_names_each_step_and_sums_to_the_evidence() {
    let model = MatchModel { repositories: [(REPO, 700), (MONOREPO, -1_200)].into(), ..MatchModel::prior() };
    let steps = |workspace| {
        let work = candidate(KeyLevel::Differs, Some(Level::RepoEqual), Level::Stale);
        let set = CandidateSet::new(Some(workspace), Share::ZERO, vec![work]);
        let steps = set.waterfall(&model, &weights(), 0);
        let total: i32 = steps.iter().map(|step| step.millibits).sum();
        assert_eq!(Some(total), set.evidence(&model, &weights()).next().map(|evidence| evidence.total()));
        steps.iter().map(|step| (step.reason, step.millibits)).collect::<Vec<_>>()
    };
    let rare = [
        (Reason::Prior, 0),
        (Reason::KeyConflict, -4_000),
        (Reason::RepoRareEqual, 2_700),
        (Reason::TimeStaleIntent, -1_000),
    ];
    assert_eq!(steps(REPO), rare);
    assert_eq!(steps(MONOREPO)[2], (Reason::RepoCommonEqual, 800));
}

fn levels() -> impl Strategy<Value = Candidate> {
    let key = prop::sample::select(vec![KeyLevel::Missing, KeyLevel::Equal, KeyLevel::Differs]);
    let work = prop::option::of(prop::sample::select(Level::WORK.to_vec()));
    let time = prop::sample::select(Level::TIME.to_vec());
    (key, work, time, 1u32..=4).prop_map(|(key, work, time, owners)| {
        Candidate::new(Comparison { key, work, time }, 1.0 / f64::from(owners))
    })
}

proptest! {
    /// Whatever is compared: probabilities of one unit, the same in every order.
    #[test]
    fn a_posterior_is_a_distribution_that_no_order_changes(
        candidates in prop::collection::vec(levels(), 0..12),
        turn in 0usize..12,
        calibrated in any::<bool>(),
    ) {
        let shifts = PerLevel(std::array::from_fn(|level| 300 * level as i32 - 1_500));
        let calibration = Calibration { work: 900, time: 600, shifts, floor: Share::ZERO, reviewed: 300 };
        let source = SourceModel { calibration: calibrated.then_some(calibration), ..SourceModel::PRIOR };
        let of = |candidates: &[Candidate]| set(candidates).posterior(&MatchModel::prior(), &source);
        let straight = of(&candidates);
        let sum = straight.none + straight.candidates.iter().sum::<f64>();
        prop_assert!((sum - 1.0).abs() < 1e-9);
        prop_assert!(straight.none > 0.0 && straight.candidates.iter().all(|p| (0.0..=1.0).contains(p)));
        let mut turned = candidates.clone();
        turned.rotate_left(turn.checked_rem(candidates.len()).unwrap_or(0));
        let mut other = of(&turned).candidates;
        other.rotate_right(turn.checked_rem(candidates.len()).unwrap_or(0));
        for (a, b) in straight.candidates.iter().zip(&other) {
            prop_assert!((a - b).abs() < 1e-12);
        }
    }

    /// A further candidate takes probability from the others and from none, and gives none to anybody.
    #[test]
    fn another_candidate_never_helps_the_others(candidates in prop::collection::vec(levels(), 1..8), more in levels()) {
        // Whether an earlier intent is open changes what the others are; that is another comparison.
        prop_assume!(candidates.iter().chain([&more]).all(|c| c.comparison.time != Level::Superseded));
        let before = posterior(&candidates);
        let with: Vec<Candidate> = candidates.into_iter().chain([more]).collect();
        let after = posterior(&with);
        prop_assert!(after.none <= before.none);
        for (before, after) in before.candidates.iter().zip(&after.candidates) {
            prop_assert!(after <= before);
        }
    }
}
