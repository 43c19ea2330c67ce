//! Readers beside writers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::RngExt;

use crate::clients::client_with;
use crate::faults::arena::Arena;
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, On, Rule, When};
use crate::faults::judge::is_commit;
use crate::faults::reader::Reader;
use crate::servers::Process;

/// How long readers are left alone after each harm.
const READING: Duration = Duration::from_millis(1_500);
/// How long one round of maintenance may take.
const ROUND: Duration = Duration::from_secs(60);

/// Settings under which a round of maintenance finds work in a small lake.
const EAGER: [(&str, &str); 4] = [
    ("MODELLANE__MAINTENANCE__CHECKPOINT_EVERY", "3"),
    ("MODELLANE__MAINTENANCE__COMPACT_AFTER_DAYS", "1"),
    ("MODELLANE__MAINTENANCE__COMPACT_MIN_FILES", "2"),
    ("MODELLANE__MAINTENANCE__COMPACT_PAUSE_S", "0"),
];

/// Plan 16: Files are merged and checkpoints written while the sink commits and readers ask: by another engine
/// that knows the table format alone, and by the product's maintenance, which is killed at times.
pub(super) fn compaction(arena: &mut Arena<'_>) -> Result<()> {
    let (http, reader) = start_reader(arena)?;
    let second = Reader::start(&http);
    let rounds = arena.rounds(4);
    arena.in_rounds(rounds, |arena, round| match round % 4 {
        0 => compact_outside(arena),
        1 => maintain(arena, true),
        _ => maintain(arena, false),
    })?;
    arena.send_all()?;
    arena.drain()?;
    let merged = removed_files(arena)?;
    ensure!(merged > 0, "no file was merged");
    let seen = finish(arena, [reader, second])?;
    arena.note(format!("{merged} files merged in {rounds} rounds, {seen} answers read"));
    Ok(())
}

fn compact_outside(arena: &mut Arena<'_>) -> Result<()> {
    let url = format!("{}/usage_ledger", arena.lake_url());
    client_with("compact.py", &[url.as_ref()], &arena.reach()).map(drop)
}

/// One round of the product's maintenance, or the start of one.
fn maintain(arena: &mut Arena<'_>, is_killed: bool) -> Result<()> {
    let mut command = arena.fleet.one_shot(&["maintenance", "--once"]);
    command.envs(EAGER);
    let log = arena.dir().join("maintenance.log");
    let mut process = Process::start(&mut command, &log)?;
    if is_killed {
        let moment = arena.random.random_range(0..2_000);
        arena.pass(Duration::from_millis(moment))?;
        process.kill();
        return Ok(());
    }
    process.wait_for_end(ROUND).context("a round of maintenance")
}

/// Files that are no longer part of the ledger's table.
fn removed_files(arena: &Arena<'_>) -> Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(arena.lake_dir().join("usage_ledger/_delta_log"))?.flatten() {
        if is_commit(&entry.path()) {
            removed += std::fs::read_to_string(entry.path())?.matches("{\"remove\":").count();
        }
    }
    Ok(removed)
}

/// Plan 21: What readers saw at each moment is checked afterwards against the ledger's history.
pub(super) fn history(arena: &mut Arena<'_>) -> Result<()> {
    let (http, reader) = start_reader(arena)?;
    let second = Reader::start(&http);
    let rounds = arena.rounds(4);
    arena.in_rounds(rounds, |arena, round| {
        let lost = Rule::new(On::Commit("usage_ledger"), When::Chance(0.3), Fault::LoseReply);
        arena.store.set([lost]);
        let role = if round % 2 == 0 { Role::Sink } else { Role::Query };
        let service = arena.first(role)?;
        let moment = arena.random.random_range(0..500);
        arena.pass(Duration::from_millis(moment))?;
        arena.fleet.crash(service)?;
        // Readers get to ask what has come since.
        arena.pass(READING)
    })?;
    arena.store.clear();
    arena.send_all()?;
    arena.drain()?;
    arena.pass(Duration::from_secs(2))?;
    let seen = finish(arena, [reader, second])?;
    ensure!(seen >= 2 * rounds, "only {seen} answers were read");
    arena.note(format!("{seen} answers read"));
    Ok(())
}

fn start_reader(arena: &mut Arena<'_>) -> Result<(String, Reader)> {
    let query = arena.first(Role::Query)?;
    let http = arena.fleet.service(query).http.clone();
    Ok((http.clone(), Reader::start(&http)))
}

fn finish(arena: &mut Arena<'_>, readers: [Reader; 2]) -> Result<usize> {
    let polls = arena.dir().join("polls.ndjson");
    let mut seen = 0;
    for (number, reader) in readers.into_iter().enumerate() {
        seen += reader.finish(number, &polls)?;
    }
    arena.polls = Some(polls);
    Ok(seen)
}
