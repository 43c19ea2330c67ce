//! One event with a value of its own in every field, so that two fields cannot stand in for each other.

use modellane_event::*;

fn label(text: &str) -> Label {
    text.parse().expect("a literal label")
}

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| label(text)).collect()
}

fn amount(text: &str) -> Option<Amount> {
    Some(text.parse().expect("a literal amount"))
}

fn share(millionths: i32) -> Share {
    Share::new(millionths).expect("a literal share")
}

fn time(text: &str) -> UtcTime {
    UtcTime::parse(text).expect("a literal time")
}

/// The entry that the event makes first, counting for tokens but not for money.
pub(crate) fn stamp() -> EntryStamp {
    EntryStamp {
        revision: 3,
        kind: EntryKind::Restatement,
        cause: Cause::Restated,
        entry_sign: Sign::Plus,
        usage_sign: Sign::Plus,
        cost_sign: Sign::Zero,
        recorded_at: time("2026-11-04T00:00:01.000002Z"),
    }
}

/// A request, judged.
pub(crate) fn judged() -> JudgedEvent {
    JudgedEvent { usage: usage(), judgement: judgement() }
}

fn usage() -> UsageEvent {
    let facts = facts();
    UsageEvent {
        event_id: EventId([0x01; 16]),
        source: label("litellm.spend_logs"),
        source_key: label("chatcmpl-9f8e7d6c"),
        scope_key: Some(label("litellm|acme|2026-11")),
        observed_at: time("2026-11-03T09:05:00Z"),
        event_date: Date::parse("2026-11-03").expect("a literal day"),
        content_hash: ContentHash([0x02; 16]),
        facts,
    }
}

fn facts() -> UsageFacts {
    UsageFacts {
        grain: Grain::Request,
        period_start: time("2026-10-31T23:59:59.5Z"),
        period_end: time("2026-11-01T00:00:02Z"),
        vendor: label("anthropic"),
        tool: Some(label("claude_code")),
        surface: Some(Surface::Cli),
        provider: Some(label("aws.bedrock")),
        model: Some(label("claude-sonnet-5-5")),
        model_raw: Some(label("eu.anthropic.claude-sonnet-5-5-v1:0")),
        outcome: Outcome::Cancelled,
        billing_account_id: Some(label("acct-77")),
        who: Who {
            accounts: vec![
                AccountRef { kind: AccountKind::Email, hash: AccountHash([0x03; 16]) },
                AccountRef { kind: AccountKind::ApiKey, hash: AccountHash([0x04; 16]) },
            ],
            session_key: Some(SessionKey([0x05; 16])),
            request_key: Some(RequestKey([0x06; 16])),
        },
        work: Work {
            workspace_key: Some(WorkspaceKey([0x07; 16])),
            branch_key: Some(BranchKey([0x08; 16])),
            ticket_key: Some(TicketKey([0x09; 16])),
            language: Some(label("rust")),
            file_type: Some(label("rs")),
        },
        tokens: Tokens {
            requests: Some(1),
            input_tokens: Some(12_000),
            cache_read_tokens: Some(9_000),
            cache_write_tokens: Some(1_500),
            cache_write_1h_tokens: Some(500),
            output_tokens: Some(800),
            reasoning_tokens: Some(300),
            lines_accepted: Some(42),
            credits: amount("1.75"),
            credit_unit: Some(label("github_ai_credit")),
        },
        cost: CostEvidence {
            basis: CostBasis::VendorEstimate,
            amount: amount("0.036"),
            list_amount: amount("0.04"),
            currency: Some(Currency::usd()),
        },
    }
}

fn judgement() -> Judgement {
    Judgement {
        settle_run: 7,
        context_version: 1_234,
        person_id: Some(PersonId([0x0a; 16])),
        actor_kind: ActorKind::Person,
        identity_confidence: Some(share(990_000)),
        team: Some(label("payments")),
        cost_center: Some(label("CC-100")),
        model_class: Some(label("standard")),
        workspace: Some(label("github.com/acme/payments-core")),
        sensitivity: Some(Sensitivity::Restricted),
        work_class: Some(label("routine")),
        billed_cost: amount("0.01"),
        effective_cost: amount("0.02"),
        contracted_cost: amount("-0.03"),
        list_cost: amount("12345678901.123456789"),
        currency: Some(Currency::new("EUR").expect("a literal currency")),
        cost_basis: CostBasis::Computed,
        price_version: Some(label("prices-1")),
        fx_version: Some(label("fx-2")),
        intent_id: Some(label("i-1")),
        match_confidence: Some(share(970_001)),
        confidence_label: ConfidenceLabel::High,
        match_reasons: labels(&["SAME_SESSION", "SAME_BRANCH"]),
        candidates: labels(&["i-2=0.020000"]),
        model_id: Some(label("weights-3")),
        verdict: Verdict::Followed,
        matched_by: Some(MatchedBy::Intent),
        p_followed: Some(share(850_000)),
        p_drifted: Some(share(100_000)),
        p_undecided: Some(share(50_000)),
        verdict_confidence: Some(share(850_002)),
        verdict_label: ConfidenceLabel::Medium,
        rule_ids: labels(&["R-1", "R-2"]),
        reason_code: Some(label("RULE_PERMITS")),
        facts: labels(&["work_class=routine", "model_class=standard"]),
        missing_facts: labels(&["budget_state"]),
        recommended_class: Some(label("economy")),
        policy_version: Some(label("bundle-4")),
        explained_share: Share::ZERO,
        partial_share: share(950_000),
        unexplained_share: share(50_000),
        counts_usage: true,
        counts_cost: false,
        derived_from: Some(EventId([0x0b; 16])),
        duplicate_of: Some(EventId([0x0c; 16])),
        overlap_rule: Some(label("finer-wins")),
    }
}
