//! What the broker takes from the machine: its clocks and random ids.
//!
//! Deadlines of a network protocol use the monotonic clock. The other one decides which records are too old to
//! be kept; no record is stamped by the broker.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Instant, SystemTime};

/// The monotonic clock, for session and poll deadlines.
#[allow(
    clippy::disallowed_methods,
    reason = "an adapter without other crates of ours; this is its one clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970, for retention.
#[allow(
    clippy::disallowed_methods,
    reason = "an adapter without other crates of ours; this is its one clock"
)]
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// 128 random bits as hex. The standard library's hasher keys come from the system's generator.
pub(crate) fn random_id() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
