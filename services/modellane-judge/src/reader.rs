//! Reads YAML by hand, so that every fault is listed with its place and no value is repeated.
//!
//! A deriving parser stops at the first fault and quotes the offending text, which here may be a name.

use crate::period::Period;
use crate::problem::Problems;
use modellane_event::{Currency, Date, Label, UtcTime};
use rust_decimal::Decimal;
use serde_yaml_ng::{Mapping, Value};

/// Longest display text, such as the name of a team.
const LONGEST_TEXT: usize = 200;

/// Text of a file without byte order mark and with `\n` line ends.
pub(crate) fn text_of(bytes: &[u8], problems: &mut Problems) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n")),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            problems.add(format!("line {line}"), "not UTF-8; save the file as UTF-8");
            None
        }
    }
}

/// Parses a document. Syntax errors name line and column only: the parser's own message quotes keys.
pub(crate) fn document(text: &str, problems: &mut Problems) -> Option<Value> {
    match serde_yaml_ng::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let path = error
                .location()
                .map_or_else(String::new, |at| format!("line {}, column {}", at.line(), at.column()));
            problems
                .add(path, "not readable as YAML; look for indentation, a missing quote or a doubled key");
            None
        }
    }
}

/// A mapping whose keys are known.
pub(crate) struct Table<'a> {
    path: String,
    map: &'a Mapping,
}

impl<'a> Table<'a> {
    /// Opens a mapping and reports keys that are not known.
    pub(crate) fn open(
        value: &'a Value,
        path: impl Into<String>,
        known: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let path = path.into();
        let Value::Mapping(map) = value else {
            problems.add(path, format!("must be a mapping with the keys {}", known.join(", ")));
            return None;
        };
        for (position, key) in map.keys().enumerate() {
            if !key.as_str().is_some_and(|key| known.contains(&key)) {
                let name = printable_key(key).unwrap_or_else(|| format!("number {}", position + 1));
                problems.add(path.clone(), format!("unknown key {name}; known are {}", known.join(", ")));
            }
        }
        Some(Self { path, map })
    }

    /// Path of a key of this mapping.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key; null is absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Reports a missing value.
    pub(crate) fn require<T>(&self, key: &str, value: Option<T>, problems: &mut Problems) -> Option<T> {
        if value.is_none() && self.get(key).is_none() {
            problems.add(self.path_of(key), "is missing");
        }
        value
    }

    /// A text of any content.
    pub(crate) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        match self.get(key)? {
            Value::String(text) if text.trim().is_empty() => {
                problems.add(self.path_of(key), "is empty");
                None
            }
            Value::String(text) if text.len() > LONGEST_TEXT => {
                problems.add(self.path_of(key), format!("is longer than {LONGEST_TEXT} bytes"));
                None
            }
            Value::String(text) => Some(text.trim()),
            _ => {
                problems.add(self.path_of(key), "must be a text; put it in quotes");
                None
            }
        }
    }

    /// A bounded identifier.
    pub(crate) fn label(&self, key: &str, problems: &mut Problems) -> Option<Label> {
        match Label::new(self.text(key, problems)?) {
            Ok(label) => Some(label),
            Err(error) => {
                problems.add(self.path_of(key), error.to_string());
                None
            }
        }
    }

    /// A bounded identifier that must be there.
    pub(crate) fn required_label(&self, key: &str, problems: &mut Problems) -> Option<Label> {
        let label = self.label(key, problems);
        self.require(key, label, problems)
    }

    /// One of a closed set of words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let text = self.text(key, problems)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            problems.add(self.path_of(key), format!("must be one of {}", known.join(", ")));
        }
        found
    }

    /// An exact decimal. A bare fraction would pass through a float, so it must be quoted.
    pub(crate) fn decimal(&self, key: &str, problems: &mut Problems) -> Option<Decimal> {
        let parsed = match self.get(key)? {
            Value::String(text) => text.trim().parse::<Decimal>().ok(),
            Value::Number(number) => number.as_i64().map(Decimal::from),
            _ => None,
        };
        if parsed.is_none() {
            problems.add(self.path_of(key), "must be a decimal number in quotes, such as \"2.50\"");
        }
        parsed
    }

    /// A whole number of at least one.
    pub(crate) fn count(&self, key: &str, problems: &mut Problems) -> Option<u64> {
        let count = self.get(key)?.as_u64().filter(|count| *count >= 1);
        if count.is_none() {
            problems.add(self.path_of(key), "must be a whole number of at least 1");
        }
        count
    }

    /// An ISO 4217 currency.
    pub(crate) fn currency(&self, key: &str, problems: &mut Problems) -> Option<Currency> {
        let currency = Currency::new(self.text(key, problems)?).ok();
        if currency.is_none() {
            problems.add(self.path_of(key), "must be a currency of three letters, as in ISO 4217");
        }
        currency
    }

    /// A day or a moment.
    pub(crate) fn time(&self, key: &str, problems: &mut Problems) -> Option<UtcTime> {
        let parsed = self.get(key)?.as_str().and_then(parse_time);
        if parsed.is_none() {
            problems.add(self.path_of(key), "must be a day (2026-01-31) or a time (2026-01-31T12:00:00Z)");
        }
        parsed
    }

    /// `from` and `to` of this mapping.
    pub(crate) fn period(&self, problems: &mut Problems) -> Period {
        let period = Period { from: self.time("from", problems), to: self.time("to", problems) };
        check_order(&period, &self.path, problems);
        period
    }

    /// The entries of a list with their paths; an absent list is empty.
    pub(crate) fn list(&self, key: &str, problems: &mut Problems) -> Vec<(String, &'a Value)> {
        match self.get(key) {
            None => Vec::new(),
            Some(Value::Sequence(items)) => items
                .iter()
                .enumerate()
                .map(|(i, item)| (format!("{}[{i}]", self.path_of(key)), item))
                .collect(),
            Some(_) => {
                problems.add(self.path_of(key), "must be a list");
                Vec::new()
            }
        }
    }

    /// A list of bounded identifiers.
    pub(crate) fn labels(&self, key: &str, problems: &mut Problems) -> Vec<Label> {
        let mut labels = Vec::new();
        for (path, item) in self.list(key, problems) {
            match item.as_str().map(Label::new) {
                Some(Ok(label)) => labels.push(label),
                Some(Err(error)) => problems.add(path, error.to_string()),
                None => problems.add(path, "must be a text; put it in quotes"),
            }
        }
        labels
    }
}

/// Reports a period that ends before it begins.
pub(crate) fn check_order(period: &Period, path: &str, problems: &mut Problems) {
    if let (Some(from), Some(to)) = (period.from, period.to)
        && from >= to
    {
        problems.add(path, "ends before it begins; `to` is exclusive and must be later than `from`");
    }
}

/// A day, at its start, or a moment.
pub(crate) fn parse_time(text: &str) -> Option<UtcTime> {
    Date::parse(text).map(Date::start).or_else(|_| UtcTime::parse(text)).ok()
}

/// A key that looks like a key may be repeated; anything else could be a value in the wrong place.
fn printable_key(key: &Value) -> Option<String> {
    let key = key.as_str()?;
    let plain = key.len() <= 32 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain.then(|| format!("`{key}`"))
}

/// Pairs of entries whose periods overlap, as positions in the list, the later one first.
pub(crate) fn overlapping(periods: &[Period]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..periods.len()).collect();
    order.sort_by_key(|i| (periods[*i].from, *i));
    let mut found = Vec::new();
    let mut latest: Option<usize> = None;
    for i in order {
        if let Some(open) = latest
            && periods[open].overlaps(&periods[i])
        {
            found.push((i.max(open), i.min(open)));
        }
        // The entry that reaches farthest is the one a later entry can collide with.
        let farther = |a: usize, b: usize| match (periods[a].to, periods[b].to) {
            (None, _) => true,
            (_, None) => false,
            (Some(x), Some(y)) => x >= y,
        };
        latest = Some(match latest {
            Some(open) if farther(open, i) => open,
            _ => i,
        });
    }
    found
}
