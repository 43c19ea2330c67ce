//! The ids that fetches list, read when they are needed and kept while there is room.

use super::load::Place;
use crate::columns::{Bytes, damaged};
use crate::{SinkError, TableStore};
use hashbrown::HashMap;
use modellane_event::{EventId, FetchId};
use modellane_lake::DataFile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Memory for ids that are not in use at the moment: four million of them.
const KEPT_BYTES: usize = 64 << 20;

/// Ids by fetch, sorted, 16 bytes each.
#[derive(Default)]
pub(super) struct FetchedIds(HashMap<FetchId, Arc<[EventId]>>);

impl FetchedIds {
    /// The ids of a fetch whose messages stand at these places.
    pub(super) async fn get(
        &mut self,
        fetch: FetchId,
        places: &BTreeMap<i32, Place>,
        table: &dyn TableStore,
    ) -> Result<Arc<[EventId]>, SinkError> {
        if let Some(ids) = self.0.get(&fetch) {
            return Ok(Arc::clone(ids));
        }
        let ids: Arc<[EventId]> = read(places, table).await?.into();
        let kept: usize = self.0.values().map(|ids| size_of_val::<[EventId]>(ids)).sum();
        if kept + size_of_val::<[EventId]>(&ids) > KEPT_BYTES {
            self.0.clear();
        }
        self.0.insert(fetch, Arc::clone(&ids));
        Ok(ids)
    }
}

async fn read(places: &BTreeMap<i32, Place>, table: &dyn TableStore) -> Result<Vec<EventId>, SinkError> {
    let mut files: BTreeMap<&str, (&DataFile, Vec<u32>)> = BTreeMap::new();
    for place in places.values() {
        let (_, rows) = files.entry(place.file.path.as_str()).or_insert_with(|| (&*place.file, Vec::new()));
        rows.push(place.row);
    }
    let mut ids = Vec::new();
    for (file, mut rows) in files.into_values() {
        rows.sort_unstable();
        let batch = table.read_columns(file, &["event_ids"], Some(&rows)).await?;
        let lists = Bytes::of(&batch, "event_ids")?;
        for row in 0..batch.num_rows() {
            let (listed, rest) = lists.required(row)?.as_chunks::<16>();
            if !rest.is_empty() {
                return Err(damaged("event_ids"));
            }
            ids.extend(listed.iter().map(|id| EventId(*id)));
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
