//! `codex.otel`: the `codex.sse_event` log event of kind `response.completed`, one per response.
//!
//! The programme prints several numbers into strings, so that counts come in both types. Its tool events
//! carry arguments and output and are not read.

use super::attributes::Name;
use super::feed::{self, Found};
use super::record::LogRecord;
use crate::connector::{Records, Rejection};
use crate::natural_key::NaturalKey;
use modellane_event::{AccountKind, Label, LakeKey, RejectReason, Surface, Tokens};

/// Name of the feed.
pub(super) const FEED: &str = "codex.otel";

const ACCOUNTS: [(Name, AccountKind); 2] =
    [(Name::UserEmail, AccountKind::Email), (Name::UserAccountId, AccountKind::Openai)];

pub(super) fn log(key: &LakeKey, log: &LogRecord, records: &mut dyn Records) -> Result<Found, Rejection> {
    let from = &log.attributes;
    let completed = from.text(Name::EventKind) == Some("response.completed");
    if feed::event_name(log) != "codex.sse_event" || !completed {
        return Ok(Found::Skip("codex.event"));
    }
    let period = feed::log_period(log)?;
    let mut facts = feed::request("openai", Some(Label::literal("codex")), period);
    facts.surface = Some(match from.text(Name::Originator) {
        Some("codex_vscode") => Surface::Ide,
        _ => Surface::Cli,
    });
    facts.provider = Some(Label::literal("openai"));
    feed::set_model(&mut facts, from, Name::Model, records);
    facts.who.accounts = feed::accounts(key, from, &ACCOUNTS);
    let conversation = from.text(Name::ConversationId);
    facts.who.session_key = conversation.map(|id| key.session(id));
    facts.tokens = Tokens {
        requests: Some(1),
        input_tokens: from.count(Name::InputTokenCount)?,
        cache_read_tokens: from.count(Name::CachedTokenCount)?,
        output_tokens: from.count(Name::OutputTokenCount)?,
        reasoning_tokens: from.count(Name::ReasoningTokenCount)?,
        ..Tokens::default()
    };
    let field = Name::ConversationId.text();
    let conversation = conversation.ok_or(Rejection::at(RejectReason::MissingField, field))?;
    let natural_key = NaturalKey::new().id(key, conversation).id(key, &period.1.micros().to_string());
    Ok(Found::usage(feed::draft(FEED, natural_key, false, facts)))
}
