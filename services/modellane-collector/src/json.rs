//! Reads fields of vendor records: numbers as they are written, times in every spelling, and a reason with
//! the field's name where one cannot be read. Never repeats a value.

use crate::connector::{JsonRecords, Payload, Records, Rejection};
use crate::framing::{Fault, Framer, Step};
use modellane_event::{Amount, AmountError, RejectReason, UtcTime};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Greatest count that one record may state; sums of many records must stay far from 64 bits.
const MAX_COUNT: i64 = 1_000_000_000_000_000;

/// Calls back with every record of a payload, in order: its index from 0, the line on which it starts from
/// 1, and its text.
pub(crate) fn for_each_record(
    bytes: &[u8],
    array_keys: &'static [&'static str],
    mut found: impl FnMut(u64, u64, Result<&str, Rejection>),
) {
    let mut framer = Framer::new(array_keys);
    let mut index = 0;
    while let Some(record) = next_record(&mut framer, bytes, true) {
        found(index, framer.line(), record);
        index += 1;
    }
}

/// The next record of a window; `None` when the window has no further one.
pub(crate) fn next_record<'a>(
    framer: &mut Framer,
    window: &'a [u8],
    last: bool,
) -> Option<Result<&'a str, Rejection>> {
    match framer.step(window, last) {
        Step::Record(bytes) => Some(std::str::from_utf8(bytes).map_err(|_| Rejection {
            length: Some(bytes.len()),
            ..Rejection::new(RejectReason::InvalidUtf8)
        })),
        Step::Broken(fault, length) => {
            let reason = match fault {
                Fault::Truncated => RejectReason::Truncated,
                Fault::TooLarge => RejectReason::TooLarge,
                Fault::TooDeep => RejectReason::TooDeep,
                Fault::Malformed => RejectReason::Malformed,
            };
            Some(Err(Rejection { length: Some(length), ..Rejection::new(reason) }))
        }
        Step::NeedMore | Step::End => None,
    }
}

/// Reads a whole payload of independent records.
pub(crate) fn read_records(format: &dyn JsonRecords, payload: &Payload<'_>, records: &mut dyn Records) {
    for_each_record(payload.bytes, format.array_keys(), |index, line, record| {
        records.line(line);
        match record {
            Ok(record) => {
                let part = Payload { bytes: record.as_bytes(), ..*payload };
                format.read_record(index, record, &part, records);
            }
            Err(rejection) => records.reject(index, rejection),
        }
    });
}

/// Reads a record's declared fields; everything else is passed over.
pub(crate) fn parse<'a, T: Deserialize<'a>>(record: &'a str) -> Result<T, Rejection> {
    serde_json::from_str(record).map_err(|error| {
        let reason = if error.is_eof() { RejectReason::Truncated } else { RejectReason::Malformed };
        Rejection { length: Some(record.len()), ..Rejection::new(reason) }
    })
}

/// A field as it is written. Absent and null are the same: unknown.
///
/// In a struct: `#[serde(borrow, default)] spend: Field<'a>`, then `row.spend.amount("spend")?`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Field<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        Ok(Self((raw.get() != "null").then_some(raw)))
    }
}

impl<'a> Field<'a> {
    /// Whether the record says nothing here.
    pub(crate) fn is_null(self) -> bool {
        self.0.is_none()
    }

    /// A text; a number counts as its digits, because ids come both ways. White space around it and empty
    /// texts are nothing.
    pub(crate) fn text(self, field: &'static str) -> Result<Option<Cow<'a, str>>, Rejection> {
        let Some(raw) = self.0.map(RawValue::get) else { return Ok(None) };
        let text = match raw.as_bytes().first() {
            Some(b'"') => unquote(raw, field)?,
            Some(b'-' | b'0'..=b'9') => Cow::Borrowed(raw),
            _ => return Err(Rejection::at(RejectReason::BadLabel, field)),
        };
        Ok((!text.trim().is_empty()).then_some(text))
    }

    /// A count: whole, not negative, as number or text.
    pub(crate) fn count(self, field: &'static str) -> Result<Option<i64>, Rejection> {
        match self.number(field)? {
            Some(text) => count(&text, field),
            None => Ok(None),
        }
    }

    /// An amount of major units, such as dollars or credits; it may be negative.
    pub(crate) fn amount(self, field: &'static str) -> Result<Option<Amount>, Rejection> {
        match self.number(field)? {
            Some(text) => amount(&text, field),
            None => Ok(None),
        }
    }

    /// An amount in cents, as major units.
    pub(crate) fn cents(self, field: &'static str) -> Result<Option<Amount>, Rejection> {
        match self.number(field)? {
            Some(text) => cents(&text, field),
            None => Ok(None),
        }
    }

    /// A time in any of the vendors' spellings.
    pub(crate) fn time(self, field: &'static str) -> Result<Option<UtcTime>, Rejection> {
        let text = self.text(field).map_err(|_| Rejection::at(RejectReason::BadTime, field))?;
        match text {
            Some(text) => time(&text, field),
            None => Ok(None),
        }
    }

    /// Yes or no, as a boolean or as text in any letter case; anything else says nothing.
    pub(crate) fn flag(self) -> Option<bool> {
        let text = self.0?.get().trim_matches('"');
        if text.eq_ignore_ascii_case("true") {
            Some(true)
        } else if text.eq_ignore_ascii_case("false") {
            Some(false)
        } else {
            None
        }
    }

    /// The JSON text of an object or array, also where it is wrapped in a string; nothing otherwise.
    pub(crate) fn nested(self) -> Option<Cow<'a, str>> {
        let raw = self.0?.get();
        let text = match raw.as_bytes().first()? {
            b'{' | b'[' => Cow::Borrowed(raw),
            b'"' => unquote(raw, "").ok()?,
            _ => return None,
        };
        text.trim_start().starts_with(['{', '[']).then_some(text)
    }

    fn number(self, field: &'static str) -> Result<Option<Cow<'a, str>>, Rejection> {
        self.text(field).map_err(|_| Rejection::at(RejectReason::BadNumber, field))
    }
}

/// A string literal's text, borrowed where nothing is escaped.
pub(crate) fn unquote<'a>(raw: &'a str, field: &'static str) -> Result<Cow<'a, str>, Rejection> {
    let inner = raw.get(1..raw.len() - 1).unwrap_or("");
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    let text = serde_json::from_str(raw).map_err(|_| Rejection::at(RejectReason::BadLabel, field))?;
    Ok(Cow::Owned(text))
}

/// A field that must be there.
pub(crate) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Rejection> {
    value.ok_or_else(|| Rejection::at(RejectReason::MissingField, field))
}

/// An amount that cannot be negative.
pub(crate) fn not_negative(amount: Option<Amount>, field: &'static str) -> Result<Option<Amount>, Rejection> {
    match amount {
        Some(amount) if amount.is_negative() => Err(Rejection::at(RejectReason::NegativeNumber, field)),
        amount => Ok(amount),
    }
}

/// A count from text; an empty text is nothing.
pub(crate) fn count(text: &str, field: &'static str) -> Result<Option<i64>, Rejection> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value = match text.parse::<i64>() {
        Ok(value) => value,
        Err(_) => whole(text).ok_or_else(|| Rejection::at(RejectReason::BadNumber, field))?,
    };
    if value < 0 {
        return Err(Rejection::at(RejectReason::NegativeNumber, field));
    }
    if value > MAX_COUNT {
        return Err(Rejection::at(RejectReason::BadNumber, field));
    }
    Ok(Some(value))
}

/// `1400.0` and `1.4e3` are whole numbers as well.
fn whole(text: &str) -> Option<i64> {
    let value = Amount::parse(text).ok()?.to_decimal().normalize();
    (value.scale() == 0).then(|| i64::try_from(value.mantissa()).ok()).flatten()
}

/// An amount of major units from text; an empty text is nothing.
pub(crate) fn amount(text: &str, field: &'static str) -> Result<Option<Amount>, Rejection> {
    read_amount(text, field, Amount::parse)
}

/// An amount in cents from text, as major units; an empty text is nothing.
pub(crate) fn cents(text: &str, field: &'static str) -> Result<Option<Amount>, Rejection> {
    read_amount(text, field, Amount::parse_cents)
}

fn read_amount(
    text: &str,
    field: &'static str,
    read: fn(&str) -> Result<Amount, AmountError>,
) -> Result<Option<Amount>, Rejection> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    read(text).map(Some).map_err(|_| Rejection::at(RejectReason::BadNumber, field))
}

/// A time from text: RFC 3339 with or without an offset, or a number since 1970 whose size tells seconds,
/// milliseconds, microseconds and nanoseconds apart; an empty text is nothing.
pub(crate) fn time(text: &str, field: &'static str) -> Result<Option<UtcTime>, Rejection> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let time = if numeric { numeric_time(text) } else { UtcTime::parse(text).ok() };
    time.map(Some).ok_or_else(|| Rejection::at(RejectReason::BadTime, field))
}

fn numeric_time(text: &str) -> Option<UtcTime> {
    let value: Decimal = text.parse().ok()?;
    let per_second: i64 = match value.trunc().to_string().len() {
        0..=11 => 1,
        12..=14 => 1_000,
        15..=17 => 1_000_000,
        _ => 1_000_000_000,
    };
    let micros = value.checked_mul(Decimal::from(1_000_000))?.checked_div(Decimal::from(per_second))?;
    UtcTime::from_micros(i64::try_from(micros.trunc().mantissa()).ok()?).ok()
}

#[cfg(test)]
mod tests;
