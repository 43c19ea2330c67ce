//! Why one event was judged as it was.

use crate::candidates::{Gathered, gather};
use crate::context::ContextState;
use crate::identity::identify;
use crate::judge::judge;
use crate::matching::Step;
use crate::policy::{Bundle, OutcomeClass};
use modellane_event::{Grain, Judgement, Label, Share, UsageEvent};

/// A judgement with the evidence behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What was judged.
    pub judgement: Judgement,
    /// Candidates in the order of their probability. Empty for what is not linked by weighed evidence.
    pub candidates: Vec<ExplainedCandidate>,
    /// Missing facts each of which would settle the verdict by itself, whatever its value.
    pub would_settle: Vec<Label>,
}

/// One candidate with its waterfall.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedCandidate {
    /// The intent.
    pub intent_id: Label,
    /// Evidence in thousandths of a bit; it sums to log2 P(candidate)/P(none) before calibration.
    pub steps: Vec<Step>,
    /// Probability after calibration.
    pub probability: Share,
}

impl ContextState {
    /// Judges an event again and says why.
    pub fn explain(&self, event: &UsageEvent) -> Explanation {
        let judgement = judge(self, event);
        let bundle = self.bundle_at(event.facts.period_start);
        let would_settle = bundle.map(|bundle| would_settle(bundle, &judgement)).unwrap_or_default();
        Explanation { candidates: self.explain_candidates(event), would_settle, judgement }
    }

    fn explain_candidates(&self, event: &UsageEvent) -> Vec<ExplainedCandidate> {
        let facts = &event.facts;
        let Some(loaded) = &self.match_model else { return Vec::new() };
        let identity = identify(&self.directory, &facts.who.accounts, facts.period_start);
        if !matches!(facts.grain, Grain::Request | Grain::Session) || identity.task().is_some() {
            return Vec::new();
        }
        let Gathered { intents, set, .. } = gather(&self.intents, &self.directory, facts, &identity);
        let source = loaded.model.source(&event.source);
        let posterior = set.posterior(&loaded.model, source);
        let explain = |(number, (intent, probability)): (usize, (&&crate::intents::Intent, &f64))| {
            let steps = set.waterfall(&loaded.model, source, number);
            let probability = Share::nearest(*probability);
            ExplainedCandidate { intent_id: intent.intent_id.clone(), steps, probability }
        };
        let mut found: Vec<_> = intents.iter().zip(&posterior.candidates).enumerate().map(explain).collect();
        found.sort_by(|a, b| (b.probability, &a.intent_id).cmp(&(a.probability, &b.intent_id)));
        found
    }
}

/// Facts of which every value decides.
fn would_settle(bundle: &Bundle, judgement: &Judgement) -> Vec<Label> {
    let known: Vec<(&str, &str)> =
        judgement.facts.iter().filter_map(|fact| fact.as_str().split_once('=')).collect();
    let decides = |fact: &Label, value: &Label| {
        let facts = known.iter().copied().chain([(fact.as_str(), value.as_str())]);
        bundle.evaluate(facts).class != OutcomeClass::Undecided
    };
    let settles = |fact: &&Label| {
        let values = bundle.facts().find(|(name, _)| name == fact).map(|(_, values)| values);
        values.is_some_and(|values| values.iter().all(|value| decides(fact, value)))
    };
    judgement.missing_facts.iter().filter(settles).cloned().collect()
}
