//! Reading one topic into one table, from the offsets in the table.

use crate::cadence::{Cadence, has_passed};
use crate::log::topic_of;
use crate::progress::ProgressSender;
use crate::writer::{Taken, Writer};
use crate::{CommitReport, LogReader, LogRecord, PartitionBounds, SinkConfig, SinkError};
use modellane_event::UtcTime;
use modellane_ledger::StreamRange;
use modellane_runtime::{Clock, MetricName, Metrics, PausedPartitions, Shutdown};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Messages of one poll: enough to look up many versions at once, few enough to hold decoded.
const POLL_MESSAGES: usize = 1_024;
const POLL_WAIT: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// How often an idle consumer looks for new partitions.
const LOOK_MS: u64 = 10_000;
/// How often a commit of what waits is tried when stopping was asked for and other writers are quicker each time,
/// and how long it may take to read that again.
const LAST_TRIES: u32 = 5;
const LAST_READING_MS: u64 = 10_000;

/// One topic and the table that it goes to.
pub(crate) struct Consumer<R, W> {
    pub(crate) reader: R,
    pub(crate) writer: W,
    pub(crate) config: SinkConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) progress: ProgressSender,
    pub(crate) shutdown: Shutdown,
    pub(crate) paused: PausedPartitions,
    /// How far had been read when a failure threw away what waited. Who stops reads up to there again first.
    pub(crate) owed: BTreeMap<i32, i64>,
}

/// Where reading stands between two commits.
struct Cursor {
    stream: String,
    next: BTreeMap<i32, i64>,
    /// Bytes of messages that wait for a commit.
    bytes: usize,
    cadence: Cadence,
    /// When the partitions were listed last.
    looked_at: UtcTime,
    /// When reading began.
    began_at: UtcTime,
}

impl<R: LogReader, W: Writer> Consumer<R, W> {
    /// Reads and commits until shutdown; what waits then is committed first. Failures that may pass are
    /// tried again from the table's offsets, the others end it.
    pub(crate) async fn run(mut self) -> Result<(), SinkError> {
        let mut backoff = Duration::from_millis(200);
        let (mut anew, mut last_tries) = (false, 0);
        loop {
            let started = self.clock.now();
            let Err(error) = self.run_from_table(anew).await else { return Ok(()) };
            anew = true;
            if self.shutdown.is_triggered() {
                last_tries += 1;
                // Another writer's commit came first, which says nothing against the next try.
                if matches!(error, SinkError::Conflict { .. }) && last_tries < LAST_TRIES {
                    continue;
                }
                return Err(error);
            }
            if !error.is_retryable() {
                return Err(error);
            }
            if self.clock.now().micros() - started.micros() > 60_000_000 {
                backoff = Duration::from_millis(200);
            }
            tracing::warn!(%error, "reading again from the table's offsets");
            tokio::select! {
                // Which branch wins must follow from what happened alone.
                biased;
                () = self.shutdown.triggered() => {}
                () = self.clock.sleep(backoff) => {}
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// `anew` after a failure: nothing is read before everything but the table is forgotten, however often
    /// that takes.
    async fn run_from_table(&mut self, anew: bool) -> Result<(), SinkError> {
        if anew {
            self.writer.reset().await?;
        }
        let mut cursor = self.start().await?;
        let ended = self.read_and_commit(&mut cursor).await;
        if ended.is_err() {
            self.owed = cursor.next;
        }
        ended
    }

    async fn read_and_commit(&mut self, cursor: &mut Cursor) -> Result<(), SinkError> {
        loop {
            let stopping = self.shutdown.is_triggered() && self.is_settled(cursor);
            let full = self.is_full(cursor);
            let drained = if full || stopping { stopping } else { self.read(cursor).await? == 0 };
            let pending = self.writer.pending();
            let waits = pending.messages > 0 || pending.fetches;
            if waits && (stopping || self.is_due(cursor, drained)) {
                let began = self.clock.now();
                let report = self.writer.commit().await?;
                self.note(&report);
                cursor.bytes = 0;
                cursor.cadence.has_committed(began, self.clock.now());
                self.adopt_new_partitions(cursor).await?;
            } else if self.writer.pending().messages == 0
                && has_passed(cursor.looked_at, self.clock.now(), LOOK_MS)
            {
                self.adopt_new_partitions(cursor).await?;
            }
            if stopping {
                return Ok(());
            }
        }
    }

    /// Whether everything that a failure threw away was read again, or takes too long to be waited for.
    fn is_settled(&self, cursor: &Cursor) -> bool {
        let reached =
            |(partition, owed): (&i32, &i64)| cursor.next.get(partition).is_none_or(|next| next >= owed);
        self.owed.iter().all(reached) || has_passed(cursor.began_at, self.clock.now(), LAST_READING_MS)
    }

    /// Assigns every partition from where the table stands, or from its beginning.
    async fn start(&mut self) -> Result<Cursor, SinkError> {
        let stream = self.reader.stream().await?;
        let (mut next, mut begun) = (BTreeMap::new(), Vec::new());
        for bounds in self.reader.bounds().await? {
            match self.start_of(&stream, bounds).await? {
                Some(offset) => {
                    next.insert(bounds.partition, offset);
                }
                None => begun.push(bounds),
            }
        }
        self.begin(&stream, &mut next, begun).await?;
        let starts: Vec<(i32, i64)> = next.iter().map(|(partition, next)| (*partition, *next)).collect();
        self.reader.assign(&starts).await?;
        self.progress.positions(&stream, &starts);
        let now = self.clock.now();
        Ok(Cursor { stream, next, bytes: 0, cadence: Cadence::start(now), looked_at: now, began_at: now })
    }

    /// Where the table stands in a partition; `None` for one that it has nothing of.
    async fn start_of(&mut self, stream: &str, bounds: PartitionBounds) -> Result<Option<i64>, SinkError> {
        let PartitionBounds { partition, low, high } = bounds;
        let Some(offset) = self.writer.position(stream, partition).await? else { return Ok(None) };
        if (low..=high).contains(&offset) {
            return Ok(Some(offset));
        }
        Err(SinkError::OutOfRange { stream: stream.to_owned(), partition, offset, low, high })
    }

    /// Begins partitions that the table has nothing of. The next commit notes where, so that what comes to a
    /// partition later is missed if it is gone before it was read. A table that knows other partitions of the
    /// stream knows all that had records, so a further one that has some begins with its first.
    async fn begin(
        &mut self,
        stream: &str,
        next: &mut BTreeMap<i32, i64>,
        partitions: Vec<PartitionBounds>,
    ) -> Result<(), SinkError> {
        let is_known = !next.is_empty();
        let mut ranges = Vec::with_capacity(partitions.len());
        for PartitionBounds { partition, low, high } in partitions {
            let stream = stream.to_owned();
            if is_known && low > 0 && low < high {
                return Err(SinkError::OutOfRange { stream, partition, offset: 0, low, high });
            }
            if low > 0 {
                tracing::warn!(
                    stream,
                    partition,
                    low,
                    "the log has lost its beginning; the table begins behind it"
                );
            }
            ranges.push(StreamRange { stream, partition, from: low, to: low });
            next.insert(partition, low);
        }
        self.writer.take(Taken { stream: stream.to_owned(), records: Vec::new(), ranges }).await
    }

    /// Whether as much waits for a commit as memory is given for; nothing more is read then.
    fn is_full(&self, cursor: &Cursor) -> bool {
        self.writer.pending().rows >= self.config.max_rows || cursor.bytes >= self.config.max_bytes()
    }

    /// Leaves out what follows a message of a schema that this version does not know, and reads no more of
    /// its partition. The table then ends before the message, where a version that knows it goes on.
    async fn admit(&mut self, cursor: &Cursor, records: Vec<LogRecord>) -> Result<Vec<LogRecord>, SinkError> {
        let unknown = |writer: &W, record: &LogRecord| {
            record.payload.as_deref().and_then(|payload| writer.unknown_schema(payload))
        };
        if self.paused.is_empty() && records.iter().all(|record| unknown(&self.writer, record).is_none()) {
            return Ok(records);
        }
        let (mut admitted, mut stops) = (Vec::with_capacity(records.len()), false);
        for record in records {
            let LogRecord { partition, offset, .. } = record;
            if self.paused.is_beyond(partition, offset) {
                continue;
            }
            if let Some(unknown) = unknown(&self.writer, &record) {
                let topic = topic_of(&cursor.stream);
                self.paused.pause(topic, partition, offset, &unknown, self.clock.now());
                stops = true;
            } else {
                self.paused.resume(partition);
                admitted.push(record);
            }
        }
        if stops {
            let taken = admitted.iter().map(|record| (record.partition, record.offset + 1));
            let mut next = cursor.next.clone();
            next.extend(taken);
            self.paused.offsets().iter().for_each(|(partition, _)| {
                next.remove(partition);
            });
            self.reader.assign(&next.into_iter().collect::<Vec<_>>()).await?;
        }
        Ok(admitted)
    }

    /// Reads paused partitions again now and then.
    async fn try_paused(&mut self, cursor: &Cursor) -> Result<(), SinkError> {
        if self.paused.is_time_to_try(self.clock.now()) {
            let starts: Vec<_> = cursor.next.iter().map(|(partition, next)| (*partition, *next)).collect();
            self.reader.assign(&starts).await?;
        }
        Ok(())
    }

    /// Reads once and says how many messages came.
    async fn read(&mut self, cursor: &mut Cursor) -> Result<usize, SinkError> {
        self.try_paused(cursor).await?;
        let room = self.config.max_rows.saturating_sub(self.writer.pending().rows);
        let most = room.clamp(1, POLL_MESSAGES);
        let is_asked_to_stop = self.shutdown.is_triggered();
        let records = tokio::select! {
            biased;
            () = self.shutdown.triggered(), if !is_asked_to_stop => return Ok(0),
            records = self.reader.poll(most, POLL_WAIT) => records?,
        };
        let came_after = cursor.cadence.has_read(self.clock.now(), records.len() < most);
        let records = self.admit(cursor, records).await?;
        let count = records.len();
        let taken = cursor.advance(records);
        if !taken.records.is_empty() {
            cursor.cadence.waits(came_after);
            self.writer.take(taken).await?;
        }
        Ok(count)
    }

    fn is_due(&self, cursor: &Cursor, drained: bool) -> bool {
        let pending = self.writer.pending();
        if self.is_full(cursor) || (drained && self.progress.somebody_waits()) {
            return true;
        }
        let spacing = self.config.spacing_ms(pending.days);
        cursor.cadence.is_due(self.clock.now(), self.config.commit_interval_ms, spacing)
    }

    /// A topic may have got partitions since they were listed. Nothing may wait for a commit, as all is read
    /// from the table's offsets then.
    async fn adopt_new_partitions(&mut self, cursor: &mut Cursor) -> Result<(), SinkError> {
        let bounds = self.reader.bounds().await?;
        cursor.looked_at = self.clock.now();
        if bounds.iter().all(|bounds| cursor.next.contains_key(&bounds.partition)) {
            return Ok(());
        }
        let cadence = cursor.cadence.restarted(self.clock.now());
        *cursor = Cursor { cadence, ..self.start().await? };
        Ok(())
    }

    fn note(&self, report: &CommitReport) {
        let table = report.table.as_str();
        self.metrics.add(MetricName::SinkCommits, &[("table", table)], 1);
        self.metrics.set(
            MetricName::SinkCommitRows,
            &[("table", table)],
            i64::try_from(report.rows).unwrap_or(i64::MAX),
        );
        if let Some(counters) = &report.counters {
            for (decision, count) in [
                ("original", counters.original),
                ("restated", counters.restated),
                ("rejudged", counters.rejudged),
                ("observed", counters.observed),
                ("duplicate", counters.duplicate),
                ("stale", counters.stale),
                ("undecodable", counters.rejects),
            ] {
                self.metrics.add(MetricName::SinkDecisions, &[("decision", decision)], count);
            }
        }
        for (decision, count) in
            [("withdrawn", report.presence.withdrawn), ("reinstated", report.presence.reinstated)]
        {
            if count > 0 {
                self.metrics.add(MetricName::SinkDecisions, &[("decision", decision)], count);
            }
        }
        tracing::info!(table, version = report.version, rows = report.rows, "committed");
        self.progress.committed(report);
    }
}

impl Cursor {
    /// Moves past records and says which ranges they cover. A record that was read already is left out.
    fn advance(&mut self, records: Vec<LogRecord>) -> Taken {
        let mut ends: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        let mut fresh = Vec::with_capacity(records.len());
        for record in records {
            let Some(next) = self.next.get_mut(&record.partition) else { continue };
            if record.offset < *next {
                continue;
            }
            let (_, end) = ends.entry(record.partition).or_insert((*next, *next));
            *end = record.offset + 1;
            *next = record.offset + 1;
            self.bytes += record.payload.as_ref().map_or(0, Vec::len);
            fresh.push(record);
        }
        let stream = &self.stream;
        let range = |(partition, (from, to))| StreamRange { stream: stream.clone(), partition, from, to };
        Taken { stream: stream.clone(), records: fresh, ranges: ends.into_iter().map(range).collect() }
    }
}
