//! The judged topic into the ledger.

mod batch;
mod candidates;
mod day;
pub(crate) mod judgement;
mod lookup;
mod observations;
mod presence;
pub(crate) mod usage;

pub use judgement::JUDGEMENT_COLUMNS;

use crate::append::Rejects;
use crate::arrivals::Arrivals;
use crate::index::{Index, IndexHook, RowPlace};
use crate::owner::{Commit, LedgerCommit, OwnedTable};
use crate::scopes::{Deciding, ScopeId, Scopes};
use crate::writer::{Pending, Taken, Writer, extend};
use crate::{CommitReport, SinkError, Stage, StageHook, TableStore, reject};
use batch::{Batch, Facts};
use day::Place;
use hashbrown::HashMap;
use lookup::Stored;
use modellane_event::{Date, EventId, JudgedEvent, UtcTime};
use modellane_lake::{LakeError, StagedFile};
use modellane_ledger::{Incoming, Presence, Version, asks_for_judgement};
use modellane_runtime::random_id;
use modellane_schema::{CodecError, judged_codec};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What the writer of the ledger works with.
pub(crate) struct LedgerParts {
    pub(crate) owner: OwnedTable,
    pub(crate) observations: Box<dyn TableStore>,
    pub(crate) rejects: Rejects,
    pub(crate) scopes: Scopes,
    pub(crate) arrivals: Arrivals,
    pub(crate) index: Index,
    /// Entries after which a commit is due.
    pub(crate) max_rows: usize,
}

/// Decides and writes entries.
pub(crate) struct LedgerWriter {
    owner: OwnedTable,
    observations: Box<dyn TableStore>,
    rejects: Rejects,
    scopes: Scopes,
    arrivals: Arrivals,
    index: Index,
    max_rows: usize,
    /// How far in the table of fetches the ledger has come.
    applied: UtcTime,
    batch: Batch,
    pub(crate) hook: StageHook,
    pub(crate) index_hook: IndexHook,
}

impl LedgerWriter {
    pub(crate) async fn open(parts: LedgerParts) -> Result<Self, SinkError> {
        let LedgerParts { owner, observations, rejects, scopes, arrivals, index, max_rows } = parts;
        let mut writer = Self {
            owner,
            observations,
            rejects,
            scopes,
            arrivals,
            index,
            max_rows,
            applied: UtcTime(0),
            batch: Batch::default(),
            hook: StageHook::default(),
            index_hook: IndexHook::default(),
        };
        writer.read_what_it_rests_on().await?;
        Ok(writer)
    }

    /// The tables are another sink's until now.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), SinkError> {
        self.owner.begin_anew().await?;
        self.reset().await
    }

    /// The table with its owner.
    pub(crate) fn owner(&self) -> &OwnedTable {
        &self.owner
    }

    /// Observations and fetches are committed before the entries that rest on them. So they are read after the
    /// ledger: what another sink has committed in between is more than is needed, never less.
    async fn read_what_it_rests_on(&mut self) -> Result<(), SinkError> {
        self.observations.refresh().await?;
        self.scopes.refresh().await?;
        self.applied = self.owner.fetches_applied().await?;
        Ok(())
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
        let unknown = events.iter().filter(|event| !self.batch.touched.contains_key(&event.usage.event_id));
        let wanted = unknown.map(|event| (event.usage.event_id, event.usage.event_date)).collect();
        let stored = self.stored(&days, wanted).await?;

        let (mut compared, mut withdrawn) = (HashMap::new(), HashMap::new());
        for event in events {
            let id = event.usage.event_id;
            let Some((version, place)) = self.entry_in_table(id, &stored) else { continue };
            if asks_for_judgement(&version, &Incoming::of(event)) {
                compared.insert(id, place);
            }
            if version.presence == Presence::Withdrawn {
                withdrawn.insert(id, place);
            }
        }
        let (files, ledger) = (&self.index.files, self.owner.table());
        let judgements = lookup::judgements(compared.into_iter().collect(), files, ledger).await?;
        let withdrawn = lookup::rows(withdrawn.into_iter().collect(), files, ledger).await?;
        let scopes = self.deciding(events).await?;
        Ok(Facts { stored, judgements, withdrawn, scopes })
    }

    /// What arrived, and everything that the decisions of these events ask.
    async fn decide(&mut self, events: &[JudgedEvent]) -> Result<Facts, SinkError> {
        self.apply_fetches().await?;
        self.facts(events).await
    }

    /// A file that is not there any more was replaced and removed since a table was read, if that table has
    /// moved on: then reading it anew helps. Else it is lost.
    async fn explained<T>(&self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        if !matches!(result, Err(SinkError::Lake(LakeError::Missing { .. }))) {
            return result;
        }
        for table in [self.owner.table(), self.observations.as_ref(), self.scopes.table()] {
            let mut newest = table.duplicate();
            match newest.refresh().await {
                Ok(()) if newest.version() > table.version() => {
                    return Err(SinkError::Conflict { table: table.name().to_owned() });
                }
                Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        result
    }

    /// What the table has of events, by the index, whose pages of these days are read if they are missing.
    async fn stored(
        &mut self,
        days: &[Date],
        wanted: Vec<(EventId, Date)>,
    ) -> Result<HashMap<EventId, Stored>, SinkError> {
        self.index_hook.strike(&mut self.index)?;
        self.index.load(days, self.owner.table(), self.observations.as_ref()).await?;
        let stored = lookup::versions(wanted.into_iter(), &self.index, self.owner.table()).await;
        // The lake may be sound and the index name rows that it does not have.
        stored.map_err(|error| self.index.verify().err().unwrap_or(error))
    }

    /// Where the current entry of an event is, if it is in the table. An event that was only observed or
    /// withdrawn since the last commit still has it there.
    fn entry_in_table(&self, id: EventId, stored: &HashMap<EventId, Stored>) -> Option<(Version, RowPlace)> {
        match self.batch.touched.get(&id) {
            Some(touched) => match touched.place {
                Place::Table(place) => Some((touched.version, place)),
                Place::New(_) => None,
            },
            None => stored.get(&id).map(|stored| (stored.version, stored.place)),
        }
    }

    /// The fetches that the events have to be held against.
    async fn deciding(&mut self, events: &[JudgedEvent]) -> Result<HashMap<ScopeId, Deciding>, SinkError> {
        let mut with_ids: BTreeMap<ScopeId, bool> = BTreeMap::new();
        for event in events {
            let Some(scope) = ScopeId::of(&event.usage) else { continue };
            if let Some(horizon) = self.scopes.horizon(&scope) {
                *with_ids.entry(scope).or_default() |= event.usage.observed_at < horizon;
            }
        }
        let mut deciding = HashMap::new();
        for (scope, with_ids) in with_ids {
            if let Some(fetches) = self.scopes.deciding(&scope, with_ids).await? {
                deciding.insert(scope, fetches);
            }
        }
        Ok(deciding)
    }

    async fn write(
        &mut self,
        batch: &mut Batch,
    ) -> Result<(CommitReport, Vec<(Date, StagedFile)>), SinkError> {
        self.index.verify()?;
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
        observations::commit(self.observations.as_mut(), &batch.observed, self.owner.now()).await?;
        self.hook.reached(Stage::Observed)?;

        let files = staged.iter().map(|(_, file)| file.clone()).collect();
        let ranges = std::mem::take(&mut batch.ranges);
        let Batch { counters, presence, fetches, .. } = *batch;
        let ledger = Some(LedgerCommit { counters, presence, fetches });
        let report = self.owner.commit(Commit { files, ranges, recorded_at, ledger }).await?;
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
        // The current entry of a withdrawn event is among the rows that were taken back.
        for (day, _) in batch.days.iter().filter(|(_, waiting)| waiting.withdraws()) {
            self.index.forget(*day);
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
        if taken.records.is_empty() {
            return extend(&mut self.batch.ranges, &taken.ranges);
        }
        let events = self.decode(&taken);
        let facts = self.decide(&events).await;
        let facts = self.explained(facts).await?;
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
            fetches: self.arrivals.is_waiting(self.applied) || self.scopes.newest() > self.applied,
        }
    }

    async fn commit(&mut self) -> Result<CommitReport, SinkError> {
        let applied = self.apply_fetches().await;
        self.explained(applied).await?;
        let mut batch = std::mem::take(&mut self.batch);
        let written = self.write(&mut batch).await;
        let (mut report, staged) = self.explained(written).await?;
        self.applied = batch.fetches.unwrap_or(self.applied);
        self.note(batch, &staged);
        report.ranges.extend(self.arrivals.settle(self.applied));
        Ok(report)
    }

    async fn reset(&mut self) -> Result<(), SinkError> {
        self.batch = Batch::default();
        self.index.clear();
        self.owner.refresh().await?;
        self.read_what_it_rests_on().await
    }
}
