//! Verdicts from a distribution over several intents, as a richer linker gives it.

use super::fixture::*;
use crate::directory::DirectoryIndex;
use crate::identity::identify;
use crate::intents::Intent;
use crate::linker::{Candidate, Link, Target};
use crate::policy::Bundle;
use crate::policy::tests::sample;
use crate::reason::Reason;
use crate::verdict::{Case, Evidence, Finding, find};
use modellane_event::{ActorKind, ConfidenceLabel, Grain, MatchedBy, Outcome as Ended, Share, Verdict};
use proptest::prelude::*;
use std::sync::LazyLock;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(sample);
static DIRECTORY_INDEX: LazyLock<DirectoryIndex> = LazyLock::new(|| {
    let mut world = World::empty();
    world.directory(DIRECTORY);
    world.0.directory
});

/// Ana's use of a frontier model, linked to intents of these tasks with these probabilities in millionths.
/// Guidance forbids it for routine work, allows it for an incident, and is undecided without an intent
/// and, as the budget is unknown, for architecture.
fn frontier(mixture: &[(&str, i32)]) -> Finding {
    let intents: Vec<Intent> = mixture.iter().map(|(task, _)| Intent::from(&intent("i", task))).collect();
    let candidates = intents
        .iter()
        .zip(mixture)
        .map(|(intent, (_, p))| Candidate {
            target: Target::Declared(intent),
            probability: Share::new(*p).unwrap(),
        })
        .collect();
    let link = Link { candidates, reasons: vec![Reason::TimeInside], ..Link::default() };
    let identity = identify(&DIRECTORY_INDEX, &[email("ana")], at("2026-11-03T10:00:00Z"));
    let evidence = Evidence {
        model_class: Some("frontier"),
        vendor_status: Some("approved"),
        tool_tier: Some("enterprise"),
        tool: None,
        surface: None,
        team: None,
        actor_kind: ActorKind::Person,
        repo_sensitivity: None,
        budget_state: None,
    };
    let case = Case {
        grain: Grain::Request,
        ended: Ended::Ok,
        tool: None,
        workspace: None,
        identity: &identity,
        link: &link,
        evidence,
        sensitivity_of: &|_| None,
    };
    find(Some(&BUNDLE), &case)
}

fn parts(finding: &Finding) -> [i32; 3] {
    finding.probabilities.unwrap().map(Share::millionths)
}

#[test]
fn a_probable_link_is_not_yet_a_verdict() {
    let finding = frontier(&[("incident", 799_999)]);
    assert_eq!(parts(&finding), [799_999, 0, 200_001]);
    assert_eq!((finding.verdict, finding.matched_by), (Verdict::Unknown, Some(MatchedBy::Intent)));
    // The intent itself lacks nothing: what is missing is what guidance alone would need.
    assert_eq!(texts(&finding.missing_facts), ["work_class", "budget_state"]);
    let finding = frontier(&[("incident", 800_000)]);
    assert_eq!((finding.verdict, finding.label), (Verdict::Followed, ConfidenceLabel::Medium));
    assert_eq!(finding.shares.map(Share::millionths), [0, 800_000, 200_000]);
}

#[test]
fn a_weak_link_is_unmatched_and_one_of_a_half_is_not() {
    assert_eq!(frontier(&[("architecture", 499_999)]).verdict, Verdict::Unmatched);
    let half = frontier(&[("architecture", 500_000)]);
    assert_eq!((half.verdict, texts(&half.missing_facts)), (Verdict::Unknown, vec!["budget_state"]));
}

#[test]
fn intents_that_agree_decide_together_and_intents_that_differ_do_not() {
    let agree = frontier(&[("routine", 480_000), ("review", 470_000)]);
    assert_eq!((agree.verdict, parts(&agree)), (Verdict::Drifted, [0, 950_000, 50_000]));
    assert_eq!((agree.label, agree.matched_by), (ConfidenceLabel::High, Some(MatchedBy::Intent)));
    assert_eq!(texts(&agree.rule_ids), ["frontier-not-for-routine"]);
    let differ = frontier(&[("incident", 600_000), ("routine", 390_000)]);
    assert_eq!((differ.verdict, parts(&differ)), (Verdict::Unknown, [600_000, 390_000, 10_000]));
}

proptest! {
    /// Whatever the mixture, nothing of the probability is lost or made.
    #[test]
    fn a_mixture_sums_to_exactly_one(weights in prop::collection::vec((0usize..5, 0i32..400_000), 0..5)) {
        let tasks = ["routine", "review", "incident", "architecture", "gardening"];
        let mut left = 1_000_000;
        let mut mixture = Vec::new();
        for (task, weight) in weights {
            let weight = weight.min(left);
            left -= weight;
            mixture.push((tasks[task], weight));
        }
        mixture.sort_by_key(|(_, weight)| -weight);
        let mass = |of: &[&str]| mixture.iter().filter(|(task, _)| of.contains(task)).map(|(_, w)| w).sum::<i32>();
        let (followed, drifted) = (mass(&["incident"]), mass(&["routine", "review"]));
        let finding = frontier(&mixture);
        prop_assert_eq!(parts(&finding), [followed, drifted, 1_000_000 - followed - drifted]);
        prop_assert_eq!(finding.verdict == Verdict::Followed, followed >= 800_000);
        prop_assert_eq!(finding.verdict == Verdict::Drifted, drifted >= 800_000);
        let decided = matches!(finding.verdict, Verdict::Followed | Verdict::Drifted);
        prop_assert_eq!(decided, !finding.rule_ids.is_empty());
        prop_assert_eq!(finding.shares.map(Share::millionths).iter().sum::<i32>(), 1_000_000);
    }
}
