//! Decimal amounts with nine places, never a float.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Why a text is not an amount. Never repeats the text.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Does not fit `DECIMAL(20,9)`, eleven digits before the point.
    #[error("a number is too large for eleven digits before the point")]
    TooLarge,
}

/// A quantity of money or credits: `DECIMAL(20,9)`, held as billionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// Nothing. Not the same as an unknown amount, which is `None`.
    pub const ZERO: Self = Self(0);
    /// Decimal places kept.
    pub const SCALE: u32 = 9;
    /// Total digits kept.
    pub const PRECISION: u8 = 20;
    const LIMIT: i128 = 10i128.pow(Self::PRECISION as u32);

    /// From billionths.
    pub fn from_billionths(value: i128) -> Result<Self, AmountError> {
        if value.abs() < Self::LIMIT { Ok(Self(value)) } else { Err(AmountError::TooLarge) }
    }

    /// Billionths, as Arrow's `Decimal128(20, 9)` holds them.
    pub fn billionths(self) -> i128 {
        self.0
    }

    /// Reads plain or scientific notation exactly as written and rounds half to even at nine places.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        Self::from_decimal(parse_decimal(text)?)
    }

    /// Reads an amount written in cents.
    pub fn parse_cents(text: &str) -> Result<Self, AmountError> {
        Self::from_decimal(parse_decimal(text)? / Decimal::ONE_HUNDRED)
    }

    /// Rounds half to even at nine places.
    pub fn from_decimal(value: Decimal) -> Result<Self, AmountError> {
        let mut rounded = value.round_dp_with_strategy(Self::SCALE, RoundingStrategy::MidpointNearestEven);
        rounded.rescale(Self::SCALE);
        if rounded.scale() != Self::SCALE {
            return Err(AmountError::TooLarge);
        }
        Self::from_billionths(rounded.mantissa())
    }

    /// The same value as a general decimal.
    pub fn to_decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(self.0, Self::SCALE)
    }

    /// Sum, or `None` if it no longer fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_billionths(self.0 + other.0).ok()
    }

    /// Whether the amount is below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl std::ops::Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

/// `rust_decimal` holds 28 digits; a longer fraction is cut well below the ninth place, which rounding
/// half to even cannot notice unless the text is a tie to 28 digits.
fn parse_decimal(text: &str) -> Result<Decimal, AmountError> {
    let text = text.trim();
    if !text.bytes().any(|b| b.is_ascii_digit()) || text.contains('_') {
        return Err(AmountError::NotANumber);
    }
    let parsed = if text.bytes().any(|b| b == b'e' || b == b'E') {
        Decimal::from_scientific(text)
    } else {
        text.parse()
    };
    parsed.map_err(|error| match error {
        rust_decimal::Error::ExceedsMaximumPossibleValue => AmountError::TooLarge,
        rust_decimal::Error::Underflow | rust_decimal::Error::ScaleExceedsMaximumPrecision(_) => {
            AmountError::TooLarge
        }
        _ => AmountError::NotANumber,
    })
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal().normalize(), f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text)
    }
}

/// Text for people, billionths for machines.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            Serialize::serialize(&self.to_decimal(), s)
        } else {
            s.serialize_i128(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let decimal = <Decimal as Deserialize>::deserialize(d)?;
            Self::from_decimal(decimal).map_err(serde::de::Error::custom)
        } else {
            Self::from_billionths(i128::deserialize(d)?).map_err(serde::de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_written() {
        assert_eq!(Amount::parse("0.036000000000000004").unwrap().billionths(), 36_000_000);
        assert_eq!(Amount::parse("1e-3").unwrap().billionths(), 1_000_000);
        assert_eq!(Amount::parse("-12.5").unwrap().billionths(), -12_500_000_000);
        assert_eq!(Amount::parse_cents("13.72").unwrap().to_string(), "0.1372");
        assert_eq!(Amount::parse_cents("123.45").unwrap().to_string(), "1.2345");
    }

    #[test]
    fn ties_round_to_even() {
        assert_eq!(Amount::parse("0.0000000005").unwrap().billionths(), 0);
        assert_eq!(Amount::parse("0.0000000015").unwrap().billionths(), 2);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "abc", "NaN", "1_000", "$1", "inf"] {
            assert_eq!(Amount::parse(text), Err(AmountError::NotANumber), "{text}");
        }
        assert_eq!(Amount::parse("123456789012"), Err(AmountError::TooLarge));
    }
}
