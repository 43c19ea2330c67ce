//! Why an event was judged as it was, as data and as text.

use super::evidence::{confirmed, on_ticket, ticketed, world};
use super::fixture::*;
use crate::explain::missing;
use crate::matching::{Level, MatchModel, SourceModel};
use crate::policy::tests::sample;
use crate::{Explanation, OutcomeClass};
use modellane_event::*;

fn settling(explained: &Explanation) -> Vec<&str> {
    explained.missing.iter().filter(|fact| fact.settles()).map(|fact| fact.name.as_str()).collect()
}

#[test]
fn an_explanation_sums_to_the_evidence_and_names_what_would_settle() {
    let world = world(confirmed(), [ticketed("i-1", "architecture"), intent("i-2", "routine")]);
    let explained = world.0.explain(&on_ticket(request("claude-opus-5-5")));
    let (first, second) = (&explained.candidates[0], &explained.candidates[1]);
    assert_eq!((&first.intent_id, &first.task), (&Some(label("i-1")), &Some(label("architecture"))));
    let bits = |n: usize| explained.candidates[n].steps.iter().map(|step| step.millibits).sum::<i32>();
    let odds = |a: Share, b: Share| (f64::from(a.millionths()) / f64::from(b.millionths())).log2();
    // The ticket is the only difference, and the source's sample bends nothing.
    assert_eq!(bits(0) - bits(1), SourceModel::PRIOR.bits[Level::TicketEqual]);
    assert!((odds(first.probability.unwrap(), second.probability.unwrap()) - 7.6).abs() < 0.01);
    assert!((odds(first.probability.unwrap(), explained.none) - f64::from(bits(0)) / 1_000.0).abs() < 0.01);
    assert_eq!(explained.judgement, world.judge(&on_ticket(request("claude-opus-5-5"))));
    // Architecture work on a frontier model depends on the budget alone: allowed, but not over it.
    assert_eq!(texts(&explained.judgement.missing_facts), ["budget_state"]);
    assert_eq!(settling(&explained), ["budget_state"]);
    let says: Vec<_> = explained.missing[0].values.iter().map(|(value, of)| (value.as_str(), *of)).collect();
    let (followed, drifted) = (OutcomeClass::Followed, OutcomeClass::Drifted);
    assert_eq!(says, [("under", followed), ("near", followed), ("over", drifted)]);
}

#[test]
fn a_fact_that_leaves_some_values_open_does_not_settle() {
    let explained = world(confirmed(), []).0.explain(&request("claude-opus-5-5"));
    // Work that is hard needs the budget too; over budget it still depends on the work.
    assert_eq!(texts(&explained.judgement.missing_facts), ["work_class", "budget_state"]);
    assert_eq!(settling(&explained), [""; 0]);
    let open = |fact: usize| {
        let values = explained.missing[fact].values.iter();
        values.filter(|(_, of)| *of == OutcomeClass::Undecided).map(|(v, _)| v.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(open(0), ["architecture", "research"]);
    assert_eq!(open(1), ["under", "near", "over"]);
    assert_eq!((explained.candidates.len(), explained.none), (0, Share::ONE));
}

#[test]
fn a_value_that_the_known_facts_exclude_is_left_out() {
    // No consumer product is under an approved contract; vendors on trial may see internal repositories.
    let known = ["model_class=light", "tool_tier=consumer", "repo_sensitivity=internal"];
    let judged = Judgement {
        facts: known.map(label).to_vec(),
        missing_facts: vec![label("vendor_status")],
        ..World::new().judge(&request("claude-sonnet-5-5"))
    };
    let missing = missing(&sample(), &judged);
    let says: Vec<_> = missing[0].values.iter().map(|(value, of)| (value.as_str(), *of)).collect();
    assert_eq!(says, [("trial", OutcomeClass::Followed), ("unapproved", OutcomeClass::Drifted)]);
}

#[test]
fn the_text_tells_the_whole_judgement() {
    let mut world = world(confirmed(), [ticketed("i-1", "routine")]);
    let text = world.0.explain(&on_ticket(request("claude-opus-5-5"))).to_string();
    // 0.65 to 0.35 before any evidence is 0.893 bits; 7.6 for the ticket and 1.8 for being open.
    let odds = 2f64.powf(10.293);
    let share = Share::nearest(odds / (1.0 + odds));
    for line in [
        "event       05050505-0505-0505-0505-050505050505".to_owned(),
        "use         request of claude_code.otel, 2026-11-03T10:00:00Z".to_owned(),
        "who         person with 1.000000, payments".to_owned(),
        format!("verdict     drifted by intent with {share} (high)"),
        format!("            followed 0.000000, drifted {share}, undecided {}", share.complement()),
        format!("intent      i-1 with {share} (high)"),
        "reasons     TICKET_EQUAL, TIME_INSIDE".to_owned(),
        format!("weights     {}", confirmed().id()),
        format!("  {share}  i-1, routine, +10.293 bits against none of them, before calibration"),
        "      +0.893  PRIOR".to_owned(),
        "      +7.600  TICKET_EQUAL".to_owned(),
        "      +1.800  TIME_INSIDE".to_owned(),
        format!("  {}  none of them", share.complement()),
        "allowed     light is the first class that the known facts allow".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line:?} is not in\n{text}");
    }
    let rule =
        text.lines().position(|line| line.starts_with("rule        frontier-not-for-routine forbids: "));
    assert!(rule.is_some_and(|rule| text.lines().nth(rule + 1).is_some_and(|next| next.starts_with(' '))));
    assert!(text.contains("guidance    2026.11.1@") && text.contains("work_class=routine"), "{text}");
    assert!(!text.contains("missing"), "{text}");

    world.intent(IntentEvent {
        task: Some(label("architecture")),
        recorded_at: at("2026-11-03T12:00:00Z"),
        ..ticketed("i-1", "x")
    });
    let text = world.0.explain(&on_ticket(request("claude-opus-5-5"))).to_string();
    let line = "missing     budget_state settles it by itself: followed if under, near; drifted if over";
    assert!(text.lines().any(|found| found == line), "{text}");
    assert!(text.contains("unknown by intent: FACT_MISSING:budget_state"), "{text}");
}

#[test]
fn links_without_weighed_evidence_are_explained_without_bits() {
    let mut exact = World::new();
    exact.intent(intent("i-1", "routine"));
    let one = exact.0.explain(&request("claude-sonnet-5-5"));
    assert_eq!((one.candidates.len(), one.none), (1, Share::new(100_000).unwrap()));
    assert!(one.candidates[0].steps.is_empty());
    assert!(one.to_string().contains("  0.900000  i-1, routine\n"), "{one}");
    exact.intent(intent("i-2", "routine"));
    let tied = exact.0.explain(&request("claude-sonnet-5-5"));
    assert!(tied.candidates.len() == 2 && tied.candidates.iter().all(|found| found.probability.is_none()));
    assert!(tied.to_string().contains("fits as well as the others  i-1, routine\n"), "{tied}");

    let service = with(request("claude-sonnet-5-5"), |facts| {
        facts.who.accounts = vec![account(AccountKind::ApiKey, "ci-bot")];
    });
    let standing = world(MatchModel::prior(), []).0.explain(&service);
    assert_eq!(
        (&standing.candidates[0].intent_id, &standing.candidates[0].task),
        (&None, &Some(label("ci")))
    );
    assert!(standing.to_string().contains("  1.000000  the declared task of the service account, ci\n"));

    let nobody = World::empty().0.explain(&request("claude-sonnet-5-5"));
    assert_eq!((nobody.candidates.len(), nobody.rules.len(), nobody.missing.len()), (0, 0, 0));
    assert!(nobody.to_string().contains("guidance    none in force\n"), "{nobody}");
}
