//! The first format: one file named `journal` with all records of all partitions, which is read once.
//!
//! A frame was `length: u32, crc: u32, payload`, and the CRC covered the frame's position too. A payload that
//! begins with `B` was a batch: `topic: u32, partition: u32` and the bytes as they were received; all others
//! are as today. Offsets were not stored: a batch's is the number of records before it.
//!
//! The new files are complete before the marker takes the place of the journal. A crash before that leaves
//! the journal as it was, and everything is done again.

use std::fs::File;
use std::io::{BufReader, Read, Result as IoResult};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Buf;

use crate::batch::BatchHeader;
use crate::disk::{Disk, FileSystem};
use crate::error::BrokerError;
use crate::files;
use crate::journal::Journal;
use crate::queue::Group;
use crate::record::Record;
use crate::state::State;
use crate::writer::Files;

/// What the head of a journal of this format states.
pub(crate) const FORMAT: u16 = 1;

const PREFIX: u64 = 8;
const BATCH: u8 = b'B';
const MAX_PAYLOAD: u32 = 128 << 20;

/// The most that can have been written and not synced. What breaks off further from the end of the file was
/// acknowledged.
const MAX_TORN: u64 = 256 << 20;

/// Bytes that are gathered before they are written.
const GROUP: usize = 16 << 20;

fn crc(position: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&position.to_be_bytes()), payload)
}

/// A frame of this format.
pub(crate) fn frame(position: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
    frame.extend(crc(position, payload).to_be_bytes());
    frame.extend(payload);
    frame
}

/// The format that the first record states; none in a file that has no whole first record.
pub(crate) fn format(file: &File) -> IoResult<Option<u16>> {
    let mut head = [0; PREFIX as usize + 3];
    let total = file.metadata()?.len();
    if total < head.len() as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, 0)?;
    let mut payload = vec![0; usize::try_from(total - PREFIX).unwrap_or(usize::MAX).min(1 << 16)];
    file.read_exact_at(&mut payload, PREFIX)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3, _, f0, f1] = head;
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let whole =
        payload.get(..length).is_some_and(|payload| crc(0, payload) == u32::from_be_bytes([c0, c1, c2, c3]));
    // Something stands here, and it is not what a broker writes first.
    Ok(Some(if whole { u16::from_be_bytes([f0, f1]) } else { 0 }))
}

/// Writes what the journal says into files of the present format.
pub(crate) fn migrate(dir: &Path, journal: &File) -> Result<(), BrokerError> {
    let storage = |source| BrokerError::Storage { dir: dir.to_path_buf(), source };
    let total = journal.metadata().map_err(storage)?.len();
    tracing::info!(bytes = total, "bringing the files of the broker into the present format");
    clear(dir).map_err(storage)?;
    let disk: Arc<dyn Disk> = Arc::new(FileSystem);
    let mut migration = Migration {
        state: State::default(),
        group: Group::default(),
        files: Files::new(dir, Arc::clone(&disk)),
    };
    let mut position = 0;
    let mut reader = BufReader::with_capacity(1 << 20, journal);
    while let Some(payload) = next(&mut reader, position, total).map_err(storage)? {
        if !migration.add(&payload).map_err(storage)? {
            return Err(BrokerError::Format { dir: dir.to_path_buf() });
        }
        position += PREFIX + payload.len() as u64;
    }
    if total - position > MAX_TORN {
        let file = dir.join(files::MARKER);
        return Err(BrokerError::Damaged { dir: dir.to_path_buf(), file, position });
    }
    migration.write().map_err(storage)?;
    let records: Vec<_> = migration.state.snapshot().iter().map(Record::encode).collect();
    Journal::open(dir, disk, |_| false)?.rewrite(&records).map_err(storage)
}

/// Removes what an interrupted migration wrote.
fn clear(dir: &Path) -> IoResult<()> {
    let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    for removed in
        [std::fs::remove_dir_all(dir.join(files::TOPICS)), std::fs::remove_file(dir.join(files::METADATA))]
    {
        if let Err(error) = removed
            && !missing(&error)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// The payload of the frame at a position; `None` at the end and at a frame that is not whole.
fn next(reader: &mut impl Read, position: u64, total: u64) -> IoResult<Option<Vec<u8>>> {
    let Some(left) = (total - position).checked_sub(PREFIX) else { return Ok(None) };
    let mut prefix = [0; PREFIX as usize];
    reader.read_exact(&mut prefix)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = prefix;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if length == 0 || length > MAX_PAYLOAD || u64::from(length) > left {
        return Ok(None);
    }
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload)?;
    Ok((crc(position, &payload) == u32::from_be_bytes([c0, c1, c2, c3])).then_some(payload))
}

struct Migration {
    state: State,
    group: Group,
    files: Files,
}

impl Migration {
    /// Takes over one record; false if it is none of this format.
    fn add(&mut self, payload: &[u8]) -> IoResult<bool> {
        if let Some(mut batch) = payload.strip_prefix(&[BATCH]) {
            let (Ok(topic), Ok(partition)) = (batch.try_get_u32(), batch.try_get_u32()) else {
                return Ok(false);
            };
            let Some(header) = BatchHeader::read(batch) else { return Ok(false) };
            // A batch that was queued behind the deletion of its topic has no place any more.
            if let Some(change) = self.group.place(&mut self.state, topic, partition, &header, batch) {
                self.state.publish(&change.1);
            }
        } else {
            let Some(record) = Record::decode_format(payload, FORMAT) else { return Ok(false) };
            if !self.state.replay(record) {
                return Ok(false);
            }
        }
        if self.group.bytes() >= GROUP {
            self.write()?;
        }
        Ok(true)
    }

    fn write(&mut self) -> IoResult<()> {
        let group = std::mem::take(&mut self.group);
        self.files.write(&group, None)
    }
}

#[cfg(test)]
mod tests;
