//! The real binary as a process.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test: `MODELLANE_BIN`, or the debug build of the target directory that this test was
/// built into. `None` if it was not built; `tests/run` builds it first.
pub fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("MODELLANE_BIN") {
        return Some(PathBuf::from(path));
    }
    // …/debug/deps/test-hash → …/debug/modellane
    let path = std::env::current_exe().ok()?.parent()?.parent()?.join("modellane");
    path.exists().then_some(path)
}

/// Says that a test is skipped, or fails if every tier is required.
pub fn skip(what: &str, why: &str) {
    assert!(std::env::var_os("MODELLANE_REQUIRE_ALL_TIERS").is_none(), "{what} was skipped: {why}");
    eprintln!("skipped: {what}: {why}");
}

/// Where a running instance listens.
#[derive(Debug, Clone, Deserialize)]
pub struct Addresses {
    /// Collector.
    pub collector: String,
    /// OTLP over HTTP.
    pub otlp_http: String,
    /// PostgreSQL wire.
    pub postgres: String,
    /// Reports.
    pub http: String,
    /// The embedded broker.
    pub broker: String,
}

/// Lines of its log that an instance which failed is told with.
const LAST_WORDS: usize = 20;

/// A running `modellane all`; killed when dropped.
pub struct Instance {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub addresses: Addresses,
}

impl Instance {
    /// Starts every service on free ports and waits until they announce themselves.
    pub fn start(binary: &Path, data_dir: &Path, commit_ms: u64, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command_on_free_ports(binary)
            .arg("all")
            .env("MODELLANE__DATA__DIR", data_dir)
            .env("MODELLANE__SINK__COMMIT_INTERVAL_MS", commit_ms.to_string())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("start the binary")?;
        let pid = child.id();
        let mut instance = Self {
            child,
            log: log.to_owned(),
            addresses: Addresses {
                collector: String::new(),
                otlp_http: String::new(),
                postgres: String::new(),
                http: String::new(),
                broker: String::new(),
            },
        };
        instance.addresses = announced(&mut instance.child, data_dir, pid)?;
        Ok(instance)
    }

    /// Whether it has not ended by itself.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// SIGKILL, as a crash does it.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then waits for the orderly end.
    pub fn stop(self) -> Result<()> {
        self.stop_within(Duration::MAX)
    }

    /// The same, which must come within the limit.
    pub fn stop_within(mut self, limit: Duration) -> Result<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if begun.elapsed() > limit => bail!("the instance did not end within {limit:?}"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        if !status.success() {
            bail!("the instance ended with {status}; its last words:\n{}", self.last_words());
        }
        Ok(())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary without the configuration of the surrounding shell.
pub fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MODELLANE__"))
    {
        command.env_remove(name);
    }
    command
}

/// The same, listening wherever there is a free port.
pub fn command_on_free_ports(binary: &Path) -> Command {
    let mut command = command(binary);
    for variable in LISTENERS.iter().map(|(variable, _)| *variable).chain(HEALTH_LISTENERS) {
        command.env(variable, "127.0.0.1:0");
    }
    command
}

/// Settings of the ports: the environment's name and the configuration's.
pub const LISTENERS: [(&str, &str); 4] = [
    ("MODELLANE__COLLECTOR__LISTEN", "collector.listen"),
    ("MODELLANE__COLLECTOR__OTLP_HTTP_LISTEN", "collector.otlp_http_listen"),
    ("MODELLANE__QUERY__PG_LISTEN", "query.pg_listen"),
    ("MODELLANE__QUERY__HTTP_LISTEN", "query.http_listen"),
];

/// Settings of the ports that a process with one service alone has.
const HEALTH_LISTENERS: [&str; 3] = [
    "MODELLANE__PROCESSOR__HEALTH_LISTEN",
    "MODELLANE__SINK__HEALTH_LISTEN",
    "MODELLANE__MAINTENANCE__HEALTH_LISTEN",
];

/// How a process ended.
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said to the person.
    pub stderr: String,
    /// The most memory that it was seen to hold, in bytes; 0 where the system does not tell.
    pub peak_memory: u64,
}

/// Runs a command to its end, which must come within the limit.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<Ended> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    let mut child = command.spawn().context("start the binary")?;
    let (started, mut peak_memory) = (Instant::now(), 0);
    let status = loop {
        peak_memory = peak_memory.max(memory_of(child.id()));
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (stdout, stderr) = (whole(&mut out)?, whole(&mut err)?);
    match status {
        Some(status) => Ok(Ended { code: status.code(), stdout, stderr, peak_memory }),
        None => bail!("{command:?} did not end within {limit:?}: {stderr}"),
    }
}

fn whole(file: &mut File) -> Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The most memory that a living process has held so far.
pub(crate) fn memory_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Runs the binary to its end.
pub fn run(binary: &Path, args: &[&str]) -> Result<Output> {
    command(binary).args(args).stdin(Stdio::null()).output().context("run the binary")
}

fn announced(child: &mut Child, data_dir: &Path, pid: u32) -> Result<Addresses> {
    #[derive(Deserialize)]
    struct Announcement {
        pid: u32,
        #[serde(flatten)]
        addresses: Addresses,
    }
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(90) {
        if let Some(status) = child.try_wait()? {
            bail!("the instance ended at its start with {status}");
        }
        let read = std::fs::read(data_dir.join("instance.json"));
        if let Ok(file) =
            read.map_err(anyhow::Error::from).and_then(|b| Ok(serde_json::from_slice::<Announcement>(&b)?))
            && file.pid == pid
        {
            return Ok(file.addresses);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the instance did not announce itself within 90 s")
}
