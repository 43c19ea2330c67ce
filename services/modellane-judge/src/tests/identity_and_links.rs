use super::fixture::*;
use modellane_event::*;

fn who(world: &World, accounts: Vec<AccountRef>, time: &str) -> Judgement {
    world.judge(&with(request("claude-sonnet-5-5"), |facts| {
        facts.period_start = at(time);
        facts.period_end = facts.period_start;
        facts.who.accounts = accounts;
    }))
}

#[test]
fn a_person_belongs_to_the_team_of_the_events_own_time() {
    let world = World::new();
    let before = who(&world, vec![email("ana")], "2026-11-09T23:59:59Z");
    let after = who(&world, vec![email("ana")], "2026-11-10T00:00:00Z");
    assert_eq!((before.person_id, before.identity_confidence), (Some(ANA), Some(Share::ONE)));
    assert_eq!((before.team, before.cost_center), (Some(label("payments")), Some(label("CC-100"))));
    assert_eq!((after.team, after.cost_center), (Some(label("search")), Some(label("CC-200"))));
    assert_eq!(who(&world, vec![email("ana")], "2025-06-01T00:00:00Z").team, None);
}

#[test]
fn an_account_counts_only_while_it_was_theirs() {
    let world = World::new();
    let old = account(AccountKind::Cursor, "old-login");
    assert!(who(&world, vec![old], "2026-11-04T00:00:00Z").person_id.is_some());
    let later = who(&world, vec![old], "2026-11-05T00:00:00Z");
    assert_eq!(
        (later.person_id, later.actor_kind, later.identity_confidence),
        (None, ActorKind::Unknown, None)
    );
    assert_eq!(later.match_reasons[0].as_str(), "IDENTITY_UNKNOWN");
}

#[test]
fn a_shared_key_names_nobody_and_a_second_account_may_decide() {
    let world = World::new();
    let pair = account(AccountKind::ApiKey, "pair-key");
    let shared = who(&world, vec![pair], "2026-11-03T10:00:00Z");
    assert_eq!((shared.person_id, shared.actor_kind), (None, ActorKind::Person));
    assert_eq!(millionths(shared.identity_confidence), Some(500_000));
    // Both were in one team then, so the team is known; a week later they were not.
    assert_eq!(shared.team, Some(label("payments")));
    assert_eq!(who(&world, vec![pair], "2026-11-12T10:00:00Z").team, None);
    assert_eq!(shared.match_reasons[0].as_str(), "IDENTITY_SHARED_KEY");
    assert_eq!(who(&world, vec![pair, email("ana")], "2026-11-03T10:00:00Z").person_id, Some(ANA));
    let trio = who(&world, vec![account(AccountKind::ApiKey, "trio-key")], "2026-11-03T10:00:00Z");
    assert_eq!((trio.actor_kind, millionths(trio.identity_confidence)), (ActorKind::Unknown, Some(333_333)));
}

#[test]
fn a_service_account_is_known_by_its_task() {
    let world = World::new();
    let ci = who(&world, vec![account(AccountKind::ApiKey, "ci-bot")], "2026-11-03T10:00:00Z");
    assert_eq!((ci.person_id, ci.actor_kind), (None, ActorKind::ServiceAccount));
    assert_eq!((ci.team, ci.work_class, ci.intent_id), (Some(label("search")), Some(label("ci")), None));
    assert_eq!(texts(&ci.match_reasons), ["STANDING_INTENT"]);
    let before = who(&world, vec![account(AccountKind::ApiKey, "ci-bot")], "2025-11-03T10:00:00Z");
    assert_eq!(before.actor_kind, ActorKind::Unknown);
}

#[test]
fn the_only_open_intent_is_linked_at_medium() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    let judged = world.judge(&request("claude-sonnet-5-5"));
    assert_eq!((judged.intent_id, judged.work_class), (Some(label("i-1")), Some(label("routine"))));
    assert_eq!(millionths(judged.match_confidence), Some(900_000));
    assert_eq!(judged.confidence_label, ConfidenceLabel::Medium);
    assert_eq!(texts(&judged.match_reasons), ["TIME_INSIDE", "UNCALIBRATED_SOURCE"]);
    assert!(judged.candidates.is_empty() && judged.model_id.is_some());
}

#[test]
fn an_intents_end_is_exclusive_and_an_open_one_goes_on() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    let linked = |world: &World, time: &str| who(world, vec![email("ana")], time).intent_id;
    assert_eq!(linked(&world, "2026-11-03T08:59:59Z"), None);
    assert_eq!(linked(&world, "2026-11-03T09:00:00Z"), Some(label("i-1")));
    assert_eq!(linked(&world, "2026-11-03T10:59:59Z"), Some(label("i-1")));
    assert_eq!(linked(&world, "2026-11-03T11:00:00Z"), None);
    // A later version of the same intent replaces it.
    let reopened =
        IntentEvent { ended_at: None, recorded_at: at("2026-11-03T12:00:00Z"), ..intent("i-1", "routine") };
    world.intent(reopened);
    assert_eq!(linked(&world, "2026-11-20T11:00:00Z"), Some(label("i-1")));
    assert!(!world.0.apply_intent(&intent("i-1", "routine")), "an older version changes nothing");
}

#[test]
fn several_open_intents_are_tied_and_none_is_linked() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    world.intent(IntentEvent {
        account: account(AccountKind::Github, "ana-dev"),
        ..intent("i-2", "incident")
    });
    let judged = world.judge(&request("claude-opus-5-5"));
    assert_eq!((judged.intent_id, judged.match_confidence, judged.work_class), (None, None, None));
    assert_eq!(judged.confidence_label, ConfidenceLabel::None);
    assert_eq!(texts(&judged.match_reasons), ["TIED_INTENTS"]);
    assert_eq!(texts(&judged.candidates), ["i-1=0.000000", "i-2=0.000000"]);
    assert_eq!((judged.verdict, judged.reason_code), (Verdict::Unmatched, Some(label("TIED_INTENTS"))));
}

#[test]
fn the_session_decides_between_open_intents() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    world.intent(IntentEvent { session_key: Some(key().session("s-7")), ..intent("i-2", "incident") });
    let event = with(request("claude-opus-5-5"), |facts| facts.who.session_key = Some(key().session("s-7")));
    let judged = world.judge(&event);
    assert_eq!((judged.intent_id, judged.confidence_label), (Some(label("i-2")), ConfidenceLabel::High));
    assert_eq!(millionths(judged.match_confidence), Some(999_000));
    assert_eq!(texts(&judged.match_reasons), ["KEY_EQUAL", "TIME_INSIDE"]);
}

#[test]
fn a_session_of_somebody_else_is_no_candidate() {
    let mut world = World::new();
    let session = Some(key().session("s-7"));
    world.intent(IntentEvent { session_key: session, account: email("ben"), ..intent("i-2", "incident") });
    let event = with(request("claude-opus-5-5"), |facts| facts.who.session_key = session);
    assert_eq!(world.judge(&event).intent_id, None);
    let nobody = with(event, |facts| facts.who.accounts.clear());
    assert_eq!(world.judge(&nobody).intent_id, Some(label("i-2")));
}

#[test]
fn an_intent_declared_with_a_shared_account_says_not_whose_it_is() {
    let mut world = World::new();
    world.intent(IntentEvent {
        account: account(AccountKind::ApiKey, "pair-key"),
        ..intent("i-1", "routine")
    });
    let judged = world.judge(&request("claude-sonnet-5-5"));
    assert_eq!((judged.intent_id, texts(&judged.match_reasons)), (None, vec!["NO_CANDIDATE"]));
}

#[test]
fn a_day_is_linked_to_its_only_intent_and_a_month_to_none() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    let day = |grain| {
        with(request("claude-sonnet-5-5"), |facts| {
            facts.grain = grain;
            facts.period_start = at("2026-11-03T00:00:00Z");
            facts.period_end = at("2026-11-04T00:00:00Z");
        })
    };
    let judged = world.judge(&day(Grain::UserDay));
    assert_eq!((judged.intent_id, judged.confidence_label), (Some(label("i-1")), ConfidenceLabel::Medium));
    assert_eq!(texts(&judged.match_reasons), ["TIME_INSIDE", "UNCALIBRATED_SOURCE", "AGGREGATE_ONLY"]);
    let month = world.judge(&day(Grain::UserMonth));
    assert_eq!((month.intent_id, texts(&month.match_reasons)), (None, vec!["AGGREGATE_ONLY"]));
    world.intent(IntentEvent {
        started_at: at("2026-11-03T23:59:59Z"),
        ended_at: None,
        ..intent("i-2", "routine")
    });
    assert_eq!(texts(&world.judge(&day(Grain::UserDay)).match_reasons), ["TIED_INTENTS"]);
}

#[test]
fn conflicts_between_record_and_intent_are_told() {
    let mut world = World::new();
    world.intent(IntentEvent {
        workspace_key: Some(key().workspace("acme/docs")),
        ticket_key: Some(key().ticket("PAY-12")),
        tool: Some(label("cursor")),
        ..intent("i-1", "routine")
    });
    let event = with(request("claude-sonnet-5-5"), |facts| {
        facts.work.workspace_key = Some(key().workspace("acme/core"));
        facts.work.ticket_key = Some(key().ticket("pay-12"));
    });
    let reasons = world.judge(&event).match_reasons;
    assert_eq!(texts(&reasons)[2..], ["TICKET_EQUAL", "REPO_CONFLICT", "TOOL_CONFLICT"]);
}

#[test]
fn a_workspace_is_named_only_if_the_directory_lists_it() {
    let mut world = World::new();
    let place = |world: &World, name: Option<&str>| {
        let event = with(request("claude-sonnet-5-5"), |facts| {
            facts.work.workspace_key = name.map(|name| key().workspace(name));
        });
        let judged = world.judge(&event);
        (judged.workspace.map(|w| w.to_string()), judged.sensitivity)
    };
    let core = Some("github.com/acme/core".to_owned());
    assert_eq!(place(&world, Some("git@github.com:Acme/core.git")), (core, Some(Sensitivity::Restricted)));
    assert_eq!(place(&world, Some("acme/secret")), (None, None));
    assert_eq!(place(&world, None), (None, None));
    // A record that names no repository takes the linked intent's; one that names an unknown one does not.
    world.intent(IntentEvent {
        workspace_key: Some(key().workspace("acme/docs")),
        ..intent("i-1", "routine")
    });
    let docs = Some("github.com/acme/docs".to_owned());
    assert_eq!(place(&world, None), (docs, Some(Sensitivity::Public)));
    assert_eq!(place(&world, Some("acme/secret")), (None, None));
}

#[test]
fn a_newer_directory_replaces_the_older_one_and_an_old_pointer_changes_nothing() {
    let mut world = World::new();
    let version = world.0.version();
    world.directory("people: [{ id: p-ana, accounts: [{ kind: email, id: ana@acme.example }] }]");
    assert_eq!(world.judge(&request("claude-sonnet-5-5")).team, None);
    assert_eq!(world.judge(&request("claude-sonnet-5-5")).context_version, version + 1);
    let object = crate::ContextObject::Prices(crate::parse_prices(b"prices: []").unwrap()).encode().unwrap();
    let pointer = ContextPointer {
        kind: object.kind,
        hash: object.hash,
        effective: None,
        recorded_at: at("2026-10-01T00:00:00Z"),
    };
    assert_eq!(world.0.apply(&pointer, version, b"anything"), Ok(()));
    assert_eq!(world.0.apply(&pointer, version + 2, b"{}"), Err(crate::ContextError::WrongObject));
    assert_eq!(world.0.version(), version + 1);
}
