//! Exact probabilities and shares.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a number is not a share.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("a share lies between 0 and 1,000,000 millionths")]
pub struct ShareError;

/// A probability or share in millionths, `DECIMAL(7,6)` in files, so that sums are exactly one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Share(i32);

impl Share {
    /// Impossible, or nothing.
    pub const ZERO: Self = Self(0);
    /// Certain, or all.
    pub const ONE: Self = Self(1_000_000);

    /// From millionths.
    pub const fn new(millionths: i32) -> Result<Self, ShareError> {
        if millionths >= 0 && millionths <= 1_000_000 { Ok(Self(millionths)) } else { Err(ShareError) }
    }

    /// Millionths.
    pub const fn millionths(self) -> i32 {
        self.0
    }

    /// What is left to one.
    pub const fn complement(self) -> Self {
        Self(1_000_000 - self.0)
    }

    /// The nearest share to a probability; NaN and values outside the unit interval are pulled in.
    pub fn nearest(probability: f64) -> Self {
        Self((probability.clamp(0.0, 1.0) * 1_000_000.0).round() as i32)
    }
}

impl TryFrom<i32> for Share {
    type Error = ShareError;
    fn try_from(value: i32) -> Result<Self, ShareError> {
        Self::new(value)
    }
}

impl From<Share> for i32 {
    fn from(share: Share) -> i32 {
        share.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
