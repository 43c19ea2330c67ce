//! The broker's directory: locked by one broker, and of a format that it can read.
//!
//! The file that is locked was the whole journal in the first format. Now it only says which format the rest
//! has, as a frame of the first format, so that a broker of that time refuses the directory and destroys
//! nothing.

use std::fs::{File, TryLockError};
use std::io::Result as IoResult;
use std::path::{Path, PathBuf};

use crate::disk::{create_dir, sync_parent};
use crate::error::BrokerError;
use crate::files;
use crate::first_format;
use crate::record::{FORMAT, Record};

/// A locked directory.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    lock: File,
}

impl Home {
    /// Locks a directory, which is created if missing. What an earlier version left is brought into the
    /// present format.
    pub(crate) fn open(dir: &Path) -> Result<Self, BrokerError> {
        let storage = |source| BrokerError::Storage { dir: dir.to_path_buf(), source };
        create_dir(dir).map_err(storage)?;
        let path = dir.join(files::MARKER);
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let lock = lock(dir, open().map_err(storage)?)?;
        let mut home = Self { dir: dir.to_path_buf(), lock };
        match first_format::format(&home.lock).map_err(storage)? {
            Some(FORMAT) => {}
            Some(first_format::FORMAT) => {
                first_format::migrate(dir, &home.lock)?;
                home.mark()?;
            }
            Some(_) => return Err(BrokerError::Format { dir: dir.to_path_buf() }),
            None => home.mark()?,
        }
        Ok(home)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// From now on the directory has the present format.
    fn mark(&mut self) -> Result<(), BrokerError> {
        let marked = self.replace_marker();
        let file = marked.map_err(|source| BrokerError::Storage { dir: self.dir.clone(), source })?;
        self.lock = file;
        Ok(())
    }

    fn replace_marker(&self) -> IoResult<File> {
        let (path, new) = (self.dir.join(files::MARKER), self.dir.join("journal.new"));
        let head = Record::Head { cluster: String::new() }.encode();
        std::fs::write(&new, first_format::frame(0, &head))?;
        let file = File::options().read(true).write(true).open(&new)?;
        // Nobody else knows this file yet: it is locked when it gets its name.
        file.try_lock().map_err(std::io::Error::from)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        sync_parent(&path)?;
        Ok(file)
    }
}

impl Drop for Home {
    /// The directory is free, though a process that was started meanwhile may still have the file open.
    fn drop(&mut self) {
        // Closing the last handle unlocks as well.
        let _ = self.lock.unlock();
    }
}

fn lock(dir: &Path, file: File) -> Result<File, BrokerError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BrokerError::DirectoryBusy { dir: dir.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(BrokerError::Storage { dir: dir.to_path_buf(), source }),
    }
}

#[cfg(test)]
mod tests;
