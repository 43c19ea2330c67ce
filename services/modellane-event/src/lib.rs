//! The vocabulary of ModelLane: what a usage event, a judgement, an intent and a reject are.
//!
//! No field is free text. Every string is a bounded [`Label`], a closed enumeration or an id, money is a
//! decimal ([`Amount`]), probabilities are exact millionths ([`Share`]), times are UTC microseconds
//! ([`UtcTime`]) and persons appear only as keyed hashes ([`AccountRef`]) or random surrogates.
//!
//! The crate refuses to do input or output and to read a clock.

mod account;
mod amount;
mod content;
mod context;
mod entry;
mod fetch;
mod id;
mod intent;
mod judgement;
mod label;
mod money;
mod reject;
mod share;
mod time;
mod usage;

pub use account::{AccountKind, AccountRef};
pub use amount::{Amount, AmountError};
pub use content::ContentHasher;
pub use context::{ContextKind, ContextPointer};
pub use entry::{Cause, EntryKind, EntryStamp, Sign};
pub use fetch::ScopeClosed;
pub use id::{
    AccountHash, BranchKey, ContentHash, EventId, FetchId, IdError, LakeKey, PersonId, RejectId, RequestKey,
    SessionKey, TicketKey, WorkspaceKey,
};
pub use intent::{IntentEvent, IntentOrigin};
pub use judgement::{ActorKind, ConfidenceLabel, JudgedEvent, Judgement, MatchedBy, Sensitivity, Verdict};
pub use label::{Label, LabelError};
pub use money::{CostBasis, Currency, CurrencyError};
pub use reject::{RejectEvent, RejectReason};
pub use share::{Share, ShareError};
pub use time::{Date, TimeError, UtcTime};
pub use usage::{CostEvidence, Grain, Outcome, Surface, Tokens, UsageEvent, UsageFacts, Who, Work};
