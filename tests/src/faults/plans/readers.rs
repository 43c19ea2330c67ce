//! Readers beside writers.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;

use crate::faults::arena::Arena;
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, On, Rule, When};
use crate::faults::reader::{Heard, Reader};

/// How many answers each reader gets after each harm.
const ANSWERS: usize = 2;

/// Plan 21: What readers saw at each moment is checked afterwards against the ledger's history.
pub(super) fn history(arena: &mut Arena<'_>) -> Result<()> {
    let (http, reader) = start(arena)?;
    let readers = [reader, Reader::start(&http)];
    let rounds = arena.rounds(4);
    arena.in_rounds(rounds, |arena, round| {
        let lost = Rule::new(On::Commit("usage_ledger"), When::Chance(0.3), Fault::LoseReply);
        arena.store.set([lost]);
        let role = if round % 2 == 0 { Role::Sink } else { Role::Query };
        let service = arena.first(role)?;
        let moment = arena.random.random_range(0..500);
        arena.pass(Duration::from_millis(moment))?;
        arena.fleet.crash(service)?;
        hear(arena, &readers)
    })?;
    arena.store.clear();
    arena.send_all()?;
    arena.drain()?;
    hear(arena, &readers)?;
    let seen = finish(arena, readers)?.answers;
    arena.note(format!("{seen} answers read"));
    Ok(())
}

/// Waits until each reader has heard what has come since.
fn hear(arena: &mut Arena<'_>, readers: &[Reader]) -> Result<()> {
    let before: Vec<usize> = readers.iter().map(Reader::answers).collect();
    arena.wait("an answer to each reader", |_| {
        Ok(readers.iter().zip(&before).all(|(reader, before)| reader.answers() >= before + ANSWERS))
    })
}

/// A reader of the query service, and where that answers.
pub(super) fn start(arena: &mut Arena<'_>) -> Result<(String, Reader)> {
    let query = arena.first(Role::Query)?;
    let http = arena.fleet.service(query).http.clone();
    Ok((http.clone(), Reader::start(&http)))
}

/// Ends readers and gives the judge what they saw.
pub(super) fn finish(arena: &mut Arena<'_>, readers: impl IntoIterator<Item = Reader>) -> Result<Heard> {
    let polls = arena.dir().join("polls.ndjson");
    let mut heard = Heard::default();
    for (number, reader) in readers.into_iter().enumerate() {
        let one = reader.finish(number, &polls)?;
        heard.answers += one.answers;
        heard.unanswered.extend(one.unanswered);
    }
    arena.polls = Some(polls);
    Ok(heard)
}
