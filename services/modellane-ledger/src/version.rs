//! What is known of an event: the version of its latest entry.

use modellane_event::{ContentHash, EntryKind, EventId, JudgedEvent, UtcTime};

/// Which content, and the latest time at which it is known to have been seen. The derived order is the order
/// of contents: later observed is newer, the hash breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// When the vendor's data was fetched or received.
    pub observed_at: UtcTime,
    /// Hash of what the record says.
    pub hash: ContentHash,
}

/// With how much knowledge a judgement was made. A run of the settler knows more than any run before it and
/// than the stream, whose run is 0; within a run the context version decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JudgementVersion {
    /// Run of the settler; 0 for the stream.
    pub settle_run: i32,
    /// Offset of the newest context pointer that was known.
    pub context_version: i64,
}

/// Whether the vendor still has the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// The latest entry counts.
    Live,
    /// The latest entry was withdrawn. Its content is what the vendor last said of it, and goes on to be
    /// brought up to date.
    Withdrawn,
}

/// The version of an event's latest entry, raised by what was observed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Revision of the latest entry, from 1.
    pub revision: i32,
    /// Whether that entry counts.
    pub presence: Presence,
    /// Its content, at the latest time at which it was seen.
    pub content: Content,
    /// The judgement version that the entry itself states.
    pub entry_judged: JudgementVersion,
    /// The greatest judgement version known to say the same as the entry.
    pub judged: JudgementVersion,
}

impl Version {
    /// The version that an entry states by itself.
    pub fn of_entry(revision: i32, kind: EntryKind, content: Content, judged: JudgementVersion) -> Self {
        let presence = if kind == EntryKind::Withdrawal { Presence::Withdrawn } else { Presence::Live };
        Self { revision, presence, content, entry_judged: judged, judged }
    }

    /// Adds what an observation of the same event says. Applying one twice, or in any order, is the same.
    ///
    /// The time holds for the content wherever it was seen. The judgement version holds only for the
    /// judgement that it was compared with.
    pub fn observe(&mut self, observation: &Observation) {
        if self.content.hash != observation.content.hash {
            return;
        }
        self.content.observed_at = self.content.observed_at.max(observation.content.observed_at);
        if self.entry_judged == observation.entry_judged {
            self.judged = self.judged.max(observation.judged);
        }
    }
}

/// A durable fact about an event that needs no entry: the content was seen at a time, and its judgement at
/// one version says the same as at another. It stays true whatever comes later, so it may be stored before
/// the entries of its batch, more than once, and by a sink that then crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The event.
    pub event_id: EventId,
    /// The content and when it was seen.
    pub content: Content,
    /// The judgement version of the entry that holds the content.
    pub entry_judged: JudgementVersion,
    /// The greatest version whose judgement says the same.
    pub judged: JudgementVersion,
}

/// The version that a message brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incoming {
    /// Its content.
    pub content: Content,
    /// Its judgement version.
    pub judged: JudgementVersion,
}

impl Incoming {
    /// The version of a judged event.
    pub fn of(event: &JudgedEvent) -> Self {
        Self {
            content: Content { observed_at: event.usage.observed_at, hash: event.usage.content_hash },
            judged: JudgementVersion {
                settle_run: event.judgement.settle_run,
                context_version: event.judgement.context_version,
            },
        }
    }
}
