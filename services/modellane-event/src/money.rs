//! Currencies and what a cost rests on.

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// A text is no ISO 4217 code.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("a currency has three letters, as in ISO 4217")]
pub struct CurrencyError;

/// ISO 4217 code, upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Currency(SmolStr);

impl Currency {
    /// Reads a code in any letter case.
    pub fn new(code: &str) -> Result<Self, CurrencyError> {
        let code = code.trim();
        if code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()) {
            Ok(Self(SmolStr::new(code.to_ascii_uppercase())))
        } else {
            Err(CurrencyError)
        }
    }

    /// US dollar, in which most vendors report.
    pub fn usd() -> Self {
        Self(SmolStr::new_static("USD"))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Where the cost of a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// A line of an invoice.
    Invoiced,
    /// The vendor's own record of what it charges.
    VendorReported,
    /// The vendor's or a gateway's estimate.
    VendorEstimate,
    /// Tokens times a dated list price.
    Computed,
    /// Covered by a seat: nothing is charged for this use.
    SeatIncluded,
    /// No amount is known.
    None,
}

impl CostBasis {
    /// Name in files and SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoiced => "invoiced",
            Self::VendorReported => "vendor_reported",
            Self::VendorEstimate => "vendor_estimate",
            Self::Computed => "computed",
            Self::SeatIncluded => "seat_included",
            Self::None => "none",
        }
    }
}
