//! The one lock over the durable state, and what is queued for the disk under it.
//!
//! A change is made under the lock and queued in memory; the thread of `writer.rs` writes and syncs what is
//! queued in one go. While it syncs, the next group gathers: many concurrent requests share one sync without
//! any timer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::batch::{self, BatchHeader};
use crate::disk::{Disk, FileSystem};
use crate::error::BrokerError;
use crate::files;
use crate::home::Home;
use crate::journal::Journal;
use crate::maintenance::Maintenance;
use crate::partition::Span;
use crate::producers::Admission;
use crate::queue::Group;
use crate::reader::{self, Unreadable};
use crate::record::Record;
use crate::recovery;
use crate::state::State;
use crate::writer::{Files, Writer};

/// Bytes of batches that wait for the disk, over all connections. Producers wait when there is no room.
pub(crate) const QUEUE_LIMIT: usize = 32 << 20;

/// How far the disk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How many changes have been written or refused.
    pub(crate) settled: u64,
    /// How often the disk refused a group, which took back everything that was queued.
    pub(crate) refusals: u64,
    /// No more writes will happen.
    pub(crate) stopped: bool,
}

/// What to wait for before a change may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    change: u64,
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
        if self.settled >= ticket.change {
            return Some(Ok(()));
        }
        self.stopped.then_some(Err(ResponseError::KafkaStorageError))
    }
}

pub(crate) struct Inner {
    pub(crate) state: State,
    /// What is written next.
    pub(crate) group: Group,
    /// How many changes the writer has taken, and how many of them it has written or refused.
    pub(crate) taken: u64,
    pub(crate) settled: u64,
    pub(crate) refusals: u64,
    pub(crate) stopping: bool,
}

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) inner: Mutex<Inner>,
    pub(crate) work: Condvar,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) room: Arc<Semaphore>,
    /// Held while files are removed or replaced, until the state says so too.
    pub(crate) exchange: Mutex<()>,
}

/// The durable log of the broker.
pub(crate) struct Log {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    maintenance: Arc<Maintenance>,
}

/// A poisoned lock is taken all the same: no code under it can panic between two halves of a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens the files in `dir` and starts the threads over them. `new_cluster` names a log that is new.
    pub(crate) fn open(dir: &Path, new_cluster: String) -> Result<Self, BrokerError> {
        Self::open_on(dir, new_cluster, Arc::new(FileSystem))
    }

    /// As `open`, with a disk that writes.
    pub(crate) fn open_on(dir: &Path, new_cluster: String, disk: Arc<dyn Disk>) -> Result<Self, BrokerError> {
        let storage = |source| BrokerError::Storage { dir: dir.to_path_buf(), source };
        let home = Home::open(dir)?;
        let mut state = State::default();
        let mut journal = Journal::open(dir, Arc::clone(&disk), |record| state.replay(record))?;
        if state.cluster.is_empty() {
            let head = Record::Head { cluster: new_cluster };
            journal.rewrite(&[head.encode()]).map_err(storage)?;
            state.apply(head);
        }
        for (id, topic) in state.topics_mut() {
            for (index, partition) in topic.partitions.iter_mut().enumerate() {
                let place = files::partition(dir, id, index as u32);
                *partition = recovery::open(dir, &place, &topic.settings)?;
            }
        }
        recovery::remove_strangers(dir, |id| state.topics().any(|(known, _)| known == id))
            .map_err(storage)?;
        Self::start(state, journal, home, disk).map_err(storage)
    }

    fn start(state: State, journal: Journal, home: Home, disk: Arc<dyn Disk>) -> std::io::Result<Self> {
        let dir = home.dir().to_path_buf();
        let inner =
            Inner { state, group: Group::default(), taken: 0, settled: 0, refusals: 0, stopping: false };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            progress: watch::Sender::new(Progress { settled: 0, refusals: 0, stopped: false }),
            room: Arc::new(Semaphore::new(QUEUE_LIMIT)),
            exchange: Mutex::new(()),
            dir,
        });
        // Both threads hold the directory: it is free when both are done.
        let home = Arc::new(home);
        let maintenance = Arc::new(Maintenance::new(Arc::clone(&shared)));
        let (maintaining, held) = (Arc::clone(&maintenance), Arc::clone(&home));
        let files = Files::new(home.dir(), disk);
        let writer = Writer { shared: Arc::clone(&shared), home, files, journal, failing: false };
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let writing = named("kafka-writer").spawn(move || writer.run())?;
        let maintained = named("kafka-maintenance").spawn(move || {
            maintaining.run();
            drop(held);
        });
        let log = Self { shared, threads: Mutex::new(vec![writing]), maintenance };
        match maintained {
            Ok(thread) => lock(&log.threads).push(thread),
            Err(error) => {
                log.finish();
                return Err(error);
            }
        }
        Ok(log)
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
        self.shared.change(decide)
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

    /// Room in the queue for so many bytes, or for as many as it holds; none when the log has stopped.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.min(QUEUE_LIMIT)).unwrap_or(u32::MAX);
        Arc::clone(&self.shared.room).acquire_many_owned(permits).await.ok()
    }

    /// Changes whenever something new reached the disk.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// Reads whole batches from an offset on, as [`reader::batches`] does. Blocks.
    pub(crate) fn batches(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        limit: usize,
        must: bool,
    ) -> Result<Bytes, ResponseError> {
        self.read_spans(
            topic,
            partition,
            |partition| {
                let (spans, _) = partition
                    .spans_from_offset(offset, limit as u64)
                    .ok_or(ResponseError::OffsetOutOfRange)?;
                Ok(spans)
            },
            |dir, spans| reader::batches(dir, spans, offset, limit, must),
        )
    }

    /// The first record at or after a time, as (offset, time). Blocks.
    pub(crate) fn first_at(
        &self,
        topic: &str,
        partition: i32,
        time: i64,
    ) -> Result<Option<(i64, i64)>, ResponseError> {
        self.read_spans(
            topic,
            partition,
            |partition| Ok(partition.spans_from_time(time)),
            |dir, spans| reader::first_at(dir, spans, time),
        )
    }

    /// Plans and reads. If files were exchanged meanwhile, once more when that is over.
    fn read_spans<T>(
        &self,
        topic: &str,
        partition: i32,
        plan: impl Fn(&crate::partition::Partition) -> Result<Vec<Span>, ResponseError>,
        read: impl Fn(&Path, &[Span]) -> Result<T, Unreadable>,
    ) -> Result<T, ResponseError> {
        let planned = || {
            self.read(|state| {
                let unknown = ResponseError::UnknownTopicOrPartition;
                let (id, _) = state.topic(topic).ok_or(unknown)?;
                let spans = plan(state.partition(topic, partition)?)?;
                let index = u32::try_from(partition).map_err(|_| unknown)?;
                Ok((files::partition(&self.shared.dir, id, index), spans))
            })
        };
        let (dir, spans) = planned()?;
        if let Ok(found) = read(&dir, &spans) {
            return Ok(found);
        }
        let _exchanged = lock(&self.shared.exchange);
        let (dir, spans) = planned()?;
        read(&dir, &spans).map_err(|error| match &error {
            Unreadable::Refused { source, .. } => {
                tracing::error!(%error, reason = %source, "a segment cannot be read, its readers wait");
                ResponseError::KafkaStorageError
            }
            Unreadable::Damaged { .. } => {
                tracing::error!(%error, "acknowledged records are damaged, their readers are told so");
                ResponseError::CorruptMessage
            }
        })
    }

    /// Removes what need not be kept at a time, as the thread does that looks at the clock.
    #[cfg(test)]
    pub(crate) fn maintain(&self, now: i64) {
        self.maintenance.pass(now);
    }

    /// Takes no more changes and writes what is queued. `finish` waits for it.
    pub(crate) fn stop(&self) {
        lock(&self.shared.inner).stopping = true;
        self.shared.work.notify_one();
        self.maintenance.stop();
    }

    /// Waits until the threads are done and the directory is free. Blocks.
    pub(crate) fn finish(&self) {
        self.stop();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A thread that panicked has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// As [`Log::change`].
    pub(crate) fn change<T>(
        &self,
        decide: impl FnOnce(&mut Pending<'_>) -> T,
    ) -> Result<(T, Ticket), ResponseError> {
        let mut inner = lock(&self.inner);
        if inner.stopping {
            return Err(ResponseError::KafkaStorageError);
        }
        let value = decide(&mut Pending { inner: &mut inner });
        let queued = inner.group.changes.len() as u64;
        let ticket = Ticket { change: inner.taken + queued, refusals: inner.refusals };
        drop(inner);
        self.work.notify_one();
        Ok((value, ticket))
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
        self.inner.group.record(&mut self.inner.state, record);
    }

    /// Begins a new segment of a partition, unless the last one is empty.
    pub(crate) fn roll(&mut self, topic: u32, partition: u32) {
        self.inner.group.roll(&mut self.inner.state, topic, partition);
    }

    /// Keeps room in the queue until everything that is queued now is written.
    pub(crate) fn keep(&mut self, room: Option<OwnedSemaphorePermit>) {
        if !self.inner.group.is_empty() {
            self.inner.group.permits.extend(room);
        }
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
        let (id, known) = state.topic(topic).ok_or(unknown)?;
        if batch.len() as u64 > known.settings.max_message {
            return Err(ResponseError::MessageTooLarge);
        }
        if known.settings.compact {
            batch::check_keys(batch)?;
        }
        let index = u32::try_from(partition).map_err(|_| unknown)?;
        let placed = self.inner.group.place(state, id, index, header, batch);
        let (base, change) = placed.ok_or(unknown)?;
        self.inner.group.changes.push(change);
        Ok(base)
    }
}

#[cfg(test)]
pub(crate) mod tests;
