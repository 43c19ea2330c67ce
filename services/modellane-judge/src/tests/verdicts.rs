use super::fixture::*;
use crate::policy::tests::sample_files;
use crate::{ContextObject, PolicyObject};
use modellane_event::*;

fn shares(judged: &Judgement) -> [i32; 3] {
    [judged.explained_share, judged.partial_share, judged.unexplained_share].map(Share::millionths)
}

fn probabilities(judged: &Judgement) -> [Option<i32>; 3] {
    [judged.p_followed, judged.p_drifted, judged.p_undecided].map(millionths)
}

#[test]
fn guidance_alone_decides_what_needs_no_intent() {
    let judged = World::new().judge(&request("claude-sonnet-5-5"));
    assert_eq!((judged.verdict, judged.matched_by), (Verdict::Followed, Some(MatchedBy::Guidance)));
    assert_eq!(probabilities(&judged), [Some(1_000_000), Some(0), Some(0)]);
    assert_eq!(
        (judged.verdict_label, millionths(judged.verdict_confidence)),
        (ConfidenceLabel::High, Some(1_000_000))
    );
    assert_eq!((texts(&judged.rule_ids), judged.reason_code), (vec!["everyday-models"], None));
    assert_eq!(
        texts(&judged.facts),
        ["model_class=standard", "vendor_status=approved", "tool_tier=enterprise"]
    );
    assert!(judged.missing_facts.is_empty());
    assert_eq!(
        [judged.explained_share, judged.partial_share, judged.unexplained_share].map(Share::millionths),
        [1_000_000, 0, 0]
    );
    let version = judged.policy_version.unwrap();
    assert!(version.as_str().starts_with("2026.11.1@") && version.as_str().len() == "2026.11.1@".len() + 16);
}

#[test]
fn a_frontier_model_without_an_intent_is_unmatched_and_says_what_would_help() {
    let judged = World::new().judge(&request("claude-opus-5-5"));
    assert_eq!((judged.verdict, judged.matched_by), (Verdict::Unmatched, None));
    assert_eq!(judged.reason_code, Some(label("NO_CANDIDATE")));
    assert_eq!(texts(&judged.missing_facts), ["work_class", "budget_state"]);
    assert_eq!(probabilities(&judged), [Some(0), Some(0), Some(1_000_000)]);
    assert_eq!((judged.verdict_label, judged.verdict_confidence), (ConfidenceLabel::None, None));
    assert_eq!(shares(&judged), [0, 0, 1_000_000]);
    assert_eq!(judged.recommended_class, Some(label("light")));
}

#[test]
fn an_intent_decides_with_the_links_probability() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    let drifted = world.judge(&request("claude-opus-5-5"));
    assert_eq!((drifted.verdict, drifted.matched_by), (Verdict::Drifted, Some(MatchedBy::Intent)));
    assert_eq!(probabilities(&drifted), [Some(0), Some(900_000), Some(100_000)]);
    assert_eq!(drifted.verdict_label, ConfidenceLabel::Medium);
    assert_eq!(texts(&drifted.rule_ids), ["frontier-not-for-routine"]);
    assert_eq!(shares(&drifted), [0, 900_000, 100_000]);
    // Where guidance alone says the same, the weak link does not weaken the verdict.
    let followed = world.judge(&request("claude-sonnet-5-5"));
    assert_eq!((followed.verdict, followed.matched_by), (Verdict::Followed, Some(MatchedBy::Intent)));
    assert_eq!(probabilities(&followed), [Some(1_000_000), Some(0), Some(0)]);
    assert_eq!(followed.verdict_label, ConfidenceLabel::High);
}

#[test]
fn a_session_link_makes_a_high_verdict() {
    let mut world = World::new();
    let session = Some(key().session("s"));
    world.intent(IntentEvent { session_key: session, ..intent("i-1", "routine") });
    let judged = world.judge(&with(request("claude-opus-5-5"), |facts| facts.who.session_key = session));
    assert_eq!((judged.verdict, judged.verdict_label), (Verdict::Drifted, ConfidenceLabel::High));
    assert_eq!(probabilities(&judged), [Some(0), Some(999_000), Some(1_000)]);
    assert_eq!(shares(&judged), [1_000_000, 0, 0]);
}

#[test]
fn what_the_intent_leaves_open_is_unknown_with_the_missing_fact() {
    let mut world = World::new();
    world.intent(intent("i-1", "architecture"));
    let judged = world.judge(&request("claude-opus-5-5"));
    assert_eq!((judged.verdict, judged.matched_by), (Verdict::Unknown, Some(MatchedBy::Intent)));
    assert_eq!(judged.reason_code, Some(label("FACT_MISSING:budget_state")));
    assert_eq!(texts(&judged.missing_facts), ["budget_state"]);
    assert_eq!(shares(&judged), [0, 0, 1_000_000]);
    // A task that the bundle does not know is no fact.
    world.intent(IntentEvent { recorded_at: at("2026-11-03T10:00:00Z"), ..intent("i-1", "gardening") });
    let judged = world.judge(&request("claude-opus-5-5"));
    assert_eq!(texts(&judged.missing_facts), ["work_class", "budget_state"]);
    assert_eq!(judged.work_class, Some(label("gardening")));
}

#[test]
fn the_intents_repository_is_a_fact_where_the_record_names_none() {
    let mut world = World::new();
    let deepseek = || request("deepseek-v4");
    assert_eq!(texts(&world.judge(&deepseek()).missing_facts), ["repo_sensitivity"]);
    world.intent(IntentEvent {
        workspace_key: Some(key().workspace("acme/core")),
        ..intent("i-1", "routine")
    });
    let judged = world.judge(&deepseek());
    assert_eq!(
        (judged.verdict, texts(&judged.rule_ids)),
        (Verdict::Drifted, vec!["unapproved-on-closed-code"])
    );
    // A repository that the directory does not list is still not the intent's.
    let other = with(deepseek(), |facts| facts.work.workspace_key = Some(key().workspace("acme/unlisted")));
    assert_eq!(texts(&world.judge(&other).missing_facts), ["repo_sensitivity"]);
    // The record's own word goes before the intent's.
    let own = with(deepseek(), |facts| facts.work.workspace_key = Some(key().workspace("acme/docs")));
    let judged = world.judge(&own);
    assert_eq!(
        (judged.verdict, texts(&judged.rule_ids)),
        (Verdict::Followed, vec!["unapproved-on-public-code"])
    );
}

#[test]
fn a_service_accounts_task_is_a_standing_intent() {
    let world = World::new();
    let robot = |id: &str, model: &str| {
        world
            .judge(&with(request(model), |facts| facts.who.accounts = vec![account(AccountKind::ApiKey, id)]))
    };
    let judged = robot("ci-bot", "claude-opus-5-5");
    assert_eq!((judged.verdict, judged.matched_by), (Verdict::Drifted, Some(MatchedBy::ServiceAccount)));
    assert_eq!(
        (judged.verdict_label, millionths(judged.p_drifted)),
        (ConfidenceLabel::High, Some(1_000_000))
    );
    let idle = robot("idle-bot", "claude-opus-5-5");
    assert_eq!((idle.verdict, idle.reason_code), (Verdict::Unmatched, Some(label("NO_CANDIDATE"))));
}

#[test]
fn the_order_of_the_contract_holds() {
    let mut world = World::new();
    // 1: scope goes before everything, also before a drift.
    world.intent(intent("i-1", "routine"));
    let excluded =
        world.judge(&with(request("claude-opus-5-5"), |facts| facts.tool = Some(label("chat_playground"))));
    assert_eq!(
        (excluded.verdict, excluded.reason_code.clone()),
        (Verdict::OutOfScope, Some(label("SCOPE_TOOL")))
    );
    assert_eq!(shares(&excluded), [1_000_000, 0, 0]);
    let place = with(request("claude-opus-5-5"), |facts| {
        facts.work.workspace_key = Some(key().workspace("acme/model-evaluation"));
    });
    assert_eq!(world.judge(&place).reason_code, Some(label("SCOPE_WORKSPACE")));
    // 2: no bundle in force, and no rule that speaks of it.
    let early = with(request("claude-opus-5-5"), |facts| facts.period_start = at("2026-10-31T23:59:59Z"));
    let early = world.judge(&early);
    assert_eq!((early.verdict, early.reason_code), (Verdict::Unmatched, Some(label("NO_GUIDANCE"))));
    assert_eq!((early.policy_version, early.model_class), (None, None));
    let hole = with(request("gemini-3.8-flash"), |facts| {
        facts.work.workspace_key = Some(key().workspace("acme/core"))
    });
    let hole = world.judge(&hole);
    assert_eq!((hole.verdict, hole.reason_code.clone()), (Verdict::Unmatched, Some(label("NOT_COVERED"))));
    assert!(hole.rule_ids.is_empty() && hole.missing_facts.is_empty() && hole.matched_by.is_none());
    // 3 goes before 4: guidance decides although nobody is known.
    let nobody = |model: &str| world.judge(&with(request(model), |facts| facts.who.accounts.clear()));
    assert_eq!(nobody("claude-sonnet-5-5").verdict, Verdict::Followed);
    // 4: no person.
    let gap = nobody("claude-opus-5-5");
    assert_eq!((gap.verdict, gap.reason_code), (Verdict::Unmatched, Some(label("IDENTITY_UNKNOWN"))));
    let pair = with(request("claude-opus-5-5"), |facts| {
        facts.who.accounts = vec![account(AccountKind::ApiKey, "pair-key")];
    });
    assert_eq!(world.judge(&pair).reason_code, Some(label("IDENTITY_SHARED_KEY")));
}

#[test]
fn failed_and_cancelled_requests_are_out_of_scope_without_probabilities() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    for (outcome, reason) in [(Outcome::Error, "REQUEST_FAILED"), (Outcome::Cancelled, "REQUEST_CANCELLED")] {
        let judged = world.judge(&with(request("claude-opus-5-5"), |facts| facts.outcome = outcome));
        assert_eq!((judged.verdict, judged.reason_code.clone()), (Verdict::OutOfScope, Some(label(reason))));
        assert_eq!(probabilities(&judged), [None, None, None]);
        assert_eq!(shares(&judged), [1_000_000, 0, 0]);
        assert_eq!(judged.intent_id, Some(label("i-1")));
    }
    let unknown = world.judge(&with(request("claude-opus-5-5"), |facts| facts.outcome = Outcome::Unknown));
    assert_eq!(unknown.verdict, Verdict::Drifted);
}

#[test]
fn aggregates_and_shared_keys_are_medium_at_most() {
    let world = World::new();
    let day = world.judge(&with(request("claude-sonnet-5-5"), |facts| facts.grain = Grain::UserDay));
    assert_eq!((day.verdict, day.verdict_label), (Verdict::Followed, ConfidenceLabel::Medium));
    assert_eq!((millionths(day.p_followed), shares(&day)), (Some(1_000_000), [0, 1_000_000, 0]));
    let pair = world.judge(&with(request("claude-sonnet-5-5"), |facts| {
        facts.who.accounts = vec![account(AccountKind::ApiKey, "pair-key")];
    }));
    assert_eq!((pair.verdict, pair.verdict_label), (Verdict::Followed, ConfidenceLabel::Medium));
    let session = world.judge(&with(request("claude-sonnet-5-5"), |facts| facts.grain = Grain::Session));
    assert_eq!(session.verdict_label, ConfidenceLabel::High);
}

#[test]
fn an_unlisted_model_is_a_class_and_a_hidden_one_is_unknown() {
    let world = World::new();
    let unlisted = world.judge(&request("mystery-1"));
    assert_eq!(unlisted.model_class, Some(label("unlisted")));
    assert!(texts(&unlisted.match_reasons).contains(&"MODEL_UNLISTED"));
    assert_eq!((unlisted.verdict, unlisted.reason_code), (Verdict::Unmatched, Some(label("NOT_COVERED"))));
    for hidden in [Some("default"), Some("Auto"), None] {
        let judged = world.judge(&with(request("x"), |facts| facts.model = hidden.map(label)));
        assert_eq!(judged.model_class, None);
        assert_eq!((judged.verdict, judged.reason_code), (Verdict::Unmatched, Some(label("NO_CANDIDATE"))));
        assert_eq!(texts(&judged.facts), ["vendor_status=approved", "tool_tier=enterprise"]);
        assert!(texts(&judged.missing_facts).contains(&"model_class"));
    }
}

#[test]
fn the_bundle_of_the_events_own_time_judges() {
    let mut world = World::new();
    let mut files = sample_files();
    let change = |text: &[u8]| {
        String::from_utf8(text.to_vec())
            .unwrap()
            .replace("\"2026.11.1\"", "\"2026.12.1\"")
            .replace("from: 2026-11-01", "from: 2026-12-01")
            .replace("tools: [chat_playground]", "tools: [claude_code]")
            .into_bytes()
    };
    files.insert("bundle.yaml".to_owned(), change(&files["bundle.yaml"]));
    world.put(ContextObject::Policy(PolicyObject::from_files(&files).unwrap()));
    let on =
        |time: &str| world.judge(&with(request("claude-sonnet-5-5"), |facts| facts.period_start = at(time)));
    assert_eq!(on("2026-11-30T23:59:59Z").verdict, Verdict::Followed);
    let later = on("2026-12-01T00:00:00Z");
    assert_eq!(later.verdict, Verdict::OutOfScope);
    assert!(later.policy_version.unwrap().as_str().starts_with("2026.12.1@"));
}

#[test]
fn a_bundle_that_does_not_compile_is_not_applied() {
    let mut world = World::new();
    let mut files = sample_files();
    files.insert("rules.cedar".to_owned(), b"permit (principal, action, resource);".to_vec());
    let object = ContextObject::Policy(PolicyObject::from_files(&files).unwrap()).encode().unwrap();
    let pointer = ContextPointer {
        kind: object.kind,
        hash: object.hash,
        effective: None,
        recorded_at: at("2026-10-01T00:00:00Z"),
    };
    let version = world.0.version();
    assert!(matches!(
        world.0.apply(&pointer, version + 1, &object.bytes),
        Err(crate::ContextError::Invalid(_))
    ));
    assert_eq!(world.0.version(), version);
    assert_eq!(world.judge(&request("claude-sonnet-5-5")).verdict, Verdict::Followed);
}
