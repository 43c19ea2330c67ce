//! Declared intents, by session and by the declarer's account over time.

use crate::matching::Declaration;
use modellane_event::{AccountRef, IntentEvent, Label, SessionKey, TicketKey, UtcTime, WorkspaceKey};
use std::collections::HashMap;

/// The newest version of one intent, as far as linking reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// The declarer's id.
    pub(crate) intent_id: Label,
    /// Whose work.
    pub(crate) account: AccountRef,
    /// Repository.
    pub(crate) workspace_key: Option<WorkspaceKey>,
    /// Ticket.
    pub(crate) ticket_key: Option<TicketKey>,
    /// Session of the tool.
    pub(crate) session_key: Option<SessionKey>,
    /// Class of work.
    pub(crate) task: Option<Label>,
    /// Declared tool.
    pub(crate) tool: Option<Label>,
    /// Start.
    pub(crate) started_at: UtcTime,
    /// End, exclusive; open if null.
    pub(crate) ended_at: Option<UtcTime>,
    recorded_at: UtcTime,
}

impl Intent {
    /// Whether it was open at a moment.
    pub(crate) fn is_open(&self, at: UtcTime) -> bool {
        self.started_at <= at && self.ended_at.is_none_or(|end| at < end)
    }

    /// Microseconds of `from..to` that it was open.
    pub(crate) fn open_during(&self, (from, to): (UtcTime, UtcTime)) -> i64 {
        let end = self.ended_at.map_or(to, |end| end.min(to));
        (end.0 - self.started_at.max(from).0).max(0)
    }

    /// What evidence is compared with.
    pub(crate) fn declaration(&self) -> Declaration {
        Declaration {
            started_at: self.started_at,
            ended_at: self.ended_at,
            session: self.session_key,
            ticket: self.ticket_key,
            workspace: self.workspace_key,
        }
    }
}

impl From<&IntentEvent> for Intent {
    fn from(event: &IntentEvent) -> Self {
        Self {
            intent_id: event.intent_id.clone(),
            account: event.account,
            workspace_key: event.workspace_key,
            ticket_key: event.ticket_key,
            session_key: event.session_key,
            task: event.task.clone(),
            tool: event.tool.clone(),
            started_at: event.started_at,
            ended_at: event.ended_at,
            recorded_at: event.recorded_at,
        }
    }
}

/// All intents. Taking one in costs a few lookups and, when it comes in the order of time, no moving.
#[derive(Debug, Default)]
pub(crate) struct IntentIndex {
    intents: Vec<Intent>,
    by_id: HashMap<Label, u32>,
    by_session: HashMap<SessionKey, Vec<u32>>,
    by_account: HashMap<AccountRef, Timeline>,
}

impl IntentIndex {
    /// Takes in one version. A later `recorded_at` replaces an earlier version, and of two recorded at
    /// the same moment, as in one file, the one that comes later. Says whether anything changed.
    pub(crate) fn insert(&mut self, event: &IntentEvent) -> bool {
        let intent = Intent::from(event);
        let slot = match self.by_id.get(&intent.intent_id) {
            Some(slot) => {
                let slot = *slot;
                let old = &self.intents[slot as usize];
                if old.recorded_at > intent.recorded_at || *old == intent {
                    return false;
                }
                self.unlink(slot);
                self.intents[slot as usize] = intent;
                slot
            }
            None => {
                // Four thousand million intents do not fit into memory before this number overflows.
                let slot = self.intents.len() as u32;
                self.by_id.insert(intent.intent_id.clone(), slot);
                self.intents.push(intent);
                slot
            }
        };
        let intent = &self.intents[slot as usize];
        if let Some(session) = intent.session_key {
            self.by_session.entry(session).or_default().push(slot);
        }
        self.by_account.entry(intent.account).or_default().insert(Span::of(intent, slot));
        true
    }

    fn unlink(&mut self, slot: u32) {
        let old = &self.intents[slot as usize];
        if let Some(slots) = old.session_key.and_then(|session| self.by_session.get_mut(&session)) {
            slots.retain(|other| *other != slot);
        }
        if let Some(timeline) = self.by_account.get_mut(&old.account) {
            timeline.remove(Span::of(old, slot));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.intents.len()
    }

    pub(crate) fn of_session(&self, session: SessionKey) -> impl Iterator<Item = &Intent> {
        let slots = self.by_session.get(&session).map_or(&[][..], Vec::as_slice);
        slots.iter().map(|slot| &self.intents[*slot as usize])
    }

    /// Intents of an account that were open at some moment of `from..to`.
    pub(crate) fn of_account(
        &self,
        account: AccountRef,
        from: UtcTime,
        to: UtcTime,
    ) -> impl Iterator<Item = &Intent> {
        let spans = self.by_account.get(&account).into_iter().flat_map(move |t| t.overlapping(from.0, to.0));
        spans.map(|span| &self.intents[span.slot as usize])
    }
}

/// An intent's time in microseconds; an open end is the greatest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    start: i64,
    slot: u32,
    end: i64,
}

impl Span {
    fn of(intent: &Intent, slot: u32) -> Self {
        Self { start: intent.started_at.0, slot, end: intent.ended_at.map_or(i64::MAX, |end| end.0) }
    }
}

/// Intents of one account. Ended ones are sorted by start beside the latest end up to each place, so
/// that a search going back in time stops where nothing can reach the moment any more; intents without
/// an end, which would defeat that, are few and kept apart.
#[derive(Debug, Default)]
struct Timeline {
    ended: Vec<Span>,
    reach: Vec<i64>,
    open: Vec<Span>,
}

impl Timeline {
    fn insert(&mut self, span: Span) {
        if span.end == i64::MAX {
            self.open.push(span);
            return;
        }
        let place = self.ended.partition_point(|other| *other < span);
        self.ended.insert(place, span);
        self.reach_from(place);
    }

    fn remove(&mut self, span: Span) {
        self.open.retain(|other| *other != span);
        if let Ok(place) = self.ended.binary_search(&span) {
            self.ended.remove(place);
            self.reach_from(place);
        }
    }

    fn reach_from(&mut self, place: usize) {
        self.reach.truncate(place);
        let mut latest = self.reach.last().copied().unwrap_or(i64::MIN);
        for span in &self.ended[place..] {
            latest = latest.max(span.end);
            self.reach.push(latest);
        }
    }

    fn overlapping(&self, from: i64, to: i64) -> impl Iterator<Item = Span> + '_ {
        let begun = self.ended.partition_point(|span| span.start < to);
        let reachable = self.reach[..begun].partition_point(|reach| *reach <= from);
        let ended = self.ended[reachable..begun].iter().rev().filter(move |span| span.end > from);
        let open = self.open.iter().filter(move |span| span.start < to);
        ended.chain(open).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modellane_event::{AccountKind, IntentOrigin, LakeKey};
    use proptest::prelude::*;

    fn intent(id: u8, start: i64, end: Option<i64>, recorded: i64) -> IntentEvent {
        let key = LakeKey::new([1; 32]);
        IntentEvent {
            intent_id: Label::new(&format!("i-{id}")).unwrap(),
            account: AccountRef::new(&key, AccountKind::Email, "a@acme.example").unwrap(),
            workspace_key: None,
            branch_key: None,
            ticket_key: None,
            session_key: None,
            task: None,
            tool: None,
            started_at: UtcTime(start),
            ended_at: end.map(UtcTime),
            recorded_at: UtcTime(recorded),
            origin: IntentOrigin::File,
        }
    }

    proptest! {
        /// The index finds what a scan over the newest versions finds, in whatever order they came.
        #[test]
        fn the_index_agrees_with_a_scan(
            versions in prop::collection::vec((0u8..12, 0i64..100, prop::option::of(1i64..60), 0i64..50), 0..60),
            from in 0i64..110,
            width in 1i64..40,
        ) {
            let mut index = IntentIndex::default();
            let mut newest: HashMap<u8, IntentEvent> = HashMap::new();
            for (id, start, length, recorded) in versions {
                let event = intent(id, start, length.map(|l| start + l), recorded);
                index.insert(&event);
                let older = newest.get(&id).is_some_and(|old| old.recorded_at > event.recorded_at);
                if !older {
                    newest.insert(id, event);
                }
            }
            let to = from + width;
            let mut expected: Vec<&str> = newest
                .values()
                .filter(|e| e.started_at.0 < to && e.ended_at.is_none_or(|end| end.0 > from))
                .map(|e| e.intent_id.as_str())
                .collect();
            expected.sort_unstable();
            let account = intent(0, 0, None, 0).account;
            let found = index.of_account(account, UtcTime(from), UtcTime(to));
            let mut found: Vec<&str> = found.map(|i| i.intent_id.as_str()).collect();
            found.sort_unstable();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(index.len(), newest.len());
        }
    }
}
