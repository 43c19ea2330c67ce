use super::*;
use modellane_event::{ActorKind, Amount, ConfidenceLabel, CostBasis, Label, Share, Verdict};

fn judgement() -> Judgement {
    Judgement {
        settle_run: 0,
        context_version: 1,
        person_id: None,
        actor_kind: ActorKind::Unknown,
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
        cost_basis: CostBasis::None,
        price_version: None,
        fx_version: None,
        intent_id: None,
        match_confidence: None,
        confidence_label: ConfidenceLabel::None,
        match_reasons: Vec::new(),
        candidates: Vec::new(),
        model_id: Some(Label::literal("weights-1")),
        verdict: Verdict::Unmatched,
        matched_by: None,
        p_followed: None,
        p_drifted: None,
        p_undecided: None,
        verdict_confidence: None,
        verdict_label: ConfidenceLabel::None,
        rule_ids: Vec::new(),
        reason_code: None,
        facts: Vec::new(),
        missing_facts: Vec::new(),
        recommended_class: None,
        policy_version: None,
        explained_share: Share::ZERO,
        partial_share: Share::ZERO,
        unexplained_share: Share::ONE,
        counts_usage: true,
        counts_cost: true,
        derived_from: None,
        duplicate_of: None,
        overlap_rule: None,
    }
}

fn cause_of(change: impl FnOnce(&mut Judgement)) -> Option<Cause> {
    let mut changed = judgement();
    change(&mut changed);
    first_difference(&judgement(), &changed)
}

#[test]
fn versions_alone_are_no_difference() {
    assert_eq!(cause_of(|j| (j.settle_run, j.context_version) = (3, 9)), None);
}

#[test]
fn each_part_has_its_cause() {
    assert_eq!(cause_of(|j| j.team = Some(Label::literal("payments"))), Some(Cause::Identity));
    assert_eq!(cause_of(|j| j.intent_id = Some(Label::literal("i-1"))), Some(Cause::Intent));
    assert_eq!(cause_of(|j| j.verdict = Verdict::Drifted), Some(Cause::Policy));
    assert_eq!(cause_of(|j| j.list_cost = Some(Amount::ZERO)), Some(Cause::Price));
    assert_eq!(cause_of(|j| j.counts_cost = false), Some(Cause::Overlap));
    assert_eq!(cause_of(|j| j.model_id = Some(Label::literal("weights-2"))), Some(Cause::Weights));
}

#[test]
fn the_first_part_that_differs_names_the_cause() {
    let with_verdict = cause_of(|j| {
        j.verdict = Verdict::Followed;
        j.intent_id = Some(Label::literal("i-1"));
    });
    assert_eq!(with_verdict, Some(Cause::Intent));
    let with_price = cause_of(|j| {
        j.effective_cost = Some(Amount::ZERO);
        j.cost_center = Some(Label::literal("CC-1"));
    });
    assert_eq!(with_price, Some(Cause::Identity));
}

#[test]
fn confidence_that_moves_with_the_weights_is_put_down_to_them() {
    let reweighted = cause_of(|j| {
        j.model_id = Some(Label::literal("weights-2"));
        j.match_confidence = Share::new(900_000).ok();
        j.p_followed = Share::new(900_000).ok();
    });
    assert_eq!(reweighted, Some(Cause::Weights));
    let without_weights = cause_of(|j| j.match_confidence = Share::new(900_000).ok());
    assert_eq!(without_weights, Some(Cause::Intent));
}
