//! What a fetch had, scope by scope, and the messages that say so.
//!
//! Whoever reads the messages takes back what a complete fetch no longer has, so nothing is said of a fetch
//! unless every page of it came, every record of it was understood and the vendor's own count, if there is
//! one, agrees.

use crate::connector::{Connector, Extent, Scope, Statement};
use crate::error::CollectorError;
use crate::publish::{Batch, PayloadHash};
use modellane_event::{Date, EventId, FetchId, Label, LakeKey, ScopeClosed, UtcTime};
use std::collections::HashMap;

/// Longest stretch of days that one fetch closes; a longer one is a mistake in a time.
const MAX_DAYS: i32 = 3_660;

/// The events of a fetch as far as it was read, 16 bytes each.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    records: u64,
    rejected: u64,
    scopes: HashMap<Label, Listed>,
}

#[derive(Debug)]
struct Listed {
    first: Date,
    end: Date,
    ids: Vec<EventId>,
}

/// Whose fetch it is.
pub(crate) struct Origin<'a> {
    pub(crate) connector: &'a dyn Connector,
    pub(crate) key: &'a LakeKey,
    /// When it was observed.
    pub(crate) observed_at: UtcTime,
}

impl Fetch {
    /// A record was understood.
    pub(crate) fn record(&mut self) {
        self.records += 1;
    }

    /// Something was not.
    pub(crate) fn reject(&mut self) {
        self.rejected += 1;
    }

    /// An event lies in a scope, whose key as a label is given beside it.
    pub(crate) fn list(&mut self, scope: &Scope, key: &Label, id: EventId) {
        match self.scopes.get_mut(key) {
            Some(listed) => listed.ids.push(id),
            None => {
                let listed = Listed { first: scope.first, end: scope.end, ids: vec![id] };
                self.scopes.insert(key.clone(), listed);
            }
        }
    }

    /// Takes another file of the same fetch.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.records += other.records;
        self.rejected += other.rejected;
        for (key, mut listed) in other.scopes {
            match self.scopes.get_mut(&key) {
                Some(known) => known.ids.append(&mut listed.ids),
                None => {
                    self.scopes.insert(key, listed);
                }
            }
        }
    }

    /// What the fetch is complete for if somebody vouches for it: the scopes that it holds records of, and
    /// where a scope is a day, every day from the first record to the last.
    pub(crate) fn declared(&self, origin: &Origin<'_>) -> Statement {
        let first = self.scopes.values().map(|listed| listed.first).min();
        let end = self.scopes.values().map(|listed| listed.end).max();
        let extent = match first.zip(end) {
            Some((first, end)) if origin.connector.day_scope(first, origin.key).is_some() => {
                Extent::Days(first, end)
            }
            _ => Extent::Held(None),
        };
        Statement { extent, ..Statement::default() }
    }

    /// Says of each scope that it was fetched whole; answers how many there are. None if the fetch is not
    /// complete after all.
    pub(crate) fn close(
        self,
        statement: Statement,
        origin: &Origin<'_>,
        batch: &mut Batch,
    ) -> Result<u64, CollectorError> {
        if self.rejected > 0 || statement.total.is_some_and(|total| total != self.records) {
            return Ok(0);
        }
        let mut closed = self.closed(statement.extent, origin);
        closed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let count = closed.len() as u64;
        for (key, listed) in closed {
            push(key, listed, statement.total.is_some(), origin, batch)?;
        }
        Ok(count)
    }

    fn closed(mut self, extent: Extent, origin: &Origin<'_>) -> Vec<(Label, Listed)> {
        let days = match extent {
            Extent::Unstated => return Vec::new(),
            Extent::Held(within) => {
                let lies_in = |listed: &Listed| {
                    within.is_none_or(|(first, end)| first <= listed.first && listed.end <= end)
                };
                return self.scopes.into_iter().filter(|(_, listed)| lies_in(listed)).collect();
            }
            Extent::Days(first, end) if end.0.saturating_sub(first.0) > MAX_DAYS => return Vec::new(),
            Extent::Days(first, end) => first.0..end.0,
        };
        let scopes = days.filter_map(|day| origin.connector.day_scope(Date(day), origin.key));
        let listed = scopes.map(|scope| {
            let key = scope.key.label(origin.key);
            let none = Listed { first: scope.first, end: scope.end, ids: Vec::new() };
            let listed = self.scopes.remove(&key).unwrap_or(none);
            (key, listed)
        });
        listed.collect()
    }
}

/// One scope's messages.
fn push(
    scope_key: Label,
    listed: Listed,
    confirmed: bool,
    origin: &Origin<'_>,
    batch: &mut Batch,
) -> Result<(), CollectorError> {
    let Listed { first, end, mut ids } = listed;
    ids.sort_unstable();
    ids.dedup();
    let source = origin.connector.spec().name;
    let fetch_id = fetch_id(source, &scope_key, confirmed, &ids, origin);
    let mut parts: Vec<&[EventId]> = ids.chunks(ScopeClosed::MAX_IDS).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let chunks = i32::try_from(parts.len()).unwrap_or(i32::MAX);
    for (chunk, part) in (0..chunks).zip(parts) {
        let closed = ScopeClosed {
            source: Label::literal(source),
            scope_key: scope_key.clone(),
            period_start: first.start(),
            period_end: end.start(),
            fetch_id,
            observed_at: origin.observed_at,
            confirmed,
            events: i64::try_from(ids.len()).unwrap_or(i64::MAX),
            chunk,
            chunks,
            event_ids: part.to_vec(),
        };
        batch.push_fetch(&closed)?;
    }
    Ok(())
}

/// The same fetch of the same content is the same one, however often it is sent.
fn fetch_id(source: &str, scope: &Label, confirmed: bool, ids: &[EventId], origin: &Origin<'_>) -> FetchId {
    let mut content = PayloadHash::default();
    ids.iter().for_each(|id| content.update(origin.key, id.as_bytes()));
    let time = origin.observed_at.micros().to_le_bytes();
    let content = content.finish(origin.key);
    let confirmed = [u8::from(confirmed)];
    let parts: [&[u8]; 5] = [source.as_bytes(), scope.as_str().as_bytes(), &time, &confirmed, &content];
    FetchId(origin.key.hash("fetch", &parts))
}

#[cfg(test)]
mod tests;
