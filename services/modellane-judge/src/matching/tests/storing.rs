//! Weights that are sent and stored: what is refused, and what is said of it.

use super::*;
use crate::ContextError;

/// Weights of one source and one repository.
fn sound() -> MatchModel {
    let mut model = MatchModel::prior();
    let calibration = Calibration {
        work: 900,
        time: 5_000,
        shifts: PerLevel([-20_000; 12]),
        floor: Share::nearest(0.02),
        reviewed: 300,
    };
    model.sources.insert(source(), SourceModel { calibration: Some(calibration), ..weights() });
    model.repositories.insert(REPO, -40_000);
    model
}

fn problems_of(bytes: &[u8]) -> Vec<String> {
    match MatchModel::decode(bytes) {
        Ok(_) => Vec::new(),
        Err(ContextError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

fn problems(change: impl FnOnce(&mut MatchModel)) -> Vec<String> {
    let mut model = sound();
    change(&mut model);
    problems_of(&model.encode().unwrap())
}

fn own(model: &mut MatchModel) -> &mut SourceModel {
    model.sources.get_mut(&source()).unwrap()
}

#[test]
fn weights_at_their_limits_are_read() {
    assert_eq!(problems(|_| ()), [""; 0]);
    assert_eq!(problems(|model| own(model).bits[Level::Far] = -40_000), [""; 0]);
}

#[test]
fn each_weight_beyond_its_limits_is_named() {
    let found = problems(|model| {
        own(model).bits[Level::Near] = 40_001;
        own(model).bits[Level::Far] = i32::MIN;
        own(model).null_prior = Share::ZERO;
        model.repositories.insert(MONOREPO, -40_001);
    });
    let limits = "must lie between -40000 and 40000 thousandths of a bit";
    assert_eq!(
        found,
        [
            format!("weights.json: sources[0].bits.near: {limits}"),
            format!("weights.json: sources[0].bits.far: {limits}"),
            "weights.json: sources[0].null_prior: must lie between 0 and 1000000 millionths, without either"
                .to_owned(),
            format!("weights.json: repositories[1]: {limits}"),
        ]
    );
    let calibration = |change: fn(&mut Calibration)| {
        problems(|model| change(own(model).calibration.as_mut().unwrap())).concat()
    };
    for found in [
        calibration(|c| c.work = -1),
        calibration(|c| c.time = 5_001),
        calibration(|c| c.shifts[Level::Inside] = i32::MIN),
    ] {
        assert!(found.starts_with("weights.json: sources[0].calibration: work and time must"), "{found}");
    }
}

#[test]
fn weights_of_another_version_are_not_guessed_at() {
    let later = String::from_utf8(sound().encode().unwrap()).unwrap();
    let later = later.replacen("\"format\":1", "\"format\":2,\"something\":[]", 1);
    let found = problems_of(later.as_bytes());
    assert!(found.len() == 1 && found[0].contains("format: is of another version"), "{found:?}");
    assert!(found[0].contains("reads version 1"), "{found:?}");
}

#[test]
fn what_is_not_weights_is_refused_without_being_quoted() {
    let text = String::from_utf8(sound().encode().unwrap()).unwrap();
    let other = [
        String::new(),
        "{}".to_owned(),
        "[1, 2".to_owned(),
        text.replacen("\"near\"", "\"planted\"", 1),
        text.replacen("\"near\":0,", "", 1),
        text.replacen("\"null_prior\":500000", "\"null_prior\":-1", 1),
        text.replacen("\"keyed_rows\"", "\"planted\"", 1),
        text.replacen("\"repositories\"", "\"planted\":\"planted\",\"repositories\"", 1),
        format!("{text} planted"),
    ];
    for (number, text) in other.iter().enumerate() {
        let found = problems_of(text.as_bytes());
        assert!(found.len() == 1 && found[0].starts_with("weights.json: line "), "{number}: {found:?}");
        assert!(!found[0].contains("planted"), "{found:?}");
    }
}

#[test]
fn a_sample_that_is_too_small_confirms_nothing() {
    let mut model = sound();
    assert!(own(&mut model).is_calibrated());
    own(&mut model).calibration.as_mut().unwrap().reviewed = 299;
    assert!(!own(&mut model).is_calibrated());
}

#[test]
fn levels_have_one_name() {
    for level in Level::all() {
        assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
    }
}
