//! The table `intents`: every version of every declared intent.

use crate::columns::{columns, table};
use modellane_event::{BranchKey, IntentEvent, Label, SessionKey, TicketKey, WorkspaceKey};

type IntentRow<'a> = &'a IntentEvent;

columns! {
    /// The fields of an intent, and the day that it starts.
    IntentColumns for intent: IntentRow {
        intent_id: Text required = intent.intent_id.as_str();
        account_kind: Text required = intent.account.kind.as_str();
        account_id: Id required = intent.account.hash.as_bytes();
        workspace_key: Id nullable = intent.workspace_key.as_ref().map(WorkspaceKey::as_bytes);
        branch_key: Id nullable = intent.branch_key.as_ref().map(BranchKey::as_bytes);
        ticket_key: Id nullable = intent.ticket_key.as_ref().map(TicketKey::as_bytes);
        session_key: Id nullable = intent.session_key.as_ref().map(SessionKey::as_bytes);
        task: Text nullable = intent.task.as_ref().map(Label::as_str);
        tool: Text nullable = intent.tool.as_ref().map(Label::as_str);
        started_at: Time required = intent.started_at;
        ended_at: Time nullable = intent.ended_at;
        recorded_at: Time required = intent.recorded_at;
        origin: Text required = intent.origin.as_str();
        started_date: Day required = intent.started_at.date();
    }
}

table! {
    /// Columns of `intents`; `started_date` is the partition column.
    intents_schema,
    /// Turns versions of intents into rows, one each.
    IntentBatchBuilder: IntentColumns
}

impl IntentBatchBuilder {
    /// Appends one version of an intent.
    pub fn append(&mut self, intent: &IntentEvent) {
        self.0.append(intent);
    }
}
