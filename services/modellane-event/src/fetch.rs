//! Complete fetches: what a vendor had of one scope at one time.

use crate::{EventId, FetchId, Label, UtcTime};
use serde::{Deserialize, Serialize};

/// A scope was fetched whole: all pages, nothing truncated, nothing rejected. An event of the scope that is
/// not listed was no longer there.
///
/// A scope is a part of a source that every event lies in or not for good, such as an organisation's month:
/// it follows from the event's natural key, never from how the event was fetched. A fetch of many events
/// comes in several messages and holds once all of them are there, in any order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeClosed {
    /// Feed.
    pub source: Label,
    /// The scope, as the events of it carry it.
    pub scope_key: Label,
    /// Start of the scope's period.
    pub period_start: UtcTime,
    /// End of the scope's period, exclusive. Every event of the scope has its `event_date` in it.
    pub period_end: UtcTime,
    /// Equal in all messages of the fetch, and when they are sent again.
    pub fetch_id: FetchId,
    /// When the vendor's data was fetched or received.
    pub observed_at: UtcTime,
    /// Whether the vendor's own total in the data agrees, so that one fetch is proof enough.
    pub confirmed: bool,
    /// Events of the fetch, over all its messages.
    pub events: i64,
    /// Number of this message, from 0.
    pub chunk: i32,
    /// How many messages the fetch has, at least 1.
    pub chunks: i32,
    /// The events that this message lists.
    pub event_ids: Vec<EventId>,
}

impl ScopeClosed {
    /// Most events of one message: half a megabyte, so that every broker takes it.
    pub const MAX_IDS: usize = 32_768;
    /// Longest period of a scope in days, which bounds what has to be looked through.
    pub const MAX_DAYS: i32 = 31;
    /// Most messages of one fetch, which bounds what a message can make a reader wait for.
    pub const MAX_CHUNKS: i32 = 4_096;

    /// Whether the numbers fit together, as those of every message do that this system writes.
    pub fn is_sound(&self) -> bool {
        let last = UtcTime(self.period_end.micros().saturating_sub(1));
        (1..=Self::MAX_CHUNKS).contains(&self.chunks)
            && (0..self.chunks).contains(&self.chunk)
            && self.event_ids.len() <= Self::MAX_IDS
            && self.period_start < self.period_end
            && last.date().0 - self.period_start.date().0 < Self::MAX_DAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> ScopeClosed {
        ScopeClosed {
            source: Label::literal("github_copilot.billing_csv"),
            scope_key: Label::literal("acme|2026-10"),
            period_start: UtcTime::parse("2026-10-01T00:00:00Z").unwrap(),
            period_end: UtcTime::parse("2026-11-01T00:00:00Z").unwrap(),
            fetch_id: FetchId([1; 16]),
            observed_at: UtcTime::parse("2026-11-04T00:00:00Z").unwrap(),
            confirmed: false,
            events: 2,
            chunk: 0,
            chunks: 1,
            event_ids: vec![EventId([1; 16]), EventId([2; 16])],
        }
    }

    #[test]
    fn the_longest_month_is_a_period_and_what_is_longer_is_none() {
        assert!(closed().is_sound());
        let longer = UtcTime(closed().period_end.micros() + 1);
        assert!(!ScopeClosed { period_end: longer, ..closed() }.is_sound());
        assert!(!ScopeClosed { period_end: closed().period_start, ..closed() }.is_sound());
    }

    #[test]
    fn a_part_is_one_of_its_parts() {
        assert!(!ScopeClosed { chunk: 1, ..closed() }.is_sound());
        assert!(!ScopeClosed { chunk: -1, ..closed() }.is_sound());
        assert!(!ScopeClosed { chunks: 0, ..closed() }.is_sound());
        assert!(ScopeClosed { chunk: 1, chunks: 2, ..closed() }.is_sound());
    }
}
