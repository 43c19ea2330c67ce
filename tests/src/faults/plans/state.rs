//! Time passing by, versions and state.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use modellane_kafka::Topic;
use rand::RngExt;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::faults::arena::Arena;
use crate::faults::feed::WHOLE;
use crate::faults::fleet::Role;

/// Plan 17: Everything that was committed passes out of retention while nothing runs; then work goes on.
pub(super) fn idle_past_retention(arena: &mut Arena<'_>) -> Result<()> {
    arena.feed().allow(WHOLE / 2);
    arena.wait("the first half", |arena| {
        let (sent, all) = arena.feed().progress();
        Ok(2 * sent + 4 >= all)
    })?;
    arena.drain()?;
    let services: Vec<usize> = Role::ALL.into_iter().flat_map(|role| arena.fleet.of(role)).collect();
    for service in &services {
        arena.fleet.stop(*service)?;
    }
    let removed = expire(arena)?;
    ensure!(removed > 0, "nothing was removed");
    for service in services {
        arena.fleet.start(service)?;
    }
    arena.note(format!("{removed} messages passed out of retention"));
    Ok(())
}

/// Removes everything from the topics that have a retention, as the broker does when it is over.
fn expire(arena: &Arena<'_>) -> Result<i64> {
    let (bootstrap, log) = (arena.servers.cluster.address(1), arena.log()?);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create()?;
    let mut removed = 0;
    for topic in [Topic::Usage, Topic::Judged, Topic::Intents, Topic::Rejects] {
        let list = log.everything(topic)?;
        removed += list.elements().iter().filter_map(|element| element.offset().to_raw()).sum::<i64>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(admin.delete_records(&list, &AdminOptions::new()))?;
    }
    Ok(removed)
}

/// Plan 18: Services are replaced by another version one after another, and by this one again, while records come.
/// `MODELLANE_OTHER_BIN` names the other version; without it services are restarted in order.
pub(super) fn rolling_upgrade(arena: &mut Arena<'_>) -> Result<()> {
    let own = arena.servers.binary.clone();
    let other = std::env::var_os("MODELLANE_OTHER_BIN").map(PathBuf::from);
    if other.as_ref().is_some_and(|other| !other.exists()) {
        bail!("MODELLANE_OTHER_BIN names no file");
    }
    let rounds = arena.rounds(2);
    arena.in_rounds(rounds, |arena, round| {
        let next = if round % 2 == 0 { other.clone().unwrap_or_else(|| own.clone()) } else { own.clone() };
        for role in [Role::Query, Role::Sink, Role::Processor, Role::Collector] {
            let service = arena.first(role)?;
            arena.fleet.service(service).binary = next.clone();
            arena.fleet.stop(service).context("an orderly end")?;
            arena.fleet.start(service)?;
            arena.pass(Duration::from_millis(300))?;
        }
        Ok(())
    })?;
    let what = if other.is_some() { "to another version and back" } else { "to the same version" };
    arena.note(format!("{rounds} rolling restarts {what}"));
    Ok(())
}

/// Plan 19: Every file that a service keeps on its own machine gets a flipped bit while the service is away; a
/// wrong key stops whoever would make ids with it.
pub(super) fn bit_flips(arena: &mut Arena<'_>) -> Result<()> {
    let key = arena.dir().join("collector.key");
    std::fs::copy(&arena.servers.key, &key)?;
    let collector = arena.first(Role::Collector)?;
    let setting = ("MODELLANE__LAKE__KEY_FILE".to_owned(), key.to_string_lossy().into_owned());
    arena.fleet.service(collector).settings.push(setting);
    let (rounds, mut flipped) = (arena.rounds(2), 0);
    arena.in_rounds(rounds, |arena, _| {
        for role in Role::ALL {
            let service = arena.first(role)?;
            arena.fleet.kill(service);
            for file in files(&arena.fleet.data(service)) {
                flip(arena, &file)?;
                flipped += 1;
            }
            if role == Role::Collector {
                flip(arena, &key)?;
            }
            arena.fleet.start(service)?;
        }
        let before = arena.fleet.restarts(Role::Collector);
        arena
            .wait("the refusal of a wrong key", |arena| Ok(arena.fleet.restarts(Role::Collector) > before))?;
        std::fs::copy(&arena.servers.key, &key)?;
        Ok(())
    })?;
    arena.note(format!("{rounds} wrong keys refused, {flipped} files of local state damaged"));
    Ok(())
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn flip(arena: &mut Arena<'_>, file: &Path) -> Result<()> {
    let mut bytes = std::fs::read(file)?;
    if !bytes.is_empty() {
        let place = arena.random.random_range(0..bytes.len());
        // The lowest bit: a digit stays a digit, so that no parser is spared.
        bytes[place] ^= 1;
        std::fs::write(file, bytes)?;
    }
    Ok(())
}
