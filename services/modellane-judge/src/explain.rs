//! Why one event was judged as it was.

mod text;

use crate::candidates::{Gathered, gather};
use crate::context::ContextState;
use crate::identity::{Identity, identify};
use crate::judge::{judge, link};
use crate::linker::Target;
use crate::matching::Step;
use crate::policy::{Bundle, OutcomeClass};
use modellane_event::{EventId, Grain, Judgement, Label, Share, UsageEvent, UtcTime};
use std::collections::HashMap;

/// A judgement with the evidence behind it. Its text is for people: `to_string`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Which event.
    pub event_id: EventId,
    /// Its feed.
    pub source: Label,
    /// What one record of it stands for.
    pub grain: Grain,
    /// When the use began.
    pub at: UtcTime,
    /// What was judged.
    pub judgement: Judgement,
    /// Candidates, the most probable first.
    pub candidates: Vec<ExplainedCandidate>,
    /// Probability that the use belongs to none of them.
    pub none: Share,
    /// Rules that decided.
    pub rules: Vec<ExplainedRule>,
    /// What is not known and matters.
    pub missing: Vec<MissingFact>,
}

/// One candidate with its waterfall.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedCandidate {
    /// The intent; null for a service account's declared task.
    pub intent_id: Option<Label>,
    /// The task that it declares.
    pub task: Option<Label>,
    /// Probability after calibration; null for one of several that fit equally well by exact keys.
    pub probability: Option<Share>,
    /// Evidence in thousandths of a bit; it sums to log2 P(candidate)/P(none) before calibration. Empty for what
    /// is not linked by weighed evidence.
    pub steps: Vec<Step>,
}

/// A rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRule {
    /// Its id.
    pub id: Label,
    /// Whether it allows.
    pub permits: bool,
    /// What it says.
    pub title: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A fact that is not known, and what guidance would say if it were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFact {
    /// Its name.
    pub name: Label,
    /// What guidance says of each value that the known facts leave possible, in their order.
    pub values: Vec<(Label, OutcomeClass)>,
}

impl MissingFact {
    /// Whether it would settle the verdict by itself, whatever its value.
    pub fn settles(&self) -> bool {
        self.values.iter().all(|(_, class)| *class != OutcomeClass::Undecided)
    }
}

impl ContextState {
    /// Judges an event again and says why.
    pub fn explain(&self, event: &UsageEvent) -> Explanation {
        let facts = &event.facts;
        let judgement = judge(self, event);
        let bundle = self.bundle_at(facts.period_start);
        let identity = identify(&self.directory, &facts.who.accounts, facts.period_start);
        let link = link(self, event, &identity);
        let mut waterfalls = self.waterfalls(event, &identity);
        let weighed = link.candidates.iter().map(|found| match found.target {
            Target::Declared(intent) => ExplainedCandidate {
                intent_id: Some(intent.intent_id.clone()),
                task: intent.task.clone(),
                probability: Some(found.probability),
                steps: waterfalls.remove(&intent.intent_id).unwrap_or_default(),
            },
            Target::Standing(task) => ExplainedCandidate {
                intent_id: None,
                task: Some(task.clone()),
                probability: Some(found.probability),
                steps: Vec::new(),
            },
        });
        let mut candidates: Vec<ExplainedCandidate> = weighed.collect();
        candidates.extend(link.rivals.iter().map(|intent| ExplainedCandidate {
            intent_id: Some(intent.intent_id.clone()),
            task: intent.task.clone(),
            probability: None,
            steps: Vec::new(),
        }));
        Explanation {
            event_id: event.event_id,
            source: event.source.clone(),
            grain: facts.grain,
            at: facts.period_start,
            candidates,
            none: link.null(),
            rules: bundle.map(|bundle| rules(bundle, &judgement)).unwrap_or_default(),
            missing: bundle.map(|bundle| missing(bundle, &judgement)).unwrap_or_default(),
            judgement,
        }
    }

    /// Steps by intent, where evidence is weighed use by use.
    fn waterfalls(&self, event: &UsageEvent, identity: &Identity<'_>) -> HashMap<Label, Vec<Step>> {
        let Some(loaded) = &self.match_model else { return HashMap::new() };
        if !matches!(event.facts.grain, Grain::Request | Grain::Session) || identity.task().is_some() {
            return HashMap::new();
        }
        let Gathered { intents, set, .. } = gather(&self.intents, &self.directory, &event.facts, identity);
        let source = loaded.model.source(&event.source);
        let steps = |number| set.waterfall(&loaded.model, source, number);
        let named = intents.iter().enumerate();
        named.map(|(number, intent)| (intent.intent_id.clone(), steps(number))).collect()
    }
}

fn rules(bundle: &Bundle, judgement: &Judgement) -> Vec<ExplainedRule> {
    let found = judgement.rule_ids.iter().filter_map(|id| bundle.rules().iter().find(|rule| rule.id == *id));
    let explained = found.map(|rule| ExplainedRule {
        id: rule.id.clone(),
        permits: rule.permits,
        title: rule.title.clone(),
        remedy: rule.remedy.clone(),
    });
    explained.collect()
}

/// Each missing fact with what guidance would say of its values, all else as it is known.
pub(crate) fn missing(bundle: &Bundle, judgement: &Judgement) -> Vec<MissingFact> {
    let known: Vec<(&str, &str)> =
        judgement.facts.iter().filter_map(|fact| fact.as_str().split_once('=')).collect();
    let says = |name: &Label, value: &Label| {
        let facts = || known.iter().copied().chain([(name.as_str(), value.as_str())]);
        bundle.is_possible(facts()).then(|| (value.clone(), bundle.evaluate(facts()).class))
    };
    let fact = |name: &Label| {
        let (_, values) = bundle.facts().find(|(other, _)| *other == name)?;
        let values = values.iter().filter_map(|value| says(name, value)).collect();
        Some(MissingFact { name: name.clone(), values })
    };
    judgement.missing_facts.iter().filter_map(fact).collect()
}
