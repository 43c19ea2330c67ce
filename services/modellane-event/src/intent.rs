//! Declared work context.

use crate::usage::closed_enum;
use crate::{AccountRef, BranchKey, Label, SessionKey, TicketKey, UtcTime, WorkspaceKey};
use serde::{Deserialize, Serialize};

closed_enum! {
    /// How an intent was declared.
    IntentOrigin {
        /// A file of the organisation folder.
        File = "file",
        /// The HTTP endpoint.
        Http = "http",
        /// A command in a shell.
        Cli = "cli",
        /// A hook of git or of a tool.
        Hook = "hook",
        /// An origin that this version does not know.
        Unknown = "unknown",
    }
}

/// One version of a declared intent: who works on what, where, on which kind of task, from when to when.
/// A later `recorded_at` replaces an earlier version of the same `intent_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentEvent {
    /// The declarer's id, kept as given.
    pub intent_id: Label,
    /// Whose work.
    pub account: AccountRef,
    /// Repository.
    pub workspace_key: Option<WorkspaceKey>,
    /// Branch.
    pub branch_key: Option<BranchKey>,
    /// Ticket.
    pub ticket_key: Option<TicketKey>,
    /// Session of the tool, where known.
    pub session_key: Option<SessionKey>,
    /// Class of work, one of the bundle's.
    pub task: Option<Label>,
    /// Declared tool.
    pub tool: Option<Label>,
    /// Start.
    pub started_at: UtcTime,
    /// End, exclusive; open if null.
    pub ended_at: Option<UtcTime>,
    /// When the server took it in.
    pub recorded_at: UtcTime,
    /// How it was declared.
    pub origin: IntentOrigin,
}
