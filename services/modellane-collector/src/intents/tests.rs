use super::*;

const LINE: &str = r#"{"intent_id":"i-1","person":"Ana@acme.example","workspace":"github.com/acme/payments-core","branch":"feature/x","task":"routine","session_id":"0f","tool":"claude_code","ticket":"PAY-12","started_at":"2026-11-03T09:00:00Z","ended_at":"2026-11-03T11:30:00Z"}"#;

fn key() -> LakeKey {
    LakeKey::new([5; 32])
}

fn read(text: &str) -> Declared {
    read_intents(text.as_bytes(), &key(), UtcTime(1), IntentOrigin::Http)
}

#[test]
fn an_intent_is_read_completely() {
    let declared = read(LINE);
    assert_eq!(
        declared.intents,
        [IntentEvent {
            intent_id: Label::literal("i-1"),
            account: AccountRef::new(&key(), AccountKind::Email, "ana@acme.example").unwrap(),
            workspace_key: Some(key().workspace("acme/payments-core")),
            branch_key: Some(key().branch("feature/x")),
            ticket_key: Some(key().ticket("pay-12")),
            session_key: Some(key().session("0f")),
            task: Some(Label::literal("routine")),
            tool: Some(Label::literal("claude_code")),
            started_at: UtcTime::parse("2026-11-03T09:00:00Z").unwrap(),
            ended_at: Some(UtcTime::parse("2026-11-03T11:30:00Z").unwrap()),
            recorded_at: UtcTime(1),
            origin: IntentOrigin::Http,
        }]
    );
    for wrapped in [format!("[{LINE}]"), format!("{{\"intents\":[{LINE}]}}"), format!("{LINE}\n")] {
        assert_eq!(read(&wrapped), declared);
    }
}

#[test]
fn an_address_is_the_same_account_with_its_kind_before_it_and_without() {
    let named = AccountRef::new(&key(), AccountKind::Email, "ana@acme.example");
    assert_eq!(account(&key(), "email:Ana@acme.example"), named);
    assert_eq!(account(&key(), "ana@acme.example"), named);
}

#[test]
fn three_fields_are_enough() {
    let declared = read(r#"{"intent_id":"i","person":"github:ana-dev","started_at":"2026-11-03T09:00:00Z"}"#);
    assert_eq!(Some(declared.intents[0].account), AccountRef::new(&key(), AccountKind::Github, "Ana-Dev"));
    assert_eq!(declared.intents[0].ended_at, None);
}

#[test]
fn what_cannot_be_read_has_a_reason_and_a_field() {
    for (from, to, reason, field) in [
        ("\"person\":\"Ana@acme.example\",", "", RejectReason::MissingField, "person"),
        ("\"i-1\"", "\"fix the login\"", RejectReason::BadLabel, "intent_id"),
        ("\"routine\"", "\"CANARY-PROMPT-xyz-0001\"", RejectReason::BadLabel, "task"),
        ("2026-11-03T09:00:00Z", "soon", RejectReason::BadTime, "started_at"),
        ("2026-11-03T11:30:00Z", "2026-11-03T08:30:00Z", RejectReason::BadTime, "ended_at"),
    ] {
        let declared = read(&format!("{}\n{LINE}", LINE.replace(from, to)));
        assert_eq!(declared.intents.len(), 1, "{from}");
        let rejection = declared.rejected[0].rejection;
        assert_eq!((rejection.reason, rejection.field), (reason, Some(field)), "{from}");
    }
}
