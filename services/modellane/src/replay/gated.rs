//! A log that gives no more than it is allowed to.

use modellane_sink::{LogReader, LogRecord, PartitionBounds, SinkError};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::watch;

/// Messages beyond the limit that are held in memory. Partitions of one topic move at about one pace, so
/// that few are ahead; where many are, they are read again later.
const HELD_AT_MOST: usize = 100_000;

/// What a log may give.
#[derive(Debug, Clone, Default)]
struct Allowance {
    /// Next offset of each partition that is not to be read yet; a partition that is not named gives nothing.
    limits: BTreeMap<i32, i64>,
    /// How often it was changed.
    number: u64,
}

/// Raises what a log may give, and knows when its reader is done with it.
#[derive(Debug)]
pub(crate) struct Gate {
    allowance: watch::Sender<Allowance>,
    /// Number of the allowance that the reader is done with.
    done: watch::Receiver<u64>,
}

impl Gate {
    /// Allows more, and waits until the reader has committed what came of it: it asks for more then. Only a
    /// sink that somebody waits for commits at once.
    pub(crate) async fn allow(&mut self, through: &BTreeMap<i32, i64>) {
        self.allowance.send_modify(|allowance| {
            allowance.limits.extend(through);
            allowance.number += 1;
        });
        let number = self.allowance.borrow().number;
        // A reader that is gone says itself why.
        if self.done.wait_for(|done| *done >= number).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// One topic up to limits that rise.
pub(crate) struct GatedLog<R> {
    inner: R,
    allowance: watch::Receiver<Allowance>,
    done: watch::Sender<u64>,
    /// Next offset of each partition to give.
    next: BTreeMap<i32, i64>,
    /// What was read beyond the limits.
    held: BTreeMap<i32, VecDeque<LogRecord>>,
    /// Partitions that are read now.
    assigned: Vec<i32>,
    /// The allowance at whose end the reader was told that there is no more.
    drained: Option<u64>,
}

impl<R: LogReader> GatedLog<R> {
    pub(crate) fn new(inner: R) -> (Gate, Self) {
        let (allowance, allowed) = watch::channel(Allowance::default());
        let (sender, done) = watch::channel(0);
        let log = Self {
            inner,
            allowance: allowed,
            done: sender,
            next: BTreeMap::new(),
            held: BTreeMap::new(),
            assigned: Vec::new(),
            drained: None,
        };
        (Gate { allowance, done }, log)
    }

    /// What is held and allowed.
    fn allowed(&mut self, limits: &BTreeMap<i32, i64>, max: usize) -> Vec<LogRecord> {
        let mut given = Vec::new();
        for (partition, held) in &mut self.held {
            let limit = limits.get(partition).copied().unwrap_or(0);
            while given.len() < max
                && let Some(record) = held.pop_front_if(|record| record.offset < limit)
            {
                self.next.insert(*partition, record.offset + 1);
                given.push(record);
            }
        }
        given
    }

    /// Partitions that have more to give.
    fn outstanding(&self, limits: &BTreeMap<i32, i64>) -> Vec<i32> {
        let more =
            |(partition, next): &(&i32, &i64)| limits.get(partition).is_some_and(|limit| *next < limit);
        self.next.iter().filter(more).map(|(partition, _)| *partition).collect()
    }

    /// Reads some partitions alone, from what they have given.
    async fn reassign(&mut self, partitions: Vec<i32>) -> Result<(), SinkError> {
        let starts: Vec<_> = partitions.iter().map(|partition| (*partition, self.next[partition])).collect();
        self.held.clear();
        self.inner.assign(&starts).await?;
        self.assigned = partitions;
        Ok(())
    }
}

impl<R: LogReader + Sync> LogReader for GatedLog<R> {
    async fn stream(&self) -> Result<String, SinkError> {
        self.inner.stream().await
    }

    async fn bounds(&self) -> Result<Vec<PartitionBounds>, SinkError> {
        self.inner.bounds().await
    }

    async fn assign(&mut self, starts: &[(i32, i64)]) -> Result<(), SinkError> {
        self.next = starts.iter().copied().collect();
        // What was given may be given again.
        self.drained = None;
        self.reassign(starts.iter().map(|(partition, _)| *partition).collect()).await
    }

    /// Gives all that is allowed before it says once that there is no more: what is allowed at once is
    /// committed at once.
    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, SinkError> {
        loop {
            let Allowance { limits, number } = self.allowance.borrow_and_update().clone();
            let given = self.allowed(&limits, max);
            if !given.is_empty() {
                return Ok(given);
            }
            let outstanding = self.outstanding(&limits);
            if outstanding.is_empty() {
                if self.drained != Some(number) {
                    self.drained = Some(number);
                    return Ok(Vec::new());
                }
                // It has committed and asks again, and gets nothing before more is allowed.
                self.done.send_replace(number);
                if self.allowance.changed().await.is_err() {
                    // Nobody allows more: the reader is about to be stopped.
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let held: usize = self.held.values().map(VecDeque::len).sum();
            if held > HELD_AT_MOST {
                self.reassign(outstanding).await?;
            } else if outstanding.iter().any(|partition| !self.assigned.contains(partition)) {
                self.reassign(self.next.keys().copied().collect()).await?;
            }
            for record in self.inner.poll(max, wait).await? {
                self.held.entry(record.partition).or_default().push_back(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Two partitions of ten messages each, read in turns of three.
    #[derive(Default)]
    struct Ten(BTreeMap<i32, i64>);

    impl LogReader for Ten {
        async fn stream(&self) -> Result<String, SinkError> {
            Ok("ten".to_owned())
        }
        async fn bounds(&self) -> Result<Vec<PartitionBounds>, SinkError> {
            Ok((0..2).map(|partition| PartitionBounds { partition, low: 0, high: 10 }).collect())
        }
        async fn assign(&mut self, starts: &[(i32, i64)]) -> Result<(), SinkError> {
            self.0 = starts.iter().copied().collect();
            Ok(())
        }
        async fn poll(&mut self, _: usize, _: Duration) -> Result<Vec<LogRecord>, SinkError> {
            let mut records = Vec::new();
            for (partition, next) in &mut self.0 {
                for offset in *next..(*next + 3).min(10) {
                    records.push(LogRecord { partition: *partition, offset, payload: None });
                    *next = offset + 1;
                }
            }
            Ok(records)
        }
    }

    /// Partition and offset of each record, by commit.
    type Commits = Vec<Vec<(i32, i64)>>;

    /// Reads as a sink does that commits whenever it is told that there is no more, and notes what each commit
    /// has.
    fn read(mut log: GatedLog<Ten>) -> Arc<Mutex<Commits>> {
        let commits = Arc::new(Mutex::new(vec![Vec::new()]));
        let read = Arc::clone(&commits);
        tokio::spawn(async move {
            loop {
                let records = log.poll(2, Duration::from_millis(1)).await.unwrap();
                let mut commits = read.lock().unwrap();
                let places = records.iter().map(|record| (record.partition, record.offset));
                match records.is_empty() {
                    true => commits.push(Vec::new()),
                    false => commits.last_mut().unwrap().extend(places),
                }
            }
        });
        commits
    }

    #[tokio::test]
    async fn what_is_allowed_at_once_is_one_commit_and_none_is_left_out() {
        let (mut gate, mut log) = GatedLog::new(Ten::default());
        log.assign(&[(0, 1), (1, 0)]).await.unwrap();
        let commits = read(log);
        for through in [vec![(0, 3)], vec![(0, 4), (1, 10)], vec![], vec![(0, 10)]] {
            gate.allow(&through.into_iter().collect()).await;
        }
        let mut commits = commits.lock().unwrap().clone();
        commits.iter_mut().for_each(|commit| commit.sort_unstable());
        let second = [(0, 3)].into_iter().chain((0..10).map(|offset| (1, offset))).collect();
        let last = (4..10).map(|offset| (0, offset)).collect();
        assert_eq!(commits, [vec![(0, 1), (0, 2)], second, vec![], last, vec![]]);
    }

    #[tokio::test]
    async fn partitions_that_run_ahead_are_let_go_and_read_again() {
        let (mut gate, mut log) = GatedLog::new(Ten::default());
        log.assign(&[(0, 0), (1, 0)]).await.unwrap();
        log.reassign(vec![0]).await.unwrap();
        let commits = read(log);
        gate.allow(&[(0, 10)].into()).await;
        gate.allow(&[(1, 10)].into()).await;
        let of = |partition: i32| (0..10).map(move |offset| (partition, offset)).collect::<Vec<_>>();
        assert_eq!(*commits.lock().unwrap(), [of(0), of(1), vec![]]);
    }

    async fn is_over(future: impl Future) -> bool {
        tokio::time::timeout(Duration::ZERO, future).await.is_ok()
    }

    #[tokio::test]
    async fn a_reader_that_begins_anew_is_not_done() {
        let (mut gate, mut log) = GatedLog::new(Ten::default());
        log.assign(&[(0, 0)]).await.unwrap();
        log.poll(1, Duration::ZERO).await.unwrap();
        let through = [(0, 1)].into();
        let mut allowed = std::pin::pin!(gate.allow(&through));
        assert!(!is_over(&mut allowed).await);
        assert_eq!(log.poll(1, Duration::ZERO).await.unwrap().len(), 1);
        assert!(log.poll(1, Duration::ZERO).await.unwrap().is_empty());
        // Its commit failed.
        log.assign(&[(0, 0)]).await.unwrap();
        assert_eq!(log.poll(1, Duration::ZERO).await.unwrap().len(), 1);
        assert!(!is_over(&mut allowed).await);
        assert!(log.poll(1, Duration::ZERO).await.unwrap().is_empty());
        assert!(!is_over(log.poll(1, Duration::ZERO)).await, "there is no more");
        assert!(is_over(allowed).await);
    }
}
