//! Complete fetches, and which events they say are gone, without any ledger.

use super::dice::Dice;
use super::message::{BASE, Message};
use crate::support::Told;
use modellane_event::{EventId, FetchId, Label, ScopeClosed, UtcTime};
use modellane_schema::fetch_codec;
use std::collections::BTreeSet;
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;

/// A fetch of a scope, in one or two messages.
#[derive(Clone)]
pub(crate) struct Fetch {
    scope: String,
    id: FetchId,
    observed_at: i64,
    confirmed: bool,
    has: BTreeSet<EventId>,
    /// How many messages it has, and which of them are ever sent.
    chunks: usize,
    sent: BTreeSet<usize>,
}

impl Fetch {
    fn throw(dice: &mut Dice, number: u8, events: &BTreeSet<u32>) -> Self {
        // Mostly of a scope that has events.
        let first = events.iter().nth(dice.below(events.len())).copied();
        let scope = Told::new(first.unwrap_or(0), 0, 0).scope();
        let of_scope =
            events.iter().map(|event| Told::new(*event, 0, 0)).filter(|told| told.scope() == scope);
        let chunks = 1 + usize::from(dice.permille(300));
        let mut fetch = Self {
            scope: scope.clone(),
            id: FetchId([number + 1; 16]),
            observed_at: dice.between(0, 6),
            confirmed: dice.permille(250),
            has: of_scope.filter(|_| dice.permille(400)).map(|told| told.id()).collect(),
            chunks,
            sent: (0..chunks).collect(),
        };
        // A collector that died before it had sent all of it.
        if chunks > 1 && dice.permille(200) {
            fetch.sent.remove(&dice.below(chunks));
        }
        fetch
    }

    fn is_whole(&self) -> bool {
        self.sent.len() == self.chunks
    }

    fn order(&self) -> (i64, FetchId) {
        (self.observed_at, self.id)
    }

    /// Its messages.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Arc<Vec<u8>>> + '_ {
        self.sent.iter().map(|chunk| Arc::new(self.encode(*chunk)))
    }

    fn encode(&self, chunk: usize) -> Vec<u8> {
        let start = UtcTime::parse(&format!("{}T00:00:00Z", self.scope)).expect("scopes are days");
        let listed = self.has.iter().enumerate().filter(|(at, _)| at % self.chunks == chunk);
        let closed = ScopeClosed {
            source: Label::literal("litellm.spend_logs"),
            scope_key: Label::new(&self.scope).expect("a day is a label"),
            period_start: start,
            period_end: UtcTime(start.micros() + DAY),
            fetch_id: self.id,
            observed_at: UtcTime(BASE + self.observed_at),
            confirmed: self.confirmed,
            events: self.has.len() as i64,
            chunk: chunk as i32,
            chunks: self.chunks as i32,
            event_ids: listed.map(|(_, id)| *id).collect(),
        };
        let mut bytes = Vec::new();
        fetch_codec().encode(&closed, &mut bytes).expect("a fetch of the tests is in bounds");
        bytes
    }
}

/// None in half of the runs.
pub(crate) fn fetches(dice: &mut Dice, messages: &[Message]) -> Vec<Fetch> {
    let events: BTreeSet<u32> = messages.iter().map(|message| message.event).collect();
    let count = dice.pick(&[0, 0, 0, 1, 2, 3, 5]);
    (0..count).map(|number| Fetch::throw(dice, number, &events)).collect()
}

/// The documented rule over the fetches alone: an event is gone if the two newest whole fetches of its scope
/// lack it, or the newest alone if the vendor's total confirms it, and it was last seen before them.
pub(crate) fn is_gone(fetches: &[Fetch], scope: &str, id: EventId, last_seen: i64) -> bool {
    let mut whole: Vec<&Fetch> =
        fetches.iter().filter(|fetch| fetch.is_whole() && fetch.scope == scope).collect();
    whole.sort_by_key(|fetch| std::cmp::Reverse(fetch.order()));
    let decide = match whole.first() {
        Some(newest) if newest.confirmed => 1,
        _ => 2,
    };
    whole.len() >= decide
        && whole[..decide].iter().all(|fetch| !fetch.has.contains(&id) && last_seen < fetch.observed_at)
}
