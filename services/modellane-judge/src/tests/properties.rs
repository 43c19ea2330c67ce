use super::fixture::*;
use modellane_event::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Three worlds: nothing known, no intents, and a few intents that overlap.
static WORLDS: LazyLock<[World; 3]> = LazyLock::new(|| {
    let mut busy = World::new();
    busy.intent(intent("i-1", "routine"));
    busy.intent(IntentEvent { account: email("ben"), ..intent("i-2", "incident") });
    busy.intent(IntentEvent { account: email("ben"), ended_at: None, ..intent("i-3", "architecture") });
    busy.intent(IntentEvent {
        session_key: Some(key().session("s")),
        account: email("cem"),
        ..intent("i-4", "research")
    });
    [World::empty(), World::new(), busy]
});

fn maybe(texts: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(texts))
}

prop_compose! {
    fn event()(
        model in maybe(&["claude-sonnet-5-5", "claude-opus-5-5", "deepseek-v4", "gemini-3.8-flash", "mystery", "auto"]),
        tool in maybe(&["claude_code", "cursor", "chat_playground", "other"]),
        accounts in prop::collection::vec(prop::sample::select(vec!["ana", "ben", "cem", "nobody", "pair", "trio", "ci"]), 0..3),
        workspace in maybe(&["acme/core", "acme/docs", "acme/model-evaluation", "acme/unlisted"]),
        grain in prop::sample::select(vec![Grain::Request, Grain::Session, Grain::UserDay, Grain::UserMonth, Grain::OrgDay]),
        outcome in prop::sample::select(vec![Outcome::Ok, Outcome::Error, Outcome::Cancelled, Outcome::Unknown]),
        session in any::<bool>(),
        hours in 0i64..1_000,
        tokens in prop::option::of((any::<i32>(), any::<i32>(), any::<i16>())),
        basis in prop::sample::select(vec![CostBasis::None, CostBasis::VendorReported, CostBasis::VendorEstimate, CostBasis::SeatIncluded]),
        amount in prop::option::of(-5_000i128..5_000_000_000),
    ) -> UsageEvent {
        with(request("x"), |facts| {
            facts.model = model.map(label);
            facts.tool = tool.map(label);
            facts.who.accounts = accounts.into_iter().map(|id| match id {
                "pair" => account(AccountKind::ApiKey, "pair-key"),
                "trio" => account(AccountKind::ApiKey, "trio-key"),
                "ci" => account(AccountKind::ApiKey, "ci-bot"),
                person => email(person),
            }).collect();
            facts.who.session_key = session.then(|| key().session("s"));
            facts.work.workspace_key = workspace.map(|name| key().workspace(name));
            facts.grain = grain;
            facts.outcome = outcome;
            facts.period_start = UtcTime(at("2026-10-25T00:00:00Z").0 + hours * 3_600_000_000);
            facts.period_end = UtcTime(facts.period_start.0 + 3_600_000_000);
            if let Some((input, output, cached)) = tokens {
                facts.tokens.input_tokens = Some(input.into());
                facts.tokens.output_tokens = Some(output.into());
                facts.tokens.cache_read_tokens = Some(cached.into());
            }
            let amount = amount.map(|amount| Amount::from_billionths(amount).unwrap());
            facts.cost = CostEvidence { basis, amount, list_amount: None, currency: amount.map(|_| Currency::usd()) };
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn every_event_gets_one_consistent_verdict(event in event(), world in 0usize..3) {
        let world = &WORLDS[world];
        let judged = world.judge(&event);
        prop_assert_eq!(&judged, &world.judge(&event), "judging is pure");

        let sum = |shares: [Share; 3]| shares.map(Share::millionths).iter().sum::<i32>();
        let shares = [judged.explained_share, judged.partial_share, judged.unexplained_share];
        prop_assert_eq!(sum(shares), 1_000_000);
        let failed = matches!(event.facts.outcome, Outcome::Error | Outcome::Cancelled);
        match (judged.p_followed, judged.p_drifted, judged.p_undecided) {
            (Some(followed), Some(drifted), Some(undecided)) => {
                prop_assert_eq!(sum([followed, drifted, undecided]), 1_000_000);
                prop_assert!(!failed);
                let limit = Share::new(800_000).unwrap();
                prop_assert_eq!(judged.verdict == Verdict::Followed, followed >= limit);
                prop_assert_eq!(judged.verdict == Verdict::Drifted, drifted >= limit);
            }
            (None, None, None) => prop_assert!(failed),
            _ => prop_assert!(false, "a part of the probabilities is null"),
        }

        let one = Share::ONE;
        match judged.verdict {
            Verdict::Followed | Verdict::Drifted => {
                prop_assert!(judged.matched_by.is_some() && !judged.rule_ids.is_empty());
                prop_assert!(judged.verdict_label <= ConfidenceLabel::Medium);
                let high = judged.verdict_label == ConfidenceLabel::High;
                prop_assert_eq!(high, judged.explained_share == one);
                let aggregate = !matches!(event.facts.grain, Grain::Request | Grain::Session);
                let shared = judged.identity_confidence.is_some_and(|share| share < one);
                prop_assert!(!(high && (aggregate || shared)), "a cap was passed");
            }
            Verdict::Unknown | Verdict::Unmatched => {
                prop_assert!(judged.reason_code.is_some() && judged.unexplained_share == one);
                prop_assert_eq!(judged.verdict_label, ConfidenceLabel::None);
            }
            Verdict::OutOfScope => prop_assert!(judged.reason_code.is_some() && judged.explained_share == one),
        }
        if judged.verdict == Verdict::Unknown {
            prop_assert!(!judged.missing_facts.is_empty() && judged.matched_by.is_some());
        }
        prop_assert_eq!(judged.person_id.is_some(), judged.actor_kind == ActorKind::Person && judged.identity_confidence == Some(one));
        let any_money = [judged.billed_cost, judged.effective_cost, judged.list_cost].iter().flatten().any(|amount| *amount != Amount::ZERO);
        prop_assert!(!any_money || judged.currency.is_some());
        prop_assert!(judged.billed_cost.is_none() || judged.billed_cost == judged.effective_cost);
    }
}
