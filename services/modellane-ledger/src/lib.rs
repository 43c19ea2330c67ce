//! The decision of the ledger: what is known of an event and one message in, signed entries out.
//!
//! Everything here is pure: facts in, decision out. The crate refuses to read a table, a topic or a clock;
//! the sink reads the facts, asks [`decide`], and executes.
//!
//! # When the result does not depend on order or repetition
//! For one event, let a message be its content (`content_hash` at `observed_at`) and its judgement (at a
//! [`JudgementVersion`]), and let the *winning content* be that of the message with the greatest
//! (`observed_at`, `content_hash`). Then, whatever the order, repetition and split into commits:
//!
//! - the current entry holds the winning content, always;
//! - its judgement is that of the greatest judgement version which came with the winning content, exactly if
//!   1. judging is a function: equal content and equal judgement version mean an equal judgement (of two
//!      that differ the first one stays), and
//!   2. that greatest version came with a message of the *last stretch*, the messages of the winning content
//!      that were observed after every other content of the event.
//!
//! Condition 2 fails only if a content was replaced and returns under an older judgement version than it had
//! before; some orders then end with the older judgement, and the settler's next run restores the newer one.
//!
//! A content that is seen again has no entry, yet moves its version ([`Decision::Observe`]). Were it dropped,
//! A at 1, B at 2, A again at 3 would end with A, and A at 1, A at 3, B at 2 with B. The sink therefore keeps
//! each such sighting as a durable [`Observation`].
//!
//! # Events that vanish
//! Whether the vendor still has an event is a second question, which content and judgement have no part in.
//! An event is gone if two successive complete fetches of its scope lack it that came after its last
//! sighting, or one that the vendor's own total confirms. That is a function of the set of the scope's
//! fetches and of the event's last sighting, which is the time of the winning content: [`ScopeFetches`] keeps
//! what it takes, [`PresenceChange`] says what follows. Asking it whenever a message has been decided and
//! whenever a fetch is added makes the end the same in every order.

mod cause;
mod check;
mod decision;
mod invariant;
mod offset;
mod scope;
mod version;

pub use cause::first_difference;
pub use check::{
    CommitRecord, Counters, EntryView, PresenceCounters, Violation, check_commits, check_counters,
    check_entries, check_presence, check_verdicts,
};
pub use decision::{Decision, NewEntry, asks_for_judgement, decide};
pub use invariant::Invariant;
pub use offset::{OffsetDecision, OffsetError, RangeSet, StreamRange, commit_decision};
pub use scope::{CompleteFetch, PresenceChange, ScopeFetches};
pub use version::{Content, Incoming, JudgementVersion, Observation, Presence, Version};
