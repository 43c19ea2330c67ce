use super::*;

/// Uses with one candidate whose truth follows from a probability, spread evenly: of 100 such uses just so many.
fn sample(rows: usize, candidate: Candidate, declared: f64) -> Vec<Reviewed> {
    let is_declared = |n: usize| ((n + 1) as f64 * declared).floor() > (n as f64 * declared).floor();
    (0..rows).map(|n| Reviewed { set: set(&[candidate]), truth: is_declared(n).then_some(0) }).collect()
}

fn calibrated(rows: Vec<Reviewed>) -> MatchModel {
    let mut model = MatchModel { sources: [(source(), weights())].into(), ..MatchModel::prior() };
    model.calibrate(&[(source(), rows)].into());
    model
}

fn probability(model: &MatchModel, candidate: Candidate) -> f64 {
    set(&[candidate]).posterior(model, model.source(&source())).candidates[0]
}

#[test]
fn a_reviewed_sample_corrects_what_the_weights_overstate() {
    // The weights say 8/9 inside and 1/3 when stale; reviewers say 70 % and 10 %.
    let mut rows = sample(600, timed(Level::Inside), 0.70);
    rows.extend(sample(400, timed(Level::Stale), 0.10));
    let model = calibrated(rows);
    let (inside, stale) =
        (probability(&model, timed(Level::Inside)), probability(&model, timed(Level::Stale)));
    assert!((inside - 0.70).abs() < 0.02, "{inside}");
    assert!((stale - 0.10).abs() < 0.02, "{stale}");
    assert!(model.source(&source()).is_calibrated());
}

#[test]
fn a_sample_that_agrees_changes_nothing_much() {
    let model = calibrated(sample(900, timed(Level::Inside), 8.0 / 9.0));
    assert!((probability(&model, timed(Level::Inside)) - 8.0 / 9.0).abs() < 0.01);
}

#[test]
fn evidence_that_tells_nothing_loses_its_weight() {
    // The weights make five bits of an equal ticket; reviewers find the same part declared with and without it.
    let ticketed = candidate(KeyLevel::Missing, Some(Level::TicketEqual), Level::Inside);
    let mut rows = sample(2_000, timed(Level::Inside), 0.8);
    rows.extend(sample(2_000, ticketed, 0.8));
    let model = calibrated(rows);
    assert!(model.source(&source()).calibration.unwrap().work < 200);
    assert!((probability(&model, ticketed) - 0.8).abs() < 0.03);
}

#[test]
fn too_small_a_sample_calibrates_nothing() {
    let model = calibrated(sample(299, timed(Level::Inside), 0.2));
    assert!(!model.source(&source()).is_calibrated());
    assert!(close(probability(&model, timed(Level::Inside)), 8.0 / 9.0));
}

#[test]
fn prior_weights_are_not_calibrated_by_a_sample_alone() {
    let mut model = MatchModel::prior();
    model.calibrate(&[(source(), sample(400, timed(Level::Inside), 0.9))].into());
    let own = model.source(&source());
    assert!(own.calibration.is_some() && !own.is_calibrated());
}

#[test]
fn one_source_lends_the_other_what_it_lacks() {
    // A use of the second source was never reviewed when stale; the first has seen many.
    let other = Label::literal("litellm.spend_logs");
    let mut model = MatchModel {
        sources: [(source(), weights()), (other.clone(), weights())].into(),
        ..MatchModel::prior()
    };
    let mut rows = sample(600, timed(Level::Inside), 0.8);
    rows.extend(sample(400, timed(Level::Stale), 0.02));
    model.calibrate(&[(source(), rows), (other.clone(), sample(300, timed(Level::Inside), 0.8))].into());
    let stale = set(&[timed(Level::Stale)]).posterior(&model, model.source(&other)).candidates[0];
    assert!(stale < 0.1, "{stale}");
}

#[test]
fn the_floor_leaves_out_one_truth_in_two_hundred() {
    // One truth in a hundred is a use without intent where the weights see none.
    let mut rows = sample(990, candidate(KeyLevel::Missing, Some(Level::TicketEqual), Level::Inside), 1.0);
    rows.extend(sample(10, timed(Level::Far), 1.0));
    let model = calibrated(rows.clone());
    let own = model.source(&source());
    let floor = f64::from(own.calibration.unwrap().floor.millionths()) / 1e6;
    let truth = |row: &Reviewed| {
        let posterior = row.set.posterior(&model, own);
        row.truth.map_or(posterior.none, |truth| posterior.candidates[truth])
    };
    let below = rows.iter().filter(|row| truth(row) < floor - 1e-6).count();
    assert!(below <= 5, "{below} of 1,000 truths lie below {floor}");
}
