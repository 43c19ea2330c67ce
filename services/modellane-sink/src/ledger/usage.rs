//! Reading the usage event back from an entry, to judge it again.

use crate::SinkError;
use crate::columns::{Bytes, damaged};
use crate::row::{Row, variant};
use arrow::array::RecordBatch;
use modellane_event::{
    AccountHash, AccountRef, BranchKey, ContentHash, CostBasis, CostEvidence, EventId, RequestKey,
    SessionKey, TicketKey, Tokens, UsageEvent, UsageFacts, Who, Work, WorkspaceKey,
};

/// The columns of the ledger that make a usage event.
pub(crate) const USAGE_COLUMNS: &[&str] = &[
    "event_id",
    "observed_at",
    "content_hash",
    "source",
    "source_key",
    "scope_key",
    "billing_account_id",
    "grain",
    "period_start",
    "period_end",
    "event_date",
    "session_key",
    "request_key",
    "branch_key",
    "ticket_key",
    "vendor",
    "tool",
    "surface",
    "provider",
    "model",
    "model_raw",
    "outcome",
    "language",
    "file_type",
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "lines_accepted",
    "credits",
    "credit_unit",
    "account_kinds",
    "account_hashes",
    "workspace_key",
    "cache_write_1h_tokens",
    "stated_basis",
    "stated_amount",
    "stated_list_amount",
    "stated_currency",
];

/// The usage event that a row was made from; null if the row lacks a part of it. The hash of the content tells:
/// rows of earlier versions have no evidence, which some of them need.
pub(crate) fn usage(batch: &RecordBatch, row: usize) -> Result<Option<UsageEvent>, SinkError> {
    let row = Row { batch, row };
    let facts = facts(&row)?;
    let content_hash = ContentHash(row.required(Row::id, "content_hash")?);
    if facts.content_hash() != content_hash {
        return Ok(None);
    }
    Ok(Some(UsageEvent {
        event_id: EventId(row.required(Row::id, "event_id")?),
        source: row.required(Row::label, "source")?,
        source_key: row.required(Row::label, "source_key")?,
        scope_key: row.label("scope_key")?,
        observed_at: row.required(Row::time, "observed_at")?,
        event_date: row.day("event_date")?,
        content_hash,
        facts,
    }))
}

fn facts(row: &Row<'_>) -> Result<UsageFacts, SinkError> {
    Ok(UsageFacts {
        grain: row.variant("grain")?,
        period_start: row.required(Row::time, "period_start")?,
        period_end: row.required(Row::time, "period_end")?,
        vendor: row.required(Row::label, "vendor")?,
        tool: row.label("tool")?,
        surface: row.optional_variant("surface")?,
        provider: row.label("provider")?,
        model: row.label("model")?,
        model_raw: row.label("model_raw")?,
        outcome: row.variant("outcome")?,
        billing_account_id: row.label("billing_account_id")?,
        who: Who {
            accounts: accounts(row)?,
            session_key: row.id("session_key")?.map(SessionKey),
            request_key: row.id("request_key")?.map(RequestKey),
        },
        work: Work {
            workspace_key: row.id("workspace_key")?.map(WorkspaceKey),
            branch_key: row.id("branch_key")?.map(BranchKey),
            ticket_key: row.id("ticket_key")?.map(TicketKey),
            language: row.label("language")?,
            file_type: row.label("file_type")?,
        },
        tokens: tokens(row)?,
        cost: CostEvidence {
            basis: row.optional_variant("stated_basis")?.unwrap_or(CostBasis::None),
            amount: row.amount("stated_amount")?,
            list_amount: row.amount("stated_list_amount")?,
            currency: row.currency("stated_currency")?,
        },
    })
}

fn tokens(row: &Row<'_>) -> Result<Tokens, SinkError> {
    Ok(Tokens {
        requests: row.count("requests")?,
        input_tokens: row.count("input_tokens")?,
        cache_read_tokens: row.count("cache_read_tokens")?,
        cache_write_tokens: row.count("cache_write_tokens")?,
        cache_write_1h_tokens: row.count("cache_write_1h_tokens")?,
        output_tokens: row.count("output_tokens")?,
        reasoning_tokens: row.count("reasoning_tokens")?,
        lines_accepted: row.count("lines_accepted")?,
        credits: row.amount("credits")?,
        credit_unit: row.label("credit_unit")?,
    })
}

fn accounts(row: &Row<'_>) -> Result<Vec<AccountRef>, SinkError> {
    const HASHES: &str = "account_hashes";
    let kinds = row.list("account_kinds", |kind| variant(kind))?.unwrap_or_default();
    let hashes = Bytes::of(row.batch, HASHES)?.value(row.row)?.unwrap_or_default();
    let (hashes, rest) = hashes.as_chunks::<16>();
    if kinds.len() != hashes.len() || !rest.is_empty() {
        return Err(damaged(HASHES));
    }
    let account = |(kind, hash): (_, &[u8; 16])| AccountRef { kind, hash: AccountHash(*hash) };
    Ok(kinds.into_iter().zip(hashes).map(account).collect())
}

#[cfg(test)]
mod tests;
