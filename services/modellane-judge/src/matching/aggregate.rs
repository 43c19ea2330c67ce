//! What a record that sums up a day belongs to.
//!
//! Where finer evidence of the same person, day and tool exists, the day is distributed as that evidence is;
//! what it leaves over, and a day without any, by the time that intents were open.

use crate::reason::Reason;
use modellane_event::Share;

/// Minutes of an open intent that count at most: longer ones have mostly been forgotten open.
const MOST_MINUTES: i64 = 240;

/// An intent that was open on the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveIntent {
    /// Minutes of the day that it was open.
    pub minutes: i64,
}

/// One finer record of the same person, day and tool.
#[derive(Clone, Debug, PartialEq)]
pub struct DayEvidence {
    /// Its amount, in the unit in which the day's amount is stated.
    pub amount: u64,
    /// Its probabilities over the day's intents, in their order; the rest is none.
    pub shares: Vec<f64>,
}

/// Distributes a day's amount over its intents. The last number is that of none; all sum to one. A reason
/// says that the finer records do not explain the whole, or that they were no help.
pub fn distribute_day(
    amount: u64,
    intents: &[ActiveIntent],
    evidence: &[DayEvidence],
    null_prior: Share,
) -> (Vec<f64>, Option<Reason>) {
    let by_time = by_time(intents, null_prior);
    let explained: u64 = evidence.iter().map(|finer| finer.amount).sum();
    if explained == 0 {
        return (by_time, Some(Reason::AggregateOnly));
    }
    // Finer records may add up to more than the day states: clocks and days differ between feeds.
    let total = explained.max(amount) as f64;
    let excess = amount.saturating_sub(explained) as f64 / total;
    let mut shares: Vec<f64> = by_time.iter().map(|share| share * excess).collect();
    for finer in evidence {
        let weight = finer.amount as f64 / total;
        let named: f64 = finer.shares.iter().take(intents.len()).sum();
        for (share, part) in shares.iter_mut().zip(finer.shares.iter().take(intents.len())) {
            *share += weight * part;
        }
        shares[intents.len()] += weight * (1.0 - named);
    }
    (shares, (excess > 0.0).then_some(Reason::AggregateUnexplained))
}

fn by_time(intents: &[ActiveIntent], null_prior: Share) -> Vec<f64> {
    let minutes = |intent: &ActiveIntent| intent.minutes.clamp(0, MOST_MINUTES) as f64;
    let open: f64 = intents.iter().map(minutes).sum();
    let null = if open > 0.0 { f64::from(null_prior.millionths()) / 1e6 } else { 1.0 };
    let share = |intent: &ActiveIntent| if open > 0.0 { (1.0 - null) * minutes(intent) / open } else { 0.0 };
    intents.iter().map(share).chain([null]).collect()
}
