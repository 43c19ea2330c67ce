//! The metadata journal: topics, committed offsets and producer ids, one frame a change.
//!
//! It is written anew with what still counts when it has become several times as long as that, so its length
//! depends on how many topics and groups there are and not on how often they commit.

use std::fs::File;
use std::io::Result as IoResult;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, Handle};
use crate::error::BrokerError;
use crate::files;
use crate::frame::{self, Scan};
use crate::record::Record;

/// A journal that is shorter is left as it is.
const LEAST: u64 = 1 << 20;

/// How many times longer than what counts it may become.
const GROWTH: u64 = 4;

/// An open journal.
pub(crate) struct Journal {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    handle: Box<dyn Handle>,
    /// Everything before this is on the disk.
    synced: u64,
    /// From this length on it is written anew.
    limit: u64,
    /// Whether it may be another file by now: then it is written anew whatever its length.
    unsure: bool,
}

impl Journal {
    /// Opens or creates the journal of `dir`, gives every record to `replay` and cuts what a crash tore.
    /// `replay` answers whether the record fits.
    pub(crate) fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        mut replay: impl FnMut(Record) -> bool,
    ) -> Result<Self, BrokerError> {
        let storage = |source| BrokerError::Storage { dir: dir.to_path_buf(), source };
        let path = dir.join(files::METADATA);
        let handle = disk.open(&path).map_err(storage)?;
        let file = File::open(&path).map_err(storage)?;
        let mut scan = Scan::new(&file).map_err(storage)?;
        while let Some((_, payload)) = scan.next().map_err(storage)? {
            if !Record::decode(payload).is_some_and(&mut replay) {
                return Err(BrokerError::Format { dir: dir.to_path_buf() });
            }
        }
        let synced = scan.intact();
        if scan.broken() > 0 {
            if frame::says_settled(&file, synced, synced).map_err(storage)? {
                return Err(BrokerError::Damaged { dir: dir.to_path_buf(), file: path, position: synced });
            }
            tracing::warn!(bytes = scan.broken(), position = synced, "cut a torn tail off the metadata");
            handle.cut(synced).map_err(storage)?;
        }
        handle.sync().map_err(storage)?;
        Ok(Self { path, disk, handle, synced, limit: LEAST.max(synced * 2), unsure: false })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length on the disk.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// Whether it should be written anew.
    pub(crate) fn is_due(&self) -> bool {
        self.unsure || self.synced > self.limit
    }

    /// Writes records behind the others without waiting for the disk. They count when their bytes, whose
    /// number is the answer, are told to `settle`.
    pub(crate) fn write(&self, records: &[Vec<u8>]) -> IoResult<u64> {
        let bytes = framed(records, self.synced, self.synced);
        if !bytes.is_empty() {
            self.handle.write(&bytes, self.synced)?;
        }
        Ok(bytes.len() as u64)
    }

    /// What has to be synced.
    pub(crate) fn handle(&self) -> &dyn Handle {
        self.handle.as_ref()
    }

    /// What was written is on the disk.
    pub(crate) fn settle(&mut self, bytes: u64) {
        self.synced += bytes;
    }

    /// Takes the place of itself, with these records only. They are on the disk afterwards.
    pub(crate) fn rewrite(&mut self, records: &[Vec<u8>]) -> IoResult<()> {
        let bytes = framed(records, 0, 0);
        let new = self.path.with_extension("new");
        let handle = self.write_new(&new, &bytes).inspect_err(|_| {
            // Where there is no space for all of it, there may be some for what comes next.
            self.limit = self.synced + LEAST;
        })?;
        // If the exchange fails, nobody knows which of the two has the name.
        self.unsure = true;
        self.disk.replace(&new, &self.path)?;
        self.unsure = false;
        self.handle = handle;
        self.synced = bytes.len() as u64;
        self.limit = LEAST.max(self.synced * GROWTH);
        Ok(())
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> IoResult<Box<dyn Handle>> {
        let handle = self.disk.open(path)?;
        handle.cut(0)?;
        handle.write(bytes, 0)?;
        handle.sync()?;
        Ok(handle)
    }
}

fn framed(records: &[Vec<u8>], position: u64, settled: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let at = position + bytes.len() as u64;
        frame::put(&mut bytes, at, settled, &[record]);
    }
    bytes
}

#[cfg(test)]
mod tests;
