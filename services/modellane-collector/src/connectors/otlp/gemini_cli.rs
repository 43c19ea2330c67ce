//! `gemini_cli.otel`: the `gemini_cli.api_response` log event, one per response.
//!
//! `gen_ai.client.inference.operation.details` repeats each response, with its messages, and is skipped.
//! The vendor counts four parts that add up to `total_token_count`: input (cached tokens included),
//! output, thoughts and the input that tools made. Thoughts are therefore added to the output, and tool
//! input to the input. Counts that the service leaves out arrive as 0 and cannot be told from zeros.

use super::attributes::Name;
use super::feed::{self, Found};
use super::record::LogRecord;
use crate::connector::{Records, Rejection};
use crate::natural_key::NaturalKey;
use modellane_event::{AccountKind, Label, LakeKey, RejectReason, Surface, Tokens};

/// Name of the feed.
pub(super) const FEED: &str = "gemini_cli.otel";

pub(super) fn log(key: &LakeKey, log: &LogRecord, records: &mut dyn Records) -> Result<Found, Rejection> {
    match feed::event_name(log) {
        "gemini_cli.api_response" => {}
        "gemini_cli.api_error" => return Ok(Found::Skip("gemini_cli.api_error")),
        "gen_ai.client.inference.operation.details" => return Ok(Found::Skip("gemini_cli.repeated")),
        _ => return Ok(Found::Skip("gemini_cli.event")),
    }
    let from = &log.attributes;
    let period = feed::log_period(log)?;
    let mut facts = feed::request("google", Some(Label::literal("gemini_cli")), period);
    facts.surface = Some(Surface::Cli);
    facts.provider = Some(Label::literal(match from.text(Name::AuthType) {
        Some("vertex-ai") => "gcp.vertex_ai",
        _ => "gcp.gemini",
    }));
    feed::set_model(&mut facts, from, Name::Model, records);
    facts.who.accounts = feed::accounts(key, from, &[(Name::UserEmail, AccountKind::Email)]);
    let session = from.text(Name::SessionId);
    facts.who.session_key = session.map(|id| key.session(id));
    facts.tokens = tokens(log)?;
    let session = session.ok_or(Rejection::at(RejectReason::MissingField, Name::SessionId.text()))?;
    let natural_key = NaturalKey::new()
        .id(key, session)
        .id(key, from.text(Name::PromptId).unwrap_or("-"))
        .id(key, &period.1.micros().to_string());
    Ok(Found::usage(feed::draft(FEED, natural_key, false, facts)))
}

fn tokens(log: &LogRecord) -> Result<Tokens, Rejection> {
    let from = &log.attributes;
    let (input, output) = (from.count(Name::InputTokenCount)?, from.count(Name::OutputTokenCount)?);
    let thoughts = from.count(Name::ThoughtsTokenCount)?;
    let tools = from.count(Name::ToolTokenCount)?;
    Ok(Tokens {
        requests: Some(1),
        input_tokens: match input {
            Some(_) => feed::sum(Name::InputTokenCount.text(), &[input, tools])?,
            None => None,
        },
        cache_read_tokens: from.count(Name::CachedContentTokenCount)?,
        output_tokens: match output {
            Some(_) => feed::sum(Name::OutputTokenCount.text(), &[output, thoughts])?,
            None => None,
        },
        reasoning_tokens: thoughts,
        ..Tokens::default()
    })
}
