//! One server process: its output in a file, signals by its id, gone when dropped.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How much of the end of a log an error shows.
const TAIL_BYTES: u64 = 4_000;

/// How often a server is asked whether it is ready.
const PAUSE: Duration = Duration::from_millis(50);

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command. What it prints is appended to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so; an error holds the last lines of the log.
    pub fn wait_until_ready(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start with {status}; its last lines:\n{}", self.name(), self.tail());
            }
            if begun.elapsed() > patience {
                bail!("{} is not ready after {patience:?}; its last lines:\n{}", self.name(), self.tail());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// SIGKILL, and waits until the process is gone. Also ends one that is paused.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP: the process keeps its memory and its connections, and does nothing.
    pub fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// SIGCONT: a paused process goes on as if no time had passed.
    pub fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    /// SIGTERM: asks for an orderly end and does not wait for it.
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Whether it has ended by itself or by a signal.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until the process has ended; an error if that takes longer than `patience`.
    pub fn wait_for_end(&mut self, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > patience {
                bail!("{} did not end within {patience:?}; its last lines:\n{}", self.name(), self.tail());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The last lines that it printed.
    pub fn tail(&self) -> String {
        tail(&self.log)
    }

    fn name(&self) -> String {
        format!("process {} ({})", self.pid(), self.log.display())
    }

    fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status()?;
        anyhow::ensure!(status.success(), "{} took no SIG{name}: {status}", self.name());
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a file, or why there are none.
pub(super) fn tail(file: &Path) -> String {
    read_tail(file).unwrap_or_else(|error| format!("(cannot read {}: {error})", file.display()))
}

fn read_tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, log: &Path) -> Process {
        Process::start(Command::new("sh").args(["-c", script]), log).unwrap()
    }

    #[test]
    fn a_failed_start_shows_what_the_server_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = start("echo the disk is full; exit 3", &dir.path().join("log"));
        let error = process.wait_until_ready(Duration::from_secs(10), || false).unwrap_err().to_string();
        assert!(error.contains("the disk is full") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_paused_process_does_nothing_until_it_is_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut process = start("while :; do echo tick; sleep 0.01; done", &log);
        let length = || std::fs::metadata(&log).map_or(0, |file| file.len());
        process.wait_until_ready(Duration::from_secs(10), || length() > 0).unwrap();
        process.pause().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let paused = length();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(length(), paused);
        process.resume().unwrap();
        process.wait_until_ready(Duration::from_secs(10), || length() > paused).unwrap();
        process.terminate().unwrap();
        process.wait_for_end(Duration::from_secs(10)).unwrap();
    }
}
