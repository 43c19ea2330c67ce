//! Which events a vendor no longer has, by the complete fetches of their scope.

use crate::{Presence, Version};
use modellane_event::{Cause, EntryKind, FetchId, UtcTime};

/// A fetch of a whole scope. The derived order is the order of fetches: later observed is newer, the id
/// breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompleteFetch {
    /// When the vendor's data was fetched or received.
    pub observed_at: UtcTime,
    /// Which fetch.
    pub fetch_id: FetchId,
    /// Whether the vendor's own total agrees with it.
    pub confirmed: bool,
}

/// The complete fetches of one scope, as far as they matter: the two newest. What it ends as does not depend
/// on the order in which fetches are added, nor on how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeFetches {
    newest: Option<CompleteFetch>,
    before: Option<CompleteFetch>,
}

impl ScopeFetches {
    /// Adds a fetch.
    pub fn add(&mut self, fetch: CompleteFetch) {
        if self.both().any(|known| known.fetch_id == fetch.fetch_id) {
            return;
        }
        match self.newest {
            Some(newest) if fetch < newest => self.before = self.before.max(Some(fetch)),
            newest => (self.before, self.newest) = (newest, Some(fetch)),
        }
    }

    /// The two newest fetches, or as many as there are.
    pub fn both(&self) -> impl Iterator<Item = CompleteFetch> + use<> {
        [self.newest, self.before].into_iter().flatten()
    }

    /// The fetches that all have to lack an event for it to be gone: the newest alone if it is confirmed,
    /// else the two newest; none as long as there is only one that is not confirmed.
    pub fn deciding(&self) -> impl Iterator<Item = CompleteFetch> + use<> {
        let deciding = match (self.newest, self.before) {
            (Some(newest), _) if newest.confirmed => [Some(newest), None],
            (Some(newest), Some(before)) => [Some(newest), Some(before)],
            _ => [None, None],
        };
        deciding.into_iter().flatten()
    }

    /// The time of the oldest deciding fetch. An event that was seen then or later is there, whatever the
    /// fetches list.
    pub fn horizon(&self) -> Option<UtcTime> {
        self.deciding().map(|fetch| fetch.observed_at).min()
    }

    /// Whether the vendor still has an event that was last seen at a time, `has` telling whether a fetch
    /// lists it.
    pub fn presence(&self, last_seen: UtcTime, has: impl Fn(FetchId) -> bool) -> Presence {
        let before_all = self.horizon().is_some_and(|horizon| last_seen < horizon);
        let gone = before_all && !self.deciding().any(|fetch| has(fetch.fetch_id));
        if gone { Presence::Withdrawn } else { Presence::Live }
    }
}

/// What follows when an event turns out to be gone, or to be there again. It changes neither its content nor
/// its judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PresenceChange {
    /// The current entry is taken away, with the same revision.
    Withdraw,
    /// The withdrawn entry is put back, with the next revision.
    Reinstate,
}

impl PresenceChange {
    /// What has to happen to an event, if anything.
    pub fn needed(current: &Version, presence: Presence) -> Option<Self> {
        match (current.presence, presence) {
            (Presence::Live, Presence::Withdrawn) => Some(Self::Withdraw),
            (Presence::Withdrawn, Presence::Live) => Some(Self::Reinstate),
            _ => None,
        }
    }

    /// What the entry does.
    pub fn kind(self) -> EntryKind {
        match self {
            Self::Withdraw => EntryKind::Withdrawal,
            Self::Reinstate => EntryKind::Restatement,
        }
    }

    /// Why.
    pub fn cause(self) -> Cause {
        match self {
            Self::Withdraw => Cause::Withdrawn,
            Self::Reinstate => Cause::Restated,
        }
    }

    /// The event's version afterwards.
    pub fn after(self, current: &Version) -> Version {
        match self {
            Self::Withdraw => Version { presence: Presence::Withdrawn, ..*current },
            Self::Reinstate => {
                Version { presence: Presence::Live, revision: current.revision + 1, ..*current }
            }
        }
    }
}

#[cfg(test)]
mod tests;
