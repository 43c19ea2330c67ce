//! What a change of guidance turns, from what the change means.

use super::fixture::*;
use crate::policy::tests::sample_files;
use crate::{Backtest, Candidate, PolicyObject, RuleChange};
use modellane_event::*;
use rust_decimal::Decimal;

/// The sample bundle with one file changed.
fn candidate(file: &str, from: &str, to: &str) -> Candidate {
    let mut files = sample_files();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{text}");
    files.insert(file.to_owned(), text.replace(from, to).into_bytes());
    Candidate::new(&PolicyObject::from_files(&files).unwrap()).unwrap()
}

/// A use with a cost, as the ledger has it.
fn entry(world: &World, id: u8, model: &str, who: &str, counts: bool) -> JudgedEvent {
    let mut usage = with(request(model), |facts| {
        facts.who.accounts = vec![email(who)];
        facts.cost = CostEvidence {
            basis: CostBasis::VendorReported,
            amount: Some(Amount::from_decimal(Decimal::new(25, 2)).unwrap()),
            list_amount: None,
            currency: Some(Currency::usd()),
        };
    });
    usage.event_id = EventId([id; 16]);
    let judgement = Judgement { counts_usage: counts, counts_cost: counts, ..world.judge(&usage) };
    JudgedEvent { usage, judgement }
}

fn tried(world: &World, candidate: &Candidate, events: &[JudgedEvent]) -> Backtest {
    let mut backtest = Backtest::default();
    for event in events {
        backtest.add(&world.0, candidate, event).unwrap();
    }
    backtest
}

/// Two of Ana's and one of Ben's by the everyday model, one that another feed counts, and one by another model.
fn history(world: &World) -> Vec<JudgedEvent> {
    let sonnet = "claude-sonnet-5-5";
    vec![
        entry(world, 1, sonnet, "ana", true),
        entry(world, 2, sonnet, "ana", true),
        entry(world, 3, sonnet, "ben", true),
        entry(world, 4, sonnet, "ben", false),
        entry(world, 5, "claude-opus-5-5", "ana", true),
    ]
}

#[test]
fn the_same_bundle_turns_nothing() {
    let world = World::new();
    let same = candidate("bundle.yaml", "2026.11.1", "2026.12.1");
    let backtest = tried(&world, &same, &history(&world));
    assert_eq!((backtest.rows, backtest.turned.rows, backtest.flips.len()), (5, 0, 0));
    let [before, after] = backtest.adherence();
    assert_eq!(before, after);
    assert_eq!((before.total, before.lower, before.upper), (4, Some(0.75), Some(1.0)));
}

#[test]
fn what_turns_is_counted_by_verdict_rule_person_and_money() {
    let world = World::new();
    let line = sample_line("claude-sonnet-");
    let strict =
        candidate("catalogue.csv", &line, &line.replace("standard", "frontier").replace("true", "false"));
    let backtest = tried(&world, &strict, &history(&world));
    let turned = &backtest.flips[&("followed", "unmatched")];
    assert_eq!((turned.rows, turned.people()), (3, 2));
    assert_eq!(turned.effective_cost[&Currency::usd()].to_string(), "0.75");
    assert_eq!((backtest.turned.rows, backtest.flips.len()), (3, 1));
    let change = RuleChange { decides: 0, no_longer: 3 };
    assert_eq!(backtest.rules.iter().collect::<Vec<_>>(), [(&label("everyday-models"), &change)]);
    let [before, after] = backtest.adherence();
    assert_eq!((before.lower, before.upper, before.expected), (Some(0.75), Some(1.0), Some(0.75)));
    assert_eq!((after.lower, after.upper, after.expected), (Some(0.0), Some(1.0), Some(0.0)));
}

/// The line of the sample's catalogue that lists a model.
fn sample_line(model: &str) -> String {
    let text = String::from_utf8(sample_files()["catalogue.csv"].clone()).unwrap();
    text.lines().find(|line| line.contains(model)).unwrap().to_owned()
}

/// What changed in the context since an entry was judged is not the doing of the bundle.
#[test]
fn an_entry_that_was_judged_in_another_context_turns_by_the_bundle_alone() {
    let before = World::new();
    let events = history(&before);
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    let same = candidate("bundle.yaml", "2026.11.1", "2026.12.1");
    assert_ne!(world.judge(&events[4].usage).verdict, events[4].judgement.verdict);
    assert_eq!(tried(&world, &same, &events).turned.rows, 0);
}
