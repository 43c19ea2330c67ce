//! The directory: people and service accounts with their accounts, teams, cost centres, workspaces.

mod index;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use index::{Actor, DirectoryIndex};
pub use parse::{ParsedDirectory, parse_directory};

use crate::Period;
use modellane_event::{AccountRef, Label, PersonId, Sensitivity, WorkspaceKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Gives each person of the organisation a lasting random surrogate. The store behind it lives elsewhere
/// and may be deleted; the same clear id gives the same surrogate as long as the store holds it.
pub trait PersonIds {
    /// The surrogate of a clear id, made on first sight.
    fn surrogate(&mut self, clear_id: &str) -> PersonId;
}

/// What the deletable store of persons keeps of one person, and nothing else does.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Surrogate that lake and topics carry.
    pub person_id: PersonId,
    /// Id in the organisation's own file.
    pub clear_id: String,
    /// Name, where the file states one.
    pub name: Option<String>,
}

impl fmt::Debug for PersonRecord {
    /// Leaves id and name out, so that they cannot reach a log by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonRecord").field("person_id", &self.person_id).finish_non_exhaustive()
    }
}

/// One version of the directory as the lake keeps it: keyed hashes and surrogates, no name, no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryObject {
    /// Version of this layout.
    pub format: u32,
    /// People, ordered by surrogate.
    pub people: Vec<PersonEntry>,
    /// Service accounts, ordered by id.
    pub service_accounts: Vec<ServiceAccountEntry>,
    /// Teams, ordered by id.
    pub teams: Vec<TeamEntry>,
    /// Cost centres, ordered by id.
    pub cost_centers: Vec<CostCenterEntry>,
    /// Workspaces, ordered by id.
    pub workspaces: Vec<WorkspaceEntry>,
}

impl DirectoryObject {
    /// Version of the layout that this program writes and reads.
    pub const FORMAT: u32 = 1;
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonEntry {
    /// Surrogate.
    pub person_id: PersonId,
    /// Accounts, as keyed hashes.
    pub accounts: Vec<AccountEntry>,
    /// Team and cost centre over time; periods do not overlap.
    pub memberships: Vec<MembershipEntry>,
}

/// An account of a person or service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountEntry {
    /// Kind and keyed hash.
    pub account: AccountRef,
    /// When it was theirs.
    #[serde(flatten)]
    pub period: Period,
}

/// Where a person belongs for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipEntry {
    /// Team.
    pub team: Label,
    /// Cost centre, if one is charged.
    pub cost_center: Option<Label>,
    /// When.
    #[serde(flatten)]
    pub period: Period,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccountEntry {
    /// Its id in the organisation's own file.
    pub id: Label,
    /// Accounts, as keyed hashes.
    pub accounts: Vec<AccountEntry>,
    /// Team that answers for it.
    pub team: Option<Label>,
    /// Cost centre that is charged.
    pub cost_center: Option<Label>,
    /// Class of work that it does: a standing intent.
    pub task: Option<Label>,
    /// When it exists.
    #[serde(flatten)]
    pub period: Period,
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamEntry {
    /// Id.
    pub id: Label,
    /// Display name.
    pub name: Option<String>,
    /// Person who answers for it; null if the file names nobody whom it lists.
    pub owner: Option<PersonId>,
    /// Team above it.
    pub parent: Option<Label>,
}

/// A cost centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostCenterEntry {
    /// Id.
    pub id: Label,
    /// Display name.
    pub name: Option<String>,
    /// Legal entity.
    pub company: Option<String>,
    /// Account of the general ledger.
    pub gl_account: Option<String>,
}

/// A repository or other place of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceEntry {
    /// Name in clear: the organisation publishes it by listing it.
    pub id: Label,
    /// Keyed hash that records carry.
    pub key: WorkspaceKey,
    /// Team that owns it.
    pub team: Option<Label>,
    /// Sensitivity, if declared.
    pub sensitivity: Option<Sensitivity>,
}
