//! What the budgets had been spent by the end of a day: worked out once, published, and then a fact.
//!
//! A running sum would make the verdict on a use depend on which other uses had arrived before it. So a use
//! is judged by what was published for its day, whatever became known later.

use crate::directory::TeamEntry;
use crate::finance::{Budget, FinanceObject};
use modellane_event::{Amount, Currency, Date, Label, Share};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The budgets of one day, as the lake keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendingObject {
    /// Version of this layout.
    pub format: u32,
    /// The day on which it holds: what was spent on the days before it is in.
    pub day: Date,
    /// Content hash of the finance file that declares the budgets.
    pub finance: Label,
    /// Every budget that covers the day.
    pub budgets: Vec<BudgetSpent>,
}

/// How far a budget was used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSpent {
    /// Id of the budget.
    pub id: Label,
    /// The team that it is for and those below it; empty for every team.
    pub teams: Vec<Label>,
    /// Cost centre that it is for; null for every one.
    pub cost_center: Option<Label>,
    /// Currency of both amounts.
    pub currency: Currency,
    /// The budget with the revisions that had begun by that day.
    pub amount: Decimal,
    /// Effective cost of the budget's period before that day, as far as the ledger knew it. Uses without a
    /// known cost are not in it.
    pub spent: Decimal,
    /// Costs in another currency, for which no rate is declared, are not in it: less than the truth.
    pub incomplete: bool,
}

/// Effective cost of one day, team and cost centre, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCost {
    /// The day.
    pub day: Date,
    /// Null where nobody is known.
    pub team: Option<Label>,
    /// Null where none is charged.
    pub cost_center: Option<Label>,
    /// Currency of the amount.
    pub currency: Currency,
    /// Sum of the known costs.
    pub amount: Amount,
}

impl SpendingObject {
    /// Version of the layout that this program writes and reads.
    pub const FORMAT: u32 = 1;

    /// Works out what the budgets had been spent before a day. `finance_hash` names the finance file.
    pub fn before(
        day: Date,
        finance: &FinanceObject,
        finance_hash: Label,
        teams: &[TeamEntry],
        costs: &[DayCost],
    ) -> Self {
        let covering = finance.budgets.iter().filter(|budget| budget.period.contains(day.start()));
        let budgets =
            covering.map(|budget| BudgetSpent::before(day, budget, finance, teams, costs)).collect();
        Self { format: Self::FORMAT, day, finance: finance_hash, budgets }
    }

    /// `over`, `near` or `under`: the worst of the budgets that cover the use. `None` if none does, or if what
    /// is known does not decide. A budget is `over` once all of it is spent, and `near` from the part `near`
    /// of it.
    pub(crate) fn state(
        &self,
        team: Option<&Label>,
        cost_center: Option<&Label>,
        near: Share,
    ) -> Option<&'static str> {
        let mut worst: Option<Level> = None;
        let mut open = false;
        for budget in &self.budgets {
            match budget.covers(team, cost_center) {
                Some(true) => match budget.level(near) {
                    Some(Level::Over) => return Some(Level::Over.name()),
                    level => {
                        worst = worst.max(level);
                        open |= budget.incomplete || level.is_none();
                    }
                },
                Some(false) => {}
                None => open = true,
            }
        }
        worst.filter(|_| !open).map(Level::name)
    }
}

/// From the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Under,
    Near,
    Over,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Under => "under",
            Self::Near => "near",
            Self::Over => "over",
        }
    }
}

impl BudgetSpent {
    fn before(
        day: Date,
        budget: &Budget,
        finance: &FinanceObject,
        teams: &[TeamEntry],
        costs: &[DayCost],
    ) -> Self {
        let mut spent = Self {
            id: budget.id.clone(),
            teams: budget.team.iter().flat_map(|team| with_descendants(team, teams)).collect(),
            cost_center: budget.cost_center.clone(),
            currency: budget.currency.clone(),
            amount: amount_on(day, budget),
            spent: Decimal::ZERO,
            incomplete: false,
        };
        for cost in costs.iter().filter(|cost| cost.day < day && budget.period.contains(cost.day.start())) {
            if spent.covers(cost.team.as_ref(), cost.cost_center.as_ref()) == Some(true) {
                let converted = convert(cost, &budget.currency, finance);
                match converted.and_then(|amount| spent.spent.checked_add(amount)) {
                    Some(sum) => spent.spent = sum,
                    None => spent.incomplete = true,
                }
            }
        }
        spent
    }

    /// Whether it is for uses of this team and cost centre; `None` if that is not known of the use.
    fn covers(&self, team: Option<&Label>, cost_center: Option<&Label>) -> Option<bool> {
        let of_team =
            if self.teams.is_empty() { Some(true) } else { team.map(|team| self.teams.contains(team)) };
        let of_center = match &self.cost_center {
            None => Some(true),
            Some(wanted) => cost_center.map(|center| center == wanted),
        };
        match (of_team, of_center) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    /// `None` for amounts beyond 28 digits.
    fn level(&self, near: Share) -> Option<Level> {
        let near = self.amount.checked_mul(Decimal::new(near.millionths().into(), 6))?;
        Some(match self.spent {
            spent if spent >= self.amount => Level::Over,
            spent if spent >= near => Level::Near,
            _ => Level::Under,
        })
    }
}

/// A team and all below it; a directory has no circles.
fn with_descendants(team: &Label, teams: &[TeamEntry]) -> Vec<Label> {
    let mut found = vec![team.clone()];
    let mut next = 0;
    while next < found.len() {
        let below = teams.iter().filter(|entry| entry.parent.as_ref() == Some(&found[next]));
        let new: Vec<Label> = below.map(|entry| entry.id.clone()).filter(|id| !found.contains(id)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

/// The amount of the newest revision that has begun by that day.
fn amount_on(day: Date, budget: &Budget) -> Decimal {
    let begun = budget.revisions.iter().filter(|revision| revision.date <= day.start());
    begun.max_by_key(|revision| revision.date).map_or(budget.original, |revision| revision.amount)
}

/// The cost in another currency, at the newest rate of its day or before.
fn convert(cost: &DayCost, to: &Currency, finance: &FinanceObject) -> Option<Decimal> {
    let amount = cost.amount.to_decimal();
    if cost.currency == *to {
        return Some(amount);
    }
    let known = finance
        .fx
        .iter()
        .filter(|rate| rate.from == cost.currency && rate.to == *to && rate.date <= cost.day.start());
    amount.checked_mul(known.max_by_key(|rate| rate.date)?.rate)
}

#[cfg(test)]
mod tests;
