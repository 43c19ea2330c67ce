//! Weights as they are sent and stored: `weights.json`.

use super::calibration::Calibration;
use super::evidence::Level;
use super::model::{MOST_BITS, MatchModel, SourceModel};
use crate::problem::{ContextError, Problems};
use modellane_event::Share;
use serde::Deserialize;

const FILE: &str = "weights.json";

/// What every version of the layout has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl MatchModel {
    /// Its stored form; equal models have equal bytes.
    pub fn encode(&self) -> Result<Vec<u8>, ContextError> {
        serde_json::to_vec(self).map_err(|_| ContextError::Unreadable)
    }

    /// Reads what was sent or stored. A weight that no evidence could give is refused: it would decide alone.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContextError> {
        let mut problems = Problems::new(FILE);
        match read(bytes, &mut problems) {
            Some(model) => {
                check(&model, &mut problems);
                problems.finish(model)
            }
            None => Err(ContextError::Invalid(problems.into_found())),
        }
    }
}

fn read(bytes: &[u8], problems: &mut Problems) -> Option<MatchModel> {
    let head: Head = json(bytes, problems)?;
    if head.format != MatchModel::FORMAT {
        problems.add(
            "format",
            format!(
                "is of another version of the program; this one reads version {}: fit the weights anew",
                MatchModel::FORMAT
            ),
        );
        return None;
    }
    json(bytes, problems)
}

/// The parser's own message quotes what it met, so a fault has line and column only.
fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8], problems: &mut Problems) -> Option<T> {
    let fault = |error: serde_json::Error| {
        let what = if error.is_data() {
            "not as weights are written: format, sources and repositories; each source has bits of every level, \
             null_prior, keyed_rows and calibration"
        } else {
            "not readable as JSON"
        };
        problems.add(format!("line {}, column {}", error.line(), error.column()), what);
    };
    serde_json::from_slice(bytes).map_err(fault).ok()
}

fn check(model: &MatchModel, problems: &mut Problems) {
    for (number, source) in model.sources.values().enumerate() {
        check_source(&format!("sources[{number}]"), source, problems);
    }
    for (number, bits) in model.repositories.values().enumerate() {
        check_bits(&format!("repositories[{number}]"), *bits, problems);
    }
}

fn check_source(path: &str, source: &SourceModel, problems: &mut Problems) {
    for level in Level::all() {
        check_bits(&format!("{path}.bits.{}", level.as_str()), source.bits[level], problems);
    }
    if source.null_prior == Share::ZERO || source.null_prior == Share::ONE {
        problems
            .add(format!("{path}.null_prior"), "must lie between 0 and 1000000 millionths, without either");
    }
    if source.calibration.is_some_and(|calibration| !calibration.is_sound()) {
        problems.add(
            format!("{path}.calibration"),
            format!(
                "work and time must lie between 0 and {} thousandths, shifts between -{} and {} thousandths of a \
                 bit",
                Calibration::MOST_WEIGHT,
                Calibration::MOST_SHIFT,
                Calibration::MOST_SHIFT
            ),
        );
    }
}

fn check_bits(path: &str, bits: i32, problems: &mut Problems) {
    if !(-MOST_BITS..=MOST_BITS).contains(&bits) {
        problems.add(path, format!("must lie between -{MOST_BITS} and {MOST_BITS} thousandths of a bit"));
    }
}
