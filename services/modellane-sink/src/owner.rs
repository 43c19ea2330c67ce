//! Owning a table: offsets, epoch and time of commits.

use crate::{SinkError, TableStore};
use modellane_event::{Label, UtcTime};
use modellane_lake::{CommitInfo, CommitOutcome, RECORDED_AT, StagedFile, TableCommit, commit_to};
use modellane_ledger::{
    CommitRecord, Counters, OffsetDecision, PresenceCounters, RangeSet, StreamRange, commit_decision,
};
use modellane_runtime::{Clock, random_id};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// The application under which a table keeps the epoch of its owner.
const OWNER: &str = "owner";
/// The application under which a table keeps the newest epoch of a sink by its name, and the one that says that the
/// newest owner has a name. Without that, as in tables of a sink without a name, the table is whoever's comes.
const INSTANCE: &str = "owner:";
const NAMED: &str = "owner_named";
/// The application under which the ledger keeps how far it has come in the table of fetches: the time of the
/// newest commit there that it takes account of, in microseconds.
pub(crate) const FETCHES: &str = "fetches";
/// The same as a commit of the ledger states it.
pub(crate) const FETCHES_INFO: &str = "modellaneFetches";

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
    table: Box<dyn TableStore>,
    clock: Arc<dyn Clock>,
    /// The application of our name, if we have one.
    instance: Option<String>,
    epoch: i64,
    /// Whether a commit under our epoch is in the table.
    claimed: bool,
    /// The version of the table that what follows was read of.
    read_version: u64,
    recorded_at: i64,
    /// Next offsets in the table, as far as they were asked for.
    positions: HashMap<(String, i32), Option<i64>>,
}

impl OwnedTable {
    pub(crate) async fn open(
        table: Box<dyn TableStore>,
        clock: Arc<dyn Clock>,
        instance: Option<&Label>,
    ) -> Result<Self, SinkError> {
        let instance = instance.map(|name| format!("{INSTANCE}{name}"));
        let (epoch, claimed, read_version, recorded_at) = (0, false, 0, 0);
        let positions = HashMap::new();
        let mut owned = Self { table, clock, instance, epoch, claimed, read_version, recorded_at, positions };
        owned.begin().await?;
        Ok(owned)
    }

    /// Takes the next epoch, which the table has with our first commit.
    async fn begin(&mut self) -> Result<(), SinkError> {
        self.positions.clear();
        self.claimed = false;
        self.epoch = self.table.position(OWNER).await?.unwrap_or(0) + 1;
        self.recorded_at = self.table.position(RECORDED_AT).await?.unwrap_or(0);
        self.read_version = self.table.version();
        Ok(())
    }

    /// Begins anew on the newest version, whoever owned the table until now.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), SinkError> {
        self.table.refresh().await?;
        self.begin().await
    }

    /// Whether the newest commit is that of a sink by another name.
    pub(crate) async fn is_anothers(&self) -> Result<bool, SinkError> {
        let owner = self.table.position(OWNER).await?;
        if owner.is_none() || self.table.position(NAMED).await? != owner {
            return Ok(false);
        }
        Ok(match &self.instance {
            Some(instance) => self.table.position(instance).await? != owner,
            None => true,
        })
    }

    pub(crate) fn table(&self) -> &dyn TableStore {
        self.table.as_ref()
    }

    pub(crate) fn now(&self) -> UtcTime {
        self.clock.now()
    }

    /// Reads the table anew after a failure, and makes sure that it is still ours.
    pub(crate) async fn refresh(&mut self) -> Result<(), SinkError> {
        // First, so that nothing of an older version outlives a failure on the way.
        self.positions.clear();
        self.table.refresh().await?;
        self.recorded_at = self.table.position(RECORDED_AT).await?.unwrap_or(0).max(self.recorded_at);
        let theirs = self.table.position(OWNER).await?.unwrap_or(0);
        // Two sinks that opened at once have one number; it belongs to the one that has committed.
        if theirs > self.epoch || (theirs == self.epoch && !self.claimed) {
            let table = self.table.name().to_owned();
            return Err(SinkError::NotOwner { table, theirs, ours: self.epoch });
        }
        self.read_version = self.table.version();
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

    /// The time of the newest commit, as of the version that was read.
    pub(crate) fn recorded_at(&self) -> UtcTime {
        UtcTime(self.recorded_at)
    }

    /// The time of the next commit: the clock's, or a microsecond after the last commit's if that is later.
    pub(crate) fn next_recorded_at(&self) -> UtcTime {
        UtcTime(self.clock.now().micros().max(self.recorded_at + 1))
    }

    /// Commits, or says why not. After an error the caller reads again from the table's offsets.
    pub(crate) async fn commit(&mut self, commit: Commit) -> Result<CommitReport, SinkError> {
        // A commit that ended in an error has moved the table, and nothing was read of it since.
        if self.table.version() != self.read_version {
            return Err(self.conflict());
        }
        let ranges: Vec<StreamRange> = commit.ranges.iter().collect();
        for range in &ranges {
            let stored = self.position(&range.stream, range.partition).await?;
            if commit_decision(stored, range) != OffsetDecision::Commit {
                return Err(self.conflict());
            }
        }
        let rows = commit.files.iter().filter_map(|staged| staged.file.rows).sum::<usize>() as u64;
        let table_commit = self.table_commit(&commit, &ranges);
        let outcome = commit_to(self.table.as_mut(), &table_commit).await?;
        self.claimed |= outcome != CommitOutcome::Conflict;
        // One that was overtaken is in the table, and so is what came after it: all of it is read again.
        let CommitOutcome::Committed { version } = outcome else { return Err(self.conflict()) };
        self.read_version = version;
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
        positions.extend(self.instance.iter().map(|instance| (instance.clone(), self.epoch)));
        positions.push((NAMED.to_owned(), if self.instance.is_some() { self.epoch } else { 0 }));
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
            if let Some(applied) = ledger.fetches {
                positions.push((FETCHES.to_owned(), applied.micros()));
                info.insert(FETCHES_INFO.to_owned(), json!(applied.micros()));
            }
        }
        let id = Uuid::from_bytes(random_id());
        TableCommit { id, files: commit.files.clone(), positions, info, now: self.clock.now() }
    }
}

/// Under which application a table keeps the next offset of a partition.
pub(crate) fn application(stream: &str, partition: i32) -> String {
    format!("{stream}/{partition}")
}

fn range_info(range: &StreamRange) -> Value {
    json!({ "stream": range.stream, "partition": range.partition, "from": range.from, "to": range.to })
}

/// What a commit of a sink said of itself; null for the commits of others.
pub(crate) fn commit_record(info: &CommitInfo) -> Option<CommitRecord> {
    let range = |range: &Value| {
        Some(StreamRange {
            stream: range["stream"].as_str()?.to_owned(),
            partition: i32::try_from(range["partition"].as_i64()?).ok()?,
            from: range["from"].as_i64()?,
            to: range["to"].as_i64()?,
        })
    };
    let recorded_at = UtcTime(info.get("modellaneRecordedAt")?.as_i64()?);
    let ranges: Option<Vec<_>> = info.get("modellaneRanges")?.as_array()?.iter().map(range).collect();
    Some(CommitRecord { recorded_at, ranges: ranges? })
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
