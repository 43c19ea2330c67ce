//! The thread that writes: it takes whatever is queued, writes and syncs it in one go, and only then shows
//! it to readers and wakes those who wait.

use std::collections::BTreeMap;
use std::io::Result as IoResult;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use crate::disk::{Disk, Handle, sync_all};
use crate::files;
use crate::home::Home;
use crate::journal::Journal;
use crate::log::{Progress, Shared, lock};
use crate::queue::Group;
use crate::record::Record;

/// The segments, for writing. After a refused write they are as before it, at the latest when the next one
/// begins.
pub(crate) struct Files {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    /// Files with bytes of a refused write, and how long they should be; those that should be empty go.
    dirty: BTreeMap<PathBuf, u64>,
}

/// How the metadata of a group is written.
pub(crate) struct Metadata<'a> {
    /// The journal.
    pub(crate) journal: &'a mut Journal,
    /// Everything as of this group, if the journal is to be written anew.
    pub(crate) anew: Option<Vec<Vec<u8>>>,
}

impl Files {
    /// Over the directory of a broker.
    pub(crate) fn new(root: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { root: root.to_path_buf(), disk, dirty: BTreeMap::new() }
    }

    /// Writes and syncs a group. After an error nothing of it counts.
    pub(crate) fn write(&mut self, group: &Group, metadata: Option<Metadata<'_>>) -> IoResult<()> {
        self.clean()?;
        let written = self.write_all(group, metadata);
        if written.is_err() {
            let begun = group.appends.iter().map(|(place, append)| (place.log(&self.root), append.position));
            self.dirty.extend(begun);
            // Space that a refused write took is given back at once; if even that fails, the next write
            // tries again and reports.
            let _ = self.clean();
        } else {
            self.seal(group);
        }
        written
    }

    fn write_all(&mut self, group: &Group, metadata: Option<Metadata<'_>>) -> IoResult<()> {
        let mut handles: Vec<Box<dyn Handle>> = Vec::with_capacity(group.appends.len());
        for (place, append) in &group.appends {
            let handle = self.disk.open(&place.log(&self.root))?;
            if !append.bytes.is_empty() {
                handle.write(&append.bytes, append.position)?;
            }
            handles.push(handle);
        }
        let mut handles: Vec<&dyn Handle> = handles.iter().map(|handle| handle.as_ref()).collect();
        let Some(Metadata { journal, anew }) = metadata else { return sync_all(&handles) };
        if let Some(records) = anew {
            // The new journal counts as soon as it has its name, so all else comes first.
            sync_all(&handles)?;
            return journal.rewrite(&records);
        }
        let (path, length) = (journal.path().to_path_buf(), journal.synced());
        let bytes = journal.write(&group.records).inspect_err(|_| {
            self.dirty.insert(path.clone(), length);
        })?;
        if bytes > 0 {
            handles.push(journal.handle());
        }
        sync_all(&handles).inspect_err(|_| {
            self.dirty.insert(path, length);
        })?;
        journal.settle(bytes);
        Ok(())
    }

    fn clean(&mut self) -> IoResult<()> {
        while let Some((path, length)) = self.dirty.pop_first() {
            let cleaned = match length {
                0 if path.extension().is_some() => self.disk.remove(&path),
                _ => self.disk.open(&path).and_then(|handle| handle.cut(length)),
            };
            if let Err(error) = cleaned {
                self.dirty.insert(path, length);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes the index files of segments that became full. They are a cache: a failure costs time at the
    /// next start and nothing else.
    fn seal(&self, group: &Group) {
        for (place, bytes) in &group.seals {
            let path = files::index(&place.log(&self.root));
            let written = self.disk.open(&path).and_then(|handle| handle.write(bytes, 0));
            if let Err(error) = written {
                tracing::warn!(%error, file = %path.display(), "an index file was not written");
            }
        }
    }
}

/// The thread's own.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) home: Arc<Home>,
    pub(crate) files: Files,
    pub(crate) journal: Journal,
    pub(crate) failing: bool,
}

impl Writer {
    /// Writes until the log stops and nothing is left.
    pub(crate) fn run(mut self) {
        while let Some((group, anew)) = self.take() {
            let metadata = Metadata { journal: &mut self.journal, anew };
            let written = self.files.write(&group, Some(metadata));
            self.report(&written);
            self.settle(group, written.is_ok());
        }
        tracing::debug!(dir = %self.home.dir().display(), "the writer has ended");
    }

    /// Waits for changes and takes them all; with everything that counts if the journal is to be written
    /// anew. `None` when the log stops and nothing is left.
    fn take(&self) -> Option<(Group, Option<Vec<Vec<u8>>>)> {
        let mut inner = lock(&self.shared.inner);
        while inner.group.is_empty() {
            if inner.stopping {
                return None;
            }
            inner = self.shared.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let group = std::mem::take(&mut inner.group);
        inner.taken += group.changes.len() as u64;
        // Nothing else is queued at this moment, so the state is what it will be with this group.
        let anew = self.journal.is_due().then(|| inner.state.snapshot());
        drop(inner);
        Some((group, anew.map(|records| records.iter().map(Record::encode).collect())))
    }

    /// Publishes a written group, or takes it back together with everything that was built on it.
    fn settle(&self, group: Group, written: bool) {
        let Group { changes, permits, .. } = group;
        let mut inner = lock(&self.shared.inner);
        if written {
            inner.settled += changes.len() as u64;
            for change in &changes {
                inner.state.publish(change);
            }
        } else {
            let later = std::mem::take(&mut inner.group);
            inner.taken += later.changes.len() as u64;
            inner.settled = inner.taken;
            for change in changes.into_iter().chain(later.changes).rev() {
                inner.state.take_back(change);
            }
            inner.refusals += 1;
        }
        let progress = Progress { settled: inner.settled, refusals: inner.refusals, stopped: false };
        drop(inner);
        drop(permits);
        self.shared.progress.send_replace(progress);
    }

    /// Says once that the disk refuses, and once that it takes writes again.
    fn report(&mut self, written: &IoResult<()>) {
        match written {
            Err(error) if !self.failing => {
                tracing::error!(%error, "the disk refuses writes, producers are told to try again");
            }
            Ok(()) if self.failing => tracing::info!("the disk takes writes again"),
            _ => {}
        }
        self.failing = written.is_err();
    }
}

impl Drop for Writer {
    /// Whatever ends the writer, nobody waits for it forever.
    fn drop(&mut self) {
        lock(&self.shared.inner).stopping = true;
        self.shared.room.close();
        self.shared.progress.send_modify(|progress| progress.stopped = true);
    }
}
