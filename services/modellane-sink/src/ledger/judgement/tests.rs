use super::*;
use modellane_event::{
    ActorKind, Amount, Cause, ConfidenceLabel, ContentHash, CostBasis, Currency, Date, EntryKind, EntryStamp,
    JudgedEvent, Label, MatchedBy, Sensitivity, Share, Sign, UsageEvent, UsageFacts, UtcTime, Verdict,
};
use modellane_ledger::first_difference;
use modellane_schema::{LedgerBatchBuilder, ledger_schema};

fn share(millionths: i32) -> Share {
    Share::new(millionths).unwrap()
}

/// Every field has a value, and no two alike.
fn full() -> Judgement {
    let label = Label::literal;
    let amount = |billionths| Amount::from_billionths(billionths).ok();
    Judgement {
        settle_run: 3,
        context_version: 77,
        person_id: Some(PersonId([1; 16])),
        actor_kind: ActorKind::ServiceAccount,
        identity_confidence: Some(share(900_001)),
        team: Some(label("team")),
        cost_center: Some(label("cost-center")),
        model_class: Some(label("class")),
        workspace: Some(label("workspace")),
        sensitivity: Some(Sensitivity::Restricted),
        work_class: Some(label("work")),
        billed_cost: amount(1),
        effective_cost: amount(-2),
        contracted_cost: amount(3_000_000_000),
        list_cost: amount(4),
        currency: Some(Currency::usd()),
        cost_basis: CostBasis::SeatIncluded,
        price_version: Some(label("price")),
        fx_version: Some(label("fx")),
        intent_id: Some(label("intent")),
        match_confidence: Some(share(5)),
        confidence_label: ConfidenceLabel::None,
        match_reasons: vec![label("reason-1"), label("reason-2")],
        candidates: vec![label("i-2=0.1")],
        model_id: Some(label("weights")),
        verdict: Verdict::OutOfScope,
        matched_by: Some(MatchedBy::ServiceAccount),
        p_followed: Some(share(6)),
        p_drifted: Some(share(7)),
        p_undecided: Some(share(999_987)),
        verdict_confidence: Some(share(8)),
        verdict_label: ConfidenceLabel::Medium,
        rule_ids: vec![label("R-1")],
        reason_code: Some(label("NO_INTENT")),
        facts: vec![label("a=1"), label("b=2")],
        missing_facts: vec![label("c")],
        recommended_class: Some(label("small")),
        policy_version: Some(label("bundle")),
        explained_share: share(1),
        partial_share: share(2),
        unexplained_share: share(999_997),
        counts_usage: false,
        counts_cost: true,
        derived_from: Some(EventId([2; 16])),
        duplicate_of: Some(EventId([3; 16])),
        overlap_rule: Some(label("gateway-first")),
    }
}

/// Nothing that may be null has a value.
fn empty() -> Judgement {
    Judgement {
        person_id: None,
        identity_confidence: None,
        team: None,
        cost_center: None,
        model_class: None,
        workspace: None,
        sensitivity: None,
        work_class: None,
        billed_cost: None,
        effective_cost: None,
        contracted_cost: None,
        list_cost: None,
        currency: None,
        price_version: None,
        fx_version: None,
        intent_id: None,
        match_confidence: None,
        match_reasons: Vec::new(),
        candidates: Vec::new(),
        model_id: None,
        matched_by: None,
        p_followed: None,
        p_drifted: None,
        p_undecided: None,
        verdict_confidence: None,
        rule_ids: Vec::new(),
        reason_code: None,
        facts: Vec::new(),
        missing_facts: Vec::new(),
        recommended_class: None,
        policy_version: None,
        counts_usage: true,
        counts_cost: false,
        derived_from: None,
        duplicate_of: None,
        overlap_rule: None,
        ..full()
    }
}

fn event(judgement: Judgement) -> JudgedEvent {
    let at = UtcTime::parse("2026-11-01T00:00:00Z").unwrap();
    let usage = UsageEvent {
        event_id: EventId([8; 16]),
        source: Label::literal("litellm.spend_logs"),
        source_key: Label::literal("r"),
        scope_key: None,
        observed_at: at,
        event_date: Date::parse("2026-11-01").unwrap(),
        content_hash: ContentHash([9; 16]),
        facts: UsageFacts::request(Label::literal("litellm"), at, at),
    };
    JudgedEvent { usage, judgement }
}

#[test]
fn an_entry_gives_back_the_judgement_that_made_it() {
    let mut builder = LedgerBatchBuilder::with_capacity(2);
    for judgement in [full(), empty()] {
        let sign = |counts| if counts { Sign::Plus } else { Sign::Zero };
        let stamp = EntryStamp {
            revision: 1,
            kind: EntryKind::Original,
            cause: Cause::First,
            entry_sign: Sign::Plus,
            usage_sign: sign(judgement.counts_usage),
            cost_sign: sign(judgement.counts_cost),
            recorded_at: UtcTime(0),
        };
        builder.append(&event(judgement), &stamp);
    }
    let batch = builder.finish().unwrap();
    let columns: Vec<usize> =
        JUDGEMENT_COLUMNS.iter().map(|name| ledger_schema().index_of(name).unwrap()).collect();
    let batch = batch.project(&columns).unwrap();
    assert_eq!(judgement(&batch, 0).unwrap(), full());
    assert_eq!(judgement(&batch, 1).unwrap(), empty());
    assert_eq!(first_difference(&full(), &judgement(&batch, 0).unwrap()), None);
}
