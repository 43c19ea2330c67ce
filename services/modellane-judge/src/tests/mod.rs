//! What judging one event means, from the contract's words.

mod adherence;
mod backtests;
mod budgets;
mod costs;
mod evidence;
mod explaining;
mod fixture;
mod identity_and_links;
mod mixtures;
mod overlaps;
mod properties;
mod verdicts;
mod weights;
