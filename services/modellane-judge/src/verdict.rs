//! What guidance says of one use, in the contract's order, from a distribution over intents.

use crate::identity::Identity;
use crate::linker::{Candidate, Link, Target};
use crate::policy::{Bundle, FactSpace, Known, Outcome, OutcomeClass, Thresholds};
use crate::reason::Reason;
use modellane_event::{
    ActorKind, ConfidenceLabel, Grain, Label, MatchedBy, Outcome as Ended, Share, Verdict,
};
use std::sync::Arc;

/// What is known of a use apart from the intent, in the words of the bundle's facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) model_class: Option<&'a str>,
    pub(crate) vendor_status: Option<&'a str>,
    pub(crate) tool_tier: Option<&'a str>,
    pub(crate) tool: Option<&'a str>,
    pub(crate) surface: Option<&'a str>,
    pub(crate) team: Option<&'a str>,
    pub(crate) actor_kind: ActorKind,
    pub(crate) repo_sensitivity: Option<&'a str>,
    pub(crate) budget_state: Option<&'a str>,
}

impl<'a> Evidence<'a> {
    /// The value of a fact, which may be unknown; `None` of a fact that no evidence speaks of.
    fn value(&self, fact: &str) -> Option<Option<&'a str>> {
        Some(match fact {
            "model_class" => self.model_class,
            "vendor_status" => self.vendor_status,
            "tool_tier" => self.tool_tier,
            "tool" => self.tool,
            "surface" => self.surface,
            "team" => self.team,
            "repo_sensitivity" => self.repo_sensitivity,
            "budget_state" => self.budget_state,
            FactSpace::ACTOR_KIND => match self.actor_kind {
                ActorKind::Person => Some("person"),
                ActorKind::ServiceAccount => Some("service_account"),
                ActorKind::Unknown => None,
            },
            _ => return None,
        })
    }

    fn known(&self, space: &FactSpace) -> Known {
        space.facts().iter().enumerate().fold(Known::NOTHING, |known, (number, fact)| {
            let value = self.value(fact.name.as_str()).flatten().and_then(|value| fact.position(value));
            space.with(known, number, value)
        })
    }
}

/// The fact that comes with the intent: its declared work.
const WORK_CLASS: &str = "work_class";

/// Whether anything can ever say what value a fact has.
pub(crate) fn is_supplied(fact: &str) -> bool {
    let nothing = Evidence {
        model_class: None,
        vendor_status: None,
        tool_tier: None,
        tool: None,
        surface: None,
        team: None,
        actor_kind: ActorKind::Unknown,
        repo_sensitivity: None,
        budget_state: None,
    };
    fact == WORK_CLASS || nothing.value(fact).is_some()
}

/// A use to be judged.
pub(crate) struct Case<'a> {
    pub(crate) grain: Grain,
    pub(crate) ended: Ended,
    pub(crate) tool: Option<&'a Label>,
    pub(crate) workspace: Option<&'a Label>,
    pub(crate) identity: &'a Identity<'a>,
    pub(crate) link: &'a Link<'a>,
    pub(crate) evidence: Evidence<'a>,
    /// Sensitivity of a candidate's workspace, for a record that names none.
    pub(crate) sensitivity_of: &'a dyn Fn(Target<'a>) -> Option<&'static str>,
}

/// The verdict and all that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) matched_by: Option<MatchedBy>,
    /// Followed, drifted, undecided.
    pub(crate) probabilities: Option<[Share; 3]>,
    pub(crate) confidence: Option<Share>,
    pub(crate) label: ConfidenceLabel,
    pub(crate) rule_ids: Vec<Label>,
    pub(crate) reason_code: Option<Label>,
    pub(crate) facts: Vec<Label>,
    pub(crate) missing_facts: Vec<Label>,
    pub(crate) recommended_class: Option<Label>,
    /// Explained, partial, unexplained.
    pub(crate) shares: [Share; 3],
}

const UNDECIDED: [Share; 3] = [Share::ZERO, Share::ZERO, Share::ONE];

impl Finding {
    /// A finding without probabilities of its own.
    fn bare(verdict: Verdict, reason: Reason) -> Self {
        let explained = verdict == Verdict::OutOfScope;
        Self {
            verdict,
            matched_by: None,
            probabilities: Some(UNDECIDED),
            confidence: None,
            label: ConfidenceLabel::None,
            rule_ids: Vec::new(),
            reason_code: Some(reason.label()),
            facts: Vec::new(),
            missing_facts: Vec::new(),
            recommended_class: None,
            shares: if explained { [Share::ONE, Share::ZERO, Share::ZERO] } else { UNDECIDED },
        }
    }
}

/// Judges one use.
pub(crate) fn find(bundle: Option<&Bundle>, case: &Case<'_>) -> Finding {
    match case.ended {
        Ended::Error => {
            return Finding {
                probabilities: None,
                ..Finding::bare(Verdict::OutOfScope, Reason::RequestFailed)
            };
        }
        Ended::Cancelled => {
            let finding = Finding::bare(Verdict::OutOfScope, Reason::RequestCancelled);
            return Finding { probabilities: None, ..finding };
        }
        Ended::Ok | Ended::Unknown => {}
    }
    let Some(bundle) = bundle else { return Finding::bare(Verdict::Unmatched, Reason::NoGuidance) };
    let excluded = [
        (bundle.excludes_tool(case.tool), Reason::ScopeTool),
        (bundle.excludes_workspace(case.workspace), Reason::ScopeWorkspace),
        (bundle.excludes_actor(case.identity.kind()), Reason::ScopeActor),
    ];
    if let Some((_, reason)) = excluded.into_iter().find(|(excluded, _)| *excluded) {
        return Finding::bare(Verdict::OutOfScope, reason);
    }
    weigh(bundle, case)
}

/// Probability mass by what guidance says, in millionths; the four sum to one million.
#[derive(Clone, Copy, Debug, Default)]
struct Mass {
    followed: i32,
    drifted: i32,
    not_covered: i32,
    undecided: i32,
}

impl Mass {
    fn add(&mut self, class: OutcomeClass, probability: Share) {
        let part = match class {
            OutcomeClass::Followed => &mut self.followed,
            OutcomeClass::Drifted => &mut self.drifted,
            OutcomeClass::NotCovered => &mut self.not_covered,
            OutcomeClass::Undecided => &mut self.undecided,
        };
        *part += probability.millionths();
    }

    fn shares(self) -> [Share; 3] {
        let share = |value| Share::new(value).unwrap_or(Share::ZERO);
        let (followed, drifted) = (share(self.followed), share(self.drifted));
        [followed, drifted, share(1_000_000 - followed.millionths() - drifted.millionths())]
    }
}

/// What guidance says under each candidate, and without any.
struct Weighed<'a> {
    thresholds: &'a Thresholds,
    guidance: Arc<Outcome>,
    /// The most probable first.
    candidates: Vec<(Candidate<'a>, Arc<Outcome>)>,
    mass: Mass,
}

fn weigh(bundle: &Bundle, case: &Case<'_>) -> Finding {
    let space = bundle.space();
    let known = case.evidence.known(space);
    let guidance = bundle.outcome(known);
    let mut mass = Mass::default();
    mass.add(guidance.class, case.link.null());
    let mut candidates = Vec::with_capacity(case.link.candidates.len());
    for candidate in &case.link.candidates {
        let outcome = bundle.outcome(with_candidate(space, known, case, candidate.target));
        mass.add(outcome.class, candidate.probability);
        candidates.push((*candidate, outcome));
    }
    let weighed = Weighed { thresholds: bundle.thresholds(), guidance, candidates, mass };
    let basis = weighed.linked().map_or(&weighed.guidance, |(_, outcome)| outcome);
    Finding {
        facts: basis.facts.clone(),
        recommended_class: basis.recommended.clone(),
        ..weighed.decided(case).unwrap_or_else(|| weighed.gap(case))
    }
}

impl Weighed<'_> {
    /// The candidate that counts as the link.
    fn linked(&self) -> Option<&(Candidate<'_>, Arc<Outcome>)> {
        self.candidates.first().filter(|(candidate, _)| candidate.probability >= self.thresholds.intent)
    }

    /// Points 2 and 3 of the contract's order; `None` if nothing is sure enough.
    fn decided(&self, case: &Case<'_>) -> Option<Finding> {
        let probabilities = self.mass.shares();
        let [followed, drifted, undecided] = probabilities;
        // A denial that no rule determines is a hole of the guidance, once it is as sure as a drift would be.
        if self.mass.not_covered >= self.thresholds.drifted.millionths() {
            let finding = Finding::bare(Verdict::Unmatched, Reason::NotCovered);
            return Some(Finding { probabilities: Some(probabilities), ..finding });
        }
        let (verdict, class, probability) = if followed >= self.thresholds.followed {
            (Verdict::Followed, OutcomeClass::Followed, followed)
        } else if drifted >= self.thresholds.drifted {
            (Verdict::Drifted, OutcomeClass::Drifted, drifted)
        } else {
            return None;
        };
        let rests_on_link = self.guidance.class != class;
        let decider = self.candidates.iter().find(|(_, outcome)| outcome.class == class);
        let capped = is_capped(case.grain, case.identity) || (rests_on_link && case.link.is_uncalibrated());
        let label = label(self.thresholds, probability, capped);
        let shares = if label == ConfidenceLabel::High {
            [Share::ONE, Share::ZERO, Share::ZERO]
        } else {
            [Share::ZERO, undecided.complement(), undecided]
        };
        // Without a link the ground is guidance, unless several intents decide only together.
        let ground = self.linked().or(decider.filter(|_| rests_on_link));
        Some(Finding {
            verdict,
            matched_by: Some(ground.map_or(MatchedBy::Guidance, |(candidate, _)| matched_by(candidate))),
            probabilities: Some(probabilities),
            confidence: Some(probability),
            label,
            rule_ids: decider.map_or(&self.guidance, |(_, outcome)| outcome).rules.clone(),
            reason_code: None,
            facts: Vec::new(),
            missing_facts: Vec::new(),
            recommended_class: None,
            shares,
        })
    }

    /// Points 4 and 5: without a person or a link unmatched, else unknown.
    fn gap(&self, case: &Case<'_>) -> Finding {
        let linked = self.linked();
        let missing = linked.map(|(_, outcome)| &outcome.missing).filter(|missing| !missing.is_empty());
        let missing = missing.unwrap_or(&self.guidance.missing);
        let unlinked = || case.link.gap.unwrap_or(Reason::NoCandidate);
        let reason = case.identity.gap().or_else(|| linked.is_none().then(unlinked));
        let finding = match reason {
            Some(reason) => Finding::bare(Verdict::Unmatched, reason),
            None => Finding {
                matched_by: linked.map(|(candidate, _)| matched_by(candidate)),
                reason_code: Some(
                    missing.first().map_or_else(|| Reason::FactsImpossible.label(), Reason::fact_missing),
                ),
                ..Finding::bare(Verdict::Unknown, Reason::FactsImpossible)
            },
        };
        Finding { probabilities: Some(self.mass.shares()), missing_facts: missing.clone(), ..finding }
    }
}

fn matched_by(candidate: &Candidate<'_>) -> MatchedBy {
    match candidate.target {
        Target::Declared(_) => MatchedBy::Intent,
        Target::Standing(_) => MatchedBy::ServiceAccount,
    }
}

/// What a candidate adds to the known facts.
fn with_candidate<'a>(space: &FactSpace, known: Known, case: &Case<'a>, target: Target<'a>) -> Known {
    let set = |known: Known, name: &str, value: Option<&str>| match (space.number(name), value) {
        (Some(number), Some(value)) => space.with(known, number, space.facts()[number].position(value)),
        _ => known,
    };
    let known = set(known, WORK_CLASS, target.task().map(Label::as_str));
    if case.evidence.repo_sensitivity.is_none() {
        set(known, "repo_sensitivity", (case.sensitivity_of)(target))
    } else {
        known
    }
}

/// The label of the link itself.
pub(crate) fn link_label(
    thresholds: &Thresholds,
    grain: Grain,
    identity: &Identity<'_>,
    link: &Link<'_>,
    probability: Share,
) -> ConfidenceLabel {
    let capped = is_capped(grain, identity) || link.is_uncalibrated() || link.is_ambiguous;
    label(thresholds, probability, capped)
}

/// A record that sums up a day, or whose account several share, is never more than medium.
fn is_capped(grain: Grain, identity: &Identity<'_>) -> bool {
    !matches!(grain, Grain::Request | Grain::Session) || identity.is_shared()
}

fn label(thresholds: &Thresholds, probability: Share, capped: bool) -> ConfidenceLabel {
    if probability >= thresholds.high && !capped {
        ConfidenceLabel::High
    } else if probability >= thresholds.medium {
        ConfidenceLabel::Medium
    } else if probability >= thresholds.intent {
        ConfidenceLabel::Low
    } else {
        ConfidenceLabel::None
    }
}
