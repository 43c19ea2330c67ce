//! A simulation of the sink: the product's own consumer loop, decision, index, batches and owner, on topics
//! and tables in memory, under faults that follow from a seed.
//!
//! A run is a set of messages and complete fetches in topics that repeat, reorder, grow, lose offsets and hold
//! what only a later version can read; up to three sinks at once that are killed, frozen, stopped and started; a store that refuses, loses answers and finishes writes late;
//! clocks that jump; an index that is lost or damaged. Afterwards nothing fails any more, and what the tables
//! hold must be what the messages say. Nothing waits for real time, and no thread is involved: a process is a
//! future that is polled by hand, so a seed always runs alike.
//!
//! - `MODELLANE_SIM_SEEDS` is the number of seeds, 10,000 by default.
//! - `MODELLANE_SIM_SEED` runs one seed alone and prints all that happens in it.

mod check;
mod dice;
mod fetch;
mod log;
mod message;
mod plan;
mod process;
mod run;
mod store;
mod world;

use run::{Outcome, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use store::Plant;

/// Seeds of an ordinary run of the tests.
const SEEDS: u64 = 10_000;

/// Seeds within which a planted bug must show.
const SEEDS_FOR_A_PLANT: u64 = 400;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// A run, a panic being a violation like any other.
fn judged(seed: u64, plant: Plant, verbose: bool) -> Result<Outcome, Vec<String>> {
    let caught = catch_unwind(AssertUnwindSafe(|| run(seed, plant, verbose)));
    caught.unwrap_or_else(|_| Err(vec!["panic: the words above say where".to_owned()]))
}

/// Runs all seeds on all processors; the failing one with the least number, and how many commits there were.
fn run_all(seeds: u64) -> (Option<(u64, Vec<String>)>, u64) {
    let next = AtomicU64::new(0);
    let commits = AtomicU64::new(0);
    let first: Mutex<Option<(u64, Vec<String>)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds || first.lock().expect("no panic holds it").is_some() {
                        break;
                    }
                    match judged(seed, Plant::None, false) {
                        Ok(outcome) => {
                            commits.fetch_add(outcome.commits as u64, Ordering::SeqCst);
                        }
                        Err(problems) => {
                            let mut first = first.lock().expect("no panic holds it");
                            if first.as_ref().is_none_or(|(least, _)| seed < *least) {
                                *first = Some((seed, problems));
                            }
                        }
                    }
                }
            });
        }
    });
    (first.into_inner().expect("no panic holds it"), commits.into_inner())
}

#[test]
fn every_seed_ends_with_what_its_messages_say() {
    if let Some(seed) = setting("MODELLANE_SIM_SEED") {
        let outcome = judged(seed, Plant::None, true);
        assert!(outcome.is_ok(), "seed {seed}: {}", outcome.unwrap_err().join("; "));
        return;
    }
    let seeds = setting("MODELLANE_SIM_SEEDS").unwrap_or(SEEDS);
    let (failed, commits) = run_all(seeds);
    if let Some((seed, problems)) = failed {
        panic!("seed {seed}: {}; MODELLANE_SIM_SEED={seed} runs it alone", problems.join("; "));
    }
    println!("{seeds} seeds, {commits} commits of the ledger");
}

#[test]
fn a_seed_always_runs_alike() {
    for seed in 0..100 {
        assert_eq!(judged(seed, Plant::None, false), judged(seed, Plant::None, false), "seed {seed}");
    }
}

/// A store that is wrong in itself; bugs of the sink are planted by hand, as they have no switch.
#[test]
fn bugs_of_a_store_are_noticed() {
    for plant in [
        Plant::ForgetPosition,
        Plant::Rebase,
        Plant::AssumeWon,
        Plant::OtherOrder,
        Plant::DropFile,
        Plant::ListTwice,
    ] {
        let caught = (0..SEEDS_FOR_A_PLANT).find(|seed| judged(*seed, plant, false).is_err());
        let caught = caught.unwrap_or_else(|| panic!("{plant:?} went unnoticed"));
        println!("{plant:?}: seed {caught}");
    }
}
