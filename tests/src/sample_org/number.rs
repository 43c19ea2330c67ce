//! Exact amounts, and the ways in which vendors write them.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

/// An exact quantity in billionths: dollars, or credits. Deliberately not the product's own type, because
/// the totals that are computed with it are compared with the product's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Nano(pub(crate) i64);

impl Nano {
    /// From thousandths of a cent.
    pub(crate) fn millicents(value: i64) -> Self {
        Self(value * 10_000)
    }

    /// From millionths.
    pub(crate) fn micros(value: i64) -> Self {
        Self(value * 1_000)
    }

    /// From hundredths.
    pub(crate) fn hundredths(value: i64) -> Self {
        Self(value * 10_000_000)
    }

    /// The next multiple of `step` at or below.
    pub(crate) fn floor_to(self, step: Self) -> Self {
        Self(self.0 - self.0.rem_euclid(step.0))
    }

    /// The nearest binary number, for writing what a vendor computes with floats.
    pub(crate) fn float(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The same dollars as a number of cents.
    pub(crate) fn cents(self) -> Number {
        Number::plain(&Self(self.0 * 100).to_string())
    }

    /// Written exactly.
    pub(crate) fn number(self) -> Number {
        Number::plain(&self.to_string())
    }
}

impl Add for Nano {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Nano {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Nano {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self(0), Self::add)
    }
}

impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1_000_000_000, self.0.unsigned_abs() % 1_000_000_000);
        let fraction = format!("{rest:09}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            digits => write!(f, "{sign}{whole}.{digits}"),
        }
    }
}

/// A JSON number with exactly these digits.
#[derive(Clone, Debug)]
pub(crate) struct Number(Box<RawValue>);

impl Number {
    /// As Python's `json` writes a float: `0.0`, `1.2e-05`.
    pub(crate) fn python(value: f64) -> Self {
        Self::plain(&python_float(value))
    }

    /// As JavaScript writes a number: `4.4`, `4`.
    pub(crate) fn javascript(value: f64) -> Self {
        Self::plain(&format!("{value}"))
    }

    fn plain(text: &str) -> Self {
        Self(RawValue::from_string(text.to_owned()).expect("a number is JSON"))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

/// Shortest text that reads back as the same float, in Python's notation.
pub(crate) fn python_float(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once("e-").unwrap_or((&text, "0"));
        return format!("{digits}e-{exponent:0>2}");
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_without_trailing_zeros() {
        assert_eq!(Nano(36_000_000).to_string(), "0.036");
        assert_eq!(Nano(-1_500_000_000).to_string(), "-1.5");
        assert_eq!(Nano(0).to_string(), "0");
        assert_eq!(serde_json::to_string(&Nano::millicents(40_167).cents()).unwrap(), "40.167");
    }

    #[test]
    fn floats_look_like_the_language_that_wrote_them() {
        assert_eq!(python_float(0.0), "0.0");
        assert_eq!(python_float(12e-6), "1.2e-05");
        assert_eq!(python_float(3.6 * 0.01), "0.036000000000000004");
        assert_eq!(serde_json::to_string(&Number::javascript(4.0)).unwrap(), "4");
    }
}
