//! Owning a table: offsets, epoch and time of commits.

use crate::SinkError;
use modellane_event::UtcTime;
use modellane_lake::{CommitOutcome, StagedFile, Table, TableCommit};
use modellane_ledger::{Counters, OffsetDecision, PresenceCounters, RangeSet, StreamRange, commit_decision};
use modellane_runtime::{Clock, random_id};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// The application under which a table keeps the epoch of its owner.
const OWNER: &str = "owner";
/// The application under which a table keeps the time of its newest commit, in microseconds.
const RECORDED_AT: &str = "recorded_at";
/// The application under which the ledger keeps how far it has come in the table of fetches: the time of the
/// newest commit there that it takes account of, in microseconds.
const FETCHES: &str = "fetches";

/// What one commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitReport {
    /// The table.
    pub table: String,
    /// Its version since.
    pub version: u64,
    /// The time that all its entries carry.
    pub recorded_at: UtcTime,
    /// The offsets that it took.
    pub ranges: Vec<StreamRange>,
    /// Rows that it added.
    pub rows: u64,
    /// What became of the messages; null for tables without a decision.
    pub counters: Option<Counters>,
    /// What complete fetches did to events.
    pub presence: PresenceCounters,
}

/// What to commit.
pub(crate) struct Commit {
    pub(crate) files: Vec<StagedFile>,
    pub(crate) ranges: RangeSet,
    pub(crate) recorded_at: UtcTime,
    pub(crate) ledger: Option<LedgerCommit>,
}

/// What a commit of the ledger says beside.
#[derive(Clone, Copy)]
pub(crate) struct LedgerCommit {
    pub(crate) counters: Counters,
    pub(crate) presence: PresenceCounters,
    /// How far in the table of fetches the ledger has come; null if that has not changed.
    pub(crate) fetches: Option<UtcTime>,
}

/// A table that this process commits to.
pub(crate) struct OwnedTable {
    table: Table,
    clock: Arc<dyn Clock>,
    epoch: i64,
    /// Whether a commit under our epoch is in the table.
    claimed: bool,
    recorded_at: i64,
    /// Next offsets in the table, as far as they were asked for.
    positions: HashMap<(String, i32), Option<i64>>,
}

impl OwnedTable {
    pub(crate) async fn open(table: Table, clock: Arc<dyn Clock>) -> Result<Self, SinkError> {
        let epoch = table.position(OWNER).await?.unwrap_or(0) + 1;
        let recorded_at = table.position(RECORDED_AT).await?.unwrap_or(0);
        Ok(Self { table, clock, epoch, claimed: false, recorded_at, positions: HashMap::new() })
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn now(&self) -> UtcTime {
        self.clock.now()
    }

    /// Reads the table anew after a failure, and makes sure that it is still ours.
    pub(crate) async fn refresh(&mut self) -> Result<(), SinkError> {
        self.table.refresh().await?;
        self.positions.clear();
        self.recorded_at = self.table.position(RECORDED_AT).await?.unwrap_or(0).max(self.recorded_at);
        let theirs = self.table.position(OWNER).await?.unwrap_or(0);
        // Two sinks that opened at once have one number; it belongs to the one that has committed.
        if theirs > self.epoch || (theirs == self.epoch && !self.claimed) {
            let table = self.table.name().to_owned();
            return Err(SinkError::NotOwner { table, theirs, ours: self.epoch });
        }
        Ok(())
    }

    /// The next offset of a partition, as the table has it.
    pub(crate) async fn position(&mut self, stream: &str, partition: i32) -> Result<Option<i64>, SinkError> {
        let key = (stream.to_owned(), partition);
        if let Some(position) = self.positions.get(&key) {
            return Ok(*position);
        }
        let position = self.table.position(&application(stream, partition)).await?;
        self.positions.insert(key, position);
        Ok(position)
    }

    /// How far in the table of fetches the table has come, as of the version that was read.
    pub(crate) async fn fetches_applied(&self) -> Result<UtcTime, SinkError> {
        Ok(UtcTime(self.table.position(FETCHES).await?.unwrap_or(0)))
    }

    /// The time of the next commit: the clock's, or a microsecond after the last commit's if that is later.
    pub(crate) fn next_recorded_at(&self) -> UtcTime {
        UtcTime(self.clock.now().micros().max(self.recorded_at + 1))
    }

    /// Commits, or says why not. After an error the caller reads again from the table's offsets.
    pub(crate) async fn commit(&mut self, commit: Commit) -> Result<CommitReport, SinkError> {
        let ranges: Vec<StreamRange> = commit.ranges.iter().collect();
        for range in &ranges {
            let stored = self.position(&range.stream, range.partition).await?;
            if commit_decision(stored, range) != OffsetDecision::Commit {
                return Err(self.conflict());
            }
        }
        let rows = commit.files.iter().filter_map(|staged| staged.file.rows).sum::<usize>() as u64;
        let outcome = self.table.commit(self.table_commit(&commit, &ranges)).await?;
        let CommitOutcome::Committed { version } = outcome else { return Err(self.conflict()) };
        self.claimed = true;
        self.recorded_at = commit.recorded_at.micros();
        for range in &ranges {
            self.positions.insert((range.stream.clone(), range.partition), Some(range.to));
        }
        Ok(CommitReport {
            table: self.table.name().to_owned(),
            version,
            recorded_at: commit.recorded_at,
            ranges,
            rows,
            counters: commit.ledger.map(|ledger| ledger.counters),
            presence: commit.ledger.map(|ledger| ledger.presence).unwrap_or_default(),
        })
    }

    fn conflict(&self) -> SinkError {
        SinkError::Conflict { table: self.table.name().to_owned() }
    }

    fn table_commit(&self, commit: &Commit, ranges: &[StreamRange]) -> TableCommit {
        let mut positions: Vec<(String, i64)> =
            ranges.iter().map(|range| (application(&range.stream, range.partition), range.to)).collect();
        positions.push((OWNER.to_owned(), self.epoch));
        positions.push((RECORDED_AT.to_owned(), commit.recorded_at.micros()));
        let mut info = BTreeMap::from([
            ("modellaneRecordedAt".to_owned(), json!(commit.recorded_at.micros())),
            ("modellaneOwner".to_owned(), json!(self.epoch)),
            ("modellaneRanges".to_owned(), ranges.iter().map(range_info).collect()),
        ]);
        if let Some(ledger) = &commit.ledger {
            info.insert("modellaneCounters".to_owned(), counters_info(&ledger.counters));
            let PresenceCounters { withdrawn, reinstated } = ledger.presence;
            let presence = json!({ "withdrawn": withdrawn, "reinstated": reinstated });
            info.insert("modellanePresence".to_owned(), presence);
            positions.extend(ledger.fetches.map(|applied| (FETCHES.to_owned(), applied.micros())));
        }
        let id = Uuid::from_bytes(random_id());
        TableCommit { id, files: commit.files.clone(), positions, info, now: self.clock.now() }
    }
}

fn application(stream: &str, partition: i32) -> String {
    format!("{stream}/{partition}")
}

fn range_info(range: &StreamRange) -> Value {
    json!({ "stream": range.stream, "partition": range.partition, "from": range.from, "to": range.to })
}

fn counters_info(counters: &Counters) -> Value {
    json!({
        "original": counters.original,
        "restated": counters.restated,
        "rejudged": counters.rejudged,
        "observed": counters.observed,
        "duplicate": counters.duplicate,
        "stale": counters.stale,
        "rejects": counters.rejects,
    })
}
