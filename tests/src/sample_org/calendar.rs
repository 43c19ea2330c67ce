//! The thirty days of the sample and the ways in which vendors write time.

use modellane_event::{Date, UtcTime};

/// 2026-10-12, a Monday.
pub(crate) const FIRST_DAY: Date = Date(20_738);
/// 2026-11-11, the day after the last.
pub(crate) const END_DAY: Date = Date(20_768);
/// 2026-11-01: second month, second guidance bundle, second price.
pub(crate) const NOVEMBER: Date = Date(20_758);
/// 2026-10-24, from which the leaver is gone.
pub(crate) const LEAVING_DAY: Date = Date(20_750);
/// 2026-10-26, on which one person changes team.
pub(crate) const TRANSFER_DAY: Date = Date(20_752);

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Milliseconds of a minute.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// All days in order.
pub(crate) fn days() -> impl Iterator<Item = Date> {
    (FIRST_DAY.0..END_DAY.0).map(Date)
}

/// Days since the first one.
pub(crate) fn day_number(day: Date) -> i64 {
    i64::from(day.0 - FIRST_DAY.0)
}

/// Whether most people are off: Saturday or Sunday.
pub(crate) fn is_weekend(day: Date) -> bool {
    (day.0 - FIRST_DAY.0).rem_euclid(7) >= 5
}

/// Midnight at the start of a day, in milliseconds.
pub(crate) fn midnight_ms(day: Date) -> i64 {
    i64::from(day.0) * DAY_MS
}

/// The day on which a moment falls.
pub(crate) fn day_of(ms: i64) -> Date {
    Date(ms.div_euclid(DAY_MS) as i32)
}

/// `2026-11-09T10:00:00Z`, with milliseconds where there are any.
pub(crate) fn rfc3339(ms: i64) -> String {
    UtcTime(ms * 1_000).to_string()
}

/// `2026-11-09T10:00:00.120Z`, as JavaScript writes it.
pub(crate) fn javascript(ms: i64) -> String {
    format!("{}.{:03}Z", seconds(ms), ms.rem_euclid(1_000))
}

/// `2026-11-09T10:00:00.120000+00:00`, as Python writes it.
pub(crate) fn python(ms: i64) -> String {
    format!("{}.{:03}000+00:00", seconds(ms), ms.rem_euclid(1_000))
}

/// `2026-10-13T06-00-00Z`: a fetch time for a file name.
pub(crate) fn file_stamp(day: Date, hour: u32) -> String {
    format!("{day}T{hour:02}-00-00Z")
}

/// Nanoseconds as a decimal text, as OpenTelemetry's JSON writes 64-bit numbers.
pub(crate) fn unix_nano(ms: i64) -> String {
    format!("{ms}000000")
}

fn seconds(ms: i64) -> String {
    let in_day = ms.rem_euclid(DAY_MS) / 1_000;
    format!("{}T{:02}:{:02}:{:02}", day_of(ms), in_day / 3_600, in_day / 60 % 60, in_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_starts_on_a_monday_and_has_thirty_days() {
        assert_eq!(FIRST_DAY.to_string(), "2026-10-12");
        assert_eq!(END_DAY.to_string(), "2026-11-11");
        assert_eq!(NOVEMBER.to_string(), "2026-11-01");
        assert_eq!(TRANSFER_DAY.to_string(), "2026-10-26");
        assert_eq!(LEAVING_DAY.to_string(), "2026-10-24");
        assert_eq!(days().count(), 30);
        assert!(is_weekend(LEAVING_DAY) && !is_weekend(FIRST_DAY) && is_weekend(NOVEMBER));
    }

    #[test]
    fn one_moment_in_the_spellings_of_the_vendors() {
        let ms = 1_794_218_400_120;
        assert_eq!(javascript(ms), "2026-11-09T10:00:00.120Z");
        assert_eq!(python(ms), "2026-11-09T10:00:00.120000+00:00");
        assert_eq!(unix_nano(ms), "1794218400120000000");
    }
}
