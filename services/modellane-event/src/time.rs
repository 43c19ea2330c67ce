//! UTC times with microseconds, and days.

use chrono::{DateTime, Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text or number is not a time. Never repeats the text.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("not a UTC time between the years 2000 and 2200")]
pub struct TimeError;

/// A moment: microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct UtcTime(pub i64);

const MIN: i64 = 946_684_800_000_000;
const MAX: i64 = 7_258_118_400_000_000;

impl UtcTime {
    /// From microseconds, refusing what no vendor can mean.
    pub fn from_micros(micros: i64) -> Result<Self, TimeError> {
        if (MIN..MAX).contains(&micros) { Ok(Self(micros)) } else { Err(TimeError) }
    }

    /// From milliseconds.
    pub fn from_millis(millis: i64) -> Result<Self, TimeError> {
        Self::from_micros(millis.checked_mul(1_000).ok_or(TimeError)?)
    }

    /// From seconds.
    pub fn from_secs(secs: i64) -> Result<Self, TimeError> {
        Self::from_micros(secs.checked_mul(1_000_000).ok_or(TimeError)?)
    }

    /// From nanoseconds, as OpenTelemetry counts.
    pub fn from_nanos(nanos: u64) -> Result<Self, TimeError> {
        Self::from_micros(i64::try_from(nanos / 1_000).map_err(|_| TimeError)?)
    }

    /// Reads RFC 3339 with any offset, or the same without an offset as UTC.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let micros = match DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.timestamp_micros(),
            Err(_) => {
                chrono::NaiveDateTime::parse_from_str(&text.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S%.f")
                    .map_err(|_| TimeError)?
                    .and_utc()
                    .timestamp_micros()
            }
        };
        Self::from_micros(micros)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The UTC day it falls on.
    pub fn date(self) -> Date {
        Date(self.0.div_euclid(86_400_000_000) as i32)
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A UTC day: days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Date(pub i32);

impl Date {
    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").map_err(|_| TimeError)?;
        let date = Self(day.num_days_from_ce() - 719_163);
        UtcTime::from_micros(date.start().0)?;
        Ok(date)
    }

    /// Midnight at the start of the day.
    pub fn start(self) -> UtcTime {
        UtcTime(i64::from(self.0) * 86_400_000_000)
    }

    /// The day after.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Year and month, 1 to 12.
    pub fn year_month(self) -> (i32, u32) {
        self.naive().map_or((1970, 1), |d| (d.year(), d.month()))
    }

    /// First day of its month, and of the next one.
    pub fn month(self) -> (Self, Self) {
        let bounds = self.naive().and_then(|day| {
            let first = day.with_day(1)?;
            let next = first.checked_add_months(chrono::Months::new(1))?;
            Some((first, next))
        });
        let date = |day: NaiveDate| Self(day.num_days_from_ce() - 719_163);
        bounds.map_or((self, self.next()), |(first, next)| (date(first), date(next)))
    }

    fn naive(self) -> Option<NaiveDate> {
        NaiveDate::from_num_days_from_ce_opt(self.0 + 719_163)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.naive() {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_spellings_are_the_same_moment() {
        let expected = UtcTime::from_secs(1_794_218_400).unwrap();
        for text in [
            "2026-11-09T10:00:00Z",
            "2026-11-09T10:00:00.000+00:00",
            "2026-11-09T11:00:00+01:00",
            "2026-11-09 10:00:00",
        ] {
            assert_eq!(UtcTime::parse(text), Ok(expected), "{text}");
        }
        assert_eq!(expected.date(), Date::parse("2026-11-09").unwrap());
        assert_eq!(expected.to_string(), "2026-11-09T10:00:00Z");
    }

    #[test]
    fn a_month_ends_where_the_next_one_starts() {
        let date = |text| Date::parse(text).unwrap();
        for (day, first, next) in [
            ("2026-10-31", "2026-10-01", "2026-11-01"),
            ("2026-12-01", "2026-12-01", "2027-01-01"),
            ("2028-02-29", "2028-02-01", "2028-03-01"),
        ] {
            assert_eq!(date(day).month(), (date(first), date(next)), "{day}");
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        assert!(UtcTime::parse("yesterday").is_err());
        assert!(UtcTime::from_millis(i64::MAX).is_err());
        assert!(UtcTime::from_secs(0).is_err());
        assert!(Date::parse("2026-13-01").is_err());
    }
}
