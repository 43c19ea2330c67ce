use super::fixture::*;
use crate::{BudgetSpent, ContextObject, SpendingObject};
use modellane_event::*;
use rust_decimal::Decimal;

/// What was published for a day: so much of the 100 dollars of Ana's team.
fn published(day: &str, spent: i64) -> ContextObject {
    let budget = BudgetSpent {
        id: label("B-1"),
        teams: vec![label("payments")],
        cost_center: None,
        currency: Currency::usd(),
        amount: Decimal::from(100),
        spent: Decimal::from(spent),
        incomplete: false,
    };
    let day = Date::parse(day).unwrap();
    ContextObject::Spending(SpendingObject {
        format: SpendingObject::FORMAT,
        day,
        finance: label("finance"),
        budgets: vec![budget],
    })
}

/// Ana works on architecture on 3 November, for which guidance wants to know the budget.
fn architecture() -> World {
    let mut world = World::new();
    world.intent(intent("i-1", "architecture"));
    world
}

#[test]
fn what_was_published_for_the_day_settles_the_verdict() {
    for (spent, verdict, fact) in [
        (100, Verdict::Drifted, "budget_state=over"),
        (90, Verdict::Followed, "budget_state=near"),
        (89, Verdict::Followed, "budget_state=under"),
    ] {
        let mut world = architecture();
        world.put(published("2026-11-03", spent));
        let judged = world.judge(&request("claude-opus-5-5"));
        assert_eq!((judged.verdict, judged.missing_facts.len()), (verdict, 0), "{spent}");
        assert!(texts(&judged.facts).contains(&fact), "{:?}", judged.facts);
    }
}

#[test]
fn what_was_published_for_another_day_says_nothing() {
    let mut world = architecture();
    world.put(published("2026-11-02", 100));
    world.put(published("2026-11-04", 100));
    let judged = world.judge(&request("claude-opus-5-5"));
    assert_eq!((judged.verdict, texts(&judged.missing_facts)), (Verdict::Unknown, vec!["budget_state"]));
}

#[test]
fn a_use_that_outlasts_its_day_has_no_budget_state() {
    let mut world = World::new();
    world.put(published("2026-11-03", 100));
    let from = |hours: i64| UtcTime(at("2026-11-03T00:00:00Z").0 + hours * 3_600_000_000);
    let lasting = |hours| {
        with(request("claude-opus-5-5"), |facts| {
            (facts.period_start, facts.period_end) = (from(0), from(hours))
        })
    };
    let known = |event: &UsageEvent| texts(&world.judge(event).facts).contains(&"budget_state=over");
    assert!(known(&lasting(24)) && !known(&lasting(25)));
}

#[test]
fn a_later_publication_for_the_same_day_replaces_the_earlier() {
    let mut world = architecture();
    world.put(published("2026-11-03", 10));
    world.put(published("2026-11-03", 100));
    assert_eq!(world.judge(&request("claude-opus-5-5")).verdict, Verdict::Drifted);
}
