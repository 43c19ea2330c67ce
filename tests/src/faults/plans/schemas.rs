//! The form of messages changes while they are on their way.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::faults::arena::Arena;
use crate::faults::feed::WHOLE;
use crate::faults::fleet::Role;
use crate::faults::registry::Registry;

const URL: &str = "MODELLANE__KAFKA__SCHEMA_REGISTRY_URL";
/// How long a processor is watched that must not go on.
const WATCHED: Duration = Duration::from_secs(3);

/// Plan 11: services take up a schema registry one after another, live without it while it is away, and one of
/// them is rolled back too early: it meets messages whose schema it cannot know, and waits instead of
/// rejecting them.
pub(super) fn schema_roll(arena: &mut Arena<'_>) -> Result<()> {
    let registry = Registry::start()?;
    let url = registry.url();
    arena.send_until(WHOLE / 5)?;
    arena.drain()?;
    for role in [Role::Sink, Role::Processor, Role::Collector] {
        roll(arena, role, Some(&url))?;
    }
    arena.send_until(2 * WHOLE / 5)?;
    arena.registry = Some(registry);
    arena.drain()?;
    lose_registry(arena)?;
    roll_back_too_early(arena, &url)?;
    arena.send_all()?;
    let ids = arena.registry.as_ref().map_or(0, |registry| registry.fingerprints().len());
    ensure!(ids > 0, "nothing was registered");
    arena.note(format!("{ids} schemas registered; a processor without them waited and rejected nothing"));
    Ok(())
}

/// Starts a service again with the registry or without.
fn roll(arena: &mut Arena<'_>, role: Role, registry: Option<&str>) -> Result<()> {
    let service = arena.first(role)?;
    let settings = &mut arena.fleet.service(service).settings;
    settings.retain(|(name, _)| name != URL);
    settings.extend(registry.map(|url| (URL.to_owned(), url.to_owned())));
    arena.fleet.stop(service)?;
    arena.fleet.start(service)
}

/// Who runs knows the schemas; who starts has to wait for the registry.
fn lose_registry(arena: &mut Arena<'_>) -> Result<()> {
    set_away(arena, true);
    arena.send_until(3 * WHOLE / 5)?;
    arena.drain()?;
    let processor = arena.first(Role::Processor)?;
    arena.fleet.crash(processor)?;
    let before = arena.fleet.restarts(Role::Processor);
    arena.wait("the refusal to start without the registry", |arena| {
        Ok(arena.fleet.restarts(Role::Processor) > before)
    })?;
    set_away(arena, false);
    Ok(())
}

fn set_away(arena: &Arena<'_>, is_away: bool) {
    if let Some(registry) = &arena.registry {
        registry.set_away(is_away);
    }
}

/// A processor without the registry is given messages of one that has it.
fn roll_back_too_early(arena: &mut Arena<'_>, url: &str) -> Result<()> {
    roll(arena, Role::Processor, None)?;
    arena.send_until(4 * WHOLE / 5)?;
    let processor = arena.first(Role::Processor)?;
    let ready = format!("http://{}/readyz", arena.fleet.service(processor).http);
    let status = || {
        let asked = ureq::get(&ready).config().http_status_as_error(false).build().call();
        asked.map_or(0, |answer| answer.status().as_u16())
    };
    arena.wait("the alarm of a processor that cannot read", |_| Ok(status() == 503))?;
    arena.pass(WATCHED)?;
    ensure!(!arena.is_judged()?, "a processor went past messages that it cannot read");
    roll(arena, Role::Processor, Some(url))
}
