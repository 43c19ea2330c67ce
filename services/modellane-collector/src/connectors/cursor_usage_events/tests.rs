use super::*;
use crate::intake::{Begun, Intake, Sealed};
use modellane_event::{EventId, UsageEvent, UtcTime};

const PAGE_1: &str = include_str!("../../../fixtures/cursor_usage_events.page1.json");
const PAGE_2: &str = include_str!("../../../fixtures/cursor_usage_events.page2.json");
const RESYNC: &str = include_str!("../../../fixtures/cursor_usage_events.resync.json");

fn key() -> LakeKey {
    LakeKey::new([5; 32])
}

/// Takes in payloads as one delivery.
fn deliver(payloads: &[&str]) -> Sealed {
    let (key, observed_at) = (key(), UtcTime::parse("2026-11-10T00:00:00Z").unwrap());
    let mut sealed = Sealed::default();
    let mut intake = Intake::new(&key, SPEC.name);
    for text in payloads {
        intake.survey(&CursorUsageEvents, &Payload { bytes: text.as_bytes(), observed_at, key: &key });
    }
    for text in payloads {
        let payload = Payload { bytes: text.as_bytes(), observed_at, key: &key };
        intake.begin(CursorUsageEvents.pages(&payload));
        intake.read(&CursorUsageEvents, &payload, &mut sealed);
    }
    sealed.counts = intake.finish(&mut sealed);
    sealed
}

fn email(address: &str) -> AccountRef {
    AccountRef::new(&key(), AccountKind::Email, address).unwrap()
}

/// Events at a millisecond, in the order of their ordinals.
fn at(sealed: &Sealed, millis: i64) -> Vec<&UsageEvent> {
    let time = UtcTime::from_millis(millis).unwrap();
    let mut found: Vec<_> = sealed.events.iter().filter(|event| event.facts.period_start == time).collect();
    found.sort_by_key(|event| event.source_key.as_str().len());
    found
}

fn usd(text: &str) -> Option<Amount> {
    Some(Amount::parse(text).unwrap())
}

#[test]
fn the_pages_of_a_fetch_say_what_their_content_says() {
    let sealed = deliver(&[PAGE_1, PAGE_2]);
    assert_eq!((sealed.counts.accepted, sealed.counts.repeated, sealed.counts.rejected), (7, 1, 0));
    assert_eq!(sealed.events.len(), 6);
    let sum = |basis| {
        let costs = sealed.events.iter().map(|event| &event.facts.cost).filter(|cost| cost.basis == basis);
        costs.map(|cost| cost.amount.unwrap().billionths()).sum::<i128>()
    };
    // 13.72 once, 37.33, an error, 0.004 cents; and 4.4 and 0 cents in the seat.
    assert_eq!(sum(CostBasis::VendorReported), 510_540_000);
    assert_eq!(sum(CostBasis::SeatIncluded), 44_000_000);
    assert_eq!(sealed.counts.null_labels.get("model"), Some(&1));
}

#[test]
fn a_use_is_read_completely() {
    let sealed = deliver(&[PAGE_1, PAGE_2]);
    let facts = &at(&sealed, 1_794_214_862_123)[0].facts;
    assert_eq!(facts.who.accounts, [email("maria.reyes@acme.example")]);
    assert_eq!(facts.who.session_key, Some(key().session("c-77")));
    assert_eq!(facts.model, Some(Label::literal("claude-sonnet-5-5")));
    assert_eq!(facts.model_raw, Some(Label::literal("claude-5.5-sonnet")));
    assert_eq!(facts.tool, Some(Label::literal("cursor")));
    assert_eq!(facts.tokens.input_tokens, Some(812 + 9001 + 44120));
    assert_eq!(facts.tokens.cache_read_tokens, Some(44120));
    assert_eq!(facts.tokens.cache_write_tokens, Some(9001));
    assert_eq!(facts.tokens.output_tokens, Some(1404));
    assert_eq!(facts.tokens.credits, usd("1"));
    assert_eq!(facts.tokens.credit_unit, Some(Label::literal("cursor_request")));
    assert_eq!((facts.cost.amount, facts.cost.list_amount), (usd("0.1372"), usd("0.1372")));
    assert_eq!(facts.outcome, Outcome::Ok);

    let discounted = &at(&sealed, 1_794_218_400_000)[0].facts;
    assert_eq!(discounted.who.accounts, [email("jürgen.groß@acme.example")]);
    assert_eq!((discounted.cost.amount, discounted.cost.list_amount), (usd("0.3733"), usd("0.41347")));
    assert_eq!((&discounted.model, &discounted.model_raw), (&None, &Some(Label::literal("default"))));
}

#[test]
fn a_seat_includes_what_it_says_and_errors_cost_nothing() {
    let sealed = deliver(&[PAGE_1, PAGE_2]);
    let included = &at(&sealed, 1_794_214_990_001)[0].facts;
    assert_eq!((included.cost.basis, included.cost.amount), (CostBasis::SeatIncluded, usd("0.044")));
    assert_eq!(included.who.accounts, [email("maria.reyes@acme.example")], "letter case of an address");

    let old_key = &at(&sealed, 1_794_222_000_000)[0].facts;
    assert_eq!((old_key.cost.basis, old_key.cost.amount), (CostBasis::SeatIncluded, usd("0")));
    assert_eq!((old_key.tokens.input_tokens, old_key.tokens.output_tokens), (None, None));
    assert_eq!(old_key.tokens.credits, usd("1.4"));

    let failed = &at(&sealed, 1_794_223_200_000)[0].facts;
    assert_eq!((failed.outcome, failed.cost.basis), (Outcome::Error, CostBasis::VendorReported));
    assert_eq!(failed.cost.amount, usd("0"));
    assert_eq!(failed.surface, Some(Surface::Agent));
    assert!(failed.who.accounts.is_empty());
    assert_eq!((&failed.model, &failed.model_raw), (&None, &None));

    let bot = &at(&sealed, 1_794_223_260_000)[0].facts;
    let service = AccountRef::new(&key(), AccountKind::Cursor, "sa_1").unwrap();
    assert_eq!(bot.who.accounts, [service, email("bot+ci@acme.example")]);
    assert_eq!(bot.cost.amount, usd("0.00004"));
}

#[test]
fn a_resync_restates_the_same_events() {
    let first = deliver(&[PAGE_1, PAGE_2]);
    let second = deliver(&[RESYNC]);
    assert_eq!((second.counts.accepted, second.counts.repeated, second.events.len()), (7, 0, 7));
    let ids = |sealed: &Sealed| sealed.events.iter().map(|event| event.event_id).collect::<Vec<EventId>>();
    let (before, after) = (ids(&first), ids(&second));
    assert!(before.iter().all(|id| after.contains(id)), "every event keeps its id");

    let rows = at(&second, 1_794_214_862_123);
    assert_eq!(rows.len(), 2, "two rows of a millisecond that differ are two uses");
    assert_eq!(rows[0].event_id, at(&first, 1_794_214_862_123)[0].event_id);
    assert_eq!((rows[0].facts.cost.amount, rows[1].facts.cost.amount), (usd("0.1502"), usd("0.1372")));
    assert_eq!(at(&second, 1_794_218_400_000)[0].facts.model, Some(Label::literal("claude-opus-5-5")));
}

#[test]
fn deliveries_given_together_leave_the_last_one() {
    let sealed = deliver(&[PAGE_1, PAGE_2, RESYNC]);
    let alone = deliver(&[RESYNC]);
    let sorted = |sealed: &Sealed| {
        let mut events = sealed.events.clone();
        events.sort_by_key(|event| event.event_id);
        events
    };
    assert_eq!(sorted(&sealed), sorted(&alone));
}

#[test]
fn rows_of_one_millisecond_on_two_pages_are_told_apart() {
    let page = |number: u32, cents: &str, more: bool| {
        format!(
            r#"{{"pagination":{{"currentPage":{number},"hasNextPage":{more}}},"usageEvents":[
            {{"timestamp":"1794214862123","userEmail":"a@b.c","kind":"Usage-based","chargedCents":{cents}}}],
            "period":{{"startDate":1794182400000,"endDate":1794268800000}}}}"#
        )
    };
    let (one, two) = (page(1, "1", true), page(2, "2", false));
    assert_eq!(deliver(&[&one, &two]).events.len(), 2);
    let key = key();
    let payload = |text: &'static str| Payload { bytes: text.as_bytes(), observed_at: UtcTime(0), key: &key };
    let (first, second) = (payload(PAGE_1), payload(PAGE_2));
    let mut intake = Intake::new(&key, SPEC.name);
    assert_eq!(intake.begin(CursorUsageEvents.pages(&first)), Begun::NewFetch);
    assert_eq!(intake.begin(CursorUsageEvents.pages(&second)), Begun::NextPage);
    assert_eq!(intake.begin(CursorUsageEvents.pages(&payload(RESYNC))), Begun::NewFetch);
    assert!(CursorUsageEvents.pages(&second)[0].last && !CursorUsageEvents.pages(&first)[0].last);
}

#[test]
fn a_page_is_in_turn_behind_the_pages_before_it_alone() {
    let page = |number: u32, day: u32| {
        format!(
            r#"{{"pagination":{{"currentPage":{number}}},"usageEvents":[],"period":{{"startDate":{day},"endDate":9}}}}"#
        )
    };
    let (one, two, three, other) = (page(1, 1), page(2, 1), page(3, 1), page(1, 2));
    let both = format!("{one}\n{two}");
    let begin = |payloads: &[&str]| {
        let key = key();
        let mut intake = Intake::new(&key, SPEC.name);
        payloads.iter().fold(None, |_, text| {
            let payload = Payload { bytes: text.as_bytes(), observed_at: UtcTime(0), key: &key };
            Some(intake.begin(CursorUsageEvents.pages(&payload)))
        })
    };
    for (payloads, expected) in [
        (&[two.as_str()][..], Begun::OutOfTurn),
        (&[&one, &three], Begun::OutOfTurn),
        (&[&other, &two], Begun::OutOfTurn),
        (&[&two, &three], Begun::OutOfTurn),
        (&[&format!("{one}{three}")], Begun::OutOfTurn),
        (&[&format!("{one}{other}")], Begun::OutOfTurn),
        (&[&both], Begun::NewFetch),
        (&[&both, &three], Begun::NextPage),
        (&[&one, &two, &three], Begun::NextPage),
        (&[&one, &one], Begun::NewFetch),
        (&["{\"usageEvents\":[]}"], Begun::NewFetch),
    ] {
        assert_eq!(begin(payloads), Some(expected), "{payloads:?}");
    }
}

#[test]
fn pages_in_one_payload_are_as_good_as_pages_one_by_one() {
    let together = deliver(&[&format!("{PAGE_1}{PAGE_2}")]);
    let sorted = |mut events: Vec<UsageEvent>| {
        events.sort_by_key(|event| event.event_id);
        events
    };
    assert_eq!(sorted(together.events), sorted(deliver(&[PAGE_1, PAGE_2]).events));
}

#[test]
fn what_cannot_be_read_has_a_reason_and_keeps_its_neighbours() {
    let good = r#"{"timestamp":"1794214862124","userEmail":"a@b.c","chargedCents":1}"#;
    for (bad, reason, field) in [
        (r#"{"userEmail":"a@b.c"}"#, RejectReason::MissingField, "timestamp"),
        (r#"{"timestamp":"soon"}"#, RejectReason::BadTime, "timestamp"),
        (r#"{"timestamp":"1794214862123","chargedCents":-1}"#, RejectReason::NegativeNumber, "chargedCents"),
        (r#"{"timestamp":"1794214862123","chargedCents":1e40}"#, RejectReason::BadNumber, "chargedCents"),
        (r#"{"timestamp":"1794214862123","tokenUsage":7}"#, RejectReason::BadNumber, "tokenUsage"),
        (
            r#"{"timestamp":"1794214862123","tokenUsage":{"inputTokens":1.5}}"#,
            RejectReason::BadNumber,
            "inputTokens",
        ),
    ] {
        let sealed = deliver(&[&format!("{{\"usageEvents\":[{bad},{good}]}}")]);
        assert_eq!(sealed.events.len(), 1, "{bad}");
        let rejected = sealed.rejected[0];
        assert_eq!((rejected.index, rejected.rejection.reason), (0, reason), "{bad}");
        assert_eq!(rejected.rejection.field, Some(field), "{bad}");
    }
}

#[test]
fn an_unknown_kind_is_charged_and_an_aborted_one_is_not() {
    let row = |kind: &str| {
        let text = format!(
            r#"{{"usageEvents":[{{"timestamp":"1794214862123","kind":"{kind}","chargedCents":2}}]}}"#
        );
        let facts = deliver(&[&text]).events.remove(0).facts;
        (facts.outcome, facts.cost.basis, facts.cost.amount)
    };
    assert_eq!(row("A kind of tomorrow"), (Outcome::Ok, CostBasis::VendorReported, usd("0.02")));
    assert_eq!(
        row("USAGE_EVENT_KIND_ABORTED_NOT_CHARGED"),
        (Outcome::Cancelled, CostBasis::VendorReported, usd("0"))
    );
}
