//! Processes that die, sleep, and are there twice.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::RngExt;

use super::upkeep;
use crate::faults::arena::{Arena, STANDBY, Setup};
use crate::faults::feed::WHOLE;
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, On, Rule, When};
use crate::faults::kafka_proxy::{Kind, Moment};

/// A group misses a member that says nothing for this long; the processors' own setting is ten seconds.
const SESSION: Duration = Duration::from_millis(11_500);

/// So many commits of an owner are watched.
const COMMITS: usize = 3;

/// The group knows a processor that comes back by its name, and does not wait for the end of its session.
pub(super) fn named(setup: Setup) -> Setup {
    setup.with("PROCESSOR__INSTANCE", "processor-1")
}

/// Whatever waits for a processor is more than one batch, so that it commits more than once.
pub(super) fn small_batches(setup: Setup) -> Setup {
    setup.with("PROCESSOR__BATCH_SIZE", "10")
}

/// Plan 1: Every service dies in every round, each at a moment of its own, maintenance at its work too.
pub(super) fn kill_nine(arena: &mut Arena<'_>) -> Result<()> {
    let rounds = arena.rounds(2);
    let upkeep: Vec<_> = upkeep::eager().collect();
    arena.fleet.add_with(Role::Maintenance, &upkeep)?;
    let roles = Role::ALL.into_iter().chain([Role::Maintenance]);
    let mut alive = 0;
    arena.in_rounds(rounds, |arena, _| {
        for role in roles.clone() {
            let service = arena.first(role)?;
            let moment = arena.random.random_range(0..200);
            arena.pass(Duration::from_millis(moment))?;
            alive += usize::from(arena.fleet.is_alive(service)?);
            arena.fleet.crash(service)?;
        }
        Ok(())
    })?;
    let kills = rounds * roles.count();
    ensure!(alive * 10 >= kills * 9, "only {alive} of {kills} killed services were alive");
    arena.note(format!("{rounds} kills of each service"));
    Ok(())
}

/// A place in the work where a process dies.
#[derive(Debug)]
enum Point {
    /// At a request to the store: before it is passed on, or after the store has done it.
    Store(On, Moment),
    /// At a request to the broker.
    Log(Role, Kind, Moment),
}

const POINTS: [Point; 13] = [
    Point::Store(On::Data("usage_ledger"), Moment::Request),
    Point::Store(On::Data("usage_ledger"), Moment::Answer),
    Point::Store(On::Commit("observations"), Moment::Request),
    Point::Store(On::Commit("observations"), Moment::Answer),
    Point::Store(On::Commit("usage_ledger"), Moment::Request),
    Point::Store(On::Commit("usage_ledger"), Moment::Answer),
    Point::Log(Role::Collector, Kind::ProduceUsage, Moment::Request),
    Point::Log(Role::Collector, Kind::ProduceUsage, Moment::Answer),
    Point::Log(Role::Processor, Kind::ProduceJudged, Moment::Request),
    Point::Log(Role::Processor, Kind::ProduceJudged, Moment::Answer),
    Point::Log(Role::Processor, Kind::CommitOffsets, Moment::Request),
    Point::Log(Role::Processor, Kind::CommitOffsets, Moment::Answer),
    Point::Store(On::Commit("intents"), Moment::Answer),
];

/// Plan 2: A process dies exactly where its work is half visible.
pub(super) fn crash_points(arena: &mut Arena<'_>) -> Result<()> {
    let rounds = POINTS.len() * arena.rounds(1);
    let mut missed = vec![0; POINTS.len()];
    for round in 0..rounds {
        let fired = |arena: &Arena<'_>| arena.store.fired() + arena.servers.kafka.sprung();
        let before = fired(arena);
        // Sometimes not the first such request after a start, which opens tables and groups.
        let nth = arena.random.random_range(1..3);
        match &POINTS[round % POINTS.len()] {
            Point::Store(on, moment) => {
                let kill = arena.fleet.killer(arena.first(Role::Sink)?);
                let fault = if *moment == Moment::Request { Fault::Before(kill) } else { Fault::After(kill) };
                arena.store.set([Rule::new(*on, When::Nth(1), fault)]);
            }
            Point::Log(role, kind, moment) => {
                let kill = arena.fleet.killer(arena.first(*role)?);
                arena.servers.kafka.trap(*kind, *moment, nth, kill);
            }
        }
        arena.feed().allow(WHOLE * (round + 1) / rounds);
        let met = arena.wait_while_busy(&format!("point {round}"), |arena| Ok(fired(arena) > before))?;
        missed[round % POINTS.len()] += usize::from(!met);
        arena.store.clear();
        arena.servers.kafka.clear();
    }
    let each = rounds / POINTS.len();
    for (point, missed) in POINTS.iter().zip(&missed) {
        // Whether there is an observation to commit is a matter of chance.
        let is_chance = matches!(point, Point::Store(On::Commit("observations"), _));
        ensure!(is_chance || *missed < each, "{point:?} was never met");
    }
    let crashes = rounds - missed.iter().sum::<usize>();
    arena.note(format!("{crashes} crashes at {} points", POINTS.len()));
    Ok(())
}

/// Plan 4: sink and processor stop in the middle of their work and wake after others have taken it over: another
/// processor, and the sink that stood by. From then on the one that woke stands by.
pub(super) fn zombie(arena: &mut Arena<'_>) -> Result<()> {
    let rounds = arena.rounds(1);
    let mut owner = arena.first(Role::Sink)?;
    let mut standby = None;
    for round in 0..rounds {
        let part = |step: usize| WHOLE * (3 * round + step) / (3 * rounds + 1);
        let before = arena.commits();
        arena.feed().allow(part(1));
        arena.wait("a commit before the sleep", |arena| Ok(arena.commits() > before))?;
        let next = match standby {
            Some(next) => next,
            None => arena.fleet.add(Role::Sink)?,
        };
        let moment = arena.random.random_range(0..600);
        arena.pass(Duration::from_millis(moment))?;
        sleep(arena, owner, part(2)).with_context(|| format!("round {round}"))?;
        share(arena, owner, [part(2), part(3)]).with_context(|| format!("round {round}"))?;
        (owner, standby) = (next, Some(owner));
    }
    arena.note(format!("{rounds} times asleep, every sink gave up its table when it woke and stood by"));
    Ok(())
}

/// The sink that woke stands by as long as the table's owner commits, and takes it from nobody.
fn share(arena: &mut Arena<'_>, awake: usize, parts: [usize; 2]) -> Result<()> {
    const STANDS_BY: &str = "modellane_sink_stands_by{} 1";
    arena.wait("a sink that stands by", |arena| Ok(arena.measures(awake, STANDS_BY)))?;
    let restarts = arena.fleet.restarts(Role::Sink);
    for step in 1..=COMMITS {
        let before = arena.commits();
        arena.feed().allow(parts[0] + (parts[1] - parts[0]) * step / COMMITS);
        let at_work = arena.wait_while_busy("a commit of the owner", |arena| Ok(arena.commits() > before))?;
        ensure!(at_work, "the owner had nothing to commit");
    }
    arena.pass(STANDBY + STANDBY / 2)?;
    let again = arena.fleet.restarts(Role::Sink) - restarts;
    ensure!(again == 0, "the table changed hands {again} times although its owner was at work");
    ensure!(arena.measures(awake, STANDS_BY), "a sink took the table of an owner that was at work");
    Ok(())
}

/// Both sleep while others do their work and the feed goes on as far as this.
fn sleep(arena: &mut Arena<'_>, sink: usize, part: usize) -> Result<()> {
    let asleep = [arena.first(Role::Processor)?, sink];
    for service in asleep {
        arena.fleet.pause(service)?;
    }
    let other = arena.fleet.add(Role::Processor)?;
    let before = arena.commits();
    arena.feed().allow(part);
    arena.pass(SESSION)?;
    arena.wait("a commit of the others", |arena| Ok(arena.commits() > before))?;
    let before = arena.fleet.restarts(Role::Sink);
    for service in asleep {
        arena.fleet.resume(service)?;
    }
    arena.wait("the end of the sink that has lost its table", |arena| {
        Ok(arena.fleet.restarts(Role::Sink) > before)
    })?;
    arena.fleet.kill(other);
    Ok(())
}

/// Sinks that wait for nobody.
pub(super) fn insistent(setup: Setup) -> Setup {
    setup.with("SINK__STANDBY_S", "0")
}

/// Plan 5: two sinks run from the start. Whichever finds that the other has committed ends, is started again,
/// and takes the table back.
pub(super) fn split_brain(arena: &mut Arena<'_>) -> Result<()> {
    arena.fleet.add(Role::Sink)?;
    let rounds = arena.rounds(3);
    arena.in_rounds(rounds, |arena, round| {
        let before = arena.fleet.restarts(Role::Sink);
        let ended = |arena: &mut Arena<'_>| Ok(arena.fleet.restarts(Role::Sink) > before);
        arena.wait_while_busy(&format!("the table's change of hands in round {round}"), ended).map(drop)
    })?;
    arena.send_all()?;
    arena.drain()?;
    let gave_up = arena.fleet.restarts(Role::Sink);
    ensure!(gave_up > 0, "two sinks never met");
    arena.note(format!("the table changed hands at least {gave_up} times"));
    Ok(())
}

/// How processors are members of their group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Membership {
    /// Anew at every start.
    Passing,
    /// Under a name that they have again after a restart.
    Named,
    /// Under the protocol in which the broker moves single partitions.
    Broker,
}

const MEMBERSHIPS: [Membership; 3] = [Membership::Passing, Membership::Named, Membership::Broker];

impl Membership {
    fn settings(self, number: usize) -> Vec<(String, String)> {
        let setting =
            |name: &str, value: &str| vec![(format!("MODELLANE__PROCESSOR__{name}"), value.to_owned())];
        match self {
            Self::Passing => Vec::new(),
            Self::Named => setting("INSTANCE", &format!("processor-{number}")),
            Self::Broker => setting("GROUP_PROTOCOL", "consumer"),
        }
    }
}

/// Plan 6: Members of the group come, go and die faster than it settles, under each kind of membership.
pub(super) fn rebalance_storm(arena: &mut Arena<'_>) -> Result<()> {
    let each = arena.rounds(3);
    let mut extra = Vec::new();
    arena.in_rounds(MEMBERSHIPS.len() * each, |arena, round| {
        let membership = MEMBERSHIPS[round / each];
        if round > 0 && round % each == 0 {
            begin_anew(arena, membership, &mut extra)?;
        }
        extra.push(join(arena, membership)?);
        arena.pass(Duration::from_millis(800))?;
        match round % 3 {
            0 if membership == Membership::Named => arena.fleet.crash(extra[0])?,
            1 => arena.fleet.stop(extra.remove(0))?,
            // One that leaves without a word.
            2 => arena.fleet.kill(extra.remove(0)),
            _ => {}
        }
        arena.pass(Duration::from_millis(800))
    })?;
    arena.note(format!("{each} rounds of joining and leaving for each of three kinds of membership"));
    Ok(())
}

fn join(arena: &mut Arena<'_>, membership: Membership) -> Result<usize> {
    let settings = membership.settings(arena.fleet.next_number());
    arena.fleet.add_with(Role::Processor, &settings)
}

/// All members leave, and one begins under another kind of membership.
fn begin_anew(arena: &mut Arena<'_>, membership: Membership, extra: &mut Vec<usize>) -> Result<()> {
    for member in arena.fleet.of(Role::Processor) {
        arena.fleet.stop(member)?;
    }
    extra.clear();
    if membership == Membership::Broker {
        // Named members and killed ones stay in the group until their session ends, and a group changes its
        // protocol when it is empty.
        arena.pass(SESSION)?;
    }
    join(arena, membership).map(drop)
}
