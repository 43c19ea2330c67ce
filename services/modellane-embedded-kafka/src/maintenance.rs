//! The thread that removes what need not be kept: files of deleted topics, segments that are too old or too
//! many, records that later ones have replaced.

use std::io::Result as IoResult;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::compaction::{self, Compacted};
use crate::disk::sync_parent;
use crate::files;
use crate::log::{Shared, lock};
use crate::partition::{Expired, Segment};
use crate::reader::load_index;
use crate::recovery;
use crate::settings::Settings;
use crate::time;

/// How often it is looked at what can go. Unit tests say themselves when, and what time it is then.
const TICK: Duration = if cfg!(test) { Duration::from_secs(3600) } else { Duration::from_secs(1) };

/// The thread's own, and how it is told to end.
pub(crate) struct Maintenance {
    shared: Arc<Shared>,
    stopped: Mutex<bool>,
    wake: Condvar,
    /// One pass at a time.
    passing: Mutex<()>,
}

/// A partition by numbers.
#[derive(Clone, Copy)]
struct Of {
    topic: u32,
    partition: u32,
}

impl Maintenance {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, stopped: Mutex::new(false), wake: Condvar::new(), passing: Mutex::new(()) }
    }

    /// Looks again and again, until it is stopped.
    pub(crate) fn run(&self) {
        loop {
            let stopped = lock(&self.stopped);
            let (stopped, _) = self
                .wake
                .wait_timeout_while(stopped, TICK, |stopped| !*stopped)
                .unwrap_or_else(PoisonError::into_inner);
            if *stopped {
                return;
            }
            drop(stopped);
            self.pass(time::unix_ms());
        }
    }

    /// Ends after what is being done.
    pub(crate) fn stop(&self) {
        *lock(&self.stopped) = true;
        self.wake.notify_all();
    }

    fn is_stopped(&self) -> bool {
        *lock(&self.stopped)
    }

    /// Removes what need not be kept at a time, in milliseconds since 1970.
    pub(crate) fn pass(&self, now: i64) {
        let _passing = lock(&self.passing);
        let doomed = lock(&self.shared.inner).state.take_doomed();
        for topic in doomed {
            report(remove_topic(&self.shared.dir, topic), "the files of a deleted topic were not removed");
        }
        for (of, settings) in self.partitions() {
            if self.is_stopped() {
                return;
            }
            if settings.delete {
                report(self.retain(of, &settings, now), "old segments were not removed");
            }
            if settings.compact {
                report(self.compact(of, &settings, now), "a compaction was given up");
            }
        }
    }

    /// The partitions for which there may be something to do.
    fn partitions(&self) -> Vec<(Of, Settings)> {
        let inner = lock(&self.shared.inner);
        let limited = |settings: &Settings| {
            settings.compact || settings.retention_ms.is_some() || settings.retention_bytes.is_some()
        };
        let topics = inner.state.topics().filter(|(_, topic)| limited(&topic.settings));
        let partitions = topics.flat_map(|(id, topic)| {
            let numbers = 0..topic.partitions.len() as u32;
            numbers.map(move |partition| (Of { topic: id, partition }, topic.settings))
        });
        partitions.collect()
    }

    fn retain(&self, of: Of, settings: &Settings, now: i64) -> IoResult<()> {
        let expired = {
            let mut inner = lock(&self.shared.inner);
            inner.state.partition_mut(of.topic, of.partition).map(|known| known.expired(settings, now))
        };
        let Some(Expired { segments, until, roll }) = expired else { return Ok(()) };
        if roll {
            // The new segment is on the disk before the old one goes, which is when this is looked at again:
            // without a file nobody would know which offset comes next.
            let _ = self.shared.change(|pending| pending.roll(of.topic, of.partition));
        }
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(()) };
        let dir = files::partition(&self.shared.dir, of.topic, of.partition);
        let _exchange = lock(&self.shared.exchange);
        for base in &segments {
            // Oldest first: whatever a crash interrupts, what is left is without a gap.
            let log = files::log(&dir, *base);
            recovery::remove(&log)?;
            recovery::remove(&files::index(&log))?;
        }
        sync_parent(&files::log(&dir, *last))?;
        self.replace(of, *first..until, &[]);
        tracing::info!(
            topic = of.topic,
            partition = of.partition,
            segments = segments.len(),
            log_start = until,
            "removed old segments"
        );
        Ok(())
    }

    fn replace(&self, of: Of, range: std::ops::Range<i64>, with: &[Segment]) {
        if let Some(partition) = lock(&self.shared.inner).state.partition_mut(of.topic, of.partition) {
            partition.replace(range, with);
        }
    }

    /// Finishes what the disk refused the last time: until then some files are old and some are new.
    fn resume(&self, of: Of, dir: &Path) -> IoResult<()> {
        for (from, to) in recovery::unfinished_exchanges(dir)? {
            let _exchange = lock(&self.shared.exchange);
            recovery::exchange(dir, from, to)?;
            if let Some(sealed) = load_index(&files::log(dir, from)) {
                self.replace(of, from..to, &[Segment::sealed(&sealed.summary)]);
            }
        }
        Ok(())
    }

    fn compact(&self, of: Of, settings: &Settings, now: i64) -> IoResult<()> {
        let dir = files::partition(&self.shared.dir, of.topic, of.partition);
        self.resume(of, &dir)?;
        let sealed: Vec<Segment> = {
            let mut inner = lock(&self.shared.inner);
            let known = inner.state.partition_mut(of.topic, of.partition);
            known.map(|known| known.sealed().copied().collect()).unwrap_or_default()
        };
        if !compaction::is_due(&sealed, settings, now) {
            return Ok(());
        }
        let compacted = compaction::run(&dir, &sealed, settings, now, |Compacted { range, segment }| {
            let _exchange = lock(&self.shared.exchange);
            recovery::exchange(&dir, range.start, range.end)?;
            self.replace(of, range, &[segment]);
            Ok(())
        });
        if compacted.is_err() {
            // On a full disk its space is needed for others.
            recovery::remove_leftovers(&dir)?;
        }
        compacted?;
        tracing::debug!(topic = of.topic, partition = of.partition, "compacted a partition");
        Ok(())
    }
}

fn report(done: IoResult<()>, what: &str) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}, it is tried again");
    }
}

fn remove_topic(root: &Path, topic: u32) -> IoResult<()> {
    match std::fs::remove_dir_all(files::topic(root, topic)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
