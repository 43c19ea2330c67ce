//! Data files in memory.

use bytes::Bytes;
use parquet::file::metadata::ParquetMetaData;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A file that takes more than this part of the memory is not kept: it would push out many others.
const LARGEST_PART: u64 = 4;
/// How many files are expected at first; more are kept just as well.
const EXPECTED_FILES: usize = 64;

/// Files that were written or looked into lately, whole. A data file never changes once it is written, so what is
/// kept is never out of date; that a version no longer has the file is for the table's log to say.
pub(crate) struct FileCache {
    files: Cache<String, Arc<CachedFile>, Bytesize>,
    capacity: u64,
}

/// A file and what its footer says.
#[derive(Debug)]
pub(crate) struct CachedFile {
    pub(crate) bytes: Bytes,
    /// Where its columns and pages are, once somebody has read it.
    pub(crate) metadata: OnceLock<Arc<ParquetMetaData>>,
}

#[derive(Clone)]
struct Bytesize;

impl Weighter<String, Arc<CachedFile>> for Bytesize {
    fn weight(&self, _: &String, file: &Arc<CachedFile>) -> u64 {
        file.bytes.len() as u64
    }
}

impl FileCache {
    /// Room for so many bytes of files.
    pub(crate) fn new(capacity: u64) -> Self {
        Self { files: Cache::with_weighter(EXPECTED_FILES, capacity, Bytesize), capacity }
    }

    /// Whether a file of this size is kept.
    pub(crate) fn takes(&self, size: u64) -> bool {
        size <= self.capacity / LARGEST_PART
    }

    pub(crate) fn get(&self, path: &str) -> Option<Arc<CachedFile>> {
        self.files.get(path)
    }

    /// Keeps a file, if it is not too large, in place of those that were not asked for again.
    pub(crate) fn keep(&self, path: &str, bytes: Bytes) -> Arc<CachedFile> {
        let file = Arc::new(CachedFile { bytes, metadata: OnceLock::new() });
        if self.takes(file.bytes.len() as u64) {
            self.files.insert(path.to_owned(), Arc::clone(&file));
        }
        file
    }
}

impl fmt::Debug for FileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
