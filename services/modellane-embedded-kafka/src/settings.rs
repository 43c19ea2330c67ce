//! What a topic may be created with, and what it means.
//!
//! Only settings that have an effect here, or that can only mean what is so anyway on one node, are taken.
//! Any other one is refused: a topic must not be described as something that it is not.

use std::collections::BTreeMap;

/// The largest batch that any topic can take: a request has to hold it.
pub(crate) const MAX_MESSAGE: u64 = 30 << 20;

const MIB: i64 = 1 << 20;

/// What values a setting can have.
#[derive(Clone, Copy)]
enum Kind {
    Number { least: i64, most: i64 },
    Ratio,
    OneOf(&'static [&'static str]),
    Policy,
}

/// A setting of a topic: its name, how every topic behaves unless it was created otherwise, its values.
struct Setting {
    name: &'static str,
    default: &'static str,
    kind: Kind,
}

const fn setting(name: &'static str, default: &'static str, kind: Kind) -> Setting {
    Setting { name, default, kind }
}

const fn number(name: &'static str, default: &'static str, least: i64, most: i64) -> Setting {
    setting(name, default, Kind::Number { least, most })
}

/// In the order of their names. Limits are those of Apache Kafka where it has some.
const SETTINGS: &[Setting] = &[
    setting("cleanup.policy", "delete", Kind::Policy),
    // Batches are stored as they come.
    setting("compression.type", "producer", Kind::OneOf(&["producer"])),
    number("delete.retention.ms", "86400000", 0, i64::MAX),
    number("max.message.bytes", "16777216", 0, MAX_MESSAGE as i64),
    setting("message.timestamp.type", "CreateTime", Kind::OneOf(&["CreateTime"])),
    setting("min.cleanable.dirty.ratio", "0.5", Kind::Ratio),
    number("min.insync.replicas", "1", 1, 1),
    number("retention.bytes", "-1", -1, i64::MAX),
    number("retention.ms", "-1", -1, i64::MAX),
    number("segment.bytes", "67108864", MIB, 1024 * MIB),
    number("segment.ms", "604800000", 1, i64::MAX),
    setting("unclean.leader.election.enable", "false", Kind::OneOf(&["false", "true"])),
];

/// What a broker answers about itself.
pub(crate) const BROKER: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("default.replication.factor", "1"),
    ("min.insync.replicas", "1"),
    ("unclean.leader.election.enable", "false"),
];

/// The settings of a topic as the broker uses them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Segments whose records are all older go, in milliseconds.
    pub(crate) retention_ms: Option<i64>,
    /// Segments go while as many bytes remain without them.
    pub(crate) retention_bytes: Option<u64>,
    /// A segment has no more bytes, unless a single batch has.
    pub(crate) segment_bytes: u64,
    /// A segment spans no more time.
    pub(crate) segment_ms: i64,
    /// Old segments are deleted.
    pub(crate) delete: bool,
    /// Only the latest record of each key is kept.
    pub(crate) compact: bool,
    /// How long a record that only says that a key is gone is kept after a compaction.
    pub(crate) delete_retention_ms: i64,
    /// The part of a log that must not be compacted yet before a compaction begins.
    pub(crate) min_dirty: f64,
    /// The longest batch.
    pub(crate) max_message: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&BTreeMap::new())
    }
}

impl Settings {
    /// The settings of a topic that was created with `configs`.
    pub(crate) fn new(configs: &BTreeMap<String, String>) -> Self {
        let number = |name: &str| value(configs, name).parse::<i64>().unwrap_or(-1);
        let has = |policy: &str| value(configs, "cleanup.policy").split(',').any(|one| one.trim() == policy);
        Self {
            retention_ms: Some(number("retention.ms")).filter(|limit| *limit >= 0),
            retention_bytes: u64::try_from(number("retention.bytes")).ok(),
            segment_bytes: number("segment.bytes").unsigned_abs(),
            segment_ms: number("segment.ms"),
            delete: has("delete"),
            compact: has("compact"),
            delete_retention_ms: number("delete.retention.ms"),
            min_dirty: value(configs, "min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            max_message: number("max.message.bytes").unsigned_abs(),
        }
    }
}

/// The value of a setting: what a topic was created with if that is a value it can have, else the default.
fn value<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let given = configs.get(name).filter(|value| is_valid(name, value));
    let default = || SETTINGS.iter().find(|setting| setting.name == name).map_or("", |found| found.default);
    given.map_or_else(default, String::as_str)
}

/// Whether a topic can be created with this.
pub(crate) fn is_valid(name: &str, value: &str) -> bool {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else { return false };
    match setting.kind {
        Kind::Number { least, most } => value.parse().is_ok_and(|number| (least..=most).contains(&number)),
        Kind::Ratio => value.parse().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
        Kind::OneOf(values) => values.contains(&value),
        Kind::Policy => value.split(',').all(|one| matches!(one.trim(), "delete" | "compact")),
    }
}

/// All settings of a topic with their values, and whether it was created with that.
pub(crate) fn describe(configs: &BTreeMap<String, String>) -> Vec<(&'static str, &str, bool)> {
    let one = |setting: &Setting| {
        let value = value(configs, setting.name);
        (setting.name, value, configs.get(setting.name).is_some_and(|given| given == value))
    };
    SETTINGS.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
