//! One use, several feeds: what counts.

use super::fixture::*;
use crate::{Overlaps, Sighting};
use modellane_event::*;
use rust_decimal::Decimal;

fn event(id: u8, source: &str, change: impl FnOnce(&mut UsageFacts)) -> UsageEvent {
    let mut event = with(request("claude-sonnet-5-5"), change);
    event.event_id = EventId([id; 16]);
    event.source = label(source);
    event
}

/// A request that a feed states tokens and an amount of.
fn seen(id: u8, source: &str, request: &str, basis: CostBasis) -> UsageEvent {
    event(id, source, |facts| {
        facts.who.request_key = Some(key().request(request));
        facts.tokens.input_tokens = Some(1_000);
        facts.cost = CostEvidence {
            basis,
            amount: (basis != CostBasis::None).then(|| Amount::from_decimal(Decimal::new(5, 3)).unwrap()),
            list_amount: None,
            currency: (basis != CostBasis::None).then(|| Currency::new("USD").unwrap()),
        };
    })
}

/// A person's day with Copilot.
fn day(id: u8, source: &str, account: AccountRef, basis: CostBasis) -> UsageEvent {
    let mut event = seen(id, source, "none", basis);
    event.facts.grain = Grain::UserDay;
    event.facts.who = Who { accounts: vec![account], ..Who::default() };
    (event.facts.vendor, event.facts.tool) = (label("github"), Some(label("copilot")));
    event
}

/// Whether it counts for usage and for money, whose duplicate it is, and by which rule.
type Counted = (bool, bool, Option<u8>, Option<String>);

fn decided(world: &World, events: &[UsageEvent]) -> Vec<Counted> {
    let sightings: Vec<Sighting> = events.iter().filter_map(|event| Sighting::of(&world.0, event)).collect();
    let overlaps = Overlaps::among(&sightings);
    let backwards = Overlaps::among(sightings.iter().rev());
    let judged = |event: &UsageEvent| {
        let (mut one, mut other) = (world.judge(event), world.judge(event));
        overlaps.apply(event.event_id, &mut one);
        backwards.apply(event.event_id, &mut other);
        assert_eq!(one, other, "the order of events does not matter");
        let Judgement { counts_usage, counts_cost, duplicate_of, overlap_rule, .. } = one;
        (counts_usage, counts_cost, duplicate_of.map(|id| id.0[0]), overlap_rule.map(|rule| rule.to_string()))
    };
    events.iter().map(judged).collect()
}

fn alone() -> Counted {
    (true, true, None, None)
}

fn counted(usage: bool, cost: bool, instead: Option<u8>, rule: &str) -> Counted {
    (usage, cost, instead, Some(rule.to_owned()))
}

#[test]
fn a_request_that_gateway_and_client_report_counts_once_for_tokens_and_once_for_money() {
    let gateway = seen(9, "litellm.spend_logs", "req-1", CostBasis::Computed);
    let client = seen(2, "claude_code.otel", "req-1", CostBasis::VendorEstimate);
    let span = seen(1, "otel.gen_ai", "req-1", CostBasis::None);
    let other = seen(3, "otel.gen_ai", "req-2", CostBasis::None);
    assert_eq!(
        decided(&World::new(), &[gateway, client, span, other]),
        [
            counted(true, false, None, "request_id"),
            counted(false, true, None, "request_id"),
            counted(false, false, Some(9), "request_id"),
            alone(),
        ]
    );
}

/// Two attempts of the gateway under one id, of which the client saw the last.
#[test]
fn events_of_one_feed_never_take_each_others_place() {
    let attempts = [4, 5].map(|id| seen(id, "litellm.spend_logs", "req-1", CostBasis::VendorReported));
    let world = World::new();
    assert_eq!(decided(&world, &attempts), [alone(), alone()]);
    let [first, second] = attempts;
    assert_eq!(
        decided(&world, &[first, second, seen(1, "claude_code.otel", "req-1", CostBasis::VendorEstimate)]),
        [
            counted(true, true, None, "request_id"),
            counted(true, true, None, "request_id"),
            counted(false, false, Some(4), "request_id"),
        ]
    );
}

#[test]
fn a_feed_without_tokens_does_not_count_for_them() {
    let mut gateway = seen(1, "litellm.spend_logs", "req-1", CostBasis::None);
    gateway.facts.tokens = Tokens::default();
    let client = seen(2, "claude_code.otel", "req-1", CostBasis::VendorEstimate);
    assert_eq!(
        decided(&World::new(), &[gateway, client]),
        [counted(false, false, Some(2), "request_id"), counted(true, true, None, "request_id")]
    );
}

#[test]
fn of_a_persons_day_the_report_counts_for_use_and_the_bill_for_money() {
    let ana = account(AccountKind::Github, "ana-dev");
    let report = day(1, "github_copilot.user_day", ana, CostBasis::None);
    let bill =
        [2, 3].map(|id| day(id, "github_copilot.billing_csv", email("ana"), CostBasis::VendorReported));
    let [sonnet, opus] = bill;
    let nobody = account(AccountKind::Github, "nobody");
    let unknown = day(4, "github_copilot.user_day", nobody, CostBasis::None);
    let billed = day(5, "github_copilot.billing_csv", nobody, CostBasis::VendorReported);
    let mut next = day(6, "github_copilot.billing_csv", ana, CostBasis::VendorReported);
    next.facts.period_start = at("2026-11-04T00:00:00Z");
    let another = day(7, "github_copilot.billing_csv", email("ben"), CostBasis::VendorReported);
    let (for_use, for_money) =
        (counted(true, false, None, "person_day"), counted(false, true, None, "person_day"));
    assert_eq!(
        decided(&World::new(), &[report, sonnet, opus, unknown, billed, next, another]),
        [for_use.clone(), for_money.clone(), for_money.clone(), for_use, for_money, alone(), alone()]
    );
}

#[test]
fn what_has_neither_a_request_id_nor_a_person_counts_for_itself() {
    let anonymous = |id, source| event(id, source, |facts| facts.who = Who::default());
    let events = [anonymous(1, "litellm.spend_logs"), anonymous(2, "claude_code.otel")];
    assert_eq!(decided(&World::new(), &events), [alone(), alone()]);
    let mut sums = events;
    for event in &mut sums {
        event.facts.grain = Grain::UserDay;
    }
    assert_eq!(decided(&World::new(), &sums), [alone(), alone()]);
}
