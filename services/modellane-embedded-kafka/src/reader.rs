//! Reading batches out of segments, with every CRC checked on the way.
//!
//! Files are opened for each read and closed after it. What a plan says may have changed when it is carried
//! out, because retention and compaction remove and replace files; then reading fails, and who asked makes a
//! new plan.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::batch::{self, BatchHeader, first_at_or_after};
use crate::files;
use crate::frame::{PREFIX, Prefix};
use crate::index::{self, Sealed};
use crate::partition::Span;

/// The least that is read at once.
const CHUNK: u64 = 64 << 10;

/// Why a segment could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The system refused, or the file is not there.
    #[error("{} cannot be read", path.display())]
    Refused {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not what was written.
    #[error("{} is damaged at byte {position}", path.display())]
    Damaged { path: PathBuf, position: u64 },
}

/// A file of a span.
struct Segment {
    path: PathBuf,
    file: File,
    visible: u64,
}

impl Segment {
    fn open(dir: &Path, span: &Span) -> Result<Self, Unreadable> {
        let path = files::log(dir, span.base);
        let refused = |source| Unreadable::Refused { path: path.clone(), source };
        let file = File::open(&path).map_err(refused)?;
        Ok(Self { file, visible: span.visible, path })
    }

    /// Where to begin: the plan knows it, or the index file of the very segment that was planned.
    fn begin(&self, span: &Span, floor: impl FnOnce(&[index::Entry]) -> u64) -> u64 {
        span.from.unwrap_or_else(|| match load_index(&self.path) {
            Some(sealed) if sealed.summary.length == self.visible => floor(&sealed.entries),
            // Slower, and as right.
            _ => 0,
        })
    }

    fn read(&self, into: &mut [u8], position: u64) -> Result<(), Unreadable> {
        self.file.read_exact_at(into, position).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => Unreadable::Damaged { path: self.path.clone(), position },
            _ => Unreadable::Refused { path: self.path.clone(), source },
        })
    }

    fn damaged(&self, position: u64) -> Unreadable {
        Unreadable::Damaged { path: self.path.clone(), position }
    }
}

/// The index file of a segment, if it is whole.
pub(crate) fn load_index(log: &Path) -> Option<Sealed> {
    index::decode(&std::fs::read(files::index(log)).ok()?)
}

/// Whole batches from the one that holds `offset` on, of at most `limit` bytes; if `must`, at least one
/// whatever its size, or a reader could never pass it.
pub(crate) fn batches(
    dir: &Path,
    spans: &[Span],
    offset: i64,
    limit: usize,
    must: bool,
) -> Result<Bytes, Unreadable> {
    let mut taken = Taken { offset, limit, must, data: Vec::new(), kept: 0, full: false };
    for span in spans {
        match take(dir, span, &mut taken) {
            // What is intact before the damage is delivered first.
            Err(_) if taken.kept > 0 => break,
            other => other?,
        }
        if taken.full {
            break;
        }
    }
    taken.data.truncate(taken.kept);
    Ok(taken.data.into())
}

/// What was read: the first `kept` bytes of `data` are batches without their frames.
struct Taken {
    offset: i64,
    limit: usize,
    must: bool,
    data: Vec<u8>,
    kept: usize,
    full: bool,
}

fn take(dir: &Path, span: &Span, taken: &mut Taken) -> Result<(), Unreadable> {
    let segment = Segment::open(dir, span)?;
    let offset = taken.offset;
    let mut position = segment.begin(span, |entries| index::floor(entries, offset));
    let mut at_least = CHUNK;
    while position < segment.visible && !taken.full {
        let room = taken.limit.saturating_sub(taken.kept) as u64;
        let length = room.max(at_least).min(segment.visible - position);
        let begin = taken.kept;
        taken.data.resize(begin + length as usize, 0);
        segment.read(&mut taken.data[begin..], position)?;
        let (read, wanted) = unframe(&segment, taken, begin, position)?;
        if read == 0 && wanted == 0 && !taken.full {
            return Err(segment.damaged(position));
        }
        position += read;
        at_least = wanted.max(CHUNK);
    }
    Ok(())
}

/// Moves the payloads of whole frames together. Answers with the bytes that are done with, and with the
/// length of a frame that the chunk was too short for.
fn unframe(
    segment: &Segment,
    taken: &mut Taken,
    begin: usize,
    position: u64,
) -> Result<(u64, u64), Unreadable> {
    let mut at = begin;
    while taken.data.len() - at >= PREFIX as usize {
        let here = position + (at - begin) as u64;
        let prefix = Prefix::read(&taken.data[at..]).ok_or_else(|| segment.damaged(here))?;
        let (from, length) = (at + PREFIX as usize, prefix.length as usize);
        let whole = PREFIX + u64::from(prefix.length);
        if whole > segment.visible - here {
            return Err(segment.damaged(here));
        }
        let Some(payload) = taken.data.get(from..from + length) else {
            let first = taken.must && taken.kept == 0;
            taken.full = !first && taken.kept + length > taken.limit;
            return Ok(((at - begin) as u64, whole));
        };
        if !prefix.fits(here, payload) {
            return Err(segment.damaged(here));
        }
        let last = last_offset(payload).ok_or_else(|| segment.damaged(here))?;
        if last >= taken.offset {
            let first = taken.must && taken.kept == 0;
            if taken.kept + length > taken.limit && !first {
                taken.full = true;
                return Ok(((at - begin) as u64, 0));
            }
            taken.data.copy_within(from..from + length, taken.kept);
            taken.kept += length;
        }
        at = from + length;
    }
    // A prefix that the chunk cuts is read again with what follows it.
    Ok(((at - begin) as u64, 0))
}

fn last_offset(batch: &[u8]) -> Option<i64> {
    Some(batch::base(batch)? + i64::from(BatchHeader::read(batch)?.count) - 1)
}

/// The first record at or after a time, as (offset, time).
pub(crate) fn first_at(dir: &Path, spans: &[Span], time: i64) -> Result<Option<(i64, i64)>, Unreadable> {
    for span in spans {
        let segment = Segment::open(dir, span)?;
        let mut position = segment.begin(span, |entries| index::floor_of_time(entries, time));
        let mut head = [0; PREFIX as usize + batch::HEADER];
        while position < segment.visible {
            segment.read(&mut head, position)?;
            let (prefix, batch) = head.split_at(PREFIX as usize);
            let prefix = Prefix::read(prefix).ok_or_else(|| segment.damaged(position))?;
            let header = BatchHeader::read(batch).ok_or_else(|| segment.damaged(position))?;
            if header.max_timestamp >= time
                && let Some(found) = in_batch(&segment, position, prefix, time)?
            {
                return Ok(Some(found));
            }
            position += PREFIX + u64::from(prefix.length);
        }
    }
    Ok(None)
}

fn in_batch(
    segment: &Segment,
    position: u64,
    prefix: Prefix,
    time: i64,
) -> Result<Option<(i64, i64)>, Unreadable> {
    let mut payload = vec![0; prefix.length as usize];
    segment.read(&mut payload, position + PREFIX)?;
    if !prefix.fits(position, &payload) {
        return Err(segment.damaged(position));
    }
    let base = batch::base(&payload).unwrap_or_default();
    // What a client wrote into a record is not to be trusted.
    Ok(first_at_or_after(&payload, time).map(|(delta, at)| (base.saturating_add(delta), at)))
}
