use super::*;
use crate::intake::{Intake, Sealed};
use modellane_event::{Amount, RejectReason, UsageEvent};

const FIXTURE: &str = include_str!("../../../fixtures/litellm_spend_logs.json");
/// A row with every field that is read.
const ROW: &str = r#"{"request_id":"q1","litellm_call_id":"c1","session_id":"s1","startTime":"2026-11-09T13:00:00Z",
 "endTime":"2026-11-09T13:00:02Z","updated_at":"2026-11-09T14:00:00Z","spend":0.5,"prompt_tokens":10,
 "completion_tokens":2,"model":"gpt-6.1-sol","custom_llm_provider":"openai","api_key":"k","user":"u","status":"success",
 "metadata":{"usage_object":{"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}},
 "request_tags":["User-Agent: codex_cli_rs/1.2"]}"#;

fn key() -> LakeKey {
    LakeKey::new([5; 32])
}

fn take(text: &str) -> Sealed {
    let observed_at = UtcTime::parse("2026-11-10T00:00:00Z").unwrap();
    Intake::take(&LitellmSpendLogs, &Payload { bytes: text.as_bytes(), observed_at, key: &key() })
}

fn event<'a>(sealed: &'a Sealed, id: &str) -> &'a UsageEvent {
    sealed.events.iter().find(|event| event.source_key.as_str() == id).unwrap()
}

fn reason(text: &str) -> (RejectReason, Option<&'static str>) {
    let sealed = take(text);
    assert_eq!((sealed.events.len(), sealed.rejected.len()), (0, 1), "{text}");
    (sealed.rejected[0].rejection.reason, sealed.rejected[0].rejection.field)
}

fn account(kind: AccountKind, id: &str) -> AccountRef {
    AccountRef::new(&key(), kind, id).unwrap()
}

#[test]
fn the_sample_says_what_its_content_says() {
    let sealed = take(FIXTURE);
    assert_eq!((sealed.counts.accepted, sealed.counts.repeated, sealed.counts.rejected), (5, 1, 0));
    assert_eq!(sealed.events.len(), 4);
    let spend = sealed.events.iter().filter_map(|event| event.facts.cost.amount);
    assert_eq!(spend.map(Amount::billionths).sum::<i128>(), 15_000_000);
    let input = sealed.events.iter().map(|event| event.facts.tokens.input_tokens.unwrap()).sum::<i64>();
    assert_eq!(input, 1400 + 1400 + 1400);
    assert_eq!(sealed.counts.null_labels.get("model"), Some(&1));
}

#[test]
fn a_request_is_read_completely() {
    let sealed = take(FIXTURE);
    let event = event(&sealed, "r1");
    let facts = &event.facts;
    assert_eq!(facts.grain, Grain::Request);
    assert_eq!(facts.period_start, UtcTime::parse("2026-11-09T13:00:00.12Z").unwrap());
    assert_eq!(facts.period_end, UtcTime::parse("2026-11-09T13:00:02.5Z").unwrap());
    assert_eq!(facts.model, Some(Label::literal("claude-sonnet-5-5")));
    assert_eq!(facts.model_raw, Some(Label::literal("anthropic/claude-sonnet-5-5")));
    assert_eq!(facts.provider, Some(Label::literal("anthropic")));
    assert_eq!(facts.tool, Some(Label::literal("claude_code")));
    assert_eq!(facts.outcome, Outcome::Ok);
    assert_eq!(facts.cost.basis, CostBasis::VendorEstimate);
    assert_eq!(facts.cost.amount, Some(Amount::parse("0.015").unwrap()), "the last row counts");
    assert_eq!(
        facts.tokens,
        Tokens {
            requests: Some(1),
            input_tokens: Some(1400),
            cache_read_tokens: Some(1200),
            output_tokens: Some(100),
            ..Tokens::default()
        }
    );
    assert_eq!(
        facts.who.accounts,
        [
            account(AccountKind::Email, "maria.reyes@acme.example"),
            account(AccountKind::Litellm, "u-maria"),
            account(AccountKind::ApiKey, "maria-laptop"),
            account(AccountKind::ApiKey, "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"),
        ]
    );
    assert_eq!(facts.who.session_key, Some(key().session("sess-1")));
    assert_eq!(facts.who.request_key, Some(key().request("lc-1")));
    assert_eq!(facts.work.ticket_key, Some(key().ticket("PAY-12")));
}

#[test]
fn a_failure_is_an_event_and_a_cache_hit_costs_nothing() {
    let sealed = take(FIXTURE);
    let failed = &event(&sealed, "r2").facts;
    assert_eq!(failed.outcome, Outcome::Error);
    assert_eq!(failed.who.accounts.len(), 1, "metadata inside a string, no user, a key");
    assert_eq!(failed.tool, None);
    let hit = &event(&sealed, "r3").facts;
    assert_eq!((hit.cost.amount, hit.cost.list_amount), (Some(Amount::ZERO), Some(Amount::ZERO)));
    assert_eq!(failed.cost.amount, Some(Amount::ZERO));
    assert_eq!(hit.tokens.input_tokens, Some(1400));
    let unknown = &event(&sealed, "r4").facts;
    assert_eq!((&unknown.model, &unknown.model_raw), (&None, &None));
    assert_eq!(unknown.provider, Some(Label::literal("openai")));
    assert_eq!(unknown.cost, CostEvidence::none(), "a model without a price has a spend of zero");
}

#[test]
fn a_zero_is_a_cost_only_where_nothing_was_to_pay() {
    let row = ROW.replace("\"spend\":0.5", "\"spend\":0.0");
    let cost = |row: &str| {
        let cost = take(row).events.remove(0).facts.cost;
        (cost.amount, cost.list_amount)
    };
    let zero = Some(Amount::ZERO);
    assert_eq!(cost(&row), (None, None));
    let hit = |spelled: &str| row.replace("\"spend\"", &format!("\"cache_hit\":{spelled},\"spend\""));
    assert_eq!(cost(&hit("\"True\"")), (zero, zero));
    assert_eq!(cost(&hit("true")), (zero, zero));
    assert_eq!(cost(&hit("\"True\"").replace("\"spend\":0.0", "\"spend\":null")), (zero, zero));
    for miss in ["\"False\"", "\"None\"", "\"\"", "null"] {
        assert_eq!(cost(&hit(miss)), (None, None), "{miss}");
    }
    assert_eq!(cost(&row.replace("success", "failure")), (zero, None));
    let tokens = row.replace("_tokens\":10", "_tokens\":0").replace("_tokens\":2", "_tokens\":0");
    assert_eq!(cost(&tokens), (zero, None));
    let unknown = row.replace("\"prompt_tokens\":10,", "");
    assert_eq!(cost(&unknown), (None, None), "tokens that are not stated are not zero");
}

#[test]
fn every_container_and_the_other_spellings_give_the_same_event() {
    let sealed = take(ROW);
    let expected = &sealed.events[0];
    assert_eq!(expected.observed_at, UtcTime::parse("2026-11-09T14:00:00Z").unwrap());
    assert_eq!(expected.facts.tokens.cache_read_tokens, Some(4));
    assert_eq!(expected.facts.tokens.reasoning_tokens, Some(1));
    assert_eq!(expected.facts.tool, Some(Label::literal("codex")));
    let line = ROW.replace('\n', "");
    let wrapped = [
        format!("[{ROW}]"),
        format!("{{\"data\":[{ROW}],\"total\":1}}"),
        format!("\u{feff}{line}\n"),
        line.replace("\"spend\":0.5", "\"spend\":\"0.50\"")
            .replace("\"prompt_tokens\":10", "\"prompt_tokens\":\"10\""),
        line.replace("2026-11-09T13:00:00Z", "2026-11-09 13:00:00"),
        line.replace("\"2026-11-09T13:00:00Z\"", "1794229200"),
        line.replace(r#"["User-Agent: codex_cli_rs/1.2"]"#, r#""[\"User-Agent: codex_cli_rs/1.2\"]""#),
    ];
    for text in wrapped {
        assert_eq!(take(&text).events, sealed.events, "{text}");
    }
}

#[test]
fn a_default_user_is_nobody() {
    let sealed = take(&ROW.replace("\"user\":\"u\"", "\"user\":\"default_user_id\""));
    assert_eq!(sealed.events[0].facts.who.accounts, [account(AccountKind::ApiKey, "k")]);
}

#[test]
fn the_row_that_was_known_last_counts_whatever_its_place() {
    let early = ROW.replace("14:00:00Z", "13:30:00Z").replace("\"spend\":0.5", "\"spend\":0.1");
    for text in [format!("[{early},{ROW}]"), format!("[{ROW},{early}]")] {
        let sealed = take(&text);
        assert_eq!(sealed.events.len(), 1);
        assert_eq!(sealed.events[0].facts.cost.amount, Some(Amount::parse("0.5").unwrap()));
    }
}

#[test]
fn unknown_is_not_zero() {
    let sealed = take(r#"{"request_id":"q1","startTime":"2026-11-09T13:00:00Z","spend":null}"#);
    let facts = &sealed.events[0].facts;
    assert_eq!(facts.cost, CostEvidence::none());
    assert_eq!((facts.tokens.input_tokens, facts.tokens.output_tokens), (None, None));
    assert_eq!(facts.period_end, facts.period_start);
}

#[test]
fn what_cannot_be_read_has_a_reason_and_a_field() {
    let with = |from: &str, to: &str| {
        assert!(ROW.contains(from), "{from}");
        reason(&ROW.replace(from, to))
    };
    assert_eq!(with("\"spend\":0.5", "\"spend\":-0.5"), (RejectReason::NegativeNumber, Some("spend")));
    assert_eq!(with("\"spend\":0.5", "\"spend\":1e30"), (RejectReason::BadNumber, Some("spend")));
    assert_eq!(with("\"spend\":0.5", "\"spend\":[0.5]"), (RejectReason::BadNumber, Some("spend")));
    assert_eq!(
        with("\"prompt_tokens\":10", "\"prompt_tokens\":1.5"),
        (RejectReason::BadNumber, Some("prompt_tokens"))
    );
    assert_eq!(with("2026-11-09T13:00:00Z", "yesterday"), (RejectReason::BadTime, Some("startTime")));
    assert_eq!(with("\"startTime\"", "\"start_time\""), (RejectReason::MissingField, Some("startTime")));
    assert_eq!(
        with("\"request_id\":\"q1\"", "\"request_id\":\"\""),
        (RejectReason::MissingField, Some("request_id"))
    );
    assert_eq!(with("\"user\":\"u\"", "\"user\":{}"), (RejectReason::BadLabel, Some("user")));
    assert_eq!(with("\"metadata\":{", "\"metadata\":{,"), (RejectReason::Malformed, None));
}
