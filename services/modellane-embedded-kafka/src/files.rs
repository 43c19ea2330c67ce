//! The names of files, and what may be found under them.
//!
//! ```text
//! journal                                    locked while a broker runs; says which format the rest has
//! metadata                                   topics, committed offsets, producer ids
//! topics/<id>/<partition>/<offset>.log       a segment, named by the first offset that it may have
//! topics/<id>/<partition>/<offset>.index     what is known about a full segment
//! topics/<id>/<partition>/<from>-<to>.swap   a compacted segment that takes the place of others
//! ```

use std::path::{Path, PathBuf};

/// Locked, and says the format.
pub(crate) const MARKER: &str = "journal";
/// The journal of topics, offsets and producer ids.
pub(crate) const METADATA: &str = "metadata";
/// The directory of all segments.
pub(crate) const TOPICS: &str = "topics";

/// A segment of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The topic's number.
    pub(crate) topic: u32,
    /// The partition.
    pub(crate) partition: u32,
    /// The segment's offset.
    pub(crate) segment: i64,
}

impl Place {
    /// The segment's file in the broker's directory.
    pub(crate) fn log(&self, root: &Path) -> PathBuf {
        log(&partition(root, self.topic, self.partition), self.segment)
    }
}

/// The directory of a topic.
pub(crate) fn topic(root: &Path, topic: u32) -> PathBuf {
    root.join(TOPICS).join(topic.to_string())
}

/// The directory of a partition.
pub(crate) fn partition(root: &Path, topic: u32, partition: u32) -> PathBuf {
    self::topic(root, topic).join(partition.to_string())
}

/// A segment in the directory of its partition.
pub(crate) fn log(dir: &Path, base: i64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

/// The index file of a segment.
pub(crate) fn index(log: &Path) -> PathBuf {
    log.with_extension("index")
}

/// A compacted segment before it is complete.
pub(crate) fn unfinished(dir: &Path, base: i64) -> PathBuf {
    dir.join(format!("{base:020}.unfinished"))
}

/// A complete compacted segment that takes the place of those from one offset to before another.
pub(crate) fn swap(dir: &Path, from: i64, to: i64) -> PathBuf {
    dir.join(format!("{from:020}-{to:020}.swap"))
}

/// Its index file.
pub(crate) fn swap_index(dir: &Path, from: i64, to: i64) -> PathBuf {
    swap(dir, from, to).with_extension("swapindex")
}

/// What a name in the directory of a partition means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Log(i64),
    Index(i64),
    Swap(i64, i64),
    SwapIndex,
    /// Left over from what a crash interrupted.
    Rest,
}

/// Reads a name in the directory of a partition.
pub(crate) fn found(path: &Path) -> Found {
    let text = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).unwrap_or("").to_owned();
    let (stem, extension) = (text(path.file_stem()), text(path.extension()));
    let swap = || {
        let (from, to) = stem.split_once('-')?;
        Some(Found::Swap(from.parse().ok()?, to.parse().ok()?))
    };
    let found = match extension.as_str() {
        "log" => stem.parse().ok().map(Found::Log),
        "index" => stem.parse().ok().map(Found::Index),
        "swap" => swap(),
        "swapindex" => Some(Found::SwapIndex),
        _ => None,
    };
    found.unwrap_or(Found::Rest)
}
