//! A store that fails.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::faults::arena::Arena;
use crate::faults::feed::WHOLE;
use crate::faults::http_proxy::{Fault, On, Rule, When};

const TABLES: [&str; 4] = ["usage_ledger", "observations", "intents", "rejects"];

/// Plan 3: Nobody tells the sink what became of its commit.
pub(super) fn commit_unknown(arena: &mut Arena<'_>) -> Result<()> {
    let unknown = [
        (0.35, Fault::LoseReply),
        (0.15, Fault::CutReply),
        (0.2, Fault::Late(Duration::from_millis(400))),
        (0.1, Fault::Before(std::sync::Arc::new(|| ()))),
    ];
    let rules = TABLES.into_iter().flat_map(|table| {
        let rule = |(chance, fault): (f64, Fault)| Rule::new(On::Commit(table), When::Chance(chance), fault);
        unknown.clone().map(rule)
    });
    arena.store.set(rules);
    let rounds = arena.rounds(8);
    arena.in_rounds(rounds, |_, _| Ok(()))?;
    let fired = arena.store.fired();
    ensure!(fired >= 3, "only {fired} commits were harmed");
    arena.note(format!("{fired} commits of unknown outcome"));
    Ok(())
}

/// Plan 9: Everything that a store can answer, and that it does not answer.
pub(super) fn bad_store(arena: &mut Arena<'_>) -> Result<()> {
    let harms: [&[(On, When, Fault)]; 7] = [
        &[(On::Any, When::First(6), Fault::Answer(500))],
        &[(On::Any, When::First(6), Fault::Answer(503)), (On::Get, When::Chance(0.1), Fault::CutReply)],
        &[(On::Data("usage_ledger"), When::First(2), Fault::CutBody)],
        &[(On::Put, When::First(8), Fault::Answer(507))],
        &[(On::List, When::First(6), Fault::Delay(Duration::from_millis(800)))],
        // Longer than the client waits.
        &[(On::Commit("usage_ledger"), When::Nth(1), Fault::Hang(Duration::from_secs(7)))],
        &[(On::Any, When::Chance(0.1), Fault::Answer(503)), (On::Put, When::Chance(0.1), Fault::CutBody)],
    ];
    let rounds = harms.len() * arena.rounds(1);
    let (mut before, mut idle) = (0, Vec::new());
    arena.in_rounds(rounds, |arena, round| {
        let so_far = before;
        let harmed = |arena: &mut Arena<'_>| Ok(arena.store.fired() > so_far);
        if round > 0 && !arena.wait_while_busy(&format!("the harm of round {}", round - 1), harmed)? {
            idle.push(round - 1);
        }
        before = arena.store.fired();
        let rules = harms[round % harms.len()];
        arena.store.set(rules.iter().map(|(on, when, fault)| Rule::new(*on, *when, fault.clone())));
        if round % harms.len() == 3 {
            arena.servers.store.kill()?;
            arena.pass(Duration::from_secs(1))?;
            arena.servers.store.restart()?;
        }
        Ok(())
    })?;
    arena.feed().allow(WHOLE);
    if !arena.wait_while_busy("the last harm", |arena| Ok(arena.store.fired() > before))? {
        idle.push(rounds - 1);
    }
    let fired = arena.store.fired();
    ensure!(idle.is_empty(), "the harms of rounds {idle:?} met no request");
    arena.note(format!("{fired} requests harmed, the store killed {} times", rounds / harms.len()));
    Ok(())
}
