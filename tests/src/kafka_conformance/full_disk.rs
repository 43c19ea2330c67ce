//! A disk that becomes full under a broker, and has space again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::durability::Brokers;
use super::wire::{self, batch, new_producer};
use super::{create_topic_with, read_topic, unique};

/// The error after which a client tries again.
const STORAGE_ERROR: i16 = 56;

/// A disk of 24 MB that is only in memory.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one; says why if this process may not.
    pub fn mount(dir: &Path) -> Result<Self, String> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(dir);
        let output = mount.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(Self(dir.to_path_buf()));
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files that are open still keep it until they are closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// On a full disk a message is refused and can be sent again, everything acknowledged is there and can be read,
/// also after a restart, and with space again it goes on. `ballast` is a file that can be removed.
pub async fn check_full_disk(brokers: &Brokers, ballast: &Path) -> Result<()> {
    let bootstrap = brokers.bootstrap();
    std::fs::write(ballast, vec![1; 8 << 20])?;
    let mut running = brokers.start()?;
    let topic = unique("full");
    create_topic_with(&bootstrap, &topic, 1, &[("segment.bytes", "1048576")]).await?;
    let mut stream = wire::connect(&bootstrap, &topic)?;
    let producer = new_producer(&mut stream)?;
    let value = vec![b'x'; 300_000];
    let mut acknowledged = 0;
    loop {
        match wire::produce(&mut stream, &topic, &batch(producer, acknowledged, &value))? {
            (0, offset) => ensure!(offset == i64::from(acknowledged), "offset {offset}"),
            (error, _) => {
                ensure!(error == STORAGE_ERROR, "a full disk is error {error}");
                break;
            }
        }
        acknowledged += 1;
        ensure!(acknowledged < 100, "the disk never became full");
    }
    ensure!(acknowledged > 20, "the disk was full after {acknowledged} messages");
    let stored = |when: &str| {
        let stored = read_topic(&bootstrap, &topic, 1)?;
        let whole = stored.iter().all(|seen| seen.value == value);
        ensure!(stored.len() as i32 == acknowledged && whole, "{when}: {} of {acknowledged}", stored.len());
        Ok(())
    };
    stored("while the disk is full")?;
    let again = wire::produce(&mut stream, &topic, &batch(producer, acknowledged, &value))?;
    ensure!(again.0 == STORAGE_ERROR, "sent again, it is answered with {}", again.0);
    running.kill();
    running = brokers.start()?;
    stored("after a restart on a full disk")?;
    std::fs::remove_file(ballast)?;
    let mut stream = wire::connect(&bootstrap, &topic)?;
    for _ in 0..10 {
        let next = wire::produce(&mut stream, &topic, &batch(producer, acknowledged, &value))?;
        ensure!(next == (0, i64::from(acknowledged)), "with space again: {next:?}");
        acknowledged += 1;
    }
    running.kill();
    let _running = brokers.start()?;
    let stored = read_topic(&bootstrap, &topic, 1)?;
    ensure!(stored.len() as i32 == acknowledged, "{} of {acknowledged} messages", stored.len());
    println!("{acknowledged} messages acknowledged around a full disk, all there");
    Ok(())
}
