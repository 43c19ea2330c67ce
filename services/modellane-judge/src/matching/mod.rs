//! Which declared intent a use belongs to, as a calibrated probability.
//!
//! Record linkage after Fellegi and Sunter: each comparison of a use with a candidate adds bits of evidence,
//! the binary logarithm of how much likelier that level of agreement is for the true intent (*m*) than for
//! another one (*u*). The candidates and "none of them" share one unit of probability, so that a use belongs
//! to one intent at most. *m* and *u* are counted on uses that carry a session key, whose intent is known
//! without them; what is left of systematic error is taken out by a calibration on reviewed samples.
//!
//! Bits are whole thousandths: sums are exact in any order, and a model reads back from JSON as it was.

mod aggregate;
mod calibration;
mod evidence;
mod fit;
mod model;
mod score;
mod stored;
#[cfg(test)]
mod tests;

pub use aggregate::shares_of_day;
pub use calibration::{Calibration, Reviewed};
pub use evidence::{Comparison, Declaration, KeyLevel, Level, MatchKey, PerLevel, Trace, agreement};
pub use fit::{LevelCounts, MatchCounts, null_prior};
pub use model::{Evidence, MatchModel, SourceModel};
pub use score::{Candidate, CandidateSet, Posterior, Step};
