//! Why a judgement differs from another.

use modellane_event::{Cause, Judgement};

/// Compares two judgements of the same content and names the first part that differs, in the order in which
/// one part follows from another: identity, intent, policy, price, overlap, weights. `None` if they say the
/// same; their versions do not count. Where the matching weights were replaced, confidences that moved with
/// them are put down to the weights, as long as the same intent and rules stand.
pub fn first_difference(old: &Judgement, new: &Judgement) -> Option<Cause> {
    // Taken apart by name, so that a field added to the judgement must be given a part here.
    let Judgement {
        settle_run: _,
        context_version: _,
        person_id,
        actor_kind,
        identity_confidence,
        team,
        cost_center,
        model_class,
        workspace,
        sensitivity,
        work_class,
        billed_cost,
        effective_cost,
        contracted_cost,
        list_cost,
        currency,
        cost_basis,
        price_version,
        fx_version,
        intent_id,
        match_confidence,
        confidence_label,
        match_reasons,
        candidates,
        model_id,
        verdict,
        matched_by,
        p_followed,
        p_drifted,
        p_undecided,
        verdict_confidence,
        verdict_label,
        rule_ids,
        reason_code,
        facts,
        missing_facts,
        recommended_class,
        policy_version,
        explained_share,
        partial_share,
        unexplained_share,
        counts_usage,
        counts_cost,
        derived_from,
        duplicate_of,
        overlap_rule,
    } = new;

    let same_identity = *person_id == old.person_id
        && *actor_kind == old.actor_kind
        && *identity_confidence == old.identity_confidence
        && *team == old.team
        && *cost_center == old.cost_center
        && *workspace == old.workspace
        && *sensitivity == old.sensitivity;
    let reweighted = matches!((&old.model_id, model_id), (Some(old), Some(new)) if old != new);
    let same_link = *match_confidence == old.match_confidence
        && *confidence_label == old.confidence_label
        && *match_reasons == old.match_reasons
        && *candidates == old.candidates;
    let same_intent =
        *intent_id == old.intent_id && *work_class == old.work_class && (same_link || reweighted);
    let same_rules = *policy_version == old.policy_version
        && *model_class == old.model_class
        && *rule_ids == old.rule_ids
        && *facts == old.facts
        && *missing_facts == old.missing_facts
        && *recommended_class == old.recommended_class;
    let same_verdict = *verdict == old.verdict
        && *matched_by == old.matched_by
        && *p_followed == old.p_followed
        && *p_drifted == old.p_drifted
        && *p_undecided == old.p_undecided
        && *verdict_confidence == old.verdict_confidence
        && *verdict_label == old.verdict_label
        && *reason_code == old.reason_code
        && *explained_share == old.explained_share
        && *partial_share == old.partial_share
        && *unexplained_share == old.unexplained_share;
    let same_policy = same_rules && (same_verdict || reweighted);
    let same_price = *billed_cost == old.billed_cost
        && *effective_cost == old.effective_cost
        && *contracted_cost == old.contracted_cost
        && *list_cost == old.list_cost
        && *currency == old.currency
        && *cost_basis == old.cost_basis
        && *price_version == old.price_version
        && *fx_version == old.fx_version;
    let same_overlap = *counts_usage == old.counts_usage
        && *counts_cost == old.counts_cost
        && *derived_from == old.derived_from
        && *duplicate_of == old.duplicate_of
        && *overlap_rule == old.overlap_rule;

    [
        (same_identity, Cause::Identity),
        (same_intent, Cause::Intent),
        (same_policy, Cause::Policy),
        (same_price, Cause::Price),
        (same_overlap, Cause::Overlap),
        (*model_id == old.model_id, Cause::Weights),
    ]
    .into_iter()
    .find_map(|(same, cause)| (!same).then_some(cause))
}

#[cfg(test)]
mod tests;
