//! What is known of scopes: their newest complete fetches, from the table `fetches`. A cache, safe to lose.
//!
//! Of every scope that was ever fetched whole, the two newest fetches and the places of their ids are in
//! memory, a few hundred bytes. The ids themselves are read when an event has to be held against them.

mod ids;
mod load;

use crate::{FETCHES_TABLE, SinkError, TableStore};
use hashbrown::{HashMap, HashSet};
use ids::FetchedIds;
use load::{Part, Place};
use modellane_event::{EventId, FetchId, Label, UsageEvent, UtcTime};
use modellane_ledger::{CompleteFetch, Presence, ScopeFetches};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A part of a source that events lie in for good.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ScopeId {
    pub(crate) source: Label,
    pub(crate) key: Label,
}

impl ScopeId {
    /// The event's scope; `None` for sources whose data is never fetched whole.
    pub(crate) fn of(event: &UsageEvent) -> Option<Self> {
        let key = event.scope_key.clone()?;
        Some(Self { source: event.source.clone(), key })
    }
}

/// A scope's fetches, with the ids that events are held against.
pub(crate) struct Deciding {
    fetches: ScopeFetches,
    ids: Vec<(FetchId, Arc<[EventId]>)>,
}

impl Deciding {
    /// Whether the vendor still has an event that was last seen then.
    pub(crate) fn presence(&self, id: EventId, last_seen: UtcTime) -> Presence {
        self.fetches.presence(last_seen, |fetch| {
            self.ids.iter().any(|(known, ids)| *known == fetch && ids.binary_search(&id).is_ok())
        })
    }

    /// Whether any of the deciding fetches lists the event.
    pub(crate) fn lists(&self, id: EventId) -> bool {
        self.ids.iter().any(|(_, ids)| ids.binary_search(&id).is_ok())
    }
}

/// A fetch as far as its messages have come.
struct Parts {
    fetch: CompleteFetch,
    expected: usize,
    found: BTreeMap<i32, Place>,
}

impl Parts {
    fn are_all_there(&self) -> bool {
        self.found.len() == self.expected
    }
}

struct Scope {
    period: (UtcTime, UtcTime),
    fetches: ScopeFetches,
    parts: HashMap<FetchId, Parts>,
    /// When the newest of its messages was recorded.
    changed_at: UtcTime,
}

/// The scopes and their fetches.
pub(crate) struct Scopes {
    table: Box<dyn TableStore>,
    /// Files of the table that were read.
    files: HashSet<String>,
    known: HashMap<ScopeId, Scope>,
    newest: UtcTime,
    ids: FetchedIds,
}

impl Scopes {
    /// Nothing is known before [`Scopes::refresh`].
    pub(crate) fn new(table: Box<dyn TableStore>) -> Self {
        let (files, known) = (HashSet::new(), HashMap::new());
        Self { table, files, known, newest: UtcTime(0), ids: FetchedIds::default() }
    }

    /// Reads what the table has got since.
    pub(crate) async fn refresh(&mut self) -> Result<(), SinkError> {
        self.table.refresh().await?;
        self.read_new_files().await
    }

    /// The same after a commit of that time, which may have kept nothing but offsets.
    pub(crate) async fn refresh_through(&mut self, recorded_at: UtcTime) -> Result<(), SinkError> {
        self.refresh().await?;
        self.newest = self.newest.max(recorded_at);
        Ok(())
    }

    /// The table, as it was read.
    pub(crate) fn table(&self) -> &dyn TableStore {
        self.table.as_ref()
    }

    /// Up to when commits of the table are known.
    pub(crate) fn newest(&self) -> UtcTime {
        self.newest
    }

    /// Scopes with a message that was recorded after a time.
    pub(crate) fn changed_since(&self, time: UtcTime) -> Vec<ScopeId> {
        let changed = self.known.iter().filter(|(_, scope)| scope.changed_at > time);
        let mut changed: Vec<ScopeId> = changed.map(|(id, _)| id.clone()).collect();
        changed.sort_unstable();
        changed
    }

    /// Start and end of a scope's period.
    pub(crate) fn period(&self, id: &ScopeId) -> Option<(UtcTime, UtcTime)> {
        self.known.get(id).map(|scope| scope.period)
    }

    /// See [`ScopeFetches::horizon`].
    pub(crate) fn horizon(&self, id: &ScopeId) -> Option<UtcTime> {
        self.known.get(id).and_then(|scope| scope.fetches.horizon())
    }

    /// What a scope's events are held against; `None` as long as its fetches decide nothing. Without
    /// `with_ids` it is good for events that were seen at the horizon or later.
    pub(crate) async fn deciding(
        &mut self,
        id: &ScopeId,
        with_ids: bool,
    ) -> Result<Option<Deciding>, SinkError> {
        let Some(scope) = self.known.get(id).filter(|scope| scope.fetches.horizon().is_some()) else {
            return Ok(None);
        };
        let mut ids = Vec::new();
        for fetch in scope.fetches.deciding().filter(|_| with_ids) {
            let Some(parts) = scope.parts.get(&fetch.fetch_id) else { continue };
            let listed = self.ids.get(fetch.fetch_id, &parts.found, self.table.as_ref()).await;
            ids.push((fetch.fetch_id, listed.map_err(of_fetches)?));
        }
        Ok(Some(Deciding { fetches: scope.fetches, ids }))
    }

    async fn read_new_files(&mut self) -> Result<(), SinkError> {
        let listed = self.table.files(None).await?;
        let merged = {
            let still_there: HashSet<&str> = listed.iter().map(|file| file.path.as_str()).collect();
            self.files.iter().any(|path| !still_there.contains(path.as_str()))
        };
        if merged {
            // The places that are known are no longer right.
            (self.files, self.known, self.newest) = (HashSet::new(), HashMap::new(), UtcTime(0));
        }
        let unread = listed.into_iter().filter(|file| !self.files.contains(&file.path)).collect();
        for part in load::parts(unread, self.table.as_ref()).await.map_err(of_fetches)? {
            self.files.insert(part.place.file.path.clone());
            self.add(part);
        }
        Ok(())
    }

    fn add(&mut self, part: Part) {
        self.newest = self.newest.max(part.recorded_at);
        let scope = self.known.entry(part.scope).or_insert_with(|| Scope {
            period: part.period,
            fetches: ScopeFetches::default(),
            parts: HashMap::new(),
            changed_at: part.recorded_at,
        });
        scope.period = (scope.period.0.min(part.period.0), scope.period.1.max(part.period.1));
        scope.changed_at = scope.changed_at.max(part.recorded_at);
        let parts = scope.parts.entry(part.fetch.fetch_id).or_insert_with(|| Parts {
            fetch: part.fetch,
            expected: part.chunks,
            found: BTreeMap::new(),
        });
        parts.found.insert(part.chunk, part.place);
        if parts.are_all_there() {
            scope.fetches.add(part.fetch);
        }
        // What is older than the two that matter never matters again.
        let (fetches, oldest) = (scope.fetches, scope.fetches.both().nth(1));
        scope.parts.retain(|id, parts| match parts.are_all_there() {
            true => fetches.both().any(|fetch| fetch.fetch_id == *id),
            false => Some(parts.fetch) > oldest,
        });
    }
}

/// Damage of this table, not of the ledger.
fn of_fetches(error: SinkError) -> SinkError {
    match error {
        SinkError::Damaged { detail, .. } => SinkError::Damaged { table: FETCHES_TABLE.to_owned(), detail },
        error => error,
    }
}
