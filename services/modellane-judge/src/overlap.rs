//! One count per use, when several feeds report it.
//!
//! Records of one request (the same vendor's request, response or message id) are one use. A record that sums
//! up a person's day overlaps with the finer records of the same person, tool and day, and model where it
//! states one. Tokens count from the finer records, which say when and where; money counts from whoever knows
//! it best: an invoice before a vendor's report, that before an estimate, that before a computed price. What a
//! sum states beyond the finer records is carried by a residual, so that nothing is lost and nothing counts
//! twice.
//!
//! Records of the same source never overlap in their sums: a feed states each use once.

use modellane_event::{CostBasis, Currency, Date, EventId, Grain, Label, PersonId, RequestKey};
use std::collections::BTreeMap;

/// Part of a sum that clocks, time zones and rounding may make up; below it there is no residual.
const TOLERANCE_PER_MILLE: i128 = 1;

/// Whose use of what a record is. Records of different groups never overlap, unless by their request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UseGroup {
    /// Who.
    pub person: PersonId,
    /// Product used.
    pub tool: Label,
    /// Day.
    pub day: Date,
    /// Model; null for a sum over all models.
    pub model: Option<Label>,
}

/// One record of a use, as far as overlap reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenUse {
    /// The event.
    pub event_id: EventId,
    /// Its feed.
    pub source: Label,
    /// What it stands for.
    pub grain: Grain,
    /// Id that feeds share.
    pub request: Option<RequestKey>,
    /// Null for what cannot be compared.
    pub group: Option<UseGroup>,
    /// Tokens, input and output; null if it states none.
    pub tokens: Option<i64>,
    /// Money in billionths with its currency and what it rests on; null if it states none.
    pub cost: Option<(i128, Currency, CostBasis)>,
}

/// The rule that left a record out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlapRule {
    /// Another record of the same request counts.
    SameRequest,
    /// Finer records of the same person, tool, day and model count.
    FinerRecords,
    /// The sum of the day, which knows the money better, counts.
    BetterCost,
    /// Another feed's sum of the same day counts.
    SameDay,
}

impl OverlapRule {
    /// The rule as rows state it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameRequest => "SAME_REQUEST",
            Self::FinerRecords => "FINER_RECORDS",
            Self::BetterCost => "BETTER_COST",
            Self::SameDay => "SAME_DAY",
        }
    }
}

/// What of a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// Whether its tokens count.
    pub usage: bool,
    /// Whether its money counts.
    pub cost: bool,
    /// The record that counts instead, for tokens or else for money.
    pub duplicate_of: Option<EventId>,
    /// Why not all of it counts.
    pub rule: Option<OverlapRule>,
    /// Tokens of this sum that no finer record has: a derived entry carries them.
    pub residual_tokens: i64,
    /// The same for money, in billionths of its currency.
    pub residual_cost: i128,
}

const WHOLE: Counting = Counting {
    usage: true,
    cost: true,
    duplicate_of: None,
    rule: None,
    residual_tokens: 0,
    residual_cost: 0,
};

impl Counting {
    fn leave_usage(&mut self, to: EventId, rule: OverlapRule) {
        self.usage = false;
        self.duplicate_of = Some(to);
        self.rule = Some(rule);
    }

    fn leave_cost(&mut self, to: EventId, rule: OverlapRule) {
        self.cost = false;
        self.duplicate_of = self.duplicate_of.or(Some(to));
        self.rule = self.rule.or(Some(rule));
    }
}

/// How well a basis knows the money.
fn cost_rank(seen: &SeenUse) -> u8 {
    match seen.cost.as_ref().map(|(.., basis)| *basis) {
        Some(CostBasis::Invoiced) => 5,
        Some(CostBasis::VendorReported) => 4,
        Some(CostBasis::SeatIncluded) => 3,
        Some(CostBasis::VendorEstimate) => 2,
        Some(CostBasis::Computed) => 1,
        Some(CostBasis::None) | None => 0,
    }
}

/// 0 for a use of its own, 1 for a day's sum of one model, 2 for one of all models.
fn coarseness(seen: &SeenUse) -> u8 {
    match seen.grain {
        Grain::Request | Grain::Session => 0,
        _ if seen.group.as_ref().is_some_and(|group| group.model.is_some()) => 1,
        _ => 2,
    }
}

/// Decides what counts of each record, in their order. `precedence` lists feeds, the one that knows tokens best
/// first; a feed that is not listed comes last. The result does not depend on the order of the records.
pub fn count_once(seen: &[SeenUse], precedence: &[Label]) -> Vec<Counting> {
    let mut counting = vec![WHOLE; seen.len()];
    let rank =
        |n: usize| precedence.iter().position(|source| *source == seen[n].source).unwrap_or(usize::MAX);
    let best_usage = |n: &usize| (seen[*n].tokens.is_none(), rank(*n), seen[*n].event_id);
    let best_cost = |n: &usize| (std::cmp::Reverse(cost_rank(&seen[*n])), rank(*n), seen[*n].event_id);
    let mut keep_best = |members: &[usize], rule: OverlapRule| {
        let best =
            members.iter().copied().min_by_key(best_usage).zip(members.iter().copied().min_by_key(best_cost));
        let Some((usage, cost)) = best else { return };
        // A feed may state a day in several records, which all count.
        let stays = |n: usize, best: usize| {
            n == best || (rule == OverlapRule::SameDay && seen[n].source == seen[best].source)
        };
        for n in members {
            if !stays(*n, usage) {
                counting[*n].leave_usage(seen[usage].event_id, rule);
            }
            if !stays(*n, cost) {
                counting[*n].leave_cost(seen[cost].event_id, rule);
            }
        }
    };
    let mut requests: BTreeMap<RequestKey, Vec<usize>> = BTreeMap::new();
    let mut sums: BTreeMap<&UseGroup, Vec<usize>> = BTreeMap::new();
    for (n, one) in seen.iter().enumerate() {
        match (one.request, &one.group) {
            (Some(request), _) if coarseness(one) == 0 => requests.entry(request).or_default().push(n),
            (_, Some(group)) if coarseness(one) > 0 => sums.entry(group).or_default().push(n),
            _ => {}
        }
    }
    requests.values().for_each(|members| keep_best(members, OverlapRule::SameRequest));
    // Of several feeds' sums of one day, one feed's count.
    sums.values().for_each(|members| keep_best(members, OverlapRule::SameDay));
    let mut order: Vec<usize> = (0..seen.len()).filter(|n| coarseness(&seen[*n]) > 0).collect();
    order.sort_by_key(|n| (coarseness(&seen[*n]), seen[*n].event_id));
    for sum in order {
        settle_sum(seen, &mut counting, sum);
    }
    counting
}

/// Sets a day's sum against the finer records of other feeds.
fn settle_sum(seen: &[SeenUse], counting: &mut [Counting], sum: usize) {
    let whole = &seen[sum];
    let Some(group) = &whole.group else { return };
    let is_finer = |n: &usize| {
        let one = &seen[*n];
        let same_day = one.group.as_ref().is_some_and(|other| {
            (other.person, &other.tool, other.day) == (group.person, &group.tool, group.day)
                && (group.model.is_none() || other.model == group.model)
        });
        same_day && one.source != whole.source && coarseness(one) < coarseness(whole)
    };
    let mut finer: Vec<usize> = (0..seen.len()).filter(is_finer).collect();
    finer.sort_by_key(|n| seen[*n].event_id);
    let counted_tokens = |n: &usize| {
        let own = if counting[*n].usage { seen[*n].tokens.unwrap_or(0) } else { 0 };
        own + counting[*n].residual_tokens
    };
    let with_tokens: Vec<usize> =
        finer.iter().copied().filter(|n| seen[*n].tokens.is_some() && counted_tokens(n) != 0).collect();
    let tokens: i64 = with_tokens.iter().map(counted_tokens).sum();
    if let (true, Some(first)) = (counting[sum].usage, with_tokens.first()) {
        let left = i128::from(whole.tokens.unwrap_or(0) - tokens);
        counting[sum].leave_usage(seen[*first].event_id, OverlapRule::FinerRecords);
        counting[sum].residual_tokens = beyond_tolerance(left, whole.tokens.unwrap_or(0).into()) as i64;
    }
    let Some((stated, currency, _)) = whole.cost.as_ref().filter(|_| counting[sum].cost) else { return };
    let same_money = |n: &usize| {
        let counts = counting[*n].cost || counting[*n].residual_cost != 0;
        counts && seen[*n].cost.as_ref().is_some_and(|(_, other, _)| other == currency)
    };
    let paid: Vec<usize> = finer.iter().copied().filter(same_money).collect();
    let Some(first) = paid.first() else { return };
    if paid.iter().all(|n| cost_rank(&seen[*n]) < cost_rank(whole)) {
        for n in paid {
            counting[n].leave_cost(whole.event_id, OverlapRule::BetterCost);
            counting[n].residual_cost = 0;
        }
        return;
    }
    let counted = |n: &usize| {
        let own =
            if counting[*n].cost { seen[*n].cost.as_ref().map_or(0, |(amount, ..)| *amount) } else { 0 };
        own + counting[*n].residual_cost
    };
    let left = *stated - paid.iter().map(counted).sum::<i128>();
    counting[sum].leave_cost(seen[*first].event_id, OverlapRule::FinerRecords);
    counting[sum].residual_cost = beyond_tolerance(left, *stated);
}

/// What is left of a sum, or nothing if that is no more than its tolerance.
fn beyond_tolerance(left: i128, sum: i128) -> i128 {
    if left * 1_000 > sum * TOLERANCE_PER_MILLE { left } else { 0 }
}

#[cfg(test)]
mod tests;
