//! The real binary as a process.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
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
}

/// A running `modellane all`; killed when dropped.
pub struct Instance {
    child: Child,
    /// Where it listens.
    pub addresses: Addresses,
}

impl Instance {
    /// Starts every service on free ports and waits until they announce themselves.
    pub fn start(binary: &Path, data_dir: &Path, commit_ms: u64, log: &Path) -> Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let child = command(binary)
            .arg("all")
            .env("MODELLANE__DATA__DIR", data_dir)
            .env("MODELLANE__COLLECTOR__LISTEN", "127.0.0.1:0")
            .env("MODELLANE__COLLECTOR__OTLP_HTTP_LISTEN", "127.0.0.1:0")
            .env("MODELLANE__QUERY__PG_LISTEN", "127.0.0.1:0")
            .env("MODELLANE__QUERY__HTTP_LISTEN", "127.0.0.1:0")
            .env("MODELLANE__SINK__COMMIT_INTERVAL_MS", commit_ms.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start the binary")?;
        let pid = child.id();
        let mut instance = Self {
            child,
            addresses: Addresses {
                collector: String::new(),
                otlp_http: String::new(),
                postgres: String::new(),
                http: String::new(),
            },
        };
        instance.addresses = announced(&mut instance.child, data_dir, pid)?;
        Ok(instance)
    }

    /// SIGKILL, as a crash does it.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then waits for the orderly end.
    pub fn stop(mut self) -> Result<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the instance ended with {status}");
        }
        Ok(())
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

/// Runs the binary to its end.
pub fn run(binary: &Path, args: &[&str]) -> Result<Output> {
    command(binary).args(args).stdin(Stdio::null()).output().context("run the binary")
}

fn announced(child: &mut Child, data_dir: &Path, pid: u32) -> Result<Addresses> {
    #[derive(Deserialize)]
    struct File {
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
            read.map_err(anyhow::Error::from).and_then(|b| Ok(serde_json::from_slice::<File>(&b)?))
            && file.pid == pid
        {
            return Ok(file.addresses);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the instance did not announce itself within 90 s")
}
