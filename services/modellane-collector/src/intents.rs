//! Declared work context: NDJSON, an array, or `{"intents": […]}`.
//!
//! Person, repository, branch, ticket and session become keyed hashes. `task` and `tool` are names from
//! lists that somebody configured; a text that cannot be such a name rejects the intent, because an intent
//! without its task would be judged wrongly.

use crate::connector::Rejection;
use crate::intake::IndexedRejection;
use crate::json::{self, Field, required};
use modellane_event::{
    AccountKind, AccountRef, IntentEvent, IntentOrigin, Label, LakeKey, RejectReason, UtcTime,
};
use serde::Deserialize;

/// Longest name of a task or tool.
const MAX_NAME: usize = 40;

/// What was read of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The intents, in order.
    pub intents: Vec<IntentEvent>,
    /// What was not understood.
    pub rejected: Vec<IndexedRejection>,
}

/// Reads intents. `recorded_at` and `origin` are the server's.
pub fn read_intents(bytes: &[u8], key: &LakeKey, recorded_at: UtcTime, origin: IntentOrigin) -> Declared {
    let mut declared = Declared::default();
    json::for_each_record(bytes, &["intents"], |index, line, record| {
        let length = record.as_ref().ok().map(|record| record.len());
        let intent =
            record.and_then(json::parse::<Row<'_>>).and_then(|row| row.intent(key, recorded_at, origin));
        match intent {
            Ok(intent) => declared.intents.push(intent),
            Err(rejection) => {
                let rejection = Rejection { length: length.or(rejection.length), ..rejection };
                declared.rejected.push(IndexedRejection { index, line: Some(line), rejection });
            }
        }
    });
    declared
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    intent_id: Field<'a>,
    #[serde(borrow)]
    person: Field<'a>,
    #[serde(borrow)]
    workspace: Field<'a>,
    #[serde(borrow)]
    branch: Field<'a>,
    #[serde(borrow)]
    task: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    tool: Field<'a>,
    #[serde(borrow)]
    ticket: Field<'a>,
    #[serde(borrow)]
    started_at: Field<'a>,
    #[serde(borrow)]
    ended_at: Field<'a>,
}

impl Row<'_> {
    fn intent(
        &self,
        key: &LakeKey,
        recorded_at: UtcTime,
        origin: IntentOrigin,
    ) -> Result<IntentEvent, Rejection> {
        let intent_id = required(self.intent_id.text("intent_id")?, "intent_id")?;
        let person = required(self.person.text("person")?, "person")?;
        let started_at = required(self.started_at.time("started_at")?, "started_at")?;
        let ended_at = self.ended_at.time("ended_at")?;
        if ended_at.is_some_and(|end| end < started_at) {
            return Err(Rejection::at(RejectReason::BadTime, "ended_at"));
        }
        Ok(IntentEvent {
            intent_id: Label::new(&intent_id)
                .map_err(|_| Rejection::at(RejectReason::BadLabel, "intent_id"))?,
            account: required(account(key, &person), "person")?,
            workspace_key: self.workspace.text("workspace")?.map(|name| key.workspace(&name)),
            branch_key: self.branch.text("branch")?.map(|name| key.branch(&name)),
            ticket_key: self.ticket.text("ticket")?.map(|id| key.ticket(&id)),
            session_key: self.session_id.text("session_id")?.map(|id| key.session(&id)),
            task: name(self.task, "task")?,
            tool: name(self.tool, "tool")?,
            started_at,
            ended_at,
            recorded_at,
            origin,
        })
    }
}

/// A person's account: an e-mail address, or `kind:id` for the kinds of a directory.
pub fn account(key: &LakeKey, person: &str) -> Option<AccountRef> {
    const KINDS: [AccountKind; 10] = [
        AccountKind::Email,
        AccountKind::Github,
        AccountKind::Anthropic,
        AccountKind::Openai,
        AccountKind::Cursor,
        AccountKind::Litellm,
        AccountKind::Aws,
        AccountKind::ApiKey,
        AccountKind::Idc,
        AccountKind::Enduser,
    ];
    let other = person.split_once(':').and_then(|(prefix, id)| {
        KINDS.into_iter().find(|kind| kind.as_str() == prefix.trim()).map(|kind| (kind, id))
    });
    let (kind, id) = other.unwrap_or((AccountKind::Email, person));
    AccountRef::new(key, kind, id)
}

/// A name as configuration files have them: lower-case letters, digits, `_`, `-` and `.`.
fn name(field: Field<'_>, named: &'static str) -> Result<Option<Label>, Rejection> {
    let Some(text) = field.text(named)? else { return Ok(None) };
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    let wrong = Rejection::at(RejectReason::BadLabel, named);
    if text.len() > MAX_NAME || !text.bytes().all(plain) {
        return Err(wrong);
    }
    Label::new(text).map(Some).map_err(|_| wrong)
}

#[cfg(test)]
mod tests;
