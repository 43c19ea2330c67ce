//! Exported files, through the same way as everything else, with bounded memory.
//!
//! The files of one call are one delivery, gone through twice (see [`crate::intake`]). Formats of
//! independent JSON records are read record by record whatever the file's size; others are held in memory,
//! one file at a time. Reading and encoding happen on one blocking thread; the batches that it fills wait
//! for their acknowledgements while it goes on, a few at a time.

mod file;
mod job;

use crate::connectors;
use crate::error::CollectorError;
use crate::intake::{Counts, IndexedRejection};
use crate::publish::{Batch, Publish};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use job::{Job, Update};
use modellane_event::{LakeKey, UtcTime};
use modellane_runtime::Metrics;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches between reading and sending.
const WAITING: usize = 2;
/// Batches that wait for their acknowledgement.
const IN_FLIGHT: usize = 4;

/// How the files of an import are to be understood.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// When the vendor's data was fetched, for files that do not say; the time of import if nobody knows.
    /// Files that stand for several fetches get times a microsecond apart, in their order.
    pub observed_at: UtcTime,
    /// When the import happens.
    pub recorded_at: UtcTime,
    /// Whether the files together are everything that the vendor has: for each scope that they hold records
    /// of and, where a scope is a day, for each day from their first record to their last. Files that say
    /// themselves what they are complete for are believed.
    pub complete: bool,
    /// Reads everything and publishes nothing.
    pub dry_run: bool,
}

/// How far an import is. Every file is read twice, so that `total` is twice the size of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub done: u64,
    /// Bytes to read.
    pub total: u64,
    /// Events published and acknowledged.
    pub published: u64,
}

/// What became of a delivery.
#[derive(Debug, Clone, Default)]
pub struct ImportSummary {
    /// By file, in the order given.
    pub files: Vec<FileSummary>,
    /// All files together.
    pub counts: Counts,
    /// Events published: accepted records without the repeated ones.
    pub published: u64,
    /// Scopes, such as an organisation's month, that the delivery is complete for: what two such deliveries
    /// in a row lack is withdrawn.
    pub scopes_closed: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Default)]
pub struct FileSummary {
    /// Which file.
    pub path: PathBuf,
    /// How many records went where.
    pub counts: Counts,
    /// The first rejections; the counts say how many there are.
    pub first_rejections: Vec<IndexedRejection>,
    /// The source that the file belongs to, if it is clearly not the one named; then it counts as one
    /// rejection.
    pub looks_like: Option<&'static str>,
    /// What to do about a file that was rejected as a whole, if there is something to say.
    pub hint: Option<&'static str>,
    /// Whether the file holds nothing.
    pub empty: bool,
}

/// Makes sure that every file can be read, so that a mistake is said before anything is started for it. Their size
/// together, in bytes.
pub fn check_files(files: &[PathBuf]) -> Result<u64, CollectorError> {
    files.iter().map(|path| file::check(path)).sum()
}

/// Imports files.
#[derive(Clone)]
pub struct Importer {
    key: LakeKey,
    publisher: Arc<dyn Publish>,
    metrics: Metrics,
}

impl Importer {
    /// Publishes to `publisher` and counts in `metrics`.
    pub fn new(key: LakeKey, publisher: Arc<dyn Publish>, metrics: Metrics) -> Self {
        Self { key, publisher, metrics }
    }

    /// Imports the files of one delivery, in the order of their fetches. Returns after the broker has
    /// acknowledged everything.
    ///
    /// Nothing is published if a file cannot be opened. After another error what was acknowledged stands,
    /// and the same call may be made again.
    pub async fn import(
        &self,
        source: &str,
        files: &[PathBuf],
        options: ImportOptions,
        mut progress: impl FnMut(Progress),
    ) -> Result<ImportSummary, CollectorError> {
        if let Some(refused) = connectors::refused(source) {
            return Err(CollectorError::ContentRefused { source_name: refused.name, reason: refused.reason });
        }
        let connector = connectors::connector(source).ok_or_else(|| {
            let known: Vec<&str> = connectors::specs().map(|spec| spec.name).collect();
            CollectorError::UnknownSource { known: known.join(", ") }
        })?;
        let total = 2 * check_files(files)?;
        let (updates, received) = mpsc::channel(WAITING);
        let job = Job {
            key: self.key.clone(),
            connector,
            files: files.to_vec(),
            options,
            metrics: self.metrics.clone(),
            updates,
            done: 0,
        };
        let reading = job.start();
        let published = self.publish_all(received, options.dry_run, total, &mut progress).await;
        // Without a receiver the job stops, so that a failed broker ends the reading as well.
        let summary = reading.await.map_err(|_| CollectorError::Stopped)?;
        let published = published?;
        Ok(ImportSummary { published, ..summary? })
    }

    async fn publish_all(
        &self,
        mut received: mpsc::Receiver<Update>,
        dry_run: bool,
        total: u64,
        progress: &mut impl FnMut(Progress),
    ) -> Result<u64, CollectorError> {
        let (mut done, mut published, mut open) = (0, 0, true);
        let mut closes = None;
        let mut sending = FuturesUnordered::new();
        while open || !sending.is_empty() {
            tokio::select! {
                update = received.recv(), if open && sending.len() < IN_FLIGHT => match update {
                    Some(update) => {
                        done = update.done;
                        if let Some(batch) = update.batch {
                            sending.push(self.send(batch, dry_run));
                        }
                        closes = closes.or(update.closes);
                    }
                    None => open = false,
                },
                Some(sent) = sending.next() => published += sent?,
            }
            progress(Progress { done, total, published });
        }
        // A fetch is complete only when all of it has arrived.
        if let Some(closes) = closes {
            self.send(closes, dry_run).await?;
        }
        Ok(published)
    }

    /// Sends a batch and says how many usage events it had.
    async fn send(&self, batch: Batch, dry_run: bool) -> Result<u64, CollectorError> {
        let events = batch.iter().filter(|(topic, ..)| *topic == modellane_kafka::Topic::Usage).count();
        if !dry_run {
            self.publisher.publish(&batch).await?;
        }
        Ok(events as u64)
    }
}

#[cfg(test)]
mod tests;
