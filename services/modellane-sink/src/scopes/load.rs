//! Reading the table of fetches, without the ids.

use super::ScopeId;
use crate::columns::{Flags, Ids, Numbers, Texts, Times, damaged};
use crate::{SinkError, TableStore};
use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt, stream};
use modellane_event::{FetchId, Label, UtcTime};
use modellane_lake::DataFile;
use modellane_ledger::CompleteFetch;
use std::sync::Arc;

/// Files that are read at once.
const FILES_AT_ONCE: usize = 4;

const COLUMNS: [&str; 10] = [
    "source",
    "scope_key",
    "period_start",
    "period_end",
    "fetch_id",
    "observed_at",
    "confirmed",
    "chunk",
    "chunks",
    "recorded_at",
];

/// Where a row of the table is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) file: Arc<DataFile>,
    pub(super) row: u32,
}

/// One message of a fetch.
pub(super) struct Part {
    pub(super) scope: ScopeId,
    pub(super) period: (UtcTime, UtcTime),
    pub(super) fetch: CompleteFetch,
    pub(super) chunk: i32,
    pub(super) chunks: usize,
    pub(super) recorded_at: UtcTime,
    pub(super) place: Place,
}

/// The messages in some files.
pub(super) async fn parts(files: Vec<DataFile>, table: &dyn TableStore) -> Result<Vec<Part>, SinkError> {
    let read = |file: DataFile| async move {
        let batch = table.read_columns(&file, &COLUMNS, None).await?;
        Ok::<_, SinkError>((Arc::new(file), batch))
    };
    let mut batches = stream::iter(files).map(read).buffer_unordered(FILES_AT_ONCE);
    let mut parts = Vec::new();
    while let Some((file, batch)) = batches.try_next().await? {
        read_parts(&file, &batch, &mut parts)?;
    }
    Ok(parts)
}

fn read_parts(file: &Arc<DataFile>, batch: &RecordBatch, parts: &mut Vec<Part>) -> Result<(), SinkError> {
    let label = |column: &'static str, text: &str| Label::new(text).map_err(|_| damaged(column));
    let (sources, keys) = (Texts::of(batch, COLUMNS[0])?, Texts::of(batch, COLUMNS[1])?);
    let (starts, ends) = (Times::of(batch, COLUMNS[2])?, Times::of(batch, COLUMNS[3])?);
    let (ids, observed) = (Ids::of(batch, COLUMNS[4])?, Times::of(batch, COLUMNS[5])?);
    let confirmed = Flags::of(batch, COLUMNS[6])?;
    let (chunk, chunks) = (Numbers::of(batch, COLUMNS[7])?, Numbers::of(batch, COLUMNS[8])?);
    let recorded = Times::of(batch, COLUMNS[9])?;
    for row in 0..batch.num_rows() {
        let scope = ScopeId {
            source: label(COLUMNS[0], sources.required(row)?)?,
            key: label(COLUMNS[1], keys.required(row)?)?,
        };
        let fetch = CompleteFetch {
            observed_at: UtcTime(observed.required(row)?),
            fetch_id: FetchId(ids.required(row)?),
            confirmed: confirmed.required(row)?,
        };
        parts.push(Part {
            scope,
            period: (UtcTime(starts.required(row)?), UtcTime(ends.required(row)?)),
            fetch,
            chunk: chunk.int32(row)?,
            chunks: usize::try_from(chunks.int32(row)?).map_err(|_| damaged(COLUMNS[8]))?,
            recorded_at: UtcTime(recorded.required(row)?),
            place: Place { file: Arc::clone(file), row: row as u32 },
        });
    }
    Ok(())
}
