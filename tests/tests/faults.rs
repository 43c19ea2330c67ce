//! Every fault plan once, at its smallest size. `tests/README.md` says how to run more of them.

use std::path::Path;
use std::slice::Iter;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use modellane_tests::clients::client;
use modellane_tests::faults::arena::SMALL;
use modellane_tests::faults::plan::{PLANS, Plan, Size, find};
use modellane_tests::faults::servers::Servers;
use modellane_tests::instance::{binary, skip};

/// Plans at a time, and one more on the embedded broker.
const WORKERS: usize = 2;
/// Plans that harm processes alone.
const EMBEDDED: [&str; 2] = ["kill-nine", "zombie"];

#[test]
fn every_plan_is_survived() -> Result<()> {
    let Some(binary) = binary() else {
        skip("fault plans", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    if let Some(missing) = Servers::missing() {
        skip("fault plans", &missing);
        return Ok(());
    }
    // Much of a plan is waiting, so two run at a time, each pair of broker and store under one plan after
    // another, with topics and a lake for each.
    let waiting = Mutex::new(PLANS.iter());
    std::thread::scope(|scope| {
        let mut workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| work(&binary, &waiting))).collect();
        workers.push(scope.spawn(|| on_embedded_broker(&binary)));
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(survived) => survived,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

fn work(binary: &Path, waiting: &Mutex<Iter<'static, Plan>>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut servers = Servers::start(binary, dir.path(), 1)?;
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(plan) = next() {
        let size = Size { seed: 1, events: SMALL };
        let survived = match plan.brokers {
            1 => plan.survive(&mut servers, size)?,
            brokers => {
                let own = tempfile::tempdir()?;
                plan.survive(&mut Servers::start(binary, own.path(), brokers)?, size)?
            }
        };
        let notes = survived.notes.join("; ");
        println!("{:>2} {}: {} s; {notes}", plan.number, plan.name, survived.took.as_secs());
    }
    Ok(())
}

/// Services die and sleep on the embedded broker and a local disk as they do on Apache Kafka and a store. That the
/// broker dies is for `kill_nine.rs`, where it is part of the process.
fn on_embedded_broker(binary: &Path) -> Result<()> {
    for name in EMBEDDED {
        let dir = tempfile::tempdir()?;
        let mut servers = Servers::embedded(binary, dir.path())?;
        let plan = find(name).context("a plan")?;
        let survived = plan.survive(&mut servers, Size { seed: 1, events: SMALL })?;
        println!(
            "{name}, on the embedded broker: {} s; {}",
            survived.took.as_secs(),
            survived.notes.join("; ")
        );
    }
    Ok(())
}

/// The judge finds each damage that it is for.
#[test]
fn the_judge_can_fail() -> Result<()> {
    if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
        skip("the judge", "needs MODELLANE_TEST_PYTHON with duckdb, as tests/run sets it");
        return Ok(());
    }
    client("judge_test.py", &[]).map(drop)
}
