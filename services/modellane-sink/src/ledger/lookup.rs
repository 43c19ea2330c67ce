//! Facts from the table for the decisions of one poll.

use super::day::entry_columns;
use super::judgement::{JUDGEMENT_COLUMNS, judgement};
use crate::columns::{Ids, Numbers, Texts, Times, damaged};
use crate::index::{Files, Index, RowPlace};
use crate::{SinkError, TableStore};
use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt, stream};
use hashbrown::HashMap;
use modellane_event::{ContentHash, Date, EntryKind, EventId, Judgement, UtcTime};
use modellane_ledger::{Content, JudgementVersion, Version};
use std::collections::BTreeMap;

const FILES_AT_ONCE: usize = 4;

/// An event's current entry in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) version: Version,
    pub(crate) place: RowPlace,
}

/// Looks up events by the index and confirms each hit against the row's full id.
pub(crate) async fn versions(
    events: impl Iterator<Item = (EventId, Date)>,
    index: &Index,
    ledger: &dyn TableStore,
) -> Result<HashMap<EventId, Stored>, SinkError> {
    const COLUMNS: [&str; 7] = [
        "event_id",
        "revision",
        "entry_kind",
        "observed_at",
        "content_hash",
        "settle_run",
        "context_version",
    ];
    let mut wanted: HashMap<EventId, Date> = HashMap::new();
    let mut places = Vec::new();
    for (id, day) in events {
        if wanted.insert(id, day).is_none() {
            places.extend(index.page(day).into_iter().flat_map(|page| page.candidates(id)));
        }
    }
    let mut found = HashMap::new();
    for (file, rows, batch) in fetch(places, &COLUMNS, &index.files, ledger).await? {
        let ids = Ids::of(&batch, COLUMNS[0])?;
        let revisions = Numbers::of(&batch, COLUMNS[1])?;
        let kinds = Texts::of(&batch, COLUMNS[2])?;
        let times = Times::of(&batch, COLUMNS[3])?;
        let hashes = Ids::of(&batch, COLUMNS[4])?;
        let runs = Numbers::of(&batch, COLUMNS[5])?;
        let contexts = Numbers::of(&batch, COLUMNS[6])?;
        for (at, row) in rows.iter().enumerate() {
            let id = EventId(ids.required(at)?);
            let Some(day) = wanted.get(&id) else { continue };
            let withdrawn = kinds.required(at)? == EntryKind::Withdrawal.as_str();
            let kind = if withdrawn { EntryKind::Withdrawal } else { EntryKind::Original };
            let content = Content {
                observed_at: UtcTime(times.required(at)?),
                hash: ContentHash(hashes.required(at)?),
            };
            let judged =
                JudgementVersion { settle_run: runs.int32(at)?, context_version: contexts.int64(at)? };
            let mut version = Version::of_entry(revisions.int32(at)?, kind, content, judged);
            if let Some(page) = index.page(*day) {
                page.observed.raise(id, &mut version);
            }
            found.insert(id, Stored { version, place: RowPlace { file, row: *row } });
        }
    }
    Ok(found)
}

/// Reads the judgements of stored entries.
pub(crate) async fn judgements(
    entries: Vec<(EventId, RowPlace)>,
    files: &Files,
    ledger: &dyn TableStore,
) -> Result<HashMap<EventId, Judgement>, SinkError> {
    let ids: HashMap<RowPlace, EventId> = entries.iter().map(|(id, place)| (*place, *id)).collect();
    let places = entries.into_iter().map(|(_, place)| place).collect();
    let mut found = HashMap::new();
    for (file, rows, batch) in fetch(places, JUDGEMENT_COLUMNS, files, ledger).await? {
        for (at, row) in rows.iter().enumerate() {
            if let Some(id) = ids.get(&RowPlace { file, row: *row }) {
                found.insert(*id, judgement(&batch, at)?);
            }
        }
    }
    Ok(found)
}

/// Reads stored entries whole, each as one row.
pub(crate) async fn rows(
    entries: Vec<(EventId, RowPlace)>,
    files: &Files,
    ledger: &dyn TableStore,
) -> Result<HashMap<EventId, RecordBatch>, SinkError> {
    let ids: HashMap<RowPlace, EventId> = entries.iter().map(|(id, place)| (*place, *id)).collect();
    let places = entries.into_iter().map(|(_, place)| place).collect();
    let mut found = HashMap::new();
    for (file, rows, batch) in fetch(places, &entry_columns(), files, ledger).await? {
        for (at, row) in rows.iter().enumerate() {
            if let Some(id) = ids.get(&RowPlace { file, row: *row }) {
                found.insert(*id, batch.slice(at, 1));
            }
        }
    }
    Ok(found)
}

/// Reads columns of rows, file by file: the file's number, its rows in order, and one batch of them.
pub(crate) async fn fetch(
    mut places: Vec<RowPlace>,
    columns: &[&str],
    files: &Files,
    ledger: &dyn TableStore,
) -> Result<Vec<(u32, Vec<u32>, RecordBatch)>, SinkError> {
    places.sort_unstable();
    places.dedup();
    let mut by_file: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for place in places {
        by_file.entry(place.file).or_default().push(place.row);
    }
    let read = |(file, rows): (u32, Vec<u32>)| async move {
        let data = files.get(file).ok_or_else(|| damaged("event_id"))?;
        // No reader is asked for rows that the file does not have.
        if data.rows.is_some_and(|has| rows.last().is_some_and(|last| *last as usize >= has)) {
            return Err(damaged("event_id"));
        }
        let batch = ledger.read_columns(data, columns, Some(&rows)).await?;
        if batch.num_rows() != rows.len() {
            return Err(damaged("event_id"));
        }
        Ok::<_, SinkError>((file, rows, batch))
    };
    stream::iter(by_file).map(read).buffer_unordered(FILES_AT_ONCE).try_collect().await
}
