//! The decision table of a bundle, and judging with facts missing.
//!
//! All rules are put to every total vector once. What a partial vector means follows by supervaluation:
//! something holds of it if it holds of every possible completion.

use super::facts::{FactSpace, Known};
use super::manifest::Manifest;
use super::rules::{CellClass, Decided, RuleSet};
use crate::problem::Problem;
use modellane_event::Label;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Most partial vectors whose outcome is remembered. Vectors seen in practice are few; the limit keeps
/// the memory bounded if they are not.
const REMEMBERED: usize = 65_536;

/// What guidance says, given what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeClass {
    /// Every completion is allowed.
    Followed,
    /// Every completion is forbidden by a rule.
    Drifted,
    /// Every completion is denied, and no rule speaks of any.
    NotCovered,
    /// Completions differ, or the known facts exclude each other.
    Undecided,
}

/// What guidance says of a partial vector, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it says.
    pub class: OutcomeClass,
    /// Rules that decide every completion; if no rule decides all of them, those that decide some.
    /// Empty unless followed or drifted.
    pub rules: Vec<Label>,
    /// Unknown facts that matter: two completions that differ in this fact alone disagree. Empty unless
    /// undecided.
    pub missing: Vec<Label>,
    /// `name=value` of the known facts.
    pub facts: Vec<Label>,
    /// First class of model that the other known facts allow.
    pub recommended: Option<Label>,
}

const IMPOSSIBLE: u16 = u16::MAX;

#[derive(Debug)]
pub(crate) struct DecisionTable {
    space: FactSpace,
    rule_ids: Vec<Label>,
    /// Distinct decisions.
    decisions: Vec<Decided>,
    /// Position in `decisions` by total vector, or [`IMPOSSIBLE`].
    cells: Vec<u16>,
    model_class: Option<usize>,
    outcomes: RwLock<HashMap<Known, Arc<Outcome>>>,
}

impl DecisionTable {
    /// Puts the rules to every possible total vector.
    pub(crate) fn compile(rules: &RuleSet, space: FactSpace, manifest: &Manifest) -> Result<Self, Problem> {
        let possible = |vector: usize| {
            !manifest.impossible.iter().any(|combination| {
                combination.iter().all(|(fact, values)| values.contains(&space.digit(vector, *fact)))
            })
        };
        let decided = rules.decide_all(&space, possible)?;
        let mut decisions = Vec::new();
        let mut numbers: HashMap<Decided, u16> = HashMap::new();
        let mut cells = Vec::with_capacity(decided.len());
        for cell in decided {
            let Some(cell) = cell else {
                cells.push(IMPOSSIBLE);
                continue;
            };
            let next = decisions.len();
            if next >= usize::from(IMPOSSIBLE) {
                let what = "the rules combine in more than 65,534 ways; split the bundle".to_owned();
                return Err(Problem { file: super::object::RULES, path: String::new(), what });
            }
            let number = *numbers.entry(cell.clone()).or_insert(next as u16);
            if usize::from(number) == next {
                decisions.push(cell);
            }
            cells.push(number);
        }
        let rule_ids = rules.rules().iter().map(|rule| rule.id.clone()).collect();
        let model_class = space.number("model_class");
        Ok(Self { space, rule_ids, decisions, cells, model_class, outcomes: RwLock::default() })
    }

    pub(crate) fn space(&self) -> &FactSpace {
        &self.space
    }

    /// What guidance says of a partial vector. Computed once per vector.
    pub(crate) fn outcome(&self, known: Known) -> Arc<Outcome> {
        if let Some(outcome) = self.outcomes.read().unwrap_or_else(PoisonError::into_inner).get(&known) {
            return Arc::clone(outcome);
        }
        let outcome = Arc::new(self.supervaluate(known));
        let mut outcomes = self.outcomes.write().unwrap_or_else(PoisonError::into_inner);
        if outcomes.len() < REMEMBERED {
            outcomes.insert(known, Arc::clone(&outcome));
        }
        outcome
    }

    /// Whether any combination that completes these facts can be.
    pub(crate) fn is_possible(&self, known: Known) -> bool {
        self.space.completions(known).iter().any(|vector| self.decision(*vector).is_some())
    }

    /// Rules that decide no possible combination.
    pub(crate) fn idle_rules(&self) -> impl Iterator<Item = &Label> {
        let mut decides = vec![false; self.rule_ids.len()];
        let rules = self.decisions.iter().flat_map(|decided| &decided.rules);
        rules.for_each(|rule| decides[usize::from(*rule)] = true);
        self.rule_ids.iter().zip(decides).filter(|(_, decides)| !decides).map(|(id, _)| id)
    }

    fn decision(&self, vector: usize) -> Option<&Decided> {
        self.decisions.get(usize::from(self.cells[vector]))
    }

    fn supervaluate(&self, known: Known) -> Outcome {
        let completions = self.space.completions(known);
        let class = self.class_of(&completions);
        let rules = match class {
            OutcomeClass::Followed | OutcomeClass::Drifted => self.deciding_rules(&completions),
            OutcomeClass::NotCovered | OutcomeClass::Undecided => Vec::new(),
        };
        let missing = match class {
            OutcomeClass::Undecided => self.missing(known, &completions),
            _ => Vec::new(),
        };
        Outcome { class, rules, missing, facts: self.space.show(known), recommended: self.recommended(known) }
    }

    fn class_of(&self, completions: &[usize]) -> OutcomeClass {
        let mut classes = completions.iter().filter_map(|vector| self.decision(*vector)).map(|d| d.class);
        let Some(first) = classes.next() else { return OutcomeClass::Undecided };
        if classes.any(|class| class != first) {
            return OutcomeClass::Undecided;
        }
        match first {
            CellClass::Allowed => OutcomeClass::Followed,
            CellClass::Forbidden => OutcomeClass::Drifted,
            CellClass::NotCovered => OutcomeClass::NotCovered,
        }
    }

    fn deciding_rules(&self, completions: &[usize]) -> Vec<Label> {
        let (mut count, mut seen) = (0usize, vec![0usize; self.rule_ids.len()]);
        for decided in completions.iter().filter_map(|vector| self.decision(*vector)) {
            count += 1;
            decided.rules.iter().for_each(|rule| seen[usize::from(*rule)] += 1);
        }
        let pick = |least: usize| -> Vec<Label> {
            let ids = self.rule_ids.iter().zip(&seen);
            ids.filter(|(_, seen)| **seen >= least).map(|(id, _)| id.clone()).collect()
        };
        let always = pick(count);
        if always.is_empty() { pick(1) } else { always }
    }

    /// Pivotal facts. Where declared-impossible combinations tear the completions apart, so that no
    /// single fact separates two that disagree, every unknown fact is missing.
    fn missing(&self, known: Known, completions: &[usize]) -> Vec<Label> {
        let unknown = self.space.unknown(known);
        let pivotal: Vec<usize> =
            unknown.iter().copied().filter(|fact| self.is_pivotal(*fact, completions)).collect();
        let facts = if pivotal.is_empty() { unknown } else { pivotal };
        facts.into_iter().map(|fact| self.space.facts()[fact].name.clone()).collect()
    }

    fn is_pivotal(&self, fact: usize, completions: &[usize]) -> bool {
        let values = self.space.facts()[fact].values.len();
        let stride = self.space.stride(fact);
        let lowest = completions.iter().filter(|vector| self.space.digit(**vector, fact) == 0);
        lowest.into_iter().any(|vector| {
            let mut classes = (0..values).filter_map(|v| self.decision(vector + v * stride)).map(|d| d.class);
            classes.next().is_some_and(|first| classes.any(|class| class != first))
        })
    }

    /// Classes are tried in their declared order; `unlisted` is never recommended.
    fn recommended(&self, known: Known) -> Option<Label> {
        let fact = self.model_class?;
        let values = self.space.facts()[fact].values.iter().enumerate();
        let allowed = |value: usize| {
            let vectors = self.space.completions(self.space.with(known, fact, Some(value)));
            self.class_of(&vectors) == OutcomeClass::Followed
        };
        values
            .filter(|(_, class)| class.as_str() != "unlisted")
            .find(|(value, _)| allowed(*value))
            .map(|(_, class)| class.clone())
    }
}
