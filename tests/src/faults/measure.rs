//! What a person has to wait for, measured while records come at a steady rate.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::arena::{Arena, Setup};
use super::feed::{WHOLE, deliver};
use super::fleet::Role;
use super::oracle::{Delivery, Draw, PROBES};
use super::plan::Size;
use super::servers::Servers;
use crate::clients::psql;

/// Records of a request, as an exporter sends them.
const BATCH: usize = 500;
const LANES: usize = 4;
/// What is read before the measurement: caches fill and groups settle.
const WARM_UP: Duration = Duration::from_secs(15);
const SAMPLE: Duration = Duration::from_millis(250);
/// How long lag may take to go after an outage, as a multiple of it.
const PATIENCE: u32 = 10;
/// Between two events whose way is followed.
const BETWEEN_PROBES: Duration = Duration::from_millis(200);
/// A question takes the query service tens of milliseconds, which it also needs to follow the table.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(250);
/// How many seconds of events may be on their way at any time: those of two commits, and one that goes on.
const MOST_BEHIND: usize = 6;
/// How long after the last commit an event may take to be seen.
const LAST_ANSWER: Duration = Duration::from_secs(30);

/// Records at a steady rate.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Events a second.
    pub rate: usize,
    /// For how long.
    pub time: Duration,
}

impl Load {
    fn setup(self, name: &str) -> Setup {
        let events = self.rate * self.time.as_secs() as usize;
        let setup = Setup::of(name, Size { seed: 1, events });
        // A day of usage as it happens, in commits of two seconds and the product's own sizes.
        let draw = Draw { batch: BATCH, days: 1, ..Draw::of(events, LANES) };
        Setup { draw, ..setup }
            .with("SINK__COMMIT_INTERVAL_MS", "2000")
            .with("SINK__SPACING_PER_DAY_MS", "1000")
            .with("PROCESSOR__BATCH_SIZE", "20000")
            .with("PROCESSOR__INSTANCE", "processor-1")
    }

    /// What is due after so long, of [`WHOLE`].
    fn due(self, since: Instant) -> usize {
        (WHOLE as f64 * since.elapsed().as_secs_f64() / self.time.as_secs_f64()) as usize
    }
}

/// How a service came back.
#[derive(Debug)]
pub struct Recovery {
    role: Role,
    load: Load,
    outage: Duration,
    /// From the kill until there was no more lag than before.
    until_no_lag: Duration,
    /// Events on their way before the kill, at most, and during the outage, at most.
    lag: (usize, usize),
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outage, until) = (self.outage.as_secs_f64(), self.until_no_lag.as_secs_f64());
        let Self { role, load, lag: (before, most), .. } = self;
        write!(
            f,
            "recovery after SIGKILL of the {} at {} events/s: away {outage:.1} s, no lag {until:.1} s after the \
             kill, ratio {:.2} (from its return: {:.2}); lag {before} events before, {most} at most",
            role.name(),
            load.rate,
            until / outage,
            (until - outage) / outage
        )
    }
}

/// Kills a service, keeps it away, and waits until there is no more lag than before.
pub fn recovery(servers: &mut Servers, load: Load, role: Role, outage: Duration) -> Result<Recovery> {
    let mut arena = Arena::open(servers, load.setup(&format!("recovery-{}", role.name())))?;
    arena.wait_until_ready()?;
    let begun = Instant::now();
    let mut before = 0;
    while begun.elapsed() < WARM_UP * 2 {
        let lag = sample(&mut arena, load, begun)?;
        before = if begun.elapsed() < WARM_UP { 0 } else { before.max(lag) };
    }
    let service = arena.first(role)?;
    arena.fleet.kill(service);
    let (killed, mut most, mut is_away) = (Instant::now(), 0, true);
    let until_no_lag = loop {
        let lag = sample(&mut arena, load, begun)?;
        most = most.max(lag);
        if is_away && killed.elapsed() >= outage {
            arena.fleet.start(service)?;
            is_away = false;
        }
        if !is_away && lag <= before {
            break killed.elapsed();
        }
        ensure!(killed.elapsed() < outage * PATIENCE, "{lag} events of lag are left, {before} were before");
        ensure!(load.due(begun) < WHOLE, "the records are all sent, and there is still lag");
    };
    arena.settle()?;
    Ok(Recovery { role, load, outage, until_no_lag, lag: (before, most) })
}

/// Lets the feed on to what is due and says how many events are on their way into the lake.
fn sample(arena: &mut Arena<'_>, load: Load, begun: Instant) -> Result<usize> {
    let until = Instant::now() + SAMPLE;
    while Instant::now() < until {
        arena.feed().allow(load.due(begun).min(WHOLE));
        arena.pass(Duration::from_millis(10))?;
    }
    let (sent, all) = arena.feed().progress();
    let due = load.due(begun).min(WHOLE) * all / WHOLE;
    Ok(due.saturating_sub(sent) * BATCH + arena.on_their_way()?)
}

/// How long events take from their acknowledgement to an answer that has them.
#[derive(Debug)]
pub struct Freshness {
    load: Load,
    /// Sorted.
    waits: Vec<Duration>,
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |part: usize| self.waits[(self.waits.len() - 1) * part / 100].as_secs_f64();
        let Self { load, waits } = self;
        write!(
            f,
            "freshness at {} events/s, commits of 2 s: accepted to visible in SQL p50 {:.2} s, p99 {:.2} s, \
             most {:.2} s ({} events followed)",
            load.rate,
            at(50),
            at(99),
            at(100),
            waits.len()
        )
    }
}

/// Follows single events through a steady load.
pub fn freshness(servers: &mut Servers, load: Load) -> Result<Freshness> {
    let mut arena = Arena::open(servers, load.setup("freshness"))?;
    arena.wait_until_ready()?;
    let count = (load.time.saturating_sub(WARM_UP).as_millis() / BETWEEN_PROBES.as_millis()) as usize;
    let probes = arena.oracle.probes(count);
    let collector = arena.fleet.collectors()[0].clone();
    let query = arena.first(Role::Query)?;
    let address = arena.fleet.service(query).postgres.clone();
    let begun = Instant::now();
    while begun.elapsed() < WARM_UP {
        sample(&mut arena, load, begun)?;
    }
    let all_committed = Arc::new(AtomicBool::new(false));
    let seen = watch(address, Arc::clone(&all_committed), count);
    let sent = std::thread::spawn(move || send(&collector, probes));
    let mut most = 0;
    while !sent.is_finished() {
        most = most.max(sample(&mut arena, load, begun)?);
    }
    ensure!(
        most < load.rate * MOST_BEHIND,
        "{most} events were on their way: the rate is more than this machine holds"
    );
    let accepted = sent.join().map_err(|_| anyhow!("the sender broke off"))?;
    arena.send_all()?;
    arena.drain()?;
    all_committed.store(true, Ordering::SeqCst);
    let seen = seen.join().map_err(|_| anyhow!("the reader broke off"))?;
    arena.settle()?;
    let wait = |(key, accepted): (&String, &Instant)| {
        let seen = seen.get(key).with_context(|| format!("{key} was never seen"))?;
        Ok(seen.saturating_duration_since(*accepted))
    };
    let mut waits = accepted.iter().map(wait).collect::<Result<Vec<_>>>()?;
    ensure!(!waits.is_empty(), "nothing was followed: measure for longer");
    waits.sort_unstable();
    Ok(Freshness { load, waits })
}

/// Sends probes one after another and says when each was acknowledged.
fn send(collector: &str, probes: Vec<(String, Delivery)>) -> HashMap<String, Instant> {
    let mut accepted = HashMap::new();
    for (key, delivery) in probes {
        let begun = Instant::now();
        while !deliver(collector, &delivery).is_ok_and(|(status, _)| status == 200) {
            std::thread::sleep(BETWEEN_QUESTIONS);
        }
        accepted.insert(key, Instant::now());
        std::thread::sleep(BETWEEN_PROBES.saturating_sub(begun.elapsed()));
    }
    accepted
}

/// Asks again and again for the probes that are there, and says when each was seen first.
fn watch(
    address: String,
    all_committed: Arc<AtomicBool>,
    count: usize,
) -> JoinHandle<HashMap<String, Instant>> {
    let question = format!("SELECT source_key FROM usage_ledger WHERE event_date = DATE '{PROBES}'");
    std::thread::spawn(move || {
        let mut seen = HashMap::new();
        let mut committed = None;
        loop {
            if all_committed.load(Ordering::SeqCst) {
                committed.get_or_insert_with(Instant::now);
            }
            if let Ok(keys) = psql(&address, &question) {
                let now = Instant::now();
                for key in keys.lines() {
                    seen.entry(key.to_owned()).or_insert(now);
                }
            }
            if seen.len() >= count || committed.is_some_and(|at: Instant| at.elapsed() > LAST_ANSWER) {
                return seen;
            }
            std::thread::sleep(BETWEEN_QUESTIONS);
        }
    })
}
