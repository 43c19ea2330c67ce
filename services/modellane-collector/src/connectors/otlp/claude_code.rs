//! `claude_code.otel`: the `api_request` log event, one per request to the model.
//!
//! The spans and the metrics of the same programme report the same requests again; only the log events
//! are counted, because they alone carry the cost and the request id of every request. `api_error` has
//! no usage; prompt, tool and body events are not read at all.

use super::attributes::{Attributes, Name};
use super::feed::{self, Found};
use super::record::LogRecord;
use crate::connector::{Records, Rejection};
use crate::natural_key::NaturalKey;
use modellane_event::{
    AccountKind, Amount, CostBasis, CostEvidence, Currency, Label, LakeKey, RejectReason, Surface, Tokens,
};

/// Name of the feed.
pub(super) const FEED: &str = "claude_code.otel";

const ACCOUNTS: [(Name, AccountKind); 3] = [
    (Name::UserEmail, AccountKind::Email),
    (Name::UserAccountId, AccountKind::Anthropic),
    (Name::UserAccountUuid, AccountKind::Anthropic),
];

pub(super) fn log(key: &LakeKey, log: &LogRecord, records: &mut dyn Records) -> Result<Found, Rejection> {
    let name = feed::event_name(log);
    match name.strip_prefix("claude_code.").unwrap_or(name) {
        "api_request" => {}
        "api_error" => return Ok(Found::Skip("claude_code.api_error")),
        _ => return Ok(Found::Skip("claude_code.event")),
    }
    let from = &log.attributes;
    let period = feed::log_period(log)?;
    let mut facts = feed::request("anthropic", Some(Label::literal("claude_code")), period);
    facts.surface = Some(surface(from.text(Name::TerminalType)));
    // Ids of Amazon Bedrock say so by their prefix and replace the provider.
    facts.provider = Some(Label::literal("anthropic"));
    feed::set_model(&mut facts, from, Name::Model, records);
    facts.billing_account_id = organization(key, from, records);
    facts.who.accounts = feed::accounts(key, from, &ACCOUNTS);
    facts.who.session_key = from.text(Name::SessionId).map(|id| key.session(id));
    facts.who.request_key = from.text(Name::RequestId).map(|id| key.request(id));
    facts.tokens = tokens(log)?;
    facts.cost = cost(log)?;
    let (natural_key, has_id) = natural_key(key, log)?;
    Ok(Found::usage(feed::draft(FEED, natural_key, has_id, facts)))
}

/// The request id is the vendor's and is unique; without one (Bedrock, gateways) the programme's own
/// sequence within a session is, as long as the session is known.
fn natural_key(key: &LakeKey, log: &LogRecord) -> Result<(NaturalKey, bool), Rejection> {
    let from = &log.attributes;
    if let Some(id) = from.text(Name::RequestId) {
        return Ok((NaturalKey::new().id(key, id), true));
    }
    let session = from.text(Name::SessionId);
    let session = session.ok_or(Rejection::at(RejectReason::MissingField, Name::RequestId.text()))?;
    let mut natural_key = NaturalKey::new().id(key, session);
    let sequence = from.count(Name::EventSequence)?;
    if let Some(sequence) = sequence {
        natural_key = natural_key.id(key, &sequence.to_string());
    }
    // The sequence starts again when a session is resumed.
    let (_, end) = feed::log_period(log)?;
    Ok((natural_key.id(key, &end.micros().to_string()), sequence.is_some()))
}

/// `input_tokens` leaves out what was read from and written to the cache; the event's input does not.
fn tokens(log: &LogRecord) -> Result<Tokens, Rejection> {
    let from = &log.attributes;
    let uncached = from.count(Name::InputTokens)?;
    let cache_read = from.count(Name::CacheReadTokens)?;
    let cache_write = from.count(Name::CacheCreationTokens)?;
    let input = match uncached {
        Some(_) => feed::sum(Name::InputTokens.text(), &[uncached, cache_read, cache_write])?,
        None => None,
    };
    Ok(Tokens {
        requests: Some(1),
        input_tokens: input,
        cache_read_tokens: cache_read,
        cache_write_tokens: cache_write,
        output_tokens: from.count(Name::OutputTokens)?,
        ..Tokens::default()
    })
}

/// The client's estimate in US dollars; the whole micro-dollars go before the float beside them.
fn cost(log: &LogRecord) -> Result<CostEvidence, Rejection> {
    let from = &log.attributes;
    let amount = match from.count(Name::CostUsdMicros)? {
        Some(micros) => Some(
            Amount::from_billionths(i128::from(micros) * 1_000)
                .map_err(|_| Rejection::at(RejectReason::BadNumber, Name::CostUsdMicros.text()))?,
        ),
        None => from.decimal(Name::CostUsd)?,
    };
    Ok(match amount {
        Some(_) => CostEvidence {
            basis: CostBasis::VendorEstimate,
            amount,
            list_amount: None,
            currency: Some(Currency::usd()),
        },
        None => CostEvidence::none(),
    })
}

/// The organisation's id. Telemetry attributes can be overridden by whoever starts the programme, so a
/// text that is no id is not taken.
fn organization(key: &LakeKey, from: &Attributes, records: &mut dyn Records) -> Option<Label> {
    let text = from.text(Name::OrganizationId)?;
    let label = Label::new(text).ok().filter(|label| NaturalKey::new().id(key, text).label(key) == *label);
    if label.is_none() {
        records.null_label(Name::OrganizationId.text());
    }
    label
}

/// `terminal.type` names the terminal; those of editors are not command lines of their own.
fn surface(terminal: Option<&str>) -> Surface {
    match terminal {
        Some("vscode" | "cursor" | "windsurf") => Surface::Ide,
        _ => Surface::Cli,
    }
}
