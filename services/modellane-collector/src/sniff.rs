//! Tells which source a payload looks like, to name a mix-up. Looks for names of fields near the start and
//! answers with a name of its own; asked only about payloads without a single readable record.

use crate::connector::Rejection;
use crate::connectors;
use crate::intake::{Counts, IndexedRejection};
use memchr::memmem;
use modellane_event::RejectReason;

/// How far into a payload to look.
const HEAD: usize = 64 << 10;

/// Names that stand together in one source's payloads only; the first match counts.
const MARKS: &[(&str, &[&str])] = &[
    ("github_copilot.usage_records", &["\"github_request_id\"", "\"body\""]),
    ("github_copilot.user_day", &["\"user_initiated_interaction_count\""]),
    ("github_copilot.billing_csv", &["sku", "net_amount", "gross_amount"]),
    ("github_copilot.billing_usage", &["\"usageItems\""]),
    ("github_copilot.seats", &["\"total_seats\""]),
    ("cursor.usage_events", &["\"usageEvents\""]),
    ("cursor.usage_csv", &["Cache Read", "Output Tokens", "Total Tokens"]),
    ("cursor.daily_usage", &["\"totalLinesAdded\"", "\"composerRequests\""]),
    ("cursor.spend", &["\"teamMemberSpend\""]),
    ("cursor.members", &["\"teamMembers\""]),
    ("anthropic.claude_code_report", &["\"core_metrics\""]),
    ("anthropic.messages_usage", &["\"uncached_input_tokens\"", "\"results\""]),
    ("anthropic.cost_report", &["\"cost_type\"", "\"results\""]),
    ("claude_code.session_jsonl", &["\"sessionId\"", "\"isSidechain\""]),
    ("openai.usage_completions", &["\"num_model_requests\""]),
    ("openai.costs", &["\"organization.costs.result\""]),
    ("litellm.spend_logs", &["\"request_id\"", "\"spend\"", "\"startTime\""]),
    ("litellm.callback", &["\"response_cost\"", "\"startTime\""]),
    ("cloudflare_ai_gateway.log_detail", &["\"request_head\""]),
    ("aws_bedrock.invocation_log", &["\"ModelInvocationLog\""]),
    ("kiro.user_activity", &["Client_Type", "Credits_Used"]),
    ("otlp", &["\"resourceLogs\""]),
    ("otlp", &["\"resourceSpans\""]),
    ("otlp", &["\"resourceMetrics\""]),
];

/// The source that a payload's start looks like.
pub(crate) fn looks_like(payload: &[u8]) -> Option<&'static str> {
    let head = &payload[..payload.len().min(HEAD)];
    let has = |mark: &&str| memmem::find(head, mark.as_bytes()).is_some();
    MARKS.iter().find(|(_, marks)| marks.iter().all(has)).map(|(source, _)| *source)
}

/// If nothing of a payload was usable and it looks like another source's: that source, and the one rejection
/// that says so.
pub(crate) fn wrong_source(
    source: &str,
    payload: &[u8],
    counts: &Counts,
) -> Option<(&'static str, IndexedRejection)> {
    if counts.accepted > 0 || counts.rejected == 0 || !counts.skipped.is_empty() {
        return None;
    }
    let found = looks_like(payload).filter(|found| *found != source)?;
    let refused = connectors::refused(found).is_some();
    let reason = if refused { RejectReason::ContentRefused } else { RejectReason::WrongSource };
    Some((found, IndexedRejection { index: 0, line: None, rejection: Rejection::new(reason) }))
}
