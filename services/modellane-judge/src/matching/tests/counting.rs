use super::*;

/// A use with a key: its intent at one level, one other candidate at another.
fn keyed(
    workspace: WorkspaceKey,
    (work, time): (Option<Level>, Level),
    other: (Option<Level>, Level),
) -> CandidateSet {
    let candidates =
        vec![candidate(KeyLevel::Equal, work, time), candidate(KeyLevel::Missing, other.0, other.1)];
    CandidateSet { workspace: Some(workspace), elsewhere: Share::ZERO, candidates }
}

fn counted(sets: impl IntoIterator<Item = CandidateSet>) -> MatchCounts {
    let mut counts = MatchCounts::default();
    sets.into_iter().for_each(|set| assert!(counts.add(&source(), &set)));
    counts
}

fn repeated(set: &CandidateSet, times: usize) -> impl Iterator<Item = CandidateSet> {
    std::iter::repeat_n(set.clone(), times)
}

#[test]
fn weights_are_counted_frequencies() {
    // 600 uses: the match is inside in 540 and stale in 60, the other one far in 570 and inside in 30.
    let set = |time, other| keyed(REPO, (None, time), (None, other));
    let counts = counted(
        repeated(&set(Level::Inside, Level::Far), 540)
            .chain(repeated(&set(Level::Stale, Level::Inside), 30))
            .chain(repeated(&set(Level::Stale, Level::Far), 30)),
    );
    let bits = counts.sources[&source()].bits();
    // m = 540.5/604 with half a use for each of the eight levels; r = 30.5 others in 600.5 uses.
    let expected = |m: f64, r: f64| (1_000.0 * ((m / 604.0) / (r / 600.5)).log2()).round() as i32;
    assert_eq!(bits[Level::Inside], expected(540.5, 30.5));
    assert_eq!(bits[Level::Stale], expected(60.5, 0.5));
    assert_eq!(bits[Level::Far], expected(0.5, 570.5));
    let model = MatchModel::from_counts(&counts);
    assert_eq!((model.source(&source()).bits, model.source(&source()).keyed_rows), (bits, 600));
}

#[test]
fn work_items_are_weighed_among_those_that_state_one() {
    let set = |work, other| keyed(REPO, (work, Level::Inside), (other, Level::Far));
    let (equal, differs) = (Some(Level::RepoEqual), Some(Level::RepoDiffers));
    let counts = counted(
        repeated(&set(equal, differs), 90)
            .chain(repeated(&set(differs, equal), 10))
            .chain(repeated(&set(None, None), 900)),
    );
    let bits = counts.sources[&source()].bits();
    // Among 100 uses that state a repository, not among 1,000.
    assert_eq!(bits[Level::RepoEqual], (1_000.0 * (90.5f64 / 10.5).log2()).round() as i32);
    assert_eq!(bits[Level::RepoDiffers], (1_000.0 * (10.5f64 / 90.5).log2()).round() as i32);
}

#[test]
fn a_repository_that_everybody_declares_says_less_than_a_rare_one() {
    let set = |repo, other| keyed(repo, (Some(Level::RepoEqual), Level::Inside), (Some(other), Level::Far));
    let counts = counted(
        repeated(&set(MONOREPO, Level::RepoEqual), 900)
            .chain(repeated(&set(MONOREPO, Level::RepoDiffers), 100))
            .chain(repeated(&set(REPO, Level::RepoEqual), 100))
            .chain(repeated(&set(REPO, Level::RepoDiffers), 900)),
    );
    let model = MatchModel::from_counts(&counts);
    // On average one in two; 9 in 10 and 1 in 10 here, drawn towards it by 20 uses.
    let expected = |frequency: f64| (1_000.0 * (0.5 / frequency).log2()).round() as i32;
    assert_eq!(model.term_bits(Some(MONOREPO)), expected((900.0 + 10.0) / 1_020.0));
    assert_eq!(model.term_bits(Some(REPO)), expected((100.0 + 10.0) / 1_020.0));
    assert!(model.term_bits(Some(REPO)) > 0 && model.term_bits(Some(MONOREPO)) < 0);
    assert_eq!(model.term_bits(None), 0);
    // It reaches the score: the same comparison, likelier in the rare repository.
    let p = |workspace| {
        let equal = candidate(KeyLevel::Missing, Some(Level::RepoEqual), Level::Inside);
        let set = CandidateSet::new(Some(workspace), Share::ZERO, vec![equal]);
        set.posterior(&model, &weights()).candidates[0]
    };
    assert!(p(REPO) > p(MONOREPO));
}

#[test]
fn a_use_without_a_key_or_with_two_is_not_counted() {
    let mut counts = MatchCounts::default();
    let equal = candidate(KeyLevel::Equal, None, Level::Inside);
    assert!(!counts.add(&source(), &set(&[timed(Level::Inside)])));
    assert!(!counts.add(&source(), &set(&[equal, equal])));
    assert_eq!(counts, MatchCounts::default());
}

#[test]
fn a_source_with_few_keyed_uses_keeps_the_prior_weights() {
    let set = keyed(REPO, (None, Level::Inside), (None, Level::Far));
    let few = MatchModel::from_counts(&counted(repeated(&set, 499)));
    assert_eq!(*few.source(&source()), SourceModel::PRIOR);
    let enough = MatchModel::from_counts(&counted(repeated(&set, 500)));
    assert_ne!(enough.source(&source()).bits, SourceModel::PRIOR.bits);
    assert!(!enough.source(&source()).is_calibrated());
}

#[test]
fn the_null_prior_is_the_part_of_undeclared_work() {
    // Evidence that leaves no doubt: 300 uses with a match and 100 without one.
    let sets: Vec<CandidateSet> = (0..400)
        .map(|n| {
            let level = if n % 4 == 0 { Level::Far } else { Level::Inside };
            let key = if n % 4 == 0 { KeyLevel::Missing } else { KeyLevel::Equal };
            set(&[candidate(key, Some(Level::RepoDiffers), level)])
        })
        .collect();
    let estimated = null_prior(&MatchModel::prior(), &weights(), &sets);
    assert!((f64::from(estimated.millionths()) / 1e6 - 0.25).abs() < 0.002, "{estimated}");
    let none: [CandidateSet; 0] = [];
    assert_eq!(null_prior(&MatchModel::prior(), &weights(), &none), weights().null_prior);
}

#[test]
fn a_model_reads_back_from_its_bytes_and_each_change_renames_it() {
    let set = keyed(REPO, (Some(Level::RepoEqual), Level::Inside), (Some(Level::RepoDiffers), Level::Far));
    let model = MatchModel::from_counts(&counted(repeated(&set, 600)));
    let bytes = model.encode().unwrap();
    let back = MatchModel::decode(&bytes).unwrap();
    assert_eq!((&back, back.id(), back.encode().unwrap()), (&model, model.id(), bytes));
    let mut other = model.clone();
    other.sources.get_mut(&source()).unwrap().bits[Level::Near] += 1;
    assert_ne!(other.id(), model.id());
}
