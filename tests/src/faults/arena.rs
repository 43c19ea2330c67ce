//! What a plan acts on: the services of one installation, the records on their way, and the proxies.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::feed::{Feed, WHOLE};
use super::fleet::{Fleet, Role};
use super::http_proxy::HttpProxy;
use super::judge::{Case, Log, Positions, is_commit};
use super::oracle::{Draw, Oracle};
use super::organisation::Organisation;
use super::plan::Size;
use super::registry::Registry;
use super::servers::Servers;

/// The size at which a plan does the least that shows something.
pub const SMALL: usize = 1_000;
/// How long anything may take that has to happen, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is asked whether anything is on its way to the lake.
const LULL: Duration = Duration::from_secs(3);
/// How long a sink that stands by leaves the owner of the table time, at the least.
pub const STANDBY: Duration = Duration::from_secs(10);
/// Lanes of gateway requests.
const LANES: usize = 2;

/// What an installation is made of.
pub struct Setup {
    /// What topics, group and lake are called.
    pub prefix: String,
    /// Seed and events.
    pub size: Size,
    /// What is sent.
    pub draw: Draw,
    /// Settings over those of every installation.
    pub settings: Vec<(String, String)>,
    /// Whether the lake is a directory of this machine instead of a bucket.
    pub is_local: bool,
}

impl Setup {
    /// What most plans run on.
    pub fn of(plan: &str, size: Size) -> Self {
        Self {
            prefix: format!("{plan}-{}", size.seed),
            size,
            draw: Draw::of(size.events, LANES),
            settings: Vec::new(),
            is_local: false,
        }
    }

    /// With a setting of every service: `SECTION__KEY`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((format!("MODELLANE__{name}"), value.to_owned()));
        self
    }
}

/// One installation under one plan.
pub struct Arena<'a> {
    /// Broker, store and their state.
    pub servers: &'a mut Servers,
    /// In front of the store.
    pub store: HttpProxy,
    /// The services.
    pub fleet: Fleet,
    /// What is sent.
    pub oracle: Oracle,
    /// Moments and choices of the plan.
    pub random: ChaCha8Rng,
    /// Unreadable messages that the plan has produced.
    pub rejects: usize,
    /// What a reader saw meanwhile, for the judge.
    pub polls: Option<PathBuf>,
    /// Whether versions whose files were merged since must still be there for whoever has begun to read them.
    pub asks_old_versions: bool,
    /// Lakes that must hold the same in the end.
    pub same_as: Vec<String>,
    /// Whose teams and guidance the events are judged by, where a plan has published any.
    pub organisation: Option<Organisation>,
    /// The registry that messages name their schemas by, where a plan has one.
    pub registry: Option<Registry>,
    feed: Option<Feed>,
    prefix: String,
    size: Size,
    is_local: bool,
    dir: PathBuf,
    notes: Vec<String>,
    positions: Positions,
}

impl<'a> Arena<'a> {
    /// Starts one service of each role on topics and a lake of its own. Nothing is sent yet.
    pub fn open(servers: &'a mut Servers, setup: Setup) -> Result<Self> {
        servers.kafka.clear();
        let Setup { prefix, size, draw, settings, is_local } = setup;
        let is_local = is_local || servers.cluster.is_embedded();
        let dir = servers.folder(&prefix)?;
        let store = HttpProxy::start(&servers.store.address(), size.seed)?;
        let mut environment = environment(servers, &prefix);
        if is_local {
            environment.push(("MODELLANE__LAKE__URL".to_owned(), path_text(&local_lake(&dir))));
        } else {
            environment.extend(bucket(servers, &store, &prefix));
        }
        let oracle = Oracle::draw(size.seed, draw);
        let mut fleet = Fleet::new(&servers.binary, &dir, environment);
        for (name, value) in &settings {
            fleet.set(name, value);
        }
        let mut arena = Self {
            store,
            fleet,
            feed: None,
            random: ChaCha8Rng::seed_from_u64(size.seed ^ 0x5eed),
            rejects: 0,
            polls: None,
            asks_old_versions: false,
            same_as: Vec::new(),
            organisation: None,
            registry: None,
            oracle,
            prefix,
            size,
            is_local,
            dir,
            notes: Vec::new(),
            positions: Positions::default(),
            servers,
        };
        for role in Role::ALL {
            arena.fleet.add(role)?;
        }
        arena.feed = Some(Feed::start(arena.oracle.lanes.clone(), arena.fleet.collectors()));
        Ok(arena)
    }

    /// The senders.
    pub fn feed(&self) -> &Feed {
        self.feed.as_ref().expect("a feed from the start on")
    }

    /// Sends from other lanes or to other addresses than the plan began with; nothing was sent yet.
    pub fn replace_feed(&mut self, oracle: Oracle, collectors: Vec<String>) {
        self.feed = Some(Feed::start(oracle.lanes.clone(), collectors));
        self.oracle = oracle;
    }

    /// Where this run keeps its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What topics, group and lake are called.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Seed and events of this run.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The service of a role that was started first.
    pub fn first(&self, role: Role) -> Result<usize> {
        self.fleet.of(role).first().copied().with_context(|| format!("no {} runs", role.name()))
    }

    /// How many faults a plan does that does `small` at the small size.
    pub fn rounds(&self, small: usize) -> usize {
        (small * self.size.events / SMALL).max(small)
    }

    /// Says something about what was done.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Gives away what was said.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Lets the feed on in so many steps, and does harm in the middle of each: a commit has come since the
    /// step began, half of the step's records are on their way, and a random moment has passed.
    pub fn in_rounds(
        &mut self,
        rounds: usize,
        mut harm: impl FnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        for round in 0..rounds {
            let before = self.commits();
            self.feed().allow(WHOLE * (2 * round + 1) / (2 * rounds));
            self.wait_while_busy(
                &format!("a commit in round {round}"),
                |arena| Ok(arena.commits() > before),
            )?;
            self.feed().allow(WHOLE * (2 * round + 2) / (2 * rounds));
            let moment = self.random.random_range(0..600);
            self.pass(Duration::from_millis(moment))?;
            harm(self, round).with_context(|| format!("round {round}"))?;
        }
        Ok(())
    }

    /// Commits of the ledger that are in the lake, the table's creation left out.
    pub fn commits(&self) -> usize {
        let log = self.lake_dir().join("usage_ledger/_delta_log");
        let commits = std::fs::read_dir(log)
            .map_or(0, |entries| entries.flatten().filter(|entry| is_commit(&entry.path())).count());
        commits.saturating_sub(1)
    }

    /// Lets time pass while services that end are started again.
    pub fn pass(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.fleet.tend()?;
            std::thread::sleep(PAUSE.min(time.saturating_sub(begun.elapsed())));
        }
        Ok(())
    }

    /// Waits for something that has to happen.
    pub fn wait(&mut self, what: &str, mut happened: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !happened(self)? {
            let (sent, all) = self.feed().progress();
            if begun.elapsed() > PATIENCE {
                bail!(
                    "I1: {what} did not come within {PATIENCE:?}; {sent} of {all} requests are acknowledged"
                );
            }
            self.pass(PAUSE)?;
        }
        Ok(())
    }

    /// The same for something that need not happen: says whether it did while there was anything on its way. How
    /// long that takes is not for a clock to say: a killed member is missed for ten seconds, and a busy machine
    /// is slow.
    pub fn wait_while_busy(
        &mut self,
        what: &str,
        mut happened: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<bool> {
        let (mut looked_at, mut has_happened) = (Instant::now(), false);
        self.wait(what, |arena| {
            has_happened = happened(arena)?;
            if has_happened || !arena.feed().is_idle() || looked_at.elapsed() < LULL {
                return Ok(has_happened);
            }
            looked_at = Instant::now();
            // A broker that cannot be asked is about to come back.
            let is_over = arena.on_their_way().is_ok_and(|left| left == 0);
            // It may have come with the very last record.
            has_happened = happened(arena)?;
            Ok(is_over || has_happened)
        })?;
        Ok(has_happened)
    }

    /// Whether a service's metrics say so, in a line of their own; not of one that does not answer.
    pub fn measures(&mut self, service: usize, line: &str) -> bool {
        let url = format!("http://{}/metrics", self.fleet.service(service).http);
        let metrics =
            ureq::get(&url).call().ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
        metrics.is_some_and(|metrics| metrics.lines().any(|said| said == line))
    }

    /// Lets everything through, and waits until it is acknowledged.
    pub fn send_all(&mut self) -> Result<()> {
        self.feed().allow(WHOLE);
        self.wait("the last acknowledgement", |arena| Ok(arena.feed().is_done()))
    }

    /// Waits until every service says that it is ready.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        for role in Role::ALL {
            let service = self.first(role)?;
            let url = format!("http://{}/readyz", self.fleet.service(service).http);
            self.wait("the start of all services", |_| Ok(ureq::get(&url).call().is_ok()))?;
        }
        Ok(())
    }

    /// Lets a part of everything through, and waits until it is acknowledged.
    pub fn send_until(&mut self, part: usize) -> Result<()> {
        self.feed().allow(part);
        self.wait("an acknowledgement", |arena| Ok(arena.feed().is_idle()))
    }

    /// The topics as they are, without a proxy between.
    pub fn log(&self) -> Result<Log> {
        let log = Log::open(&self.servers.cluster.bootstrap(), &self.prefix, &self.prefix)?;
        Ok(log.with_schemas(self.registry.as_ref().map(Registry::fingerprints).unwrap_or_default()))
    }

    /// Whether the processors have finished what there is now.
    pub fn is_judged(&self) -> Result<bool> {
        self.log()?.is_judged()
    }

    /// Messages that are in a topic and not in the lake.
    pub fn on_their_way(&mut self) -> Result<usize> {
        let log = self.log()?;
        let lake_dir = self.lake_dir();
        Ok(log.unjudged()? + self.positions.missing(&lake_dir, &log.streams()?)?)
    }

    /// Waits until what is acknowledged is judged and committed.
    pub fn drain(&mut self) -> Result<()> {
        let log = self.log()?;
        self.wait("the end of judging", |_| Ok(log.is_judged().unwrap_or(false)))?;
        let lake_dir = self.lake_dir();
        let mut positions = std::mem::take(&mut self.positions);
        self.wait("the last commit", |_| match log.streams() {
            Ok(streams) => positions.reach(&lake_dir, &streams),
            // A broker that is about to come back.
            Err(_) => Ok(false),
        })?;
        self.positions = positions;
        Ok(())
    }

    /// Ends all harm, lets everything come through and judges. Counts, or the invariant that does not hold.
    pub fn settle(&mut self) -> Result<Value> {
        self.store.clear();
        self.servers.kafka.clear();
        self.send_all()?;
        self.drain()?;
        let log = self.log()?;
        let query = self.first(Role::Query)?;
        let texts = [self.oracle.canaries.clone(), vec![self.oracle.poison.clone()]].concat();
        let case = Case {
            lake: self.lake_url(),
            lake_dir: self.lake_dir(),
            versions: self.dir.join("versions.ndjson"),
            intents: &self.oracle.intents,
            rejects: self.rejects,
            query: Some(self.fleet.service(query).postgres.clone()),
            streams: log.streams()?,
            canaries: &texts,
            logs: self.fleet.logs(),
            polls: self.polls.clone(),
            asks_old_versions: self.asks_old_versions,
            same_as: self.same_as.clone(),
            organisation: self.organisation.as_ref(),
        };
        let counts = case.judge(&self.oracle, &self.reach(), &self.dir)?;
        let mut problems = self.feed().problems();
        problems.extend(log.problems(&self.oracle)?);
        let found = counts["problems"].as_array().context("a list of problems")?;
        problems.extend(found.iter().filter_map(Value::as_str).map(str::to_owned));
        ensure!(
            problems.is_empty(),
            "{} problems:\n{}",
            problems.len(),
            problems[..problems.len().min(12)].join("\n")
        );
        Ok(counts)
    }

    /// The URL of the lake.
    pub fn lake_url(&self) -> String {
        if self.is_local {
            return path_text(&local_lake(&self.dir));
        }
        self.servers.store.url(&self.prefix)
    }

    /// The directory in which the store keeps the lake.
    pub fn lake_dir(&self) -> PathBuf {
        if self.is_local {
            return local_lake(&self.dir);
        }
        self.servers.lake_dir(&self.prefix)
    }

    /// How a reader outside the product reaches the store.
    pub fn reach(&self) -> Vec<(String, String)> {
        upper(self.servers.store.options(&self.servers.store.endpoint()))
    }

    /// How a service reaches the store by a proxy of its own.
    pub fn reach_through(&self, proxy: &HttpProxy) -> Vec<(String, String)> {
        upper(self.servers.store.options(&endpoint(proxy)))
    }
}

fn local_lake(dir: &Path) -> PathBuf {
    dir.join("lake")
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn upper(options: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    options.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect()
}

/// The settings of every service: what an operator writes, with short intervals so that faults meet every
/// part of the work.
fn environment(servers: &Servers, prefix: &str) -> Vec<(String, String)> {
    let settings = [
        ("KAFKA__TOPIC_PREFIX", prefix.to_owned()),
        ("LAKE__KEY_FILE", path_text(&servers.key)),
        ("PROCESSOR__GROUP", prefix.to_owned()),
        ("PROCESSOR__BATCH_SIZE", "200".to_owned()),
        ("SINK__COMMIT_INTERVAL_MS", "200".to_owned()),
        ("SINK__SPACING_PER_DAY_MS", "10".to_owned()),
        ("SINK__STANDBY_S", STANDBY.as_secs().to_string()),
        ("DATA__PARTITIONS", "3".to_owned()),
    ];
    let settings = servers.kafka_settings().into_iter().chain(settings);
    settings.map(|(name, value)| (format!("MODELLANE__{name}"), value)).collect()
}

/// Where a lake in the store is and how it is reached, through the proxy.
fn bucket(servers: &Servers, store: &HttpProxy, prefix: &str) -> Vec<(String, String)> {
    let mut settings = vec![
        ("MODELLANE__LAKE__URL".to_owned(), servers.store.url(prefix)),
        // A request that hangs is given up while the plan is still about it.
        ("MODELLANE__LAKE__OPTIONS__TIMEOUT".to_owned(), "5s".to_owned()),
    ];
    settings.extend(upper(servers.store.options(&endpoint(store))));
    settings
}

fn endpoint(proxy: &HttpProxy) -> String {
    format!("http://{}", proxy.address())
}
