use super::*;
use crate::connector::Draft;
use crate::connectors::collected::{Collected, key, payload};
use modellane_event::{
    AccountKind, AccountRef, Amount, CostBasis, CostEvidence, Currency, Grain, Label, Outcome, Surface,
    Tokens,
};

mod encode;
mod hostile;

const CLAUDE_LOGS: &str = include_str!("../../../fixtures/anthropic_claude_code_otel_logs.json");
const CLAUDE_TRACES: &str = include_str!("../../../fixtures/anthropic_claude_code_otel_traces.json");
const CLAUDE_DELTA: &str = include_str!("../../../fixtures/anthropic_claude_code_otel_metrics.delta.json");
const CLAUDE_CUMULATIVE: &str =
    include_str!("../../../fixtures/anthropic_claude_code_otel_metrics.cumulative.json");
const COPILOT: &str = include_str!("../../../fixtures/github_copilot_chat_otel_traces.json");
const ASSISTANT: &str = include_str!("../../../fixtures/otel_genai_internal_assistant_traces.json");
const GEMINI: &str = include_str!("../../../fixtures/gemini_cli_otel_logs.json");
const CODEX: &str = include_str!("../../../fixtures/openai_codex_otel_logs.json");
const FIXTURES: [(Signal, &str); 8] = [
    (Signal::Logs, CLAUDE_LOGS),
    (Signal::Traces, CLAUDE_TRACES),
    (Signal::Metrics, CLAUDE_DELTA),
    (Signal::Metrics, CLAUDE_CUMULATIVE),
    (Signal::Traces, COPILOT),
    (Signal::Traces, ASSISTANT),
    (Signal::Logs, GEMINI),
    (Signal::Logs, CODEX),
];

fn read(text: &str) -> Collected {
    Collected::read(&Otlp, text.as_bytes())
}

fn read_binary(signal: Signal, bytes: &[u8]) -> (Collected, Received) {
    let key = key();
    let mut collected = Collected::default();
    let received = read_protobuf(signal, &payload(bytes, &key), &mut collected);
    (collected, received)
}

fn account(kind: AccountKind, id: &str) -> AccountRef {
    AccountRef::new(&key(), kind, id).unwrap()
}

fn label(text: &'static str) -> Option<Label> {
    Some(Label::literal(text))
}

/// requests = 1, input, cache read, cache write, output, reasoning.
fn tokens(parts: [Option<i64>; 5]) -> Tokens {
    let [input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens] = parts;
    Tokens {
        requests: Some(1),
        input_tokens,
        cache_read_tokens,
        cache_write_tokens,
        output_tokens,
        reasoning_tokens,
        ..Tokens::default()
    }
}

/// A log record or span of its own request, with attributes as JSON values.
fn one(service: &str, scope: &str, record: &str, attributes: &[(&str, &str)]) -> String {
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(key, value)| format!(r#"{{"key": "{key}", "value": {{{value}}}}}"#))
        .collect();
    let attributes = attributes.join(", ");
    let (resources, scopes, records) = if record.contains("startTimeUnixNano") {
        ("resourceSpans", "scopeSpans", "spans")
    } else {
        ("resourceLogs", "scopeLogs", "logRecords")
    };
    format!(
        r#"{{"{resources}": [{{"resource": {{"attributes": [{{"key": "service.name", "value": {{"stringValue":
        "{service}"}}}}]}}, "{scopes}": [{{"scope": {{"name": "{scope}"}}, "{records}": [{{{record},
        "attributes": [{attributes}]}}]}}]}}]}}"#
    )
    .replace('\n', " ")
}

const LOG: &str = r#""timeUnixNano": "1794218402000000000""#;
const SPAN: &str = r#""traceId": "0000000000000000000000000000000A", "spanId": "000000000000000b",
    "startTimeUnixNano": "1794218400000000000", "endTimeUnixNano": "1794218402000000000""#;

fn claude(attributes: &[(&str, &str)]) -> Collected {
    let mut all =
        vec![("event.name", r#""stringValue": "api_request""#), ("session.id", r#""stringValue": "s-1""#)];
    all.extend(attributes);
    read(&one("claude-code", "com.anthropic.claude_code.events", LOG, &all))
}

fn chat(attributes: &[(&str, &str)]) -> Collected {
    let mut all = vec![("gen_ai.operation.name", r#""stringValue": "chat""#)];
    all.extend(attributes);
    read(&one("acme-assistant", "x", SPAN, &all))
}

#[test]
fn a_claude_code_request_is_counted_with_its_cache_and_its_estimate() {
    let logs = read(CLAUDE_LOGS);
    assert_eq!(logs.rejected, []);
    assert_eq!(logs.skips(), [("claude_code.api_error", 1), ("claude_code.event", 5)]);
    // The fixture exports the first request twice: one key, one content, so intake makes it one event.
    let [first, again, second]: [&Draft; 3] = logs.drafts().try_into().unwrap();
    assert_eq!(logs.keys()[0], "req_011A");
    assert_eq!(
        (&first.natural_key, first.facts.content_hash()),
        (&again.natural_key, again.facts.content_hash())
    );
    assert_eq!(first.feed, Some("claude_code.otel"));
    assert!(!first.needs_ordinal);
    let facts = &first.facts;
    assert_eq!(facts.tokens, tokens([Some(46_320), Some(44_100), Some(2_100), Some(900), None]));
    assert_eq!(
        facts.cost,
        CostEvidence {
            basis: CostBasis::VendorEstimate,
            amount: Some(Amount::parse("0.0412").unwrap()),
            list_amount: None,
            currency: Some(Currency::usd()),
        }
    );
    assert_eq!(
        facts.who.accounts,
        [
            account(AccountKind::Email, "maria.reyes@acme.example"),
            account(AccountKind::Anthropic, "user_01M"),
            account(AccountKind::Anthropic, "aa-11"),
        ]
    );
    assert_eq!(facts.who.session_key, Some(key().session("5d1e-s1")));
    assert_eq!(facts.who.request_key, Some(key().request("req_011A")));
    assert_eq!((facts.grain, facts.surface), (Grain::Request, Some(Surface::Ide)));
    assert_eq!((&facts.tool, &facts.provider), (&label("claude_code"), &label("anthropic")));
    assert_eq!((&facts.model, &facts.billing_account_id), (&label("claude-sonnet-5-5"), &label("0c1d-org")));
    // Reported at 10:00:02, after 2,012 ms.
    assert_eq!(facts.period_start.to_string(), "2026-11-09T09:59:59.988Z");
    assert_eq!(facts.period_end.to_string(), "2026-11-09T10:00:02Z");
    let facts = &second.facts;
    assert_eq!(logs.keys()[2], "5d1e-s1|7|1794218409000000");
    assert_eq!(facts.tokens, tokens([Some(12 - 7), Some(0), Some(0), Some(7), None]));
    assert_eq!(facts.cost.amount, Some(Amount::ZERO));
    assert_eq!((facts.who.accounts.len(), facts.who.request_key), (0, None));
    assert_eq!((&facts.model, &facts.provider), (&label("claude-opus-5-5"), &label("aws.bedrock")));
}

#[test]
fn spans_and_metrics_of_claude_code_repeat_the_requests_and_are_not_counted() {
    let spans = read(CLAUDE_TRACES);
    assert_eq!((spans.accepted.len(), spans.skips()), (0, vec![("claude_code.span", 3)]));
    for metrics in [CLAUDE_DELTA, CLAUDE_CUMULATIVE] {
        let read = read(metrics);
        let names = metrics.matches("\"name\": \"claude_code.").count();
        assert_eq!((read.accepted.len(), read.skips()), (0, vec![("metric", names)]));
    }
}

#[test]
fn only_single_calls_of_copilot_count_and_make_up_the_agents_sum() {
    let spans = read(COPILOT);
    assert_eq!(spans.rejected, []);
    assert_eq!(spans.skips(), [("gen_ai.other_operation", 1), ("gen_ai.sum_of_calls", 1)]);
    assert_eq!(spans.keys(), ["msg-a", "msg-b"]);
    let drafts = spans.drafts();
    assert_eq!(drafts[0].facts.tokens, tokens([Some(15_000), None, None, Some(400), None]));
    assert_eq!(drafts[1].facts.tokens, tokens([Some(15_500), None, None, Some(410), None]));
    for draft in drafts {
        assert_eq!(draft.feed, Some("github_copilot.otel"));
        assert_eq!(draft.facts.who.accounts, [account(AccountKind::Email, "maria.reyes@acme.example")]);
        assert_eq!(draft.facts.who.session_key, Some(key().session("cv-1")));
        // One model in two spellings.
        assert_eq!(draft.facts.model, label("claude-sonnet-5-5"));
        assert_eq!((&draft.facts.tool, &draft.facts.provider), (&label("copilot"), &label("github")));
        assert_eq!(draft.facts.surface, Some(Surface::Ide));
        assert_eq!(draft.facts.cost, CostEvidence::none());
    }
}

#[test]
fn an_internal_assistant_is_read_by_the_conventions_and_their_old_names() {
    let spans = read(ASSISTANT);
    assert_eq!(spans.rejected, []);
    assert_eq!(spans.skips(), [("gen_ai.other_operation", 1)]);
    assert_eq!(spans.keys(), ["resp_1", "00000000000000000000000000000001|0000000000000002"]);
    let drafts = spans.drafts();
    let facts = &drafts[0].facts;
    assert_eq!(facts.tokens, tokens([Some(1_000), Some(700), None, Some(90), Some(40)]));
    assert_eq!(facts.who.accounts, [account(AccountKind::Enduser, "hash:77aa")]);
    assert_eq!(facts.who.session_key, Some(key().session("ac-1")));
    assert_eq!((&facts.model, &facts.provider), (&label("gpt-6.1-sol"), &label("openai")));
    assert_eq!(facts.model_raw, label("gpt-6.1-sol-2026-10-02"));
    assert_eq!((&facts.tool, facts.vendor.as_str()), (&label("acme-assistant"), "internal"));
    assert_eq!((facts.surface, facts.outcome), (Some(Surface::Api), Outcome::Ok));
    assert_eq!(facts.period_start.to_string(), "2026-11-09T10:00:00Z");
    assert_eq!(facts.period_end.to_string(), "2026-11-09T10:00:02Z");
    let facts = &drafts[1].facts;
    assert_eq!(facts.tokens, tokens([Some(10), None, None, Some(2), None]));
    assert_eq!((&facts.model, &facts.provider), (&label("claude-sonnet-5-5"), &label("anthropic")));
    assert!(drafts.iter().all(|draft| draft.feed == Some("otel.gen_ai")));
}

#[test]
fn gemini_thoughts_belong_to_the_output_and_the_repeated_record_is_left_out() {
    let logs = read(GEMINI);
    assert_eq!(logs.rejected, []);
    assert_eq!(
        logs.skips(),
        [("gemini_cli.api_error", 1), ("gemini_cli.event", 3), ("gemini_cli.repeated", 1)]
    );
    let [draft]: [&Draft; 1] = logs.drafts().try_into().unwrap();
    // total_token_count 12,420 = 12,000 + 300 + 120 + 0.
    assert_eq!(draft.facts.tokens, tokens([Some(12_000), Some(9_000), None, Some(420), Some(120)]));
    assert_eq!(draft.feed, Some("gemini_cli.otel"));
    assert_eq!(logs.keys(), ["gm-1|gp1|1794218460000000"]);
    assert_eq!(draft.facts.who.accounts, [account(AccountKind::Email, "zoe.lindqvist@acme.example")]);
    assert_eq!(
        (&draft.facts.model, &draft.facts.provider),
        (&label("gemini-3.8-flash"), &label("gcp.gemini"))
    );
    assert_eq!(draft.facts.period_start.to_string(), "2026-11-09T10:00:58.500Z");
}

#[test]
fn codex_counts_come_as_text_and_as_numbers() {
    let logs = read(CODEX);
    assert_eq!(logs.rejected, []);
    assert_eq!(logs.skips(), [("codex.event", 3)]);
    let drafts = logs.drafts();
    assert_eq!(drafts[0].facts.tokens, tokens([Some(15_000), Some(12_000), None, Some(812), Some(300)]));
    assert_eq!(drafts[1].facts.tokens, tokens([Some(1), None, None, Some(1), None]));
    let accounts =
        [account(AccountKind::Email, "pchen@acme.example"), account(AccountKind::Openai, "acct-7")];
    assert_eq!(drafts[0].facts.who.accounts, accounts);
    assert_eq!(drafts[1].facts.who.accounts, accounts[1..]);
    assert_eq!(drafts[0].facts.who.session_key, Some(key().session("cx-1")));
    assert_eq!(logs.keys(), ["cx-1|1794225603000000", "cx-1|1794225606000000"]);
    assert_eq!(
        (&drafts[0].facts.model, &drafts[0].facts.provider),
        (&label("gpt-6.1-sol"), &label("openai"))
    );
    assert!(drafts.iter().all(|draft| draft.needs_ordinal && draft.feed == Some("codex.otel")));
}

#[test]
fn both_encodings_say_the_same() {
    for (signal, text) in FIXTURES {
        let (binary, received) = read_binary(signal, &encode::request(text));
        let json = read(text);
        assert_eq!(format!("{binary:?}"), format!("{json:?}"));
        assert_eq!(received.accepted, json.accepted.len() as u64);
        assert_eq!((received.skipped, received.rejected), (json.skipped.len() as u64, 0));
        binary.assert_no_canary();
        json.assert_no_canary();
    }
}

#[test]
fn requests_come_one_a_line_and_a_broken_line_costs_itself() {
    let lines: Vec<String> = [CLAUDE_LOGS, &CODEX[..900], COPILOT, "{\"day\": 1}", CODEX]
        .iter()
        .map(|text| text.replace('\n', " "))
        .collect();
    let read = read(&format!("\u{feff}{}", lines.join("\n")));
    assert_eq!(read.accepted.len(), 3 + 2 + 2);
    assert_eq!(read.reasons(), [(RejectReason::Truncated, None), (RejectReason::WrongSource, None)]);
}

#[test]
fn a_bad_record_leaves_its_neighbours() {
    let text = CLAUDE_LOGS.replacen("\"1794218402000000000\"", "\"tomorrow\"", 1);
    let read = read(&text);
    assert_eq!(
        (read.accepted.len(), read.reasons()),
        (2, vec![(RejectReason::BadTime, Some("timeUnixNano"))])
    );
    assert_eq!(read.rejected[0].0, 1);
}

#[test]
fn micro_dollars_go_before_the_float_and_floats_are_read_as_written() {
    let cost =
        |attributes: &[(&str, &str)]| claude(attributes).drafts()[0].facts.cost.amount.map(|a| a.to_string());
    let micros = ("cost_usd_micros", r#""intValue": "41200""#);
    assert_eq!(cost(&[("cost_usd", r#""doubleValue": 0.05"#), micros]).as_deref(), Some("0.0412"));
    assert_eq!(cost(&[("cost_usd", r#""doubleValue": 0.1234567895"#)]).as_deref(), Some("0.12345679"));
    assert_eq!(cost(&[("cost_usd", r#""stringValue": "0.0412""#)]).as_deref(), Some("0.0412"));
    assert_eq!(cost(&[]), None);
}

#[test]
fn an_unreadable_number_rejects_its_record_and_names_the_field() {
    let reason = |name: &'static str, value: &str| claude(&[(name, value)]).reasons();
    let at = |reason, field| vec![(reason, Some(field))];
    assert_eq!(
        reason("input_tokens", r#""stringValue": "many""#),
        at(RejectReason::BadNumber, "input_tokens")
    );
    assert_eq!(reason("input_tokens", r#""boolValue": true"#), at(RejectReason::BadNumber, "input_tokens"));
    assert_eq!(reason("input_tokens", r#""intValue": 1.5"#), at(RejectReason::BadNumber, "input_tokens"));
    assert_eq!(
        reason("output_tokens", r#""intValue": "-1""#),
        at(RejectReason::NegativeNumber, "output_tokens")
    );
    assert_eq!(reason("cost_usd", r#""doubleValue": "NaN""#), at(RejectReason::BadNumber, "cost_usd"));
    assert_eq!(reason("cost_usd", r#""doubleValue": -0.5"#), at(RejectReason::NegativeNumber, "cost_usd"));
    assert_eq!(reason("input_tokens", r#""intValue": 12"#), []);
    assert_eq!(reason("input_tokens", r#""intValue": "12.0""#), []);
    assert_eq!(reason("input_tokens", r#""doubleValue": 12.0"#), []);
}

#[test]
fn copilot_is_copilot_under_the_service_name_of_its_guest() {
    let usage = [
        ("gen_ai.operation.name", r#""stringValue": "chat""#),
        ("gen_ai.response.id", r#""stringValue": "msg-1""#),
        ("gen_ai.usage.input_tokens", r#""intValue": "5""#),
    ];
    let feed =
        |service, scope| read(&one(service, scope, SPAN, &usage)).drafts().first().and_then(|d| d.feed);
    assert_eq!(feed("claude-code", "copilot-chat"), Some("github_copilot.otel"));
    assert_eq!(feed("github-copilot", ""), Some("github_copilot.otel"));
    assert_eq!(feed("claude-code", "anything"), None);
    assert_eq!(feed("acme-bot", "anything"), Some("otel.gen_ai"));
}

#[test]
fn a_failed_call_with_usage_is_an_error_and_without_usage_is_none() {
    let usage = ("gen_ai.usage.input_tokens", r#""intValue": "5""#);
    let error = ("error.type", r#""stringValue": "CANARY-PROMPT-timeout""#);
    let failed = chat(&[usage, error]);
    assert_eq!(failed.drafts()[0].facts.outcome, Outcome::Error);
    failed.assert_no_canary();
    assert_eq!(chat(&[error]).skips(), [("gen_ai.error", 1)]);
    assert_eq!(chat(&[]).skips(), [("gen_ai.without_usage", 1)]);
    for code in ["2", "\"STATUS_CODE_ERROR\""] {
        let span = format!(r#"{SPAN}, "status": {{"code": {code}, "message": "CANARY"}}"#);
        let operation = ("gen_ai.operation.name", r#""stringValue": "embeddings""#);
        let read = read(&one("acme", "x", &span, &[operation, usage]));
        assert_eq!(read.drafts()[0].facts.outcome, Outcome::Error, "{code}");
        read.assert_no_canary();
    }
}

#[test]
fn users_of_the_span_go_before_those_of_the_resource() {
    let read = chat(&[
        ("gen_ai.usage.input_tokens", r#""intValue": "5""#),
        ("enduser.id", r#""stringValue": "Ana@ACME.example""#),
        ("user.id", r#""stringValue": "u-7""#),
    ]);
    assert_eq!(
        read.drafts()[0].facts.who.accounts,
        [account(AccountKind::Email, "ana@acme.example"), account(AccountKind::Enduser, "u-7"),]
    );
    assert_eq!(read.keys(), ["0000000000000000000000000000000a|000000000000000b"]);
}
