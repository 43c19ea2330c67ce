//! Links by weighed evidence, through judging.

use super::fixture::*;
use crate::matching::{Calibration, MatchModel, PerLevel, SourceModel};
use modellane_event::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// The prior weights of Claude Code's events, as if they were its own and a sample had confirmed them.
pub(super) fn confirmed() -> MatchModel {
    let mut model = MatchModel::prior();
    let floor = Share::new(20_000).unwrap();
    let calibration =
        Calibration { work: 1_000, time: 1_000, shifts: PerLevel([0; 12]), floor, reviewed: 500 };
    let own = SourceModel { keyed_rows: 1_000, calibration: Some(calibration), ..SourceModel::PRIOR };
    model.sources.insert(label("claude_code.otel"), own);
    model
}

pub(super) fn world(model: MatchModel, intents: impl IntoIterator<Item = IntentEvent>) -> World {
    let mut world = World::new();
    world.0.set_match_model(model);
    intents.into_iter().for_each(|intent| world.intent(intent));
    world
}

pub(super) fn ticketed(id: &str, task: &str) -> IntentEvent {
    IntentEvent { ticket_key: Some(key().ticket("PAY-12")), ..intent(id, task) }
}

pub(super) fn on_ticket(event: UsageEvent) -> UsageEvent {
    with(event, |facts| facts.work.ticket_key = Some(key().ticket("pay-12")))
}

#[test]
fn evidence_adds_up_to_a_probability() {
    let world = world(MatchModel::prior(), [intent("i-1", "routine")]);
    let judged = world.judge(&request("claude-sonnet-5-5"));
    // Prior odds 65 to 35 for declared work, and 1.8 bits for being open.
    let odds = 0.65 / 0.35 * 2f64.powf(1.8);
    let stated = f64::from(millionths(judged.match_confidence).unwrap()) / 1e6;
    assert!((stated - odds / (1.0 + odds)).abs() < 0.001, "{stated}");
    assert_eq!((judged.intent_id, judged.confidence_label), (Some(label("i-1")), ConfidenceLabel::Medium));
    assert_eq!(texts(&judged.match_reasons), ["TIME_INSIDE", "UNCALIBRATED_SOURCE"]);
    assert_eq!(judged.model_id, Some(MatchModel::prior().id()));
}

#[test]
fn only_a_calibrated_source_is_ever_sure_without_a_key() {
    let intents = || [ticketed("i-1", "incident")];
    let event = on_ticket(request("claude-opus-5-5"));
    let unsure = world(MatchModel::prior(), intents()).judge(&event);
    assert!(millionths(unsure.match_confidence).unwrap() > 990_000);
    assert_eq!(unsure.confidence_label, ConfidenceLabel::Medium);
    assert_eq!((unsure.verdict, unsure.verdict_label), (Verdict::Followed, ConfidenceLabel::Medium));
    let sure = world(confirmed(), intents()).judge(&event);
    assert_eq!((sure.confidence_label, sure.verdict_label), (ConfidenceLabel::High, ConfidenceLabel::High));
    assert_eq!(texts(&sure.match_reasons), ["TICKET_EQUAL", "TIME_INSIDE"]);
    // An identifier that the tool itself issued needs no calibration.
    let session_key = Some(key().session("s-1"));
    let keyed = world(MatchModel::prior(), [IntentEvent { session_key, ..intent("i-1", "incident") }]);
    let event = with(request("claude-opus-5-5"), |facts| facts.who.session_key = session_key);
    assert_eq!(keyed.judge(&event).confidence_label, ConfidenceLabel::High);
}

#[test]
fn a_link_is_not_sure_while_another_outcome_reaches_the_floor() {
    let mut model = confirmed();
    let own = model.sources.get_mut("claude_code.otel").unwrap();
    own.calibration.as_mut().unwrap().floor = Share::new(1).unwrap();
    let event = on_ticket(request("claude-sonnet-5-5"));
    let judged = world(model, [ticketed("i-1", "routine")]).judge(&event);
    assert_eq!(judged.confidence_label, ConfidenceLabel::Medium);
}

#[test]
fn intents_that_fit_alike_share_and_may_decide_together() {
    // Frontier models are not for routine work, nor for review: which of the two it was does not matter.
    let both = |task: &str| world(confirmed(), [ticketed("i-1", "routine"), ticketed("i-2", task)]);
    let event = on_ticket(request("claude-opus-5-5"));
    let agree = both("review").judge(&event);
    let shares: Vec<i32> =
        agree.candidates.iter().map(|c| c.as_str()[4..].replace('.', "").parse().unwrap()).collect();
    assert_eq!((agree.intent_id, shares.len()), (None, 2));
    assert!(shares.iter().all(|share| (490_000..500_000).contains(share)), "{shares:?}");
    assert_eq!((agree.verdict, agree.matched_by), (Verdict::Drifted, Some(MatchedBy::Intent)));
    let differ = both("incident").judge(&event);
    assert_eq!((differ.verdict, differ.reason_code), (Verdict::Unmatched, Some(label("TIED_INTENTS"))));
}

#[test]
fn evidence_against_the_only_intent_names_the_gap() {
    let elsewhere =
        IntentEvent { workspace_key: Some(key().workspace("acme/docs")), ..intent("i-1", "routine") };
    let event = with(request("claude-opus-5-5"), |facts| {
        facts.work.workspace_key = Some(key().workspace("acme/core"));
    });
    let judged = world(confirmed(), [elsewhere]).judge(&event);
    assert_eq!((judged.intent_id, judged.verdict), (None, Verdict::Unmatched));
    assert_eq!(judged.reason_code, Some(label("REPO_CONFLICT")));
    assert_eq!(texts(&judged.match_reasons), ["REPO_CONFLICT", "TIME_INSIDE"]);
    assert_eq!(judged.candidates.len(), 1, "the intent that was not linked is shown");
    let alone = world(confirmed(), []).judge(&event);
    assert_eq!(alone.reason_code, Some(label("NO_CANDIDATE")));
}

#[test]
fn a_shared_account_leaves_it_open_whose_intent_it_is() {
    let both =
        [ticketed("i-1", "incident"), IntentEvent { account: email("ben"), ..ticketed("i-2", "incident") }];
    let event = with(on_ticket(request("claude-opus-5-5")), |facts| {
        facts.who.accounts = vec![account(AccountKind::ApiKey, "pair-key")];
    });
    let judged = world(confirmed(), both).judge(&event);
    assert_eq!((judged.person_id, judged.intent_id), (None, None));
    assert_eq!((judged.verdict, judged.verdict_label), (Verdict::Followed, ConfidenceLabel::Medium));
}

#[test]
fn an_intent_that_nobody_ended_fades() {
    let open = IntentEvent { ended_at: None, ..intent("i-1", "routine") };
    let world = world(confirmed(), [open]);
    let confidence = |time: &str| {
        let event = with(request("claude-sonnet-5-5"), |facts| {
            facts.period_start = at(time);
            facts.period_end = at(time);
        });
        millionths(world.judge(&event).match_confidence)
    };
    let (fresh, stale) = (confidence("2026-11-03T12:59:00Z"), confidence("2026-11-03T13:01:00Z"));
    assert!(fresh > stale && stale.is_some());
    assert_eq!(confidence("2026-11-05T09:00:00Z"), None);
}

#[test]
fn a_day_is_split_by_the_time_of_its_intents() {
    let longer = IntentEvent { ended_at: Some(at("2026-11-03T15:00:00Z")), ..intent("i-2", "routine") };
    let judged = world(confirmed(), [intent("i-1", "routine"), longer]).judge(&with(
        request("claude-opus-5-5"),
        |facts| {
            facts.grain = Grain::UserDay;
            facts.period_start = at("2026-11-03T00:00:00Z");
            facts.period_end = at("2026-11-04T00:00:00Z");
        },
    ));
    // 120 and 240 minutes of what the prior leaves to declared work, 65 %.
    assert_eq!(texts(&judged.candidates), ["i-2=0.433333", "i-1=0.216667"]);
    assert_eq!(judged.confidence_label, ConfidenceLabel::None);
}

/// Three intents of which evidence prefers now one, now another.
static CONTESTED: LazyLock<World> = LazyLock::new(|| {
    let intents = [
        ticketed("i-1", "incident"),
        IntentEvent { workspace_key: Some(key().workspace("acme/core")), ..intent("i-2", "routine") },
        IntentEvent { ended_at: None, tool: Some(label("cursor")), ..intent("i-3", "architecture") },
    ];
    world(confirmed(), intents)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Nothing that guidance judges moves the link: not the model, its vendor or provider, not what it cost.
    #[test]
    fn what_guidance_judges_is_no_evidence(
        model in prop::sample::select(vec!["claude-sonnet-5-5", "claude-opus-5-5", "deepseek-v4", "mystery", "auto"]),
        tool in prop::sample::select(vec!["claude_code", "cursor", "chat_playground"]),
        vendor in prop::sample::select(vec!["anthropic", "cursor", "deepseek"]),
        cost in 0i128..1_000_000_000_000,
        output in 0i64..1_000_000,
        ticket in any::<bool>(),
        minute in 0i64..300,
    ) {
        let plain = with(request("claude-sonnet-5-5"), |facts| {
            facts.period_start = UtcTime(at("2026-11-03T08:00:00Z").0 + minute * 60_000_000);
            facts.period_end = facts.period_start;
            facts.work.ticket_key = ticket.then(|| key().ticket("PAY-12"));
        });
        let changed = with(plain.clone(), |facts| {
            facts.model = Some(label(model));
            facts.tool = Some(label(tool));
            facts.vendor = label(vendor);
            facts.provider = None;
            facts.surface = Some(Surface::Web);
            facts.tokens.output_tokens = Some(output);
            facts.cost = CostEvidence {
                basis: CostBasis::VendorReported,
                amount: Amount::from_billionths(cost).ok(),
                list_amount: None,
                currency: Some(Currency::usd()),
            };
        });
        let (plain, changed) = (CONTESTED.judge(&plain), CONTESTED.judge(&changed));
        prop_assert_eq!(plain.intent_id, changed.intent_id);
        prop_assert_eq!(plain.match_confidence, changed.match_confidence);
        prop_assert_eq!(plain.candidates, changed.candidates);
        prop_assert_eq!(plain.confidence_label, changed.confidence_label);
    }
}
