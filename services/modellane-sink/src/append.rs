//! Tables that take every message as it is: intents, rejects and complete fetches.

use crate::arrivals::Arrivals;
use crate::owner::{Commit, OwnedTable};
use crate::writer::{Pending, Taken, Writer, extend};
use crate::{CommitReport, SinkError, TableStore, reject};
use arrow::array::RecordBatch;
use modellane_event::{Date, IntentEvent, RejectEvent, ScopeClosed, UtcTime};
use modellane_ledger::RangeSet;
use modellane_runtime::random_id;
use modellane_schema::{
    AvroCodec, BatchError, CodecError, FetchBatchBuilder, IntentBatchBuilder, RejectBatchBuilder,
    fetch_codec, intent_codec, reject_codec,
};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;
use uuid::Uuid;

/// A kind of message that is appended as it is.
pub(crate) trait Appended: DeserializeOwned + Send + Sync + 'static {
    fn codec() -> AvroCodec<Self>;
    /// Whether a message that can be read says something that can be.
    fn is_sound(&self) -> bool {
        true
    }
    /// Value of the partition column.
    fn day(&self) -> Date;
    /// Rows that a commit of this time keeps.
    fn batch(rows: &[Self], recorded_at: UtcTime) -> Result<RecordBatch, BatchError>;
}

impl Appended for IntentEvent {
    fn codec() -> AvroCodec<Self> {
        intent_codec()
    }
    fn day(&self) -> Date {
        self.started_at.date()
    }
    fn batch(rows: &[Self], _recorded_at: UtcTime) -> Result<RecordBatch, BatchError> {
        let mut builder = IntentBatchBuilder::with_capacity(rows.len());
        rows.iter().for_each(|row| builder.append(row));
        builder.finish()
    }
}

impl Appended for RejectEvent {
    fn codec() -> AvroCodec<Self> {
        reject_codec()
    }
    fn day(&self) -> Date {
        self.recorded_at.date()
    }
    fn batch(rows: &[Self], _recorded_at: UtcTime) -> Result<RecordBatch, BatchError> {
        let mut builder = RejectBatchBuilder::with_capacity(rows.len());
        rows.iter().for_each(|row| builder.append(row));
        builder.finish()
    }
}

impl Appended for ScopeClosed {
    fn codec() -> AvroCodec<Self> {
        fetch_codec()
    }
    fn is_sound(&self) -> bool {
        // Such as a chunk of a fetch that has none: waiting for the others would never end.
        ScopeClosed::is_sound(self)
    }
    fn day(&self) -> Date {
        self.observed_at.date()
    }
    fn batch(rows: &[Self], recorded_at: UtcTime) -> Result<RecordBatch, BatchError> {
        let mut builder = FetchBatchBuilder::with_capacity(rows.len());
        rows.iter().for_each(|row| builder.append(row, recorded_at));
        builder.finish()
    }
}

/// Writes one file a day and commits them.
pub(crate) async fn append<T: Appended>(
    owner: &mut OwnedTable,
    rows: Vec<T>,
    ranges: RangeSet,
) -> Result<CommitReport, SinkError> {
    let mut days: BTreeMap<Date, Vec<T>> = BTreeMap::new();
    for row in rows {
        days.entry(row.day()).or_default().push(row);
    }
    let recorded_at = owner.next_recorded_at();
    let mut files = Vec::with_capacity(days.len());
    for (day, rows) in &days {
        let id = Uuid::from_bytes(random_id());
        let (day, rows) = (day.to_string(), T::batch(rows, recorded_at)?);
        files.push(owner.table().stage(Some(&day), vec![rows], id, owner.now()).await?);
    }
    owner.commit(Commit { files, ranges, recorded_at, ledger: None }).await
}

/// The table of rejects, which all consumers of one process share, as only one may commit to it.
#[derive(Clone)]
pub(crate) struct Rejects(Arc<Mutex<OwnedTable>>);

impl Rejects {
    pub(crate) fn new(owner: OwnedTable) -> Self {
        Self(Arc::new(Mutex::new(owner)))
    }

    /// Keeps rejects that another consumer found. They may be kept twice if that consumer then fails; their
    /// ids are the same then.
    pub(crate) async fn keep(&self, rejects: Vec<RejectEvent>) -> Result<(), SinkError> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut owner = self.0.lock().await;
        let kept = append(&mut owner, rejects, RangeSet::default()).await;
        if kept.is_err() {
            owner.refresh().await?;
        }
        kept.map(|_| ())
    }
}

/// Where an appended table is committed.
pub(crate) enum Home {
    /// A table of this consumer's own.
    Own(Box<OwnedTable>),
    /// The shared table of rejects.
    Shared,
}

/// Appends the messages of one topic.
pub(crate) struct AppendWriter<T> {
    home: Home,
    rejects: Rejects,
    rows: Vec<T>,
    days: BTreeSet<Date>,
    undecodable: Vec<RejectEvent>,
    ranges: RangeSet,
    messages: u64,
    /// Who else has to deal with what was committed before it counts as done.
    arrivals: Option<Arrivals>,
}

impl<T: Appended> AppendWriter<T> {
    pub(crate) fn new(home: Home, rejects: Rejects) -> Self {
        Self {
            home,
            rejects,
            arrivals: None,
            rows: Vec::new(),
            days: BTreeSet::new(),
            undecodable: Vec::new(),
            ranges: RangeSet::default(),
            messages: 0,
        }
    }

    /// The table is another sink's until now.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), SinkError> {
        match &mut self.home {
            Home::Own(owner) => owner.begin_anew().await?,
            Home::Shared => self.rejects.0.lock().await.begin_anew().await?,
        }
        self.reset().await
    }

    /// The table at its version.
    pub(crate) async fn table(&self) -> Box<dyn TableStore> {
        match &self.home {
            Home::Own(owner) => owner.table().duplicate(),
            Home::Shared => self.rejects.0.lock().await.table().duplicate(),
        }
    }
}

impl AppendWriter<ScopeClosed> {
    /// Tells the ledger of each commit.
    pub(crate) fn announcing(mut self, arrivals: Arrivals) -> Self {
        self.arrivals = Some(arrivals);
        self
    }
}

impl<T: Appended> Writer for AppendWriter<T> {
    async fn position(&mut self, stream: &str, partition: i32) -> Result<Option<i64>, SinkError> {
        match &mut self.home {
            Home::Own(owner) => owner.position(stream, partition).await,
            Home::Shared => self.rejects.0.lock().await.position(stream, partition).await,
        }
    }

    fn unknown_schema(&self, payload: &[u8]) -> Option<CodecError> {
        T::codec().unknown_schema(payload)
    }

    async fn take(&mut self, taken: Taken) -> Result<(), SinkError> {
        let now = match &self.home {
            Home::Own(owner) => owner.now(),
            Home::Shared => self.rejects.0.lock().await.now(),
        };
        for record in &taken.records {
            match record.payload.as_deref().map(|payload| T::codec().decode(payload)) {
                Some(Ok(row)) if row.is_sound() => {
                    self.days.insert(row.day());
                    self.rows.push(row);
                }
                _ => self.undecodable.push(reject::undecodable(&taken.stream, record, now)),
            }
        }
        self.messages += taken.records.len() as u64;
        extend(&mut self.ranges, &taken.ranges)
    }

    fn pending(&self) -> Pending {
        Pending { messages: self.messages, rows: self.rows.len(), days: self.days.len(), fetches: false }
    }

    async fn commit(&mut self) -> Result<CommitReport, SinkError> {
        self.messages = 0;
        self.days.clear();
        let rows = std::mem::take(&mut self.rows);
        let ranges = std::mem::take(&mut self.ranges);
        self.rejects.keep(std::mem::take(&mut self.undecodable)).await?;
        let mut report = match &mut self.home {
            Home::Own(owner) => append(owner, rows, ranges).await?,
            Home::Shared => append(&mut *self.rejects.0.lock().await, rows, ranges).await?,
        };
        if let Some(arrivals) = &self.arrivals {
            arrivals.announce(&mut report);
        }
        Ok(report)
    }

    async fn reset(&mut self) -> Result<(), SinkError> {
        self.messages = 0;
        self.days.clear();
        self.rows.clear();
        self.undecodable.clear();
        self.ranges = RangeSet::default();
        match &mut self.home {
            Home::Own(owner) => {
                owner.refresh().await?;
                if let Some(arrivals) = &self.arrivals {
                    arrivals.note(owner.recorded_at());
                }
                Ok(())
            }
            Home::Shared => self.rejects.0.lock().await.refresh().await,
        }
    }
}
