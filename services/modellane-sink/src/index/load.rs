//! Reading a day's page from the lake.

use super::{Files, Observed, Page, RowPlace};
use crate::columns::{Ids, Numbers, Texts, Times};
use crate::{SinkError, TableStore};
use futures::{StreamExt, TryStreamExt, stream};
use hashbrown::HashMap;
use modellane_event::{ContentHash, Date, EntryKind, EventId, UtcTime};
use modellane_ledger::{Content, JudgementVersion, Observation};

/// Files that are read at once.
const FILES_AT_ONCE: usize = 4;

/// The page of a day, as the two tables hold it.
pub(crate) async fn page(
    day: Date,
    ledger: &dyn TableStore,
    observations: &dyn TableStore,
    files: &mut Files,
) -> Result<Page, SinkError> {
    let current = current_entries(day, ledger, files).await?;
    let mut page = Page::with_capacity(current.len());
    for (id, entry) in current {
        page.put(id, None, entry.place);
    }
    page.observed = observed(day, observations).await?;
    Ok(page)
}

#[derive(Clone, Copy)]
struct Entry {
    /// Order among an event's entries: a withdrawal comes after the entry that it withdraws.
    order: (i32, bool),
    place: RowPlace,
}

/// The latest entry of each event. Reversals never are: the entry that replaces the reversed one is in the
/// same commit, so in the same snapshot.
async fn current_entries(
    day: Date,
    ledger: &dyn TableStore,
    files: &mut Files,
) -> Result<HashMap<EventId, Entry>, SinkError> {
    let listed = ledger.files(Some(&day.to_string())).await?;
    let numbered: Vec<_> = listed.into_iter().map(|file| (files.number(&file), file)).collect();
    let mut current: HashMap<EventId, Entry> = HashMap::new();
    let read = |(number, file)| async move {
        let columns = ["event_id", "revision", "entry_kind"];
        Ok::<_, SinkError>((number, ledger.read_columns(&file, &columns, None).await?))
    };
    let mut batches = stream::iter(numbered).map(read).buffer_unordered(FILES_AT_ONCE);
    while let Some((file, batch)) = batches.try_next().await? {
        let ids = Ids::of(&batch, "event_id")?;
        let revisions = Numbers::of(&batch, "revision")?;
        let kinds = Texts::of(&batch, "entry_kind")?;
        for row in 0..batch.num_rows() {
            let kind = kinds.required(row)?;
            if kind == EntryKind::Reversal.as_str() {
                continue;
            }
            let order = (revisions.int32(row)?, kind == EntryKind::Withdrawal.as_str());
            let entry = Entry { order, place: RowPlace { file, row: row as u32 } };
            let known = current.entry(EventId(ids.required(row)?)).or_insert(entry);
            if entry.order > known.order {
                *known = entry;
            }
        }
    }
    Ok(current)
}

async fn observed(day: Date, observations: &dyn TableStore) -> Result<Observed, SinkError> {
    const COLUMNS: [&str; 7] = [
        "event_id",
        "content_hash",
        "observed_at",
        "entry_settle_run",
        "entry_context_version",
        "settle_run",
        "context_version",
    ];
    let mut observed = Observed::default();
    for file in observations.files(Some(&day.to_string())).await? {
        let batch = observations.read_columns(&file, &COLUMNS, None).await?;
        let ids = Ids::of(&batch, COLUMNS[0])?;
        let hashes = Ids::of(&batch, COLUMNS[1])?;
        let times = Times::of(&batch, COLUMNS[2])?;
        let entry_runs = Numbers::of(&batch, COLUMNS[3])?;
        let entry_contexts = Numbers::of(&batch, COLUMNS[4])?;
        let runs = Numbers::of(&batch, COLUMNS[5])?;
        let contexts = Numbers::of(&batch, COLUMNS[6])?;
        for row in 0..batch.num_rows() {
            observed.add(Observation {
                event_id: EventId(ids.required(row)?),
                content: Content {
                    observed_at: UtcTime(times.required(row)?),
                    hash: ContentHash(hashes.required(row)?),
                },
                entry_judged: JudgementVersion {
                    settle_run: entry_runs.int32(row)?,
                    context_version: entry_contexts.int64(row)?,
                },
                judged: JudgementVersion {
                    settle_run: runs.int32(row)?,
                    context_version: contexts.int64(row)?,
                },
            });
        }
    }
    Ok(observed)
}
