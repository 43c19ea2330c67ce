//! What the broker takes from the machine: the monotonic clock and random ids.
//!
//! Deadlines of a network protocol are the only use of time here; no record is stamped by the broker.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

/// The monotonic clock, for session and poll deadlines.
#[allow(
    clippy::disallowed_methods,
    reason = "an adapter without other crates of ours; this is its one clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// 128 random bits as hex. The standard library's hasher keys come from the system's generator.
pub(crate) fn random_id() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
