//! The ledger for those who read it and write nothing.

use crate::columns::{Ids, Numbers, Signs, damaged};
use crate::ledger::judgement::{JUDGEMENT_COLUMNS, judgement};
use crate::ledger::usage::{USAGE_COLUMNS, usage};
use crate::owner::application;
use crate::{SinkError, table};
use arrow::array::RecordBatch;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use hashbrown::HashSet;
use modellane_event::{Date, EventId, JudgedEvent, UsageEvent, UtcTime};
use modellane_lake::{DataFile, Lake, RECORDED_AT, Table};
use modellane_ledger::JudgementVersion;
use std::collections::{BTreeMap, BTreeSet};

/// Entries that are held at once.
const ENTRIES_AT_ONCE: usize = 4_096;

/// The ledger at one version. Reads are of that version until [`LedgerReader::refresh`].
#[derive(Debug)]
pub struct LedgerReader {
    ledger: Table,
    /// Null before the first observation.
    observations: Option<Table>,
}

/// The files of one day, and which of their entries were taken back.
#[derive(Debug)]
pub struct LedgerDay {
    files: Vec<DataFile>,
    taken_back: HashSet<(EventId, i32)>,
}

/// Current entries of a stretch of rows.
#[derive(Debug, Default)]
pub struct Current {
    /// Entries of the stretch, those that were taken back and reversals among them.
    pub entries: usize,
    /// The events of those that count, as they were judged.
    pub events: Vec<JudgedEvent>,
    /// Entries that count and whose event cannot be read back from them, as they were written by a version of
    /// the product that kept less.
    pub incomplete: u64,
}

impl LedgerReader {
    /// Opens the newest version; null if the lake has no ledger.
    pub async fn open(lake: &Lake) -> Result<Option<Self>, SinkError> {
        // The ledger last: an observation is committed before the entries that follow it.
        let observations = lake.existing_table(table::observations()).await?;
        let ledger = lake.existing_table(table::ledger_table()).await?;
        Ok(ledger.map(|ledger| Self { ledger, observations }))
    }

    /// Moves to the newest version of the ledger.
    pub async fn refresh(&mut self) -> Result<(), SinkError> {
        Ok(self.ledger.refresh().await?)
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.ledger.version()
    }

    /// Time of the newest commit; null before the first.
    pub async fn recorded_through(&self) -> Result<Option<UtcTime>, SinkError> {
        Ok(self.ledger.position(RECORDED_AT).await?.map(UtcTime))
    }

    /// Whether everything before these next offsets is in the ledger.
    pub async fn holds(&self, targets: &[(String, i32, i64)]) -> Result<bool, SinkError> {
        for (stream, partition, next) in targets {
            let position = self.ledger.position(&application(stream, *partition)).await?;
            if position.unwrap_or(0) < *next {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The days that have entries, with the number of them.
    pub async fn days(&self) -> Result<BTreeMap<Date, usize>, SinkError> {
        let mut days = BTreeMap::new();
        for file in self.ledger.files(None).await? {
            let day = file.partition.as_deref().and_then(|day| Date::parse(day).ok());
            let day = day.ok_or_else(|| damaged("event_date"))?;
            *days.entry(day).or_default() += file.rows.unwrap_or(0);
        }
        Ok(days)
    }

    /// The greatest run of the settler and the greatest context version that any judgement states; null while
    /// there is none. They may be of two judgements.
    pub async fn newest_judged(&self) -> Result<Option<JudgementVersion>, SinkError> {
        const COLUMNS: [&str; 2] = ["settle_run", "context_version"];
        let mut newest: Option<JudgementVersion> = None;
        for table in [Some(&self.ledger), self.observations.as_ref()].into_iter().flatten() {
            for file in table.files(None).await? {
                let mut batches = table.scan(&file, &COLUMNS, ENTRIES_AT_ONCE).await?;
                while let Some(batch) = batches.try_next().await? {
                    let runs = Numbers::of(&batch, COLUMNS[0])?;
                    let contexts = Numbers::of(&batch, COLUMNS[1])?;
                    for row in 0..batch.num_rows() {
                        let (settle_run, context_version) = (runs.int32(row)?, contexts.int64(row)?);
                        let known = newest.get_or_insert(JudgementVersion { settle_run, context_version });
                        known.settle_run = known.settle_run.max(settle_run);
                        known.context_version = known.context_version.max(context_version);
                    }
                }
            }
        }
        Ok(newest)
    }

    /// Looks up what was taken back of a day. Entries of an event are all of one day.
    pub async fn day(&self, day: Date) -> Result<LedgerDay, SinkError> {
        const COLUMNS: [&str; 3] = ["event_id", "revision", "entry_sign"];
        let files = self.ledger.files(Some(&day.to_string())).await?;
        let mut taken_back = HashSet::new();
        for file in &files {
            let mut batches = self.ledger.scan(file, &COLUMNS, ENTRIES_AT_ONCE).await?;
            while let Some(batch) = batches.try_next().await? {
                let ids = Ids::of(&batch, COLUMNS[0])?;
                let revisions = Numbers::of(&batch, COLUMNS[1])?;
                let signs = Signs::of(&batch, COLUMNS[2])?;
                for row in 0..batch.num_rows() {
                    if signs.required(row)? < 0 {
                        taken_back.insert((EventId(ids.required(row)?), revisions.int32(row)?));
                    }
                }
            }
        }
        Ok(LedgerDay { files, taken_back })
    }

    /// The current entries of a day, some thousand at a time.
    pub fn current<'a>(&'a self, day: &'a LedgerDay) -> BoxStream<'a, Result<Current, SinkError>> {
        let judged = move |batch| {
            let mut current = Current::default();
            for row in current_rows(&batch, &day.taken_back)? {
                match usage(&batch, row)? {
                    Some(usage) => {
                        current.events.push(JudgedEvent { usage, judgement: judgement(&batch, row)? });
                    }
                    None => current.incomplete += 1,
                }
            }
            current.entries = batch.num_rows();
            Ok(current)
        };
        self.stretches(day, &[USAGE_COLUMNS, JUDGEMENT_COLUMNS])
            .and_then(move |batch| ready(judged(batch)))
            .boxed()
    }

    /// The usage events of the current entries of a day, some thousand at a time, without those that cannot be
    /// read back.
    pub fn usages<'a>(&'a self, day: &'a LedgerDay) -> BoxStream<'a, Result<Vec<UsageEvent>, SinkError>> {
        let usages = move |batch| {
            let rows = current_rows(&batch, &day.taken_back)?;
            rows.into_iter().filter_map(|row| usage(&batch, row).transpose()).collect()
        };
        self.stretches(day, &[USAGE_COLUMNS]).and_then(move |batch| ready(usages(batch))).boxed()
    }

    /// Columns of all entries of a day, and those that tell which of them are current.
    fn stretches<'a>(
        &'a self,
        day: &'a LedgerDay,
        columns: &[&[&'static str]],
    ) -> BoxStream<'a, Result<RecordBatch, SinkError>> {
        let of_entry: &[&'static str] = &["event_id", "revision", "entry_sign"];
        let columns: BTreeSet<&str> = columns.iter().chain([&of_entry]).copied().flatten().copied().collect();
        let columns: Vec<&str> = columns.into_iter().collect();
        stream::iter(&day.files)
            .then(move |file| {
                let columns = columns.clone();
                async move { self.ledger.scan(file, &columns, ENTRIES_AT_ONCE).await }
            })
            .try_flatten()
            .map_err(SinkError::from)
            .boxed()
    }
}

/// The rows of a batch whose entries are current.
fn current_rows(batch: &RecordBatch, taken_back: &HashSet<(EventId, i32)>) -> Result<Vec<usize>, SinkError> {
    let ids = Ids::of(batch, "event_id")?;
    let revisions = Numbers::of(batch, "revision")?;
    let signs = Signs::of(batch, "entry_sign")?;
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let entry = (EventId(ids.required(row)?), revisions.int32(row)?);
        if signs.required(row)? > 0 && !taken_back.contains(&entry) {
            rows.push(row);
        }
    }
    Ok(rows)
}
