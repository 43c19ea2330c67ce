//! Compaction of a partition: of the records of one key only the latest is kept.
//!
//! Full segments are written anew without the others. What is left of segments in a row becomes one segment
//! while that is not too large. A record without a value says that its key is gone; it is kept for a while
//! after its first compaction, so that readers who are behind learn of it, and then goes as well.
//!
//! Keys are remembered by hashes of 128 bits, at most [`MAX_KEYS`] at a time; a log with more is gone through
//! in several rounds, each for a part of the keys.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Error, Result, Write};
use std::ops::Range;
use std::path::Path;

use crate::batch::{self, BatchHeader, RecordView, Records};
use crate::disk::sync_parent;
use crate::files;
use crate::frame::{self, Scan};
use crate::index::{self, Entry, Index};
use crate::partition::Segment;
use crate::reader::load_index;
use crate::settings::Settings;

/// Keys that are remembered at a time, about 32 MB. Unit tests have few keys and shall need several rounds.
const MAX_KEYS: u64 = if cfg!(test) { 8 } else { 500_000 };

/// A segment that takes the place of those in a range of offsets.
pub(crate) struct Compacted {
    pub(crate) range: Range<i64>,
    pub(crate) segment: Segment,
}

/// Whether enough was written since the last compaction, or records about keys that are gone can go.
pub(crate) fn is_due(sealed: &[Segment], settings: &Settings, now: i64) -> bool {
    let all: u64 = sealed.iter().map(|segment| segment.length).sum();
    let dirty = sealed.iter().filter(|segment| segment.compacted < 0);
    let dirty: u64 = dirty.map(|segment| segment.length).sum();
    let enough = dirty > 0 && dirty as f64 >= settings.min_dirty * all as f64;
    enough || sealed.iter().any(|segment| segment.tombstones && is_over(segment, settings, now))
}

/// Whether the records of a segment that say that a key is gone have been kept for long enough.
fn is_over(segment: &Segment, settings: &Settings, now: i64) -> bool {
    segment.compacted >= 0 && now.saturating_sub(segment.compacted) >= settings.delete_retention_ms
}

/// Compacts the full segments of a partition. Each that is complete on the disk is given to `exchange`.
pub(crate) fn run(
    dir: &Path,
    sealed: &[Segment],
    settings: &Settings,
    now: i64,
    mut exchange: impl FnMut(Compacted) -> Result<()>,
) -> Result<()> {
    let mut keys = Keys { latest: HashMap::new(), hashers: Default::default(), round: 0, rounds: 1 };
    keys.rounds = (count(dir, sealed)? / MAX_KEYS) + 1;
    let mut sealed = sealed.to_vec();
    let end = match sealed.last() {
        Some(last) => sealed_end(dir, last)?,
        None => return Ok(()),
    };
    for round in 0..keys.rounds {
        keys.round = round;
        keys.latest.clear();
        for segment in sealed.iter().filter(|segment| segment.compacted < 0) {
            keys.learn(dir, segment)?;
        }
        let last_round = round + 1 == keys.rounds;
        let mut left = Vec::new();
        for part in groups(&sealed, settings, now) {
            let rest = &sealed[left_of(&sealed, part)..];
            let to = rest.first().map_or(end, |behind| behind.base);
            let pass = Pass { dir, settings, now, keys: &keys, last_round };
            let compacted = pass.write(part, to)?;
            left.push(compacted.segment);
            exchange(compacted)?;
        }
        sealed = left;
    }
    Ok(())
}

/// How many of `all` stand before what follows `part`.
fn left_of(all: &[Segment], part: &[Segment]) -> usize {
    part.last().map_or(0, |last| all.partition_point(|segment| segment.base <= last.base))
}

/// Where the last full segment ends.
fn sealed_end(dir: &Path, last: &Segment) -> Result<i64> {
    let sealed = load_index(&files::log(dir, last.base));
    sealed.map(|sealed| sealed.summary.next).ok_or_else(|| Error::other("an index file is missing"))
}

/// Segments in a row that become one. One that has records about keys that are gone stays alone until they
/// can go: merged, they would have to wait as long as the youngest.
fn groups<'a>(sealed: &'a [Segment], settings: &Settings, now: i64) -> Vec<&'a [Segment]> {
    let alone = |segment: &Segment| segment.tombstones && !is_over(segment, settings, now);
    let (mut groups, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (at, segment) in sealed.iter().enumerate() {
        let apart = at > begin && (alone(segment) || sealed.get(at - 1).is_some_and(alone));
        if at > begin && (apart || bytes + segment.length > settings.segment_bytes) {
            groups.push(&sealed[begin..at]);
            (begin, bytes) = (at, 0);
        }
        bytes += segment.length;
    }
    groups.push(&sealed[begin..]);
    groups
}

/// Goes through the batches of a segment. What is not whole is not what was written.
fn each_batch(dir: &Path, segment: &Segment, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let path = files::log(dir, segment.base);
    let file = File::open(&path)?;
    let mut scan = Scan::new(&file)?;
    while let Some((_, batch)) = scan.next()? {
        each(batch)?;
    }
    if scan.intact() == segment.length {
        return Ok(());
    }
    Err(Error::other(format!("{} is damaged at byte {}", path.display(), scan.intact())))
}

/// The records that were not compacted yet.
fn count(dir: &Path, sealed: &[Segment]) -> Result<u64> {
    let mut count = 0;
    for segment in sealed.iter().filter(|segment| segment.compacted < 0) {
        each_batch(dir, segment, |batch| {
            count += BatchHeader::read(batch).map_or(0, |header| header.count.unsigned_abs().into());
            Ok(())
        })?;
    }
    Ok(count)
}

/// The latest offset of each key of this round.
struct Keys {
    latest: HashMap<(u64, u64), i64>,
    hashers: (RandomState, RandomState),
    round: u64,
    rounds: u64,
}

impl Keys {
    fn hash(&self, key: &[u8]) -> Option<(u64, u64)> {
        let hash = (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key));
        (hash.0 % self.rounds == self.round).then_some(hash)
    }

    fn learn(&mut self, dir: &Path, segment: &Segment) -> Result<()> {
        each_batch(dir, segment, |batch| {
            let base = batch::base(batch).unwrap_or_default();
            for record in Records::of(batch).into_iter().flatten().flatten() {
                if let Some(hash) = record.key.and_then(|key| self.hash(key)) {
                    self.latest.insert(hash, base + record.delta);
                }
            }
            Ok(())
        })
    }

    /// Whether a later record has the same key.
    fn is_replaced(&self, record: &RecordView<'_>, base: i64) -> bool {
        let latest = record.key.and_then(|key| self.latest.get(&self.hash(key)?));
        latest.is_some_and(|latest| base + record.delta < *latest)
    }
}

/// One round over all segments.
struct Pass<'a> {
    dir: &'a Path,
    settings: &'a Settings,
    now: i64,
    keys: &'a Keys,
    last_round: bool,
}

impl Pass<'_> {
    /// Writes what is left of segments in a row, whose successor begins at `to`.
    fn write(&self, part: &[Segment], to: i64) -> Result<Compacted> {
        let (Some(first), Some(last)) = (part.first(), part.last()) else {
            return Err(Error::other("no segment to compact"));
        };
        let sealed = load_index(&files::log(self.dir, last.base));
        let producers = sealed.map(|sealed| sealed.producers);
        let producers = producers.ok_or_else(|| Error::other("an index file is missing"))?;
        let path = files::unfinished(self.dir, first.base);
        let mut output = Output::new(&path, first.base, Index::stride(self.settings.segment_bytes))?;
        for segment in part {
            let over = is_over(segment, self.settings, self.now);
            each_batch(self.dir, segment, |batch| {
                let base = batch::base(batch).unwrap_or_default();
                let mut tombstones = false;
                let kept = batch::retain(batch, |record| {
                    let gone = self.keys.is_replaced(record, base) || (record.is_tombstone && over);
                    tombstones |= !gone && record.is_tombstone;
                    !gone
                });
                output.segment.tombstones |= tombstones;
                kept.map_or(Ok(()), |kept| output.add(&kept))
            })?;
        }
        let (mut segment, entries) = output.finish()?;
        // Before the last round some keys were not looked at yet, so what was not compacted is still not.
        let clean = part.iter().map(|segment| segment.compacted).min().unwrap_or(-1);
        segment.compacted = if clean < 0 && self.last_round { self.now } else { clean };
        let index = index::encode(&segment.summary(to), entries.entries(), &producers);
        std::fs::write(files::swap_index(self.dir, first.base, to), index)?;
        let swap = files::swap(self.dir, first.base, to);
        std::fs::rename(path, &swap)?;
        sync_parent(&swap)?;
        Ok(Compacted { range: first.base..to, segment })
    }
}

/// A segment that is being written.
struct Output {
    file: BufWriter<File>,
    segment: Segment,
    index: Index,
    stride: u64,
    frame: Vec<u8>,
}

impl Output {
    fn new(path: &Path, base: i64, stride: u64) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        Ok(Self { file, segment: Segment::new(base), index: Index::default(), stride, frame: Vec::new() })
    }

    fn add(&mut self, batch: &[u8]) -> Result<()> {
        let Some((offset, header)) = batch::base(batch).zip(BatchHeader::read(batch)) else { return Ok(()) };
        let (position, latest_before) = (self.segment.length, self.segment.max_timestamp);
        self.index.push(Entry { offset, position, latest_before }, self.stride);
        self.frame.clear();
        // Nothing is claimed about what is settled: the file counts when it is complete.
        self.segment.length += frame::put(&mut self.frame, position, 0, &[batch]);
        if self.segment.first_timestamp < 0 {
            self.segment.first_timestamp = header.max_timestamp;
        }
        self.segment.max_timestamp = latest_before.max(header.max_timestamp);
        self.file.write_all(&self.frame)
    }

    fn finish(mut self) -> Result<(Segment, Index)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let visible = self.segment.length;
        Ok((Segment { visible, settled: true, ..self.segment }, self.index))
    }
}

#[cfg(test)]
mod tests;
