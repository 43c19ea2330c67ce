//! What waits for the next commit of the ledger.

use super::day::{Day, Place};
use super::lookup::Stored;
use crate::SinkError;
use crate::columns::damaged;
use crate::index::{Observed, RowPlace};
use crate::scopes::{Deciding, ScopeId};
use arrow::array::RecordBatch;
use hashbrown::HashMap;
use modellane_event::{Date, EntryKind, EventId, JudgedEvent, Judgement, RejectEvent, UtcTime};
use modellane_ledger::{
    Counters, Decision, Incoming, Presence, PresenceChange, PresenceCounters, RangeSet, Version, decide,
    first_difference,
};
use std::collections::BTreeMap;

/// An event that the batch touched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touched {
    pub(crate) day: Date,
    pub(crate) version: Version,
    pub(crate) place: Place,
    /// Where its entry is in the table, if it has one.
    pub(crate) stored: Option<RowPlace>,
}

impl Touched {
    fn is_in_table(&self) -> bool {
        matches!(self.place, Place::Table(_))
    }
}

/// Entries, observations, rejects and ranges since the last commit.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) days: BTreeMap<Date, Day>,
    pub(crate) touched: HashMap<EventId, Touched>,
    pub(crate) observed: BTreeMap<Date, Observed>,
    pub(crate) rejects: Vec<RejectEvent>,
    pub(crate) ranges: RangeSet,
    pub(crate) counters: Counters,
    /// The touched events of each scope.
    pub(crate) scopes: HashMap<ScopeId, Vec<EventId>>,
    pub(crate) presence: PresenceCounters,
    /// How far in the table of fetches the batch has come; null if not further than the table.
    pub(crate) fetches: Option<UtcTime>,
}

/// Facts from the tables about the events of one poll.
pub(crate) struct Facts {
    pub(crate) stored: HashMap<EventId, Stored>,
    pub(crate) judgements: HashMap<EventId, Judgement>,
    /// Stored entries that are withdrawn.
    pub(crate) withdrawn: HashMap<EventId, RecordBatch>,
    /// Fetches of the events' scopes, as far as they decide.
    pub(crate) scopes: HashMap<ScopeId, Deciding>,
}

impl Batch {
    /// Decides one event and keeps what follows.
    pub(crate) fn take(&mut self, mut event: JudgedEvent, facts: &Facts) -> Result<(), SinkError> {
        let id = event.usage.event_id;
        let incoming = Incoming::of(&event);
        let from_table = || facts.stored.get(&id).map(|stored| touched(event.usage.event_date, stored));
        let known = self.touched.get(&id).copied().or_else(from_table);
        let day = known.map_or(event.usage.event_date, |known| known.day);
        let current = known.as_ref().map(|known| &known.version);

        let decision = decide(current, &incoming, || {
            let old = match known.map(|known| known.place) {
                Some(Place::New(row)) => Some(self.days.entry(day).or_insert_with(Day::new).judgement(row)?),
                Some(Place::Table(_)) => facts.judgements.get(&id).cloned(),
                None => None,
            };
            let old = old.ok_or_else(|| damaged("event_id"))?;
            Ok::<_, SinkError>(first_difference(&old, &event.judgement))
        })?;
        count(&mut self.counters, &decision);

        let version = decision.after(current, &incoming);
        if let Some(observation) = decision.observation(id, &version) {
            self.observed.entry(day).or_default().add(observation);
        }
        let place = match (decision.entry(current), known) {
            (Some(entry), _) => {
                // A rejudgement states the latest time at which the content was seen.
                event.usage.observed_at = version.content.observed_at;
                let waiting = self.days.entry(day).or_insert_with(Day::new);
                if let Some(known) = known.filter(|_| entry.reverses) {
                    waiting.take_back(known.place, EntryKind::Reversal, entry.cause);
                }
                waiting.append(&event, &entry.stamp(&event.judgement, UtcTime(0)))?
            }
            (None, Some(known)) => known.place,
            // An unknown event always has an entry.
            (None, None) => return Ok(()),
        };
        let stored = known.and_then(|known| known.stored);
        self.touch(id, ScopeId::of(&event.usage), Touched { day, version, place, stored }, facts)
    }

    /// Keeps an event's state, brought in line with the fetches of its scope.
    fn touch(
        &mut self,
        id: EventId,
        scope: Option<ScopeId>,
        touched: Touched,
        facts: &Facts,
    ) -> Result<(), SinkError> {
        let is_new = self.touched.insert(id, touched).is_none();
        let Some(scope) = scope else { return Ok(()) };
        // A stored event that counts is settled when fetches are applied, if it is not yet.
        let may_change = touched.version.presence == Presence::Withdrawn || !touched.is_in_table();
        if let Some(deciding) = facts.scopes.get(&scope).filter(|_| may_change) {
            self.settle(id, touched, deciding, facts.withdrawn.get(&id))?;
        }
        if is_new {
            self.scopes.entry(scope).or_default().push(id);
        }
        Ok(())
    }

    /// Withdraws an event that is gone, or puts one back that is there again, and says whether it did either.
    /// `withdrawn` is its entry, if that is stored and withdrawn.
    pub(crate) fn settle(
        &mut self,
        id: EventId,
        mut touched: Touched,
        deciding: &Deciding,
        withdrawn: Option<&RecordBatch>,
    ) -> Result<bool, SinkError> {
        let presence = deciding.presence(id, touched.version.content.observed_at);
        let Some(change) = PresenceChange::needed(&touched.version, presence) else { return Ok(false) };
        let day = self.days.entry(touched.day).or_insert_with(Day::new);
        match change {
            PresenceChange::Withdraw => {
                day.take_back(touched.place, change.kind(), change.cause());
                self.presence.withdrawn += 1;
            }
            PresenceChange::Reinstate => {
                let row = match touched.place {
                    Place::New(row) => day.row(row)?,
                    Place::Table(_) => withdrawn.cloned().ok_or_else(|| damaged("entry_kind"))?,
                };
                touched.place = day.put_back(&row)?;
                self.presence.reinstated += 1;
            }
        }
        touched.version = change.after(&touched.version);
        self.touched.insert(id, touched);
        Ok(true)
    }

    /// Rows that wait.
    pub(crate) fn rows(&self) -> usize {
        self.days.values().map(Day::rows).sum()
    }
}

/// A stored event that nothing has touched yet.
pub(crate) fn touched(day: Date, stored: &Stored) -> Touched {
    let place = Place::Table(stored.place);
    Touched { day, version: stored.version, place, stored: Some(stored.place) }
}

fn count(counters: &mut Counters, decision: &Decision) {
    let count = match decision {
        Decision::Append => &mut counters.original,
        Decision::Replace { kind: EntryKind::Rejudgement, .. } => &mut counters.rejudged,
        Decision::Replace { .. } => &mut counters.restated,
        Decision::Observe => &mut counters.observed,
        Decision::Duplicate => &mut counters.duplicate,
        Decision::Stale => &mut counters.stale,
    };
    *count += 1;
}
