//! The journal file: framed records, a CRC each, a torn tail cut at open.
//!
//! A frame is `length: u32, crc: u32, payload`. The CRC covers the frame's position as well, so that
//! bytes left over from a write that was taken back can never pass for a later record.

use std::fs::{File, TryLockError};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::BrokerError;

/// Bytes before the payload.
pub(crate) const FRAME_PREFIX: u64 = 8;

/// The longest payload; a frame of the protocol with a little around it.
const MAX_PAYLOAD: u32 = 128 << 20;

/// The most that can have been written and not synced: one group, which ends soon after the limit of
/// `log.rs`. What breaks off further from the end of the file than this was acknowledged.
const MAX_TORN: u64 = 256 << 20;

const FILE_NAME: &str = "journal";

/// What the journal needs of a disk; tests put disks in its place that wait or refuse.
pub(crate) trait Disk: Send {
    /// Writes all bytes at a position.
    fn write(&self, bytes: &[u8], position: u64) -> std::io::Result<()>;
    /// Returns when everything written is on the disk.
    fn sync(&self) -> std::io::Result<()>;
    /// Cuts off what follows a position.
    fn cut(&self, position: u64) -> std::io::Result<()>;
}

impl Disk for Arc<File> {
    fn write(&self, bytes: &[u8], position: u64) -> std::io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync(&self) -> std::io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, position: u64) -> std::io::Result<()> {
        self.set_len(position)
    }
}

/// An open, locked journal.
pub(crate) struct Journal {
    file: Arc<File>,
    disk: Box<dyn Disk>,
    /// Everything before this is on the disk.
    synced: u64,
    /// Whether bytes of a failed write may follow `synced`.
    dirty_tail: bool,
}

/// The CRC of a frame at `position`.
fn crc(position: u64, payload: &[&[u8]]) -> u32 {
    payload.iter().fold(crc32c::crc32c(&position.to_be_bytes()), |crc, part| crc32c::crc32c_append(crc, part))
}

/// Appends a frame to `buffer`, whose end will be written at `position`. Returns the frame's length.
pub(crate) fn frame(buffer: &mut Vec<u8>, position: u64, payload: &[&[u8]]) -> u64 {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    buffer.reserve(length + FRAME_PREFIX as usize);
    buffer.extend_from_slice(&(length as u32).to_be_bytes());
    buffer.extend_from_slice(&crc(position, payload).to_be_bytes());
    for part in payload {
        buffer.extend_from_slice(part);
    }
    length as u64 + FRAME_PREFIX
}

impl Journal {
    /// Opens or creates the journal of `dir`, gives every intact payload with its position to `replay`,
    /// and cuts what follows the last one. `replay` answers whether it could read the payload.
    pub(crate) fn open(dir: &Path, mut replay: impl FnMut(u64, &[u8]) -> bool) -> Result<Self, BrokerError> {
        let storage = |source| BrokerError::Storage { dir: dir.to_path_buf(), source };
        std::fs::create_dir_all(dir).map_err(storage)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(FILE_NAME))
            .map_err(storage)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BrokerError::DirectoryBusy { dir: dir.to_path_buf() });
            }
            Err(TryLockError::Error(source)) => return Err(storage(source)),
        }
        let total = file.metadata().map_err(storage)?.len();
        let mut scan = Scan { dir: dir.to_path_buf(), total, position: 0, payload: Vec::new() };
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        while scan.next(&mut reader)? {
            if !replay(scan.position + FRAME_PREFIX, &scan.payload) {
                return Err(BrokerError::Format { dir: dir.to_path_buf() });
            }
            scan.position += FRAME_PREFIX + scan.payload.len() as u64;
        }
        let synced = scan.position;
        cut_tail(&file, dir, synced, total)?;
        // The name of a new file must survive too, or its first acknowledgements would not.
        file.sync_all().and_then(|()| File::open(dir)?.sync_all()).map_err(storage)?;
        let file = Arc::new(file);
        let disk = Box::new(Arc::clone(&file));
        Ok(Self { file, disk, synced, dirty_tail: false })
    }

    /// Puts another disk in the place of the file.
    #[cfg(test)]
    pub(crate) fn replace_disk(&mut self, disk: impl Disk + 'static) {
        self.disk = Box::new(disk);
    }

    /// The file, for readers of what is synced.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Where the next write goes.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// Writes and syncs. After an error nothing was added: what was written of it is cut off, at the
    /// latest before the next write.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let written = self
            .cut_dirty_tail()
            .and_then(|()| self.disk.write(bytes, self.synced))
            .and_then(|()| self.disk.sync());
        match written {
            Ok(()) => {
                self.synced += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.dirty_tail = true;
                // Space that a refused write took is given back at once; if even that fails, the next
                // write tries again and reports.
                let _ = self.cut_dirty_tail();
                Err(error)
            }
        }
    }

    fn cut_dirty_tail(&mut self) -> std::io::Result<()> {
        if self.dirty_tail {
            self.disk.cut(self.synced)?;
            self.dirty_tail = false;
        }
        Ok(())
    }
}

impl Drop for Journal {
    /// Only the writer holds a journal; when it ends, the directory is free, though readers may still
    /// have the file open.
    fn drop(&mut self) {
        // Closing the last handle unlocks as well.
        let _ = self.file.unlock();
    }
}

fn cut_tail(file: &File, dir: &Path, intact: u64, total: u64) -> Result<(), BrokerError> {
    if total == intact {
        return Ok(());
    }
    if total - intact > MAX_TORN {
        return Err(BrokerError::Damaged { dir: dir.to_path_buf(), position: intact });
    }
    tracing::warn!(bytes = total - intact, position = intact, "cut a torn tail off the journal");
    file.set_len(intact).map_err(|source| BrokerError::Storage { dir: dir.to_path_buf(), source })
}

/// Reads frame after frame.
struct Scan {
    dir: PathBuf,
    total: u64,
    position: u64,
    payload: Vec<u8>,
}

impl Scan {
    /// Reads the frame at `position` into `payload`; false at the end, or at the first frame that is
    /// not whole.
    fn next(&mut self, reader: &mut impl Read) -> Result<bool, BrokerError> {
        if self.total - self.position < FRAME_PREFIX {
            return Ok(false);
        }
        let mut prefix = [0u8; FRAME_PREFIX as usize];
        self.fill(reader, &mut prefix)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = prefix;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let left = self.total - self.position - FRAME_PREFIX;
        if length == 0 || length > MAX_PAYLOAD || u64::from(length) > left {
            return Ok(false);
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length as usize, 0);
        self.fill(reader, &mut payload)?;
        self.payload = payload;
        Ok(crc(self.position, &[&self.payload]) == u32::from_be_bytes([c0, c1, c2, c3]))
    }

    fn fill(&self, reader: &mut impl Read, into: &mut [u8]) -> Result<(), BrokerError> {
        reader.read_exact(into).map_err(|source| BrokerError::Storage { dir: self.dir.clone(), source })
    }
}

#[cfg(test)]
mod tests;
