//! Wall clocks that jump.

use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use serde_json::Value;

use crate::faults::arena::{Arena, Setup};
use crate::faults::clock::Clock;
use crate::faults::fleet::Role;
use crate::faults::judge::is_commit;
use crate::faults::oracle::Draw;

/// An hour less a minute, in seconds: brokers refuse messages that are more than an hour ahead of them.
const FURTHEST: i64 = 3_540;
/// How far ahead a commit has to be stamped so that the jumps show, in seconds.
const SHOWS: i64 = 3_000;

/// Requests to a store are signed with the time, and one that is a quarter of an hour off is refused; so the
/// lake is a directory. And a feed that states no time is ordered by the clock of whoever fetched it.
pub(super) fn setup(setup: Setup) -> Setup {
    Setup { is_local: true, draw: Draw { restates_days: false, ..setup.draw }, ..setup }
}

/// Plan 13: the clock of every service jumps to and fro, each for itself, by up to an hour.
pub(super) fn clock_jumps(arena: &mut Arena<'_>) -> Result<()> {
    let library = Clock::library(arena.dir())?;
    let mut clocks = Vec::new();
    for role in Role::ALL {
        let service = arena.first(role)?;
        let clock = Clock::new(&library, &arena.dir().join(format!("{}.ahead", role.name())))?;
        arena.fleet.service(service).settings.extend(clock.environment());
        arena.fleet.crash(service)?;
        clocks.push(clock);
    }
    let rounds = arena.rounds(6);
    arena.in_rounds(rounds, |arena, round| {
        for (number, clock) in clocks.iter().enumerate() {
            // Neighbours jump apart, as far as they can.
            let sign = if (round + number) % 2 == 0 { 1 } else { -1 };
            clock.set(sign * arena.random.random_range(SHOWS..=FURTHEST))?;
        }
        Ok(())
    })?;
    arena.send_all()?;
    arena.drain()?;
    let (behind, ahead) = stamps(arena)?;
    ensure!(ahead > SHOWS, "no commit was stamped ahead of its time");
    arena.note(format!("{rounds} jumps of every clock; commits were stamped {behind} to {ahead} s ahead"));
    Ok(())
}

/// How far ahead of the file's own time commits of the ledger are stamped: least and most, in seconds.
fn stamps(arena: &Arena<'_>) -> Result<(i64, i64)> {
    let mut ahead = Vec::new();
    for entry in std::fs::read_dir(arena.lake_dir().join("usage_ledger/_delta_log"))?.flatten() {
        if !is_commit(&entry.path()) {
            continue;
        }
        let written = entry.metadata()?.modified()?.duration_since(UNIX_EPOCH)?.as_secs() as i64;
        for line in std::fs::read_to_string(entry.path())?.lines() {
            let action: Value = serde_json::from_str(line)?;
            let stamped = action["commitInfo"]["modellaneRecordedAt"].as_i64();
            ahead.extend(stamped.map(|micros| micros / 1_000_000 - written));
        }
    }
    let (least, most) = (ahead.iter().min(), ahead.iter().max());
    Ok((*least.context("no commit")?, *most.context("no commit")?))
}
