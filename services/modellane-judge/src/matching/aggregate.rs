//! What a record that sums up a day belongs to: its person's intents share it by the time that they were open.

use modellane_event::Share;

/// Minutes of an open intent that count at most: longer ones have mostly been forgotten open.
const MOST_MINUTES: i64 = 240;

/// The part of a day that belongs to each intent, given the minutes of the day that each was open, and at last the
/// part that belongs to none; all sum to one.
pub fn shares_of_day(minutes: &[i64], null_prior: Share) -> Vec<f64> {
    let counted = |minutes: &i64| (*minutes).clamp(0, MOST_MINUTES) as f64;
    let open: f64 = minutes.iter().map(counted).sum();
    let null = if open > 0.0 { f64::from(null_prior.millionths()) / 1e6 } else { 1.0 };
    let share = |minutes: &i64| if open > 0.0 { (1.0 - null) * counted(minutes) / open } else { 0.0 };
    minutes.iter().map(share).chain([null]).collect()
}
