//! Maintenance beside the sink and its readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::RngExt;

use super::readers;
use crate::clients::client_with;
use crate::faults::arena::{Arena, Setup};
use crate::faults::feed::WHOLE;
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, HttpProxy, On, Rule, When};
use crate::faults::judge::is_commit;
use crate::faults::kafka_proxy::Moment;
use crate::instance::run_within;

/// How long one round of maintenance may take, the lease of one that died included.
const ROUND: Duration = Duration::from_secs(180);
/// No request is held for longer, whatever becomes of the plan.
const HELD: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(10);
/// The lease of one that died.
const LEASE: Duration = Duration::from_secs(10);

/// Settings under which a round finds work in a small lake, and keeps what it has to as short as it may. A round
/// is when the plan starts the service.
const EAGER: [(&str, &str); 9] = [
    ("INTERVAL_S", "3600"),
    ("LEASE_S", "10"),
    ("CHECKPOINT_EVERY", "3"),
    ("COMPACT_AFTER_DAYS", "1"),
    ("COMPACT_MIN_FILES", "2"),
    ("COMPACT_PAUSE_S", "0"),
    ("REMOVED_FILE_HOURS", "2"),
    ("ORPHAN_HOURS", "2"),
    ("LOG_HOURS", "2"),
];

/// Where maintenance dies: at a merged file, and at the commit that puts it in the place of others.
const POINTS: [(On, Moment); 4] = [
    (On::Data("usage_ledger"), Moment::Request),
    (On::Data("usage_ledger"), Moment::Answer),
    (On::Commit("usage_ledger"), Moment::Request),
    (On::Commit("usage_ledger"), Moment::Answer),
];

/// Requests are held for as long as others take.
pub(super) fn setup(setup: Setup) -> Setup {
    setup.with("LAKE__OPTIONS__TIMEOUT", "100s")
}

/// Plan 16: Files are merged and removed while the sink commits and readers ask, by the product's maintenance and
/// by another engine that knows the table format alone. Each of two commits to one version comes first once.
pub(super) fn compaction(arena: &mut Arena<'_>) -> Result<()> {
    let (_, reader) = readers::start(arena)?;
    let upkeep = Upkeep::start(arena)?;
    let rounds = arena.rounds(4);
    arena.in_rounds(rounds, |arena, round| {
        // Up to the middle of what the next round begins with.
        let more = (WHOLE * (4 * round + 5) / (4 * rounds)).min(WHOLE);
        match round % 4 {
            0 => upkeep.overtakes_the_sink(arena, more).context("maintenance commits first"),
            1 => upkeep.is_overtaken(arena, more).context("the sink commits first"),
            2 => upkeep.dies(arena),
            _ => {
                upkeep.begin_round(arena)?;
                merge_outside(arena)
            }
        }
    })?;
    arena.send_all()?;
    arena.drain()?;
    upkeep.end(arena)?;
    let merges = merges(arena)?;
    let heard = readers::finish(arena, [reader])?;
    ensure!(
        heard.unanswered.is_empty(),
        "I9: {} questions were not answered while files were merged and removed: {:?}",
        heard.unanswered.len(),
        heard.unanswered.iter().take(3).collect::<Vec<_>>()
    );
    arena.asks_old_versions = true;
    arena
        .note(format!("{merges} times files were merged in {rounds} rounds, {} answers read", heard.answers));
    Ok(())
}

/// The product's maintenance, which has a way of its own to the store.
struct Upkeep {
    service: usize,
    store: HttpProxy,
}

impl Upkeep {
    fn start(arena: &mut Arena<'_>) -> Result<Self> {
        let store = HttpProxy::start(&arena.servers.store.address(), arena.size().seed)?;
        let mut settings = arena.reach_through(&store);
        settings.extend(eager());
        let service = arena.fleet.add_with(Role::Maintenance, &settings)?;
        // Each round starts it.
        arena.fleet.stop(service)?;
        Ok(Self { service, store })
    }

    /// Stops it in good order, and starts it again, which it does a round for.
    fn begin_round(&self, arena: &mut Arena<'_>) -> Result<()> {
        arena.fleet.stop(self.service)?;
        arena.fleet.start(self.service)
    }

    /// The sink has decided on a version and is about to commit when merged files become the next one.
    fn overtakes_the_sink(&self, arena: &mut Arena<'_>, more: usize) -> Result<()> {
        settle(arena)?;
        let gate = Gate::default();
        arena.store.set([Rule::new(On::Commit("usage_ledger"), When::Nth(1), gate.hold())]);
        arena.feed().allow(more);
        arena.wait("a commit of the sink", |_| Ok(gate.is_reached()))?;
        let before = merges(arena)?;
        self.begin_round(arena)?;
        arena.wait("a merge", |arena| Ok(merges(arena)? > before))?;
        let overtaken = arena.commits();
        gate.open();
        arena.wait("the sink's next attempt", |arena| Ok(arena.commits() > overtaken))?;
        arena.store.clear();
        Ok(())
    }

    /// Files are merged and about to take the place of others when the sink commits.
    fn is_overtaken(&self, arena: &mut Arena<'_>, more: usize) -> Result<()> {
        settle(arena)?;
        let gate = Gate::default();
        self.store.set([Rule::new(On::Commit("usage_ledger"), When::Nth(1), gate.hold())]);
        self.begin_round(arena)?;
        arena.wait("merged files", |_| Ok(gate.is_reached()))?;
        let (commits, before) = (arena.commits(), merges(arena)?);
        arena.feed().allow(more);
        arena.wait("a commit of the sink", |arena| Ok(arena.commits() > commits))?;
        gate.open();
        arena.wait("the next attempt to merge", |arena| Ok(merges(arena)? > before))?;
        self.store.clear();
        Ok(())
    }

    /// It dies where its work is half visible, and the next one begins when its lease has run out.
    fn dies(&self, arena: &mut Arena<'_>) -> Result<()> {
        settle(arena)?;
        let (on, moment) = POINTS[arena.random.random_range(0..POINTS.len())];
        let kill = arena.fleet.killer(self.service);
        let fault = if moment == Moment::Request { Fault::Before(kill) } else { Fault::After(kill) };
        let before = self.store.fired();
        self.store.set([Rule::new(on, When::Nth(1), fault)]);
        self.begin_round(arena)?;
        arena.wait("maintenance at work", |_| Ok(self.store.fired() > before))?;
        self.store.clear();
        arena.pass(LEASE)
    }

    /// Nothing that it did went wrong, and a last round with an audit finds nothing either.
    fn end(&self, arena: &mut Arena<'_>) -> Result<()> {
        let url = format!("http://{}/metrics", arena.fleet.service(self.service).http);
        let mut metrics = String::new();
        // The audit is the end of a round.
        arena.wait("a whole round", |_| {
            let answer = ureq::get(&url).call().ok();
            metrics =
                answer.and_then(|mut answer| answer.body_mut().read_to_string().ok()).unwrap_or_default();
            Ok(metrics.contains("modellane_audit_violations{"))
        })?;
        let failed: Vec<&str> = metrics.lines().filter(|line| line.contains("outcome=\"failed\"")).collect();
        ensure!(failed.is_empty(), "maintenance failed: {failed:?}");
        arena.fleet.stop(self.service)?;
        let mut once = arena.fleet.one_shot(&["maintenance", "--once"]);
        let ended = run_within(once.envs(eager()), ROUND)?;
        let is_clean = ended.code == Some(0) && ended.stdout.contains("audit: no violation");
        ensure!(is_clean, "the last round of maintenance: {}{}", ended.stdout, ended.stderr);
        Ok(())
    }
}

/// A request that waits.
#[derive(Clone, Default)]
struct Gate {
    reached: Arc<AtomicBool>,
    open: Arc<AtomicBool>,
}

impl Gate {
    fn hold(&self) -> Fault {
        let gate = self.clone();
        Fault::Hold(Arc::new(move || {
            gate.reached.store(true, Ordering::SeqCst);
            let begun = Instant::now();
            while !gate.open.load(Ordering::SeqCst) && begun.elapsed() < HELD {
                std::thread::sleep(TICK);
            }
        }))
    }

    fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

pub(super) fn eager() -> impl Iterator<Item = (String, String)> {
    EAGER.into_iter().map(|(name, value)| (format!("MODELLANE__MAINTENANCE__{name}"), value.to_owned()))
}

/// Waits until everything that may go is in the lake: there are files to merge, and no commit is on its way.
fn settle(arena: &mut Arena<'_>) -> Result<()> {
    arena.wait("an acknowledgement", |arena| Ok(arena.feed().is_idle()))?;
    arena.drain()
}

fn merge_outside(arena: &mut Arena<'_>) -> Result<()> {
    let url = format!("{}/usage_ledger", arena.lake_url());
    client_with("compact.py", &[url.as_ref()], &arena.reach()).map(drop)
}

/// Commits of the ledger by which the product put merged files in the place of others.
fn merges(arena: &Arena<'_>) -> Result<usize> {
    let mut merges = 0;
    for entry in std::fs::read_dir(arena.lake_dir().join("usage_ledger/_delta_log"))?.flatten() {
        if is_commit(&entry.path()) {
            let commit = std::fs::read_to_string(entry.path())?;
            let is_ours = commit.contains("modellaneCommitId") && commit.contains("\"OPTIMIZE\"");
            merges += usize::from(is_ours);
        }
    }
    Ok(merges)
}
