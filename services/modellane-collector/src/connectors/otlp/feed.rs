//! Which feed a record belongs to, and what all feeds share.

use super::attributes::{Attributes, Name};
use super::record::{LogRecord, Origin, Record, Span, time};
use super::{claude_code, codex, gemini_cli, gen_ai};
use crate::connector::{Draft, Records, Rejection};
use crate::model_names::model_name;
use crate::natural_key::NaturalKey;
use modellane_event::{AccountKind, AccountRef, Label, LakeKey, RejectReason, UsageFacts, UtcTime};

/// Whose telemetry it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Feed {
    ClaudeCode,
    Codex,
    GeminiCli,
    GithubCopilot,
    GenAi,
}

/// What a record turned out to be.
pub(super) enum Found {
    /// Usage.
    Usage(Box<Draft>),
    /// No usage, or usage that another signal reports too.
    Skip(&'static str),
}

impl Found {
    pub(super) fn usage(draft: Draft) -> Self {
        Self::Usage(Box::new(draft))
    }
}

impl Feed {
    /// Tells the feed. The scope goes before the service: Copilot Chat reports the Claude agent that it
    /// hosts under the service name `claude-code`, and it is Copilot that bills it.
    fn of(origin: &Origin) -> Self {
        let scope = origin.scope.as_str();
        if matches!(scope, "copilot-chat" | "github-copilot") {
            return Self::GithubCopilot;
        }
        if scope.starts_with("com.anthropic.claude_code") {
            return Self::ClaudeCode;
        }
        match origin.resource.text(Name::Service).unwrap_or_default() {
            "claude-code" | "claude-code-desktop" => Self::ClaudeCode,
            "copilot-chat" | "github-copilot" => Self::GithubCopilot,
            "gemini-cli" => Self::GeminiCli,
            service if service.starts_with("codex_") || scope == "codex_otel" => Self::Codex,
            _ if scope == "gemini-cli" => Self::GeminiCli,
            _ => Self::GenAi,
        }
    }
}

/// Reads one record by the rules of its feed.
pub(super) fn interpret(
    key: &LakeKey,
    origin: &Origin,
    record: &Record,
    records: &mut dyn Records,
) -> Result<Found, Rejection> {
    match (Feed::of(origin), record) {
        (_, Record::Metric) => Ok(Found::Skip("metric")),
        (Feed::ClaudeCode, Record::Log(log)) => claude_code::log(key, log, records),
        (Feed::ClaudeCode, Record::Span(_)) => Ok(Found::Skip("claude_code.span")),
        (Feed::Codex, Record::Log(log)) => codex::log(key, log, records),
        (Feed::Codex, Record::Span(_)) => Ok(Found::Skip("codex.span")),
        (Feed::GeminiCli, Record::Log(log)) => gemini_cli::log(key, log, records),
        (Feed::GeminiCli, Record::Span(_)) => Ok(Found::Skip("gemini_cli.span")),
        (Feed::GithubCopilot, Record::Log(_)) => Ok(Found::Skip("github_copilot.log")),
        (Feed::GithubCopilot, Record::Span(span)) => gen_ai::copilot(key, origin, span, records),
        (Feed::GenAi, Record::Log(_)) => Ok(Found::Skip("otel.log")),
        (Feed::GenAi, Record::Span(span)) => gen_ai::assistant(key, origin, span, records),
    }
}

/// The name of a log event: the record's own field, or the attribute of older exporters.
pub(super) fn event_name(log: &LogRecord) -> &str {
    if log.event_name.is_empty() {
        log.attributes.text(Name::Event).unwrap_or_default()
    } else {
        &log.event_name
    }
}

/// Start and end of the request that a log record reports once it is over. The record's own time goes
/// before `event.timestamp`, and that before the time of observation, which a relay may set.
pub(super) fn log_period(log: &LogRecord) -> Result<(UtcTime, UtcTime), Rejection> {
    let end = if log.time != 0 {
        time(log.time, "timeUnixNano")?
    } else if let Some(text) = log.attributes.text(Name::EventTimestamp) {
        let field = Name::EventTimestamp.text();
        UtcTime::parse(text).map_err(|_| Rejection::at(RejectReason::BadTime, field))?
    } else if log.observed != 0 {
        time(log.observed, "observedTimeUnixNano")?
    } else {
        return Err(Rejection::at(RejectReason::MissingField, "timeUnixNano"));
    };
    let micros = log.attributes.decimal(Name::DurationMs)?.map_or(0, |ms| ms.billionths() / 1_000_000);
    let start = i64::try_from(micros).ok().and_then(|micros| end.micros().checked_sub(micros));
    Ok((start.and_then(|start| UtcTime::from_micros(start).ok()).unwrap_or(end), end))
}

/// Start and end of a span; an end before the start is no end.
pub(super) fn span_period(span: &Span) -> Result<(UtcTime, UtcTime), Rejection> {
    let start = time(span.start, "startTimeUnixNano")?;
    let end = if span.end == 0 { start } else { time(span.end, "endTimeUnixNano")? };
    Ok((start, end.max(start)))
}

/// One answered request of a product, with nothing known yet.
pub(super) fn request(vendor: &'static str, tool: Option<Label>, period: (UtcTime, UtcTime)) -> UsageFacts {
    UsageFacts { tool, ..UsageFacts::request(Label::literal(vendor), period.0, period.1) }
}

/// A draft of a feed. Telemetry is not fetched by period, so it has no scope.
pub(super) fn draft(feed: &'static str, natural_key: NaturalKey, has_id: bool, facts: UsageFacts) -> Draft {
    Draft {
        natural_key,
        needs_ordinal: !has_id,
        event_date: facts.period_start.date(),
        feed: Some(feed),
        scope: None,
        observed_at: None,
        facts,
    }
}

/// The accounts that the attributes name, in the given order.
pub(super) fn accounts(key: &LakeKey, from: &Attributes, names: &[(Name, AccountKind)]) -> Vec<AccountRef> {
    let mut accounts = Vec::new();
    for (name, kind) in names {
        let account = from.text(*name).and_then(|text| AccountRef::new(key, *kind, text));
        accounts.extend(account.filter(|account| !accounts.contains(account)));
    }
    accounts
}

/// Sum of the parts that are known; unknown if none is.
pub(super) fn sum(field: &'static str, parts: &[Option<i64>]) -> Result<Option<i64>, Rejection> {
    parts.iter().flatten().try_fold(None, |total: Option<i64>, part| {
        let sum = total.unwrap_or(0).checked_add(*part);
        sum.map(Some).ok_or(Rejection::at(RejectReason::BadNumber, field))
    })
}

/// Takes the model, and the provider where the model's name says who runs it.
pub(super) fn set_model(facts: &mut UsageFacts, from: &Attributes, name: Name, records: &mut dyn Records) {
    let Some(text) = from.text(name) else { return };
    let found = model_name(text);
    if found.unreadable {
        records.null_label(name.text());
    }
    facts.model = found.model;
    facts.model_raw = found.raw;
    facts.provider = found.provider.or(facts.provider.take());
}
