//! What a partition is, learned from its files.
//!
//! Full segments are known from their index files; one without a whole index file is read and gets a new
//! one. The last segment is always read, and what a crash tore off its end is cut. What was settled before
//! is never cut: then the broker does not start, and says where the damage is.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{ErrorKind, Result as IoResult};
use std::path::{Path, PathBuf};

use crate::batch::{self, BatchHeader};
use crate::disk::sync_parent;
use crate::error::BrokerError;
use crate::files::{self, Found};
use crate::frame::{self, PREFIX, Scan};
use crate::index::{self, Entry, Index, Summary};
use crate::partition::{Partition, Segment};
use crate::producers::Producers;
use crate::reader::load_index;
use crate::settings::Settings;

/// What reading a whole segment tells.
struct Read {
    summary: Summary,
    index: Index,
    /// Where its intact frames end, if something follows them.
    broken: Option<u64>,
}

/// Opens the partition in `dir`; one without files is new.
pub(crate) fn open(root: &Path, dir: &Path, settings: &Settings) -> Result<Partition, BrokerError> {
    let storage = |source| BrokerError::Storage { dir: root.to_path_buf(), source };
    finish_what_was_begun(dir).map_err(storage)?;
    let bases: Vec<i64> = list(dir).map_err(storage)?.into_iter().filter_map(base_of).collect();
    let mut opening =
        Opening { root, dir, settings, segments: VecDeque::new(), producers: Producers::default() };
    for (at, base) in bases.iter().enumerate() {
        let behind = &bases[at + 1..];
        if let Some((index, next)) = opening.segment(*base, behind)? {
            return Ok(Partition::open(opening.segments, index, next, opening.producers));
        }
    }
    Ok(Partition::default())
}

fn base_of((found, _): (Found, PathBuf)) -> Option<i64> {
    if let Found::Log(base) = found { Some(base) } else { None }
}

/// The files of a partition; logs in the order of their offsets.
fn list(dir: &Path) -> IoResult<Vec<(Found, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths: BTreeSet<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<IoResult<_>>()?;
    Ok(paths.into_iter().map(|path| (files::found(&path), path)).collect())
}

/// Carries out the exchange of segments that a crash interrupted, and removes what it left over.
pub(crate) fn finish_what_was_begun(dir: &Path) -> IoResult<()> {
    for (found, path) in list(dir)? {
        match found {
            // In the order of names this comes before its index.
            Found::Swap(from, to) => exchange(dir, from, to)?,
            Found::SwapIndex | Found::Rest => remove(&path)?,
            Found::Log(_) | Found::Index(_) => {}
        }
    }
    Ok(())
}

/// Removes what a compaction wrote that did not come to its end.
pub(crate) fn remove_leftovers(dir: &Path) -> IoResult<()> {
    for (found, path) in list(dir)? {
        if found == Found::Rest || (found == Found::SwapIndex && !path.with_extension("swap").exists()) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The exchanges of segments that were begun and not finished, as ranges of offsets.
pub(crate) fn unfinished_exchanges(dir: &Path) -> IoResult<Vec<(i64, i64)>> {
    let swap = |(found, _)| if let Found::Swap(from, to) = found { Some((from, to)) } else { None };
    Ok(list(dir)?.into_iter().filter_map(swap).collect())
}

/// Puts a complete compacted segment in the place of those from one offset to before another. Done again
/// after a crash it has the same result.
pub(crate) fn exchange(dir: &Path, from: i64, to: i64) -> IoResult<()> {
    for (found, path) in list(dir)? {
        if let Found::Index(base) | Found::Log(base) = found
            && (from + 1..to).contains(&base)
        {
            remove(&path)?;
        }
    }
    let log = files::log(dir, from);
    let index = files::swap_index(dir, from, to);
    if index.exists() {
        std::fs::rename(index, files::index(&log))?;
    }
    std::fs::rename(files::swap(dir, from, to), &log)?;
    sync_parent(&log)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> IoResult<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the files of topics that are not known: deleted ones, and those whose creation a crash undid.
pub(crate) fn remove_strangers(root: &Path, known: impl Fn(u32) -> bool) -> IoResult<()> {
    for (_, path) in list(&root.join(files::TOPICS))? {
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if !id.is_some_and(&known) {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

struct Opening<'a> {
    root: &'a Path,
    dir: &'a Path,
    settings: &'a Settings,
    segments: VecDeque<Segment>,
    producers: Producers,
}

impl Opening<'_> {
    /// Adds the next segment. If it is the last one, gives its index and the offset behind it.
    fn segment(&mut self, base: i64, behind: &[i64]) -> Result<Option<(Index, i64)>, BrokerError> {
        let path = files::log(self.dir, base);
        if !behind.is_empty()
            && let Some(sealed) = load_index(&path)
            && sealed.summary.base == base
            && self.length(&path)? == sealed.summary.length
        {
            self.segments.push_back(Segment::sealed(&sealed.summary));
            self.producers = sealed.producers;
            return Ok(None);
        }
        let file = File::options().read(true).write(true).open(&path).map_err(|e| self.storage(e))?;
        let read = self.read(&file, &path, base)?;
        let Read { summary, index, broken } = read;
        if let Some(position) = broken {
            self.check_torn(&file, &path, position, behind)?;
            tracing::warn!(file = %path.display(), position, "cut a torn tail off");
            self.cut(&file, position, behind).map_err(|e| self.storage(e))?;
        } else if !behind.is_empty() {
            tracing::info!(file = %path.display(), "made the index of a segment again");
            let bytes = index::encode(&summary, index.entries(), &self.producers);
            std::fs::write(files::index(&path), bytes).map_err(|e| self.storage(e))?;
            self.segments.push_back(Segment::sealed(&summary));
            return Ok(None);
        }
        // What was read may only be in the memory of the system yet.
        file.sync_data().and_then(|()| sync_parent(&path)).map_err(|e| self.storage(e))?;
        self.segments.push_back(Segment::sealed(&summary));
        Ok(Some((index, summary.next)))
    }

    fn length(&self, path: &Path) -> Result<u64, BrokerError> {
        Ok(std::fs::metadata(path).map_err(|e| self.storage(e))?.len())
    }

    fn storage(&self, source: std::io::Error) -> BrokerError {
        BrokerError::Storage { dir: self.root.to_path_buf(), source }
    }

    fn read(&mut self, file: &File, path: &Path, base: i64) -> Result<Read, BrokerError> {
        let stride = Index::stride(self.settings.segment_bytes);
        let mut segment = Segment::new(base);
        let (mut index, mut next) = (Index::default(), base);
        let mut scan = Scan::new(file).map_err(|e| self.storage(e))?;
        while let Some((position, batch)) = scan.next().map_err(|e| self.storage(e))? {
            // Intact frames that cannot have been written like this were put there by somebody else.
            let damaged = || self.damaged(path, position);
            let header = BatchHeader::read(batch).ok_or_else(damaged)?;
            let first = batch::base(batch).filter(|first| *first >= next).ok_or_else(damaged)?;
            index.push(Entry { offset: first, position, latest_before: segment.max_timestamp }, stride);
            segment.length = position + PREFIX + batch.len() as u64;
            if segment.first_timestamp < 0 {
                segment.first_timestamp = header.max_timestamp;
            }
            segment.max_timestamp = segment.max_timestamp.max(header.max_timestamp);
            next = first + i64::from(header.count);
            self.producers.note(&header, first);
        }
        let broken = (scan.broken() > 0).then(|| scan.intact());
        Ok(Read { summary: segment.summary(next), index, broken })
    }

    /// Refuses to cut what was settled: if a later frame says so, in this segment or in one behind it.
    fn check_torn(&self, file: &File, path: &Path, position: u64, behind: &[i64]) -> Result<(), BrokerError> {
        let mut settled = frame::says_settled(file, position, position).map_err(|e| self.storage(e))?;
        // An index file is written after its segment was synced.
        settled |= load_index(path).is_some_and(|sealed| sealed.summary.length > position);
        for base in behind {
            let path = files::log(self.dir, *base);
            // A segment begins only when those before it are written, and both are synced together: what
            // follows a settled frame was written after all that stands before that frame.
            let later = File::open(path).map_err(|e| self.storage(e))?;
            settled |= frame::says_settled(&later, 0, 0).map_err(|e| self.storage(e))?;
        }
        if settled { Err(self.damaged(path, position)) } else { Ok(()) }
    }

    fn damaged(&self, path: &Path, position: u64) -> BrokerError {
        BrokerError::Damaged { dir: self.root.to_path_buf(), file: path.to_path_buf(), position }
    }

    fn cut(&self, file: &File, position: u64, behind: &[i64]) -> IoResult<()> {
        for base in behind.iter().rev() {
            let log = files::log(self.dir, *base);
            remove(&files::index(&log))?;
            remove(&log)?;
        }
        file.set_len(position)
    }
}

#[cfg(test)]
mod tests;
