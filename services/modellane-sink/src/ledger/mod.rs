//! The judged topic into the ledger.

mod batch;
pub(crate) mod columns;
mod day;
mod judgement;
mod lookup;
mod observations;

use crate::append::Rejects;
use crate::index::{Index, RowPlace};
use crate::owner::{Commit, OwnedTable};
use crate::writer::{Pending, Taken, Writer, extend};
use crate::{CommitReport, SinkError, Stage, StageHook, reject};
use batch::{Batch, Facts};
use day::Place;
use hashbrown::HashMap;
use modellane_event::{Date, JudgedEvent};
use modellane_lake::{StagedFile, Table};
use modellane_ledger::{Incoming, asks_for_judgement};
use modellane_runtime::random_id;
use modellane_schema::{CodecError, judged_codec};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Decides and writes entries.
pub(crate) struct LedgerWriter {
    owner: OwnedTable,
    observations: Table,
    rejects: Rejects,
    index: Index,
    batch: Batch,
    pub(crate) hook: StageHook,
}

impl LedgerWriter {
    pub(crate) fn new(owner: OwnedTable, observations: Table, rejects: Rejects, index: Index) -> Self {
        Self { owner, observations, rejects, index, batch: Batch::default(), hook: StageHook::default() }
    }

    fn decode(&mut self, taken: &Taken) -> Vec<JudgedEvent> {
        let codec = judged_codec();
        let mut events = Vec::with_capacity(taken.records.len());
        for record in &taken.records {
            match record.payload.as_deref().map(|payload| codec.decode(payload)) {
                Some(Ok(event)) => events.push(event),
                _ => {
                    self.batch.counters.rejects += 1;
                    let now = self.owner.now();
                    self.batch.rejects.push(reject::undecodable(&taken.stream, record, now));
                }
            }
        }
        events
    }

    /// Everything that the decisions of these events ask of the table.
    async fn facts(&mut self, events: &[JudgedEvent]) -> Result<Facts, SinkError> {
        let days: BTreeSet<Date> = events.iter().map(|event| event.usage.event_date).collect();
        let days: Vec<Date> = days.into_iter().collect();
        self.index.load(&days, self.owner.table(), &self.observations).await?;

        let unknown = events.iter().filter(|event| !self.batch.touched.contains_key(&event.usage.event_id));
        let wanted = unknown.map(|event| (event.usage.event_id, event.usage.event_date));
        let stored = lookup::versions(wanted, &self.index, self.owner.table()).await?;

        // An event that was only observed still has its entry in the table.
        let mut compared = HashMap::new();
        for event in events {
            let id = event.usage.event_id;
            let known = match (self.batch.touched.get(&id), stored.get(&id)) {
                (Some(touched), _) => match touched.place {
                    Place::Table(place) => Some((touched.version, place)),
                    Place::New(_) => None,
                },
                (None, stored) => stored.map(|stored| (stored.version, stored.place)),
            };
            if let Some((version, place)) = known
                && asks_for_judgement(&version, &Incoming::of(event))
            {
                compared.insert(id, place);
            }
        }
        let compared = compared.into_iter().collect();
        let judgements = lookup::judgements(compared, &self.index.files, self.owner.table()).await?;
        Ok(Facts { stored, judgements })
    }

    async fn write(
        &mut self,
        batch: &mut Batch,
    ) -> Result<(CommitReport, Vec<(Date, StagedFile)>), SinkError> {
        self.rejects.keep(std::mem::take(&mut batch.rejects)).await?;
        let recorded_at = self.owner.next_recorded_at();
        let mut staged = Vec::with_capacity(batch.days.len());
        for (day, waiting) in &mut batch.days {
            if waiting.rows() == 0 {
                continue;
            }
            let rows = waiting.finish(recorded_at, &self.index.files, self.owner.table()).await?;
            let id = Uuid::from_bytes(random_id());
            let file = self.owner.table().stage(Some(&day.to_string()), rows, id, self.owner.now()).await?;
            staged.push((*day, file));
        }
        self.hook.reached(Stage::Staged)?;

        // Before the entries: a sighting that was not kept could never be made up for, as its message would
        // not be read again. The other way round it is read again, and says nothing new.
        observations::commit(&mut self.observations, &batch.observed, self.owner.now()).await?;
        self.hook.reached(Stage::Observed)?;

        let files = staged.iter().map(|(_, file)| file.clone()).collect();
        let ranges = std::mem::take(&mut batch.ranges);
        let counters = Some(batch.counters);
        let report = self.owner.commit(Commit { files, ranges, recorded_at, counters }).await?;
        self.hook.reached(Stage::Committed)?;
        Ok((report, staged))
    }

    /// Brings the pages in memory up to what was committed.
    fn note(&mut self, batch: Batch, staged: &[(Date, StagedFile)]) {
        let mut written: HashMap<Date, (u32, Vec<u32>)> = HashMap::new();
        for (day, staged) in staged {
            let mut row_of = vec![0; staged.order.len()];
            for (row, source) in staged.order.iter().enumerate() {
                row_of[*source as usize] = row as u32;
            }
            written.insert(*day, (self.index.files.number(&staged.file), row_of));
        }
        for (id, touched) in &batch.touched {
            let Place::New(source) = touched.place else { continue };
            let Some(page) = self.index.page_mut(touched.day) else { continue };
            if let Some((file, row_of)) = written.get(&touched.day) {
                page.put(*id, touched.stored, RowPlace { file: *file, row: row_of[source] });
            }
        }
        for (day, observed) in &batch.observed {
            let Some(page) = self.index.page_mut(*day) else { continue };
            observed.iter().for_each(|observation| page.observed.add(*observation));
        }
    }
}

impl Writer for LedgerWriter {
    async fn position(&mut self, stream: &str, partition: i32) -> Result<Option<i64>, SinkError> {
        self.owner.position(stream, partition).await
    }

    fn unknown_schema(&self, payload: &[u8]) -> Option<CodecError> {
        judged_codec().unknown_schema(payload)
    }

    async fn take(&mut self, taken: Taken) -> Result<(), SinkError> {
        let events = self.decode(&taken);
        let facts = self.facts(&events).await?;
        for event in events {
            self.batch.take(event, &facts)?;
        }
        extend(&mut self.batch.ranges, &taken.ranges)
    }

    fn pending(&self) -> Pending {
        Pending {
            messages: self.batch.counters.messages(),
            // Events that make no row take memory as well.
            rows: self.batch.rows().max(self.batch.touched.len()),
            days: self.batch.days.len(),
        }
    }

    async fn commit(&mut self) -> Result<CommitReport, SinkError> {
        let mut batch = std::mem::take(&mut self.batch);
        let (report, staged) = self.write(&mut batch).await?;
        self.note(batch, &staged);
        Ok(report)
    }

    async fn reset(&mut self) -> Result<(), SinkError> {
        self.batch = Batch::default();
        self.index.clear();
        self.observations.refresh().await?;
        self.owner.refresh().await
    }
}
