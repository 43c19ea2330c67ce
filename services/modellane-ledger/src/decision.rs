//! The one decision.

use crate::{Incoming, Observation, Presence, Version};
use modellane_event::{Cause, EntryKind, EntryStamp, EventId, Judgement, Sign, UtcTime};

/// What a message does to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The event is new: an original entry.
    Append,
    /// The current entry is reversed and replaced, `kind` being `Restatement` or `Rejudgement`. If the event
    /// is withdrawn there is nothing to reverse, and the new entry stands until [`PresenceChange::needed`]
    /// says otherwise.
    ///
    /// [`PresenceChange::needed`]: crate::PresenceChange::needed
    Replace {
        /// What the new entry is.
        kind: EntryKind,
        /// Why.
        cause: Cause,
    },
    /// The same content was seen later, or judged alike with more knowledge: no entry, a higher version.
    Observe,
    /// Nothing that is not known.
    Duplicate,
    /// An older content than the current one.
    Stale,
}

/// Decides what a message does to its event. `current` is the event's version with all its observations,
/// `None` if the ledger has no entry of it.
///
/// Content and judgement are decided alike for events that are there and for withdrawn ones: were the content
/// of a withdrawn event not kept up to date, it would depend on the order what comes back when the event is
/// there again. Whether it is there is asked afterwards, of the scope's fetches.
///
/// `compare` says how the message's judgement differs from the current entry's (see
/// [`first_difference`](crate::first_difference)). It is called only if [`asks_for_judgement`], because the
/// answer takes the old row. The error is the caller's and passes through.
pub fn decide<E>(
    current: Option<&Version>,
    incoming: &Incoming,
    compare: impl FnOnce() -> Result<Option<Cause>, E>,
) -> Result<Decision, E> {
    let Some(current) = current else { return Ok(Decision::Append) };
    if incoming.content.hash != current.content.hash {
        let newer = incoming.content > current.content;
        let restated = Decision::Replace { kind: EntryKind::Restatement, cause: Cause::Restated };
        return Ok(if newer { restated } else { Decision::Stale });
    }
    if incoming.judged > current.judged {
        return Ok(match compare()? {
            Some(cause) => Decision::Replace { kind: EntryKind::Rejudgement, cause },
            None => Decision::Observe,
        });
    }
    let later = incoming.content.observed_at > current.content.observed_at;
    Ok(if later { Decision::Observe } else { Decision::Duplicate })
}

/// Whether [`decide`] will ask how the judgements differ: same content, judged with more knowledge.
pub fn asks_for_judgement(current: &Version, incoming: &Incoming) -> bool {
    incoming.content.hash == current.content.hash && incoming.judged > current.judged
}

/// The entry that a decision appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Its revision.
    pub revision: i32,
    /// What it does.
    pub kind: EntryKind,
    /// Why.
    pub cause: Cause,
    /// Whether the current entry is reversed in the same commit, for the same cause.
    pub reverses: bool,
}

impl NewEntry {
    /// The columns that the ledger adds to the judged event.
    pub fn stamp(&self, judgement: &Judgement, recorded_at: UtcTime) -> EntryStamp {
        let counted = |counts| if counts { Sign::Plus } else { Sign::Zero };
        EntryStamp {
            revision: self.revision,
            kind: self.kind,
            cause: self.cause,
            entry_sign: Sign::Plus,
            usage_sign: counted(judgement.counts_usage),
            cost_sign: counted(judgement.counts_cost),
            recorded_at,
        }
    }
}

impl Decision {
    /// The entry that it appends, if any.
    pub fn entry(&self, current: Option<&Version>) -> Option<NewEntry> {
        let revision = current.map_or(1, |version| version.revision + 1);
        let stands = current.is_some_and(|version| version.presence == Presence::Live);
        let entry = |kind, cause, reverses| Some(NewEntry { revision, kind, cause, reverses });
        match *self {
            Self::Append => entry(EntryKind::Original, Cause::First, false),
            Self::Replace { kind, cause } => entry(kind, cause, stands),
            Self::Observe | Self::Duplicate | Self::Stale => None,
        }
    }

    /// The event's version afterwards, presence aside.
    ///
    /// A restatement carries the judgement of its own message. A rejudgement does not make its content
    /// older: the entry states the latest time at which the content was seen, which is
    /// `after(..).content.observed_at`.
    pub fn after(&self, current: Option<&Version>, incoming: &Incoming) -> Version {
        let Some(entry) = self.entry(current) else {
            let mut version = current.copied().unwrap_or_else(|| {
                Version::of_entry(0, EntryKind::Original, incoming.content, incoming.judged)
            });
            if *self == Self::Observe {
                version.content.observed_at = version.content.observed_at.max(incoming.content.observed_at);
                version.judged = version.judged.max(incoming.judged);
            }
            return version;
        };
        let mut content = incoming.content;
        if let Some(current) = current.filter(|_| entry.kind == EntryKind::Rejudgement) {
            content.observed_at = content.observed_at.max(current.content.observed_at);
        }
        Version::of_entry(entry.revision, entry.kind, content, incoming.judged)
    }

    /// The fact to keep, if the decision is [`Decision::Observe`]; `version` is the one afterwards.
    pub fn observation(&self, event_id: EventId, version: &Version) -> Option<Observation> {
        (*self == Self::Observe).then_some(Observation {
            event_id,
            content: version.content,
            entry_judged: version.entry_judged,
            judged: version.judged,
        })
    }
}

#[cfg(test)]
mod tests;
