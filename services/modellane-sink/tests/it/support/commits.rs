//! What the commits of a table say of themselves.

use super::actions;
use modellane_event::UtcTime;
use modellane_lake::CommitInfo;
use modellane_ledger::{CommitRecord, Counters, PresenceCounters, StreamRange};
use std::path::Path;

/// What complete fetches did to events, as the commits of a table say.
pub(crate) fn presence(table: &Path) -> PresenceCounters {
    let mut presence = PresenceCounters::default();
    for info in actions(table, "commitInfo").iter().filter_map(serde_json::Value::as_object) {
        presence.add(&presence_of(&info.clone().into_iter().collect()));
    }
    presence
}

/// What complete fetches did to events, as a commit states.
pub(crate) fn presence_of(info: &CommitInfo) -> PresenceCounters {
    let presence = info.get("modellanePresence");
    let count = |name: &str| presence.and_then(|presence| presence[name].as_u64()).unwrap_or(0);
    PresenceCounters { withdrawn: count("withdrawn"), reinstated: count("reinstated") }
}

/// What the commits of a table say of themselves.
pub(crate) fn commits(table: &Path) -> (Vec<CommitRecord>, Counters) {
    let mut counters = Counters::default();
    let mut records = Vec::new();
    for info in actions(table, "commitInfo").iter().filter_map(serde_json::Value::as_object) {
        if info.contains_key("modellaneOwner") {
            let info = info.clone().into_iter().collect();
            counters.add(&counters_of(&info));
            records.push(commit_record(&info));
        }
    }
    (records, counters)
}

/// Time and ranges that a commit states.
pub(crate) fn commit_record(info: &CommitInfo) -> CommitRecord {
    let range = |range: &serde_json::Value| StreamRange {
        stream: range["stream"].as_str().unwrap().to_owned(),
        partition: range["partition"].as_i64().unwrap() as i32,
        from: range["from"].as_i64().unwrap(),
        to: range["to"].as_i64().unwrap(),
    };
    CommitRecord {
        recorded_at: UtcTime(info["modellaneRecordedAt"].as_i64().unwrap()),
        ranges: info["modellaneRanges"].as_array().unwrap().iter().map(range).collect(),
    }
}

/// Counts that a commit states.
pub(crate) fn counters_of(info: &CommitInfo) -> Counters {
    let counters = info.get("modellaneCounters");
    let count = |name: &str| counters.and_then(|counters| counters[name].as_u64()).unwrap_or(0);
    Counters {
        original: count("original"),
        restated: count("restated"),
        rejudged: count("rejudged"),
        observed: count("observed"),
        duplicate: count("duplicate"),
        stale: count("stale"),
        rejects: count("rejects"),
    }
}
