//! Complete fetches in small: messages, and the table that keeps them.

use crate::model::scope_of;
use modellane_event::{EventId, FetchId, UtcTime};
use modellane_ledger::{CompleteFetch, ScopeFetches};
use std::collections::BTreeSet;

/// One message of a fetch, which comes in one or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchChunk {
    pub(crate) scope: u8,
    pub(crate) id: u8,
    pub(crate) observed_at: i64,
    pub(crate) confirmed: bool,
    /// Events that the whole fetch has, a bit each.
    pub(crate) members: u8,
    pub(crate) chunk: u8,
    pub(crate) chunks: u8,
}

impl FetchChunk {
    pub(crate) fn fetch_id(&self) -> FetchId {
        FetchId([self.id; 16])
    }

    /// Whether the fetch has an event.
    pub(crate) fn has(&self, id: EventId) -> bool {
        scope_of(id) == self.scope && self.members & (1 << id.0[0]) != 0
    }

    /// Whether this message lists it.
    pub(crate) fn lists(&self, id: EventId) -> bool {
        self.has(id) && id.0[0] % self.chunks == self.chunk
    }

    fn fetch(&self) -> CompleteFetch {
        CompleteFetch {
            observed_at: UtcTime(self.observed_at),
            fetch_id: self.fetch_id(),
            confirmed: self.confirmed,
        }
    }
}

/// The table of fetches: messages as they came, the same one perhaps several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchTable(Vec<FetchChunk>);

impl FetchTable {
    pub(crate) fn add(&mut self, chunk: &FetchChunk) {
        self.0.push(*chunk);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Scopes with a row behind the first `rows`.
    pub(crate) fn scopes_since(&self, rows: usize) -> BTreeSet<u8> {
        self.0[rows..].iter().map(|chunk| chunk.scope).collect()
    }

    /// The fetches of a scope that are whole within the first `rows`, and their messages.
    pub(crate) fn scope(&self, scope: u8, rows: usize) -> (ScopeFetches, Vec<FetchChunk>) {
        let of_scope = || self.0[..rows].iter().filter(|chunk| chunk.scope == scope);
        let whole = |fetch: &FetchChunk| {
            (0..fetch.chunks).all(|number| of_scope().any(|c| c.id == fetch.id && c.chunk == number))
        };
        let mut fetches = ScopeFetches::default();
        of_scope().filter(|chunk| whole(chunk)).for_each(|chunk| fetches.add(chunk.fetch()));
        (fetches, of_scope().copied().collect())
    }
}
