//! Spans by the OpenTelemetry conventions for generative AI: `otel.gen_ai` for any application,
//! `github_copilot.otel` for Copilot Chat and the Copilot command line.
//!
//! Only spans of single calls to a model count. `invoke_agent` and `invoke_workflow` carry the sum of the
//! calls below them, `execute_tool`, `retrieval` and `plan` are no calls; a call without any token count
//! is no usage. The convention says that the input includes cached tokens, and it is taken at its word.

use super::attributes::{Attributes, Name};
use super::feed::{self, Found};
use super::record::{Origin, Span};
use crate::connector::{Records, Rejection};
use crate::model_names::provider_name;
use crate::natural_key::NaturalKey;
use modellane_event::{
    AccountKind, AccountRef, Label, LakeKey, Outcome, RejectReason, Surface, Tokens, UsageFacts,
};

/// Name of the feed of any application.
pub(super) const FEED: &str = "otel.gen_ai";
/// Name of Copilot's feed.
pub(super) const COPILOT_FEED: &str = "github_copilot.otel";

/// A call to a model by an application that is not one of the known products.
pub(super) fn assistant(
    key: &LakeKey,
    origin: &Origin,
    span: &Span,
    records: &mut dyn Records,
) -> Result<Found, Rejection> {
    call(key, origin, span, records, FEED, |records| {
        let mut facts = feed::request("internal", tool(&origin.resource, records), feed::span_period(span)?);
        facts.surface = Some(Surface::Api);
        Ok(facts)
    })
}

/// A call to a model by Copilot.
pub(super) fn copilot(
    key: &LakeKey,
    origin: &Origin,
    span: &Span,
    records: &mut dyn Records,
) -> Result<Found, Rejection> {
    call(key, origin, span, records, COPILOT_FEED, |_| {
        let tool = Some(Label::literal("copilot"));
        let mut facts = feed::request("github", tool, feed::span_period(span)?);
        facts.surface = Some(match origin.resource.text(Name::Service) {
            Some("github-copilot") => Surface::Cli,
            _ => Surface::Ide,
        });
        Ok(facts)
    })
}

fn call(
    key: &LakeKey,
    origin: &Origin,
    span: &Span,
    records: &mut dyn Records,
    feed: &'static str,
    base: impl FnOnce(&mut dyn Records) -> Result<UsageFacts, Rejection>,
) -> Result<Found, Rejection> {
    let from = &span.attributes;
    match from.text(Name::GenAiOperation) {
        Some("chat" | "generate_content" | "text_completion" | "embeddings") => {}
        Some("invoke_agent" | "invoke_workflow") => return Ok(Found::Skip("gen_ai.sum_of_calls")),
        Some(_) => return Ok(Found::Skip("gen_ai.other_operation")),
        None => return Ok(Found::Skip("otel.span")),
    }
    let tokens = tokens(from)?;
    let failed = span.failed || from.has(Name::ErrorType);
    if tokens.input_tokens.is_none() && tokens.output_tokens.is_none() {
        return Ok(Found::Skip(if failed { "gen_ai.error" } else { "gen_ai.without_usage" }));
    }
    let mut facts = base(records)?;
    if failed {
        facts.outcome = Outcome::Error;
    }
    facts.tokens = tokens;
    let model = if from.text(Name::GenAiResponseModel).is_some() {
        Name::GenAiResponseModel
    } else {
        Name::GenAiRequestModel
    };
    feed::set_model(&mut facts, from, model, records);
    facts.provider = provider(from, records).or(facts.provider);
    facts.who.accounts = accounts(key, from, &origin.resource);
    facts.who.session_key = from.text(Name::GenAiConversationId).map(|id| key.session(id));
    facts.who.request_key = from.text(Name::GenAiResponseId).map(|id| key.request(id));
    Ok(Found::usage(feed::draft(feed, natural_key(key, span)?, true, facts)))
}

/// The provider's id of the response: the same call seen by two layers of instrumentation is one event.
fn natural_key(key: &LakeKey, span: &Span) -> Result<NaturalKey, Rejection> {
    if let Some(id) = span.attributes.text(Name::GenAiResponseId) {
        return Ok(NaturalKey::new().id(key, id));
    }
    if span.trace_id.is_empty() || span.span_id.is_empty() {
        return Err(Rejection::at(RejectReason::MissingField, Name::GenAiResponseId.text()));
    }
    Ok(NaturalKey::new().id(key, &span.trace_id).id(key, &span.span_id))
}

fn tokens(from: &Attributes) -> Result<Tokens, Rejection> {
    let renamed = |new, old| match from.count(new)? {
        Some(count) => Ok(Some(count)),
        None => from.count(old),
    };
    Ok(Tokens {
        requests: Some(1),
        input_tokens: renamed(Name::GenAiInputTokens, Name::GenAiPromptTokens)?,
        cache_read_tokens: from.count(Name::GenAiCacheRead)?,
        cache_write_tokens: from.count(Name::GenAiCacheCreation)?,
        output_tokens: renamed(Name::GenAiOutputTokens, Name::GenAiCompletionTokens)?,
        reasoning_tokens: from.count(Name::GenAiReasoning)?,
        ..Tokens::default()
    })
}

/// Who runs the model: the convention's spelling where it is known, else a name that looks like one.
fn provider(from: &Attributes, records: &mut dyn Records) -> Option<Label> {
    let name = match from.text(Name::GenAiProvider) {
        Some(_) => Name::GenAiProvider,
        None => Name::GenAiSystem,
    };
    from.text(name).and_then(provider_name).or_else(|| plain(from, name, records))
}

/// The service name is set by whoever runs the application, so it is a tool's name if it looks like one.
fn tool(resource: &Attributes, records: &mut dyn Records) -> Option<Label> {
    plain(resource, Name::Service, records)
}

/// A name of lower-case letters, digits, `.`, `_` and `-`, at most 64 of them.
fn plain(from: &Attributes, name: Name, records: &mut dyn Records) -> Option<Label> {
    let text = from.text(name)?;
    let is_name = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    let label = if is_name { Label::new(text).ok() } else { None };
    if label.is_none() {
        records.null_label(name.text());
    }
    label
}

/// Users of the call, else those of the resource. An address is an address under whichever name.
fn accounts(key: &LakeKey, span: &Attributes, resource: &Attributes) -> Vec<AccountRef> {
    let mut accounts = Vec::new();
    for from in [span, resource] {
        for name in [Name::EnduserId, Name::UserEmail, Name::UserId] {
            let Some(text) = from.text(name) else { continue };
            let is_address = name == Name::UserEmail || text.contains('@');
            let kind = if is_address { AccountKind::Email } else { AccountKind::Enduser };
            let account = AccountRef::new(key, kind, text);
            accounts.extend(account.filter(|account| !accounts.contains(account)));
        }
        if !accounts.is_empty() {
            break;
        }
    }
    accounts
}
