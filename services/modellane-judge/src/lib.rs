//! Identity, linking, policy and prices: facts in, judgement out.
//!
//! Two halves. The first reads the files of an organisation folder and makes the stored context objects:
//! [`parse_directory`], [`parse_prices`], [`parse_finance`], [`PolicyObject::from_files`]. Every fault of a
//! file is listed with its place and what to do, and no name, address or account is repeated. The second
//! holds what is known in a [`ContextState`] and judges one event at a time with [`judge`]: who, which
//! intent, what it cost, what guidance says. Which intent is a matter of weighed evidence: [`matching`]. Which of
//! the feeds that report the same use counts is decided over many events: [`Overlaps`]. What judgements say together, and how far they may be off, is an [`AdherenceCell`]; reports have its bounds, and its
//! interval without the reviewed sample, from SQL.
//!
//! The crate does no input or output, reads no clock and draws no random number; the same state and event
//! give the same judgement. It refuses to keep names: they leave through [`PersonRecord`] and nowhere else.

mod adherence;
mod backtest;
mod candidates;
mod context;
mod cost;
mod directory;
mod explain;
mod finance;
mod identity;
mod intents;
mod judge;
mod linker;
pub mod matching;
mod overlap;
mod period;
mod policy;
mod prices;
mod problem;
mod reader;
mod reason;
mod spending;
mod verdict;

#[cfg(test)]
mod tests;

pub use adherence::{Adherence, AdherenceCell, ExpectationError};
pub use backtest::{Backtest, Candidate, RuleChange, Turned};
pub use candidates::UseCandidates;
pub use context::{ContextObject, ContextState, EncodedObject, object_hash};
pub use directory::{
    AccountEntry, CostCenterEntry, DirectoryObject, MembershipEntry, ParsedDirectory, PersonEntry, PersonIds,
    PersonRecord, ServiceAccountEntry, TeamEntry, WorkspaceEntry, parse_directory,
};
pub use explain::{ExplainedCandidate, ExplainedRule, Explanation, MissingFact};
pub use finance::{Budget, BudgetRevision, FinanceObject, FxRate, Invoice, InvoiceLine, Seat, parse_finance};
pub use judge::judge;
pub use overlap::{Overlaps, Sighting};
pub use period::Period;
pub use policy::{Bundle, Outcome, OutcomeClass, PolicyObject, Remark, Rule, Thresholds, remarks_on_dates};
pub use prices::{PriceEntry, PriceKind, PriceObject, parse_prices};
pub use problem::{ContextError, Problem};
pub use reason::Reason;
pub use spending::{BudgetSpent, DayCost, SpendingObject};
