//! What the writer needs of a disk; tests put disks in its place that wait or refuse.

use std::fs::File;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How many files are synced at once: the file system joins what arrives together.
const SYNCS: usize = 8;

/// A file that is written to.
pub(crate) trait Handle: Send + Sync {
    /// Writes all bytes at a position.
    fn write(&self, bytes: &[u8], position: u64) -> Result<()>;
    /// Returns when everything written is on the disk.
    fn sync(&self) -> Result<()>;
    /// Cuts off what follows a position.
    fn cut(&self, length: u64) -> Result<()>;
}

/// Where files are.
pub(crate) trait Disk: Send + Sync {
    /// Opens a file for writing, with its directories if it is new. The name of a new file is on the disk.
    fn open(&self, path: &Path) -> Result<Box<dyn Handle>>;
    /// Removes a file, if it is there.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Puts a file in the place of another one, for good.
    fn replace(&self, new: &Path, old: &Path) -> Result<()>;
}

/// The file system.
pub(crate) struct FileSystem;

impl Handle for File {
    fn write(&self, bytes: &[u8], position: u64) -> Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync(&self) -> Result<()> {
        self.sync_data()
    }

    fn cut(&self, length: u64) -> Result<()> {
        self.set_len(length)
    }
}

impl Disk for FileSystem {
    fn open(&self, path: &Path) -> Result<Box<dyn Handle>> {
        match File::options().write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return Ok(Box::new(opened?)),
        }
        if let Some(dir) = path.parent() {
            create_dir(dir)?;
        }
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        sync_parent(path)?;
        Ok(Box::new(file))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn replace(&self, new: &Path, old: &Path) -> Result<()> {
        std::fs::rename(new, old)?;
        sync_parent(old)
    }
}

/// Creates a directory and those above it, each with its name on the disk.
pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        create_dir(above)?;
    }
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_parent(dir)
}

/// The names in the directory of `path` are on the disk.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Syncs files side by side; the first error counts.
pub(crate) fn sync_all(handles: &[&dyn Handle]) -> Result<()> {
    let share = handles.len().div_ceil(SYNCS).max(1);
    let one_by_one = |part: &[&dyn Handle]| part.iter().try_for_each(|handle| handle.sync());
    let mut parts = handles.chunks(share);
    let Some(own) = parts.next() else { return Ok(()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || one_by_one(part))).collect();
        let mut result = one_by_one(own);
        for other in others {
            let synced = other.join().unwrap_or_else(|_| Err(ErrorKind::Other.into()));
            result = result.and(synced);
        }
        result
    })
}
