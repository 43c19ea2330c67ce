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
use crate::faults::feed::{WHOLE, deliver, sent};
use crate::faults::fleet::Role;

/// Plan 17: Everything that was committed passes out of retention while nothing runs; then work goes on. Then usage
/// does that nobody has judged, which has to be said and made good.
pub(super) fn idle_past_retention(arena: &mut Arena<'_>) -> Result<()> {
    arena.send_until(WHOLE / 2)?;
    arena.drain()?;
    let services: Vec<usize> = Role::ALL.into_iter().flat_map(|role| arena.fleet.of(role)).collect();
    for service in &services {
        arena.fleet.stop(*service)?;
    }
    let removed = expire(arena, &[Topic::Usage, Topic::Judged, Topic::Intents, Topic::Rejects])?;
    ensure!(removed > 0, "nothing was removed");
    for service in services {
        arena.fleet.start(service)?;
    }
    arena.note(format!("{removed} messages passed out of retention"));
    lose_unjudged(arena)
}

/// The processor stops where usage is missing and says so. Told to go on, it does, and the same requests once more
/// make up for what was lost.
fn lose_unjudged(arena: &mut Arena<'_>) -> Result<()> {
    const SENT: std::ops::Range<usize> = WHOLE / 2..WHOLE * 3 / 4;
    arena.send_until(SENT.start)?;
    arena.drain()?;
    let processor = arena.first(Role::Processor)?;
    arena.fleet.stop(processor)?;
    arena.send_until(SENT.end)?;
    let lost = arena.log()?.unjudged()?;
    ensure!(lost > 0, "there is no usage to lose");
    expire(arena, &[Topic::Usage])?;
    let before = arena.fleet.restarts(Role::Processor);
    arena.fleet.start(processor)?;
    arena.wait("the end of the processor", |arena| Ok(arena.fleet.restarts(Role::Processor) > before))?;
    let log = std::fs::read_to_string(&arena.fleet.service(processor).log)?;
    ensure!(
        log.contains("were deleted before they were judged"),
        "I1: the processor does not say what is lost"
    );
    let accepted = ("MODELLANE__PROCESSOR__ACCEPT_LOSS".to_owned(), "true".to_owned());
    arena.fleet.service(processor).settings.push(accepted);
    let collector = arena.fleet.collectors().into_iter().next().context("a collector")?;
    for lane in &arena.oracle.lanes {
        for delivery in &lane[sent(SENT.start, lane.len())..sent(SENT.end, lane.len())] {
            let (status, said) = deliver(&collector, delivery)?;
            ensure!(status == 200, "a request that came again was answered with {status}: {said}");
        }
    }
    let counted =
        format!("modellane_processor_lost_total{{topic=\"{}\"}} {lost}", Topic::Usage.name(arena.prefix()));
    arena.wait("the count of what was lost", |arena| Ok(arena.measures(processor, &counted)))?;
    arena.note(format!("{lost} messages were lost before they were judged, told, and sent again"));
    Ok(())
}

/// Removes everything from topics, as the broker does when their retention is over. How many messages that were.
fn expire(arena: &Arena<'_>, topics: &[Topic]) -> Result<i64> {
    let (bootstrap, log) = (arena.servers.cluster.address(), arena.log()?);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create()?;
    let mut removed = 0;
    for topic in topics {
        let list = log.everything(*topic)?;
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

/// Plan 19: What a service keeps on its own machine gets a flipped bit while the service is away. That is the lake
/// key alone, everything else being in topics, lake and memory; a wrong key stops whoever would make ids with it.
pub(super) fn bit_flips(arena: &mut Arena<'_>) -> Result<()> {
    let key = arena.dir().join("collector.key");
    std::fs::copy(&arena.servers.key, &key)?;
    let collector = arena.first(Role::Collector)?;
    let setting = ("MODELLANE__LAKE__KEY_FILE".to_owned(), key.to_string_lossy().into_owned());
    arena.fleet.service(collector).settings.push(setting);
    let rounds = arena.rounds(2);
    arena.in_rounds(rounds, |arena, _| {
        for role in Role::ALL {
            let service = arena.first(role)?;
            arena.fleet.kill(service);
            let kept = files(&arena.fleet.data(service));
            ensure!(kept.is_empty(), "the {} keeps {kept:?}, which this plan does not know", role.name());
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
    arena.note(format!("{rounds} wrong keys refused; no service keeps anything else"));
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
