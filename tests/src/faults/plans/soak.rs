//! Everything at once, for as long as there are records.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;

use crate::faults::arena::Arena;
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, On, Rule, When};
use crate::faults::kafka_proxy::Weather;

/// A kind of harm of the soak.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Crash(Role),
    Sleep(Role),
    LostReplies,
    StoreErrors,
    HalfFiles,
    Latency,
    Resets,
    Broker,
    Store,
    SecondSink,
    SecondProcessor,
}

const HARMS: [Harm; 16] = [
    Harm::Crash(Role::Collector),
    Harm::Crash(Role::Processor),
    Harm::Crash(Role::Sink),
    Harm::Crash(Role::Sink),
    Harm::Crash(Role::Query),
    Harm::Sleep(Role::Sink),
    Harm::LostReplies,
    Harm::LostReplies,
    Harm::StoreErrors,
    Harm::HalfFiles,
    Harm::Latency,
    Harm::Resets,
    Harm::Broker,
    Harm::Store,
    Harm::SecondSink,
    Harm::SecondProcessor,
];

/// Plan 22: In each round a harm that the seed chooses, on top of whatever the last ones have left behind.
pub(super) fn soak(arena: &mut Arena<'_>) -> Result<()> {
    let rounds = arena.rounds(5);
    let mut done = Vec::new();
    arena.in_rounds(rounds, |arena, _| {
        let harm = HARMS[arena.random.random_range(0..HARMS.len())];
        done.push(format!("{harm:?}"));
        act(arena, harm)
    })?;
    arena.note(format!("{rounds} harms: {}", done[..done.len().min(12)].join(", ")));
    Ok(())
}

fn act(arena: &mut Arena<'_>, harm: Harm) -> Result<()> {
    let moment = Duration::from_millis(arena.random.random_range(300..1_500));
    let commit = On::Commit("usage_ledger");
    match harm {
        Harm::Crash(role) => {
            let service = arena.first(role)?;
            arena.fleet.crash(service)
        }
        Harm::Sleep(role) => {
            let service = arena.first(role)?;
            arena.fleet.pause(service)?;
            arena.pass(moment)?;
            arena.fleet.resume(service)
        }
        Harm::LostReplies => {
            arena.store.set([Rule::new(commit, When::First(2), Fault::LoseReply)]);
            Ok(())
        }
        Harm::StoreErrors => {
            arena.store.set([Rule::new(On::Any, When::First(10), Fault::Answer(503))]);
            Ok(())
        }
        Harm::HalfFiles => {
            arena.store.set([Rule::new(On::Put, When::First(2), Fault::CutBody)]);
            Ok(())
        }
        Harm::Latency => {
            arena.servers.kafka.set(Weather { latency: Duration::from_millis(150), ..Weather::default() });
            arena.pass(moment)?;
            arena.servers.kafka.clear();
            Ok(())
        }
        Harm::Resets => {
            arena.servers.kafka.reset();
            Ok(())
        }
        Harm::Broker => {
            arena.servers.cluster.kill(1)?;
            arena.pass(moment)?;
            arena.servers.cluster.restart(1)
        }
        Harm::Store => {
            arena.servers.store.kill()?;
            arena.pass(moment)?;
            arena.servers.store.restart()
        }
        Harm::SecondSink => come_and_go(arena, Role::Sink, moment),
        Harm::SecondProcessor => come_and_go(arena, Role::Processor, moment),
    }
}

fn come_and_go(arena: &mut Arena<'_>, role: Role, moment: Duration) -> Result<()> {
    let service = arena.fleet.add(role)?;
    arena.pass(moment + Duration::from_secs(1))?;
    arena.fleet.kill(service);
    Ok(())
}
