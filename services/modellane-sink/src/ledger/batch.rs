//! What waits for the next commit of the ledger.

use super::day::{Day, Place};
use super::lookup::Stored;
use crate::SinkError;
use crate::index::{Observed, RowPlace};
use hashbrown::HashMap;
use modellane_event::{Date, EntryKind, EventId, JudgedEvent, Judgement, RejectEvent, UtcTime};
use modellane_ledger::{Counters, Decision, Incoming, RangeSet, Version, decide, first_difference};
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

/// Entries, observations, rejects and ranges since the last commit.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) days: BTreeMap<Date, Day>,
    pub(crate) touched: HashMap<EventId, Touched>,
    pub(crate) observed: BTreeMap<Date, Observed>,
    pub(crate) rejects: Vec<RejectEvent>,
    pub(crate) ranges: RangeSet,
    pub(crate) counters: Counters,
}

/// Facts from the table about the events of one poll.
pub(crate) struct Facts {
    pub(crate) stored: HashMap<EventId, Stored>,
    pub(crate) judgements: HashMap<EventId, Judgement>,
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
            let old = old.ok_or_else(|| super::columns::damaged("event_id"))?;
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
                    waiting.reverse(known.place, entry.cause);
                }
                waiting.append(&event, &entry.stamp(&event.judgement, UtcTime(0)))
            }
            (None, Some(known)) => known.place,
            // An unknown event always has an entry.
            (None, None) => return Ok(()),
        };
        let stored = known.and_then(|known| known.stored);
        self.touched.insert(id, Touched { day, version, place, stored });
        Ok(())
    }

    /// Rows that wait.
    pub(crate) fn rows(&self) -> usize {
        self.days.values().map(Day::rows).sum()
    }
}

fn touched(day: Date, stored: &Stored) -> Touched {
    let place = Place::Table(stored.place);
    Touched { day, version: stored.version, place, stored: Some(stored.place) }
}

fn count(counters: &mut Counters, decision: &Decision) {
    let count = match decision {
        Decision::Append => &mut counters.original,
        Decision::Replace { kind: EntryKind::Rejudgement, .. } => &mut counters.rejudged,
        Decision::Replace { .. } | Decision::Reinstate => &mut counters.restated,
        Decision::Observe => &mut counters.observed,
        Decision::Duplicate => &mut counters.duplicate,
        Decision::Stale => &mut counters.stale,
    };
    *count += 1;
}
