//! The days beside the one that is settled.

use anyhow::Result;
use futures::TryStreamExt;
use modellane_event::Date;
use modellane_judge::{ContextState, Overlaps, Sighting};
use modellane_sink::LedgerReader;
use std::collections::BTreeMap;

/// What other feeds may report as well, of the day that is settled and of those around it: a client's clock is not the
/// gateway's, and one states when a request began where the other states when it ended. A sighting takes about
/// 100 bytes, so that three days of ten million events take 3 GB.
pub(super) struct Neighbours<'a> {
    ledger: &'a LedgerReader,
    state: &'a ContextState,
    seen: BTreeMap<Date, Vec<Sighting>>,
}

impl<'a> Neighbours<'a> {
    pub(super) fn new(ledger: &'a LedgerReader, state: &'a ContextState) -> Self {
        Self { ledger, state, seen: BTreeMap::new() }
    }

    /// Which events of a day are reported by other feeds too. Each day is read once, if they are asked for in order.
    pub(super) async fn overlaps(&mut self, day: Date) -> Result<Overlaps> {
        let around = [Date(day.0 - 1), day, day.next()];
        self.seen.retain(|seen, _| around.contains(seen));
        for near in around {
            if !self.seen.contains_key(&near) {
                let sightings = self.sightings(near).await?;
                self.seen.insert(near, sightings);
            }
        }
        Ok(Overlaps::among(self.seen.values().flatten()))
    }

    async fn sightings(&self, day: Date) -> Result<Vec<Sighting>> {
        let day = self.ledger.day(day).await?;
        let mut stretches = self.ledger.usages(&day);
        let mut sightings = Vec::new();
        while let Some(usages) = stretches.try_next().await? {
            sightings.extend(usages.iter().filter_map(|usage| Sighting::of(self.state, usage)));
        }
        Ok(sightings)
    }
}
