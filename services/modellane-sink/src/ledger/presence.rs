//! Holding the ledger against complete fetches that have arrived.

use super::batch::touched;
use super::{LedgerWriter, Place, candidates, lookup};
use crate::SinkError;
use crate::scopes::{Deciding, ScopeId};
use hashbrown::HashMap;
use modellane_event::{Date, EventId, UtcTime};
use modellane_ledger::Presence;

/// Events that are looked up at once.
const AT_ONCE: usize = 8_192;

impl LedgerWriter {
    /// Brings the events of every scope that has news in line with its fetches, in the batch. How far that is
    /// goes into the same commit, so that a crash before it changes nothing. Stops where the batch is full;
    /// what is left comes with the next commit.
    pub(super) async fn apply_fetches(&mut self) -> Result<(), SinkError> {
        if let Some(arrived) = self.arrivals.newest().filter(|arrived| *arrived > self.scopes.newest()) {
            self.scopes.refresh_through(arrived).await?;
        }
        let (newest, since) = (self.scopes.newest(), self.batch.fetches.unwrap_or(self.applied));
        if newest <= since {
            return Ok(());
        }
        for scope in self.scopes.changed_since(since) {
            let Some(deciding) = self.scopes.deciding(&scope, true).await? else { continue };
            if !self.settle_stored(&scope, &deciding).await? {
                return Ok(());
            }
            self.settle_touched(&scope, &deciding).await?;
        }
        self.batch.fetches = Some(newest);
        Ok(())
    }

    /// Settles the scope's events that are in the table and that the batch has not touched. Answers whether
    /// there was room for all of them.
    async fn settle_stored(&mut self, scope: &ScopeId, deciding: &Deciding) -> Result<bool, SinkError> {
        let Some((start, end)) = self.scopes.period(scope) else { return Ok(true) };
        let last = UtcTime(end.micros() - 1).date();
        for day in (start.date().0..=last.0).map(Date) {
            let mut ids = candidates::candidates(day, scope, deciding, self.owner.table()).await?;
            ids.retain(|id| !self.batch.touched.contains_key(id));
            if ids.is_empty() {
                continue;
            }
            for ids in ids.chunks(AT_ONCE) {
                if self.batch.rows() >= self.max_rows {
                    return Ok(false);
                }
                self.settle_ids(day, ids, scope, deciding).await?;
            }
        }
        Ok(true)
    }

    async fn settle_ids(
        &mut self,
        day: Date,
        ids: &[EventId],
        scope: &ScopeId,
        deciding: &Deciding,
    ) -> Result<(), SinkError> {
        let stored = self.stored(&[day], ids.iter().map(|id| (*id, day)).collect()).await?;
        let withdrawn = stored.iter().filter(|(_, stored)| stored.version.presence == Presence::Withdrawn);
        let back = withdrawn.filter(|(id, stored)| {
            deciding.presence(**id, stored.version.content.observed_at) == Presence::Live
        });
        let back = back.map(|(id, stored)| (*id, stored.place)).collect();
        let rows = lookup::rows(back, &self.index.files, self.owner.table()).await?;
        for (id, stored) in ids.iter().filter_map(|id| stored.get_key_value(id)) {
            if self.batch.settle(*id, touched(day, stored), deciding, rows.get(id))? {
                self.batch.scopes.entry(scope.clone()).or_default().push(*id);
            }
        }
        Ok(())
    }

    /// Settles the scope's events that the batch has touched.
    async fn settle_touched(&mut self, scope: &ScopeId, deciding: &Deciding) -> Result<(), SinkError> {
        let ids = self.batch.scopes.get(scope).cloned().unwrap_or_default();
        let withdrawn = ids.iter().filter_map(|id| {
            let touched = self.batch.touched.get(id)?;
            match touched.place {
                Place::Table(place) if touched.version.presence == Presence::Withdrawn => Some((*id, place)),
                _ => None,
            }
        });
        let withdrawn = withdrawn.collect();
        let rows: HashMap<_, _> = lookup::rows(withdrawn, &self.index.files, self.owner.table()).await?;
        for id in &ids {
            if let Some(touched) = self.batch.touched.get(id).copied() {
                self.batch.settle(*id, touched, deciding, rows.get(id))?;
            }
        }
        Ok(())
    }
}
