//! What a change of guidance would turn.
//!
//! Each event is judged twice under the same context, under the guidance in force at its time and under a candidate, so
//! that nothing but the guidance differs.

use crate::adherence::{Adherence, AdherenceCell, ExpectationError};
use crate::context::{ContextState, LoadedBundle};
use crate::judge::judge_under;
use crate::policy::{Bundle, PolicyObject};
use crate::problem::ContextError;
use modellane_event::{Amount, Currency, JudgedEvent, Judgement, Label, PersonId};
use std::collections::{BTreeMap, HashSet};

/// A bundle that is tried, whatever its own dates.
#[derive(Debug)]
pub struct Candidate(LoadedBundle);

impl Candidate {
    /// Compiles it. Fails as [`Bundle::compile`] does.
    pub fn new(object: &PolicyObject) -> Result<Self, ContextError> {
        Ok(Self(LoadedBundle::untimed(Bundle::compile(object)?)))
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.0.bundle
    }
}

/// Uses, who they are of, and what they cost. What does not count because another feed does is left out of each.
#[derive(Clone, Debug, Default)]
pub struct Turned {
    /// Rows.
    pub rows: u64,
    people: HashSet<PersonId>,
    /// Effective cost by currency; rows without a known one are not in it.
    pub effective_cost: BTreeMap<Currency, Amount>,
}

impl Turned {
    /// How many persons; nobody is known of other rows.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// `None` beyond eleven digits of money.
    fn add(&mut self, judgement: &Judgement) -> Option<()> {
        self.rows += u64::from(judgement.counts_usage);
        self.people.extend(judgement.person_id);
        if let (true, Some(currency), Some(cost)) =
            (judgement.counts_cost, &judgement.currency, judgement.effective_cost)
        {
            let sum = self.effective_cost.entry(currency.clone()).or_default();
            *sum = sum.checked_add(cost)?;
        }
        Some(())
    }
}

/// In how many of the turned rows that count a rule decides now and did not, or did and does not any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleChange {
    /// Rows in which it decides under the candidate alone.
    pub decides: u64,
    /// Rows in which it decided under the guidance in force alone.
    pub no_longer: u64,
}

/// Sums of a backtest.
#[derive(Debug, Default)]
pub struct Backtest {
    /// Rows that were judged twice.
    pub rows: u64,
    /// Everything that turned.
    pub turned: Turned,
    /// The same by verdict, before and after.
    pub flips: BTreeMap<(&'static str, &'static str), Turned>,
    /// Rules that take part in the change.
    pub rules: BTreeMap<Label, RuleChange>,
    cells: [AdherenceCell<()>; 2],
}

impl Backtest {
    /// Judges an entry of the ledger under both. Whether it counts beside other feeds is as the ledger says. `None` if
    /// the sums of money do not fit eleven digits.
    pub fn add(&mut self, state: &ContextState, candidate: &Candidate, event: &JudgedEvent) -> Option<()> {
        let [before, after] = Self::judge(state, candidate, event);
        self.rows += 1;
        for (cell, judgement) in self.cells.iter_mut().zip([&before, &after]) {
            cell.add(u128::from(judgement.counts_usage), (), judgement);
        }
        if before.verdict == after.verdict {
            return Some(());
        }
        self.turned.add(&after)?;
        self.flips.entry((before.verdict.as_str(), after.verdict.as_str())).or_default().add(&after)?;
        if !after.counts_usage {
            return Some(());
        }
        for rule in after.rule_ids.iter().filter(|rule| !before.rule_ids.contains(rule)) {
            self.rules.entry(rule.clone()).or_default().decides += 1;
        }
        for rule in before.rule_ids.iter().filter(|rule| !after.rule_ids.contains(rule)) {
            self.rules.entry(rule.clone()).or_default().no_longer += 1;
        }
        Some(())
    }

    fn judge(state: &ContextState, candidate: &Candidate, event: &JudgedEvent) -> [Judgement; 2] {
        let JudgedEvent { usage, judgement: stored } = event;
        let in_force = state.loaded_at(usage.facts.period_start);
        [in_force, Some(&candidate.0)].map(|guidance| Judgement {
            counts_usage: stored.counts_usage,
            counts_cost: stored.counts_cost,
            ..judge_under(state, guidance, usage)
        })
    }

    /// Adherence by rows, before and after. The interval is without meaning, as it needs the sessions.
    pub fn adherence(&self) -> [Adherence; 2] {
        self.cells.each_ref().map(|cell| cell.adherence(ExpectationError::default()))
    }
}
