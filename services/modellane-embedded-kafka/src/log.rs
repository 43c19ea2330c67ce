//! The one lock over the durable state, and the one thread that writes the journal.
//!
//! A change is made under the lock and its frame queued in memory; the thread takes whatever is queued,
//! writes and syncs it in one go, and only then shows it to readers and wakes those who wait. While it
//! syncs, the next group gathers: many concurrent requests share one sync without any timer.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use kafka_protocol::ResponseError;
use tokio::sync::watch;

use crate::batch::BatchHeader;
use crate::error::BrokerError;
use crate::journal::{FRAME_PREFIX, Journal, frame};
use crate::partition::Admission;
use crate::record::{BATCH_PREFIX, Record, Stored, batch_prefix};
use crate::state::{Change, State};

/// Queued bytes above which producers wait for the disk.
const QUEUE_LIMIT: usize = 64 << 20;

/// A buffer that grew beyond this is given back after use.
const KEEP_BUFFER: usize = 16 << 20;

/// How far the disk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything before this position of the journal is on the disk.
    synced: u64,
    /// How often the disk refused a group, which took back everything that was queued.
    refusals: u64,
    /// No more writes will happen.
    stopped: bool,
}

/// What to wait for before a change may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    position: u64,
    refusals: u64,
}

impl Progress {
    /// Whether the change of a ticket is on the disk; `None` while that is open.
    fn outcome(&self, ticket: Ticket) -> Option<Result<(), ResponseError>> {
        if self.refusals != ticket.refusals {
            // A change that was synced just before a later refusal may be reported as failed. That is
            // the safe side: a client that tries again is recognised.
            return Some(Err(ResponseError::KafkaStorageError));
        }
        if self.synced >= ticket.position {
            return Some(Ok(()));
        }
        self.stopped.then_some(Err(ResponseError::KafkaStorageError))
    }
}

struct Inner {
    state: State,
    /// Frames for the next group.
    queue: Vec<u8>,
    /// Their changes, in order.
    changes: Vec<Change>,
    /// Where the next frame will stand in the journal.
    end: u64,
    refusals: u64,
    stopping: bool,
}

struct Shared {
    inner: Mutex<Inner>,
    work: Condvar,
    progress: watch::Sender<Progress>,
    file: Arc<File>,
}

/// The durable log of the broker.
pub(crate) struct Log {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A poisoned lock is taken all the same: no code under it can panic between two halves of a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens the journal of `dir` and starts its writer. `new_cluster` names a journal that is new.
    pub(crate) fn open(dir: &Path, new_cluster: String) -> Result<Self, BrokerError> {
        let storage = |source| BrokerError::Storage { dir: dir.to_path_buf(), source };
        let mut state = State::default();
        let mut journal = Journal::open(dir, |position, payload| {
            Stored::decode(payload).is_some_and(|stored| state.replay(position, stored))
        })?;
        if state.cluster.is_empty() {
            let head = Record::Head { cluster: new_cluster };
            let mut buffer = Vec::new();
            frame(&mut buffer, journal.synced(), &[&head.encode()]);
            journal.write(&buffer).map_err(storage)?;
            state.apply(head);
        }
        Self::start(state, journal).map_err(storage)
    }

    /// Starts the writer of a journal that says `state`.
    fn start(state: State, journal: Journal) -> std::io::Result<Self> {
        let synced = journal.synced();
        let inner = Inner {
            state,
            queue: Vec::new(),
            changes: Vec::new(),
            end: synced,
            refusals: 0,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            progress: watch::Sender::new(Progress { synced, refusals: 0, stopped: false }),
            file: journal.file(),
        });
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("kafka-journal".into())
            .spawn(move || Writer { shared: for_writer, journal, failing: false }.run())?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Reads the state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&lock(&self.shared.inner).state)
    }

    /// Decides on the state and queues what was decided, in one step. The ticket covers everything that
    /// was queued before as well, so that an answer never rests on what is not on the disk.
    pub(crate) fn change<T>(
        &self,
        decide: impl FnOnce(&mut Pending<'_>) -> T,
    ) -> Result<(T, Ticket), ResponseError> {
        let mut inner = lock(&self.shared.inner);
        if inner.stopping {
            return Err(ResponseError::KafkaStorageError);
        }
        let value = decide(&mut Pending { inner: &mut inner });
        let ticket = Ticket { position: inner.end, refusals: inner.refusals };
        drop(inner);
        self.shared.work.notify_one();
        Ok((value, ticket))
    }

    /// Waits until a change is on the disk.
    pub(crate) async fn synced(&self, ticket: Ticket) -> Result<(), ResponseError> {
        let mut progress = self.progress();
        loop {
            if let Some(outcome) = progress.borrow_and_update().outcome(ticket) {
                return outcome;
            }
            if progress.changed().await.is_err() {
                return Err(ResponseError::KafkaStorageError);
            }
        }
    }

    /// Waits while more is queued than memory should hold.
    pub(crate) async fn room(&self) {
        let mut progress = self.progress();
        while !progress.borrow_and_update().stopped && lock(&self.shared.inner).queue.len() > QUEUE_LIMIT {
            if progress.changed().await.is_err() {
                return;
            }
        }
    }

    /// Changes whenever something new reached the disk.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// The journal's file, for reading batches.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.shared.file)
    }

    /// Takes no more changes and writes what is queued. `finish` waits for it.
    pub(crate) fn stop(&self) {
        lock(&self.shared.inner).stopping = true;
        self.shared.work.notify_one();
    }

    /// Waits until the writer is done and the directory is free. Blocks.
    pub(crate) fn finish(&self) {
        self.stop();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has nothing left to wait for.
            let _ = writer.join();
        }
    }
}

/// The state while a change is decided.
pub(crate) struct Pending<'a> {
    inner: &'a mut Inner,
}

impl Pending<'_> {
    /// The state as of everything queued so far.
    pub(crate) fn state(&self) -> &State {
        &self.inner.state
    }

    /// Makes a change and queues its record.
    pub(crate) fn record(&mut self, record: Record) {
        let payload = record.encode();
        let change = self.inner.state.apply(record);
        self.inner.end += frame(&mut self.inner.queue, self.inner.end, &[&payload]);
        self.inner.changes.push(change);
    }

    /// Adds a checked batch to a partition, once. Returns the offset of its first record.
    pub(crate) fn batch(
        &mut self,
        topic: &str,
        partition: i32,
        header: &BatchHeader,
        batch: &[u8],
    ) -> Result<i64, ResponseError> {
        let state = &mut self.inner.state;
        if header.producer >= state.next_producer() {
            // An id of another journal. A client answers by asking for a new one.
            return Err(ResponseError::UnknownProducerId);
        }
        if let Admission::Duplicate(base) = state.partition(topic, partition)?.admit(header)? {
            return Ok(base);
        }
        let unknown = ResponseError::UnknownTopicOrPartition;
        let id = state.topic(topic).ok_or(unknown)?.0;
        let index = u32::try_from(partition).map_err(|_| unknown)?;
        let at = self.inner.end + FRAME_PREFIX + BATCH_PREFIX as u64;
        let (base, change) = state.append(id, index, header, at, batch.len() as u32).ok_or(unknown)?;
        let payload: [&[u8]; 2] = [&batch_prefix(id, index), batch];
        self.inner.end += frame(&mut self.inner.queue, self.inner.end, &payload);
        self.inner.changes.push(change);
        Ok(base)
    }
}

/// The thread that owns the journal.
struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        let mut group = Vec::new();
        while let Some(changes) = self.take(&mut group) {
            let written = self.journal.write(&group);
            self.report(&written);
            self.settle(changes, written.is_ok());
            if group.capacity() > KEEP_BUFFER {
                group = Vec::new();
            }
        }
    }

    /// Waits for frames and takes them all; `None` when the log stops and nothing is left.
    fn take(&self, group: &mut Vec<u8>) -> Option<Vec<Change>> {
        group.clear();
        let mut inner = lock(&self.shared.inner);
        while inner.queue.is_empty() {
            if inner.stopping {
                return None;
            }
            inner = self.shared.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut inner.queue, group);
        Some(std::mem::take(&mut inner.changes))
    }

    /// Publishes a written group, or takes it back together with everything that was built on it.
    fn settle(&self, changes: Vec<Change>, written: bool) {
        let mut inner = lock(&self.shared.inner);
        if written {
            for change in &changes {
                inner.state.publish(change);
            }
        } else {
            let later = std::mem::take(&mut inner.changes);
            for change in changes.into_iter().chain(later).rev() {
                inner.state.take_back(change);
            }
            inner.queue.clear();
            inner.end = self.journal.synced();
            inner.refusals += 1;
        }
        let progress = Progress { synced: self.journal.synced(), refusals: inner.refusals, stopped: false };
        drop(inner);
        self.shared.progress.send_replace(progress);
    }

    /// Says once that the disk refuses, and once that it takes writes again.
    fn report(&mut self, written: &std::io::Result<()>) {
        match written {
            Err(error) if !self.failing => {
                tracing::error!(%error, "the journal cannot be written, producers are told to try again");
            }
            Ok(()) if self.failing => tracing::info!("the journal is written again"),
            _ => {}
        }
        self.failing = written.is_err();
    }
}

impl Drop for Writer {
    /// Whatever ends the writer, nobody waits for it forever.
    fn drop(&mut self) {
        lock(&self.shared.inner).stopping = true;
        self.shared.progress.send_modify(|progress| progress.stopped = true);
    }
}

#[cfg(test)]
mod tests;
