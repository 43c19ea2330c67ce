//! The data directory of one machine: locked by the running instance, which leaves its addresses there.

use crate::RuntimeError;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Addresses of a running instance, for client commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Process id.
    pub pid: u32,
    /// Bootstrap address of the broker.
    pub broker: String,
    /// Collector's HTTP address.
    pub collector: String,
    /// OTLP over HTTP.
    pub otlp_http: String,
    /// PostgreSQL wire.
    pub postgres: String,
    /// Reports over HTTP.
    pub http: String,
}

/// A data directory held by this process until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates and locks the directory.
    pub fn lock(path: &Path) -> Result<Self, RuntimeError> {
        std::fs::create_dir_all(path)
            .map_err(|error| RuntimeError::file("create the data directory", path, error))?;
        let lock_path = path.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|error| RuntimeError::file("open", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RuntimeError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(RuntimeError::file("lock", &lock_path, error)),
        }
        let dir = Self { path: path.to_owned(), _lock: lock };
        // A killed instance leaves its addresses behind; whoever holds the lock knows that they are stale.
        let _ = std::fs::remove_file(dir.instance_path());
        Ok(dir)
    }

    /// The addresses of the instance that holds the directory, if one does and has finished starting.
    pub fn running(path: &Path) -> Option<Instance> {
        let lock = File::options().write(true).open(path.join("lock")).ok()?;
        if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let text = std::fs::read_to_string(path.join("instance.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Says where this instance listens.
    pub fn announce(&self, instance: &Instance) -> Result<(), RuntimeError> {
        let path = self.instance_path();
        let text = serde_json::to_vec_pretty(instance).unwrap_or_default();
        crate::secrets::write_private(&path, &text).map_err(|error| RuntimeError::file("write", &path, error))
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Journal of the embedded broker.
    pub fn broker(&self) -> PathBuf {
        self.path.join("broker")
    }

    fn instance_path(&self) -> PathBuf {
        self.path.join("instance.json")
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.instance_path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance {
            pid: 1,
            broker: "127.0.0.1:1".into(),
            collector: "127.0.0.1:2".into(),
            otlp_http: "127.0.0.1:3".into(),
            postgres: "127.0.0.1:4".into(),
            http: "127.0.0.1:5".into(),
        }
    }

    #[test]
    fn one_process_holds_a_directory_and_others_find_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(DataDir::running(dir.path()), None);
        let held = DataDir::lock(dir.path()).unwrap();
        assert!(matches!(DataDir::lock(dir.path()), Err(RuntimeError::InUse { .. })));
        held.announce(&instance()).unwrap();
        assert_eq!(DataDir::running(dir.path()), Some(instance()));
        drop(held);
        assert_eq!(DataDir::running(dir.path()), None);
    }

    #[test]
    fn what_a_killed_instance_left_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::lock(dir.path()).unwrap());
        std::fs::write(dir.path().join("instance.json"), serde_json::to_vec(&instance()).unwrap()).unwrap();
        assert_eq!(DataDir::running(dir.path()), None);
    }
}
