//! Events that a scope's fetches may have something to say about.

use crate::columns::{Ids, Texts};
use crate::scopes::{Deciding, ScopeId};
use crate::{SinkError, TableStore};
use hashbrown::HashSet;
use modellane_event::{Date, EntryKind, EventId};

const COLUMNS: [&str; 4] = ["event_id", "entry_kind", "source", "scope_key"];

/// The scope's events of one day that no deciding fetch lists, and those that were ever withdrawn. Whoever is
/// left out is listed and was never withdrawn, so nothing can change for it. Reads the day's files one after
/// another; what it keeps is as large as what is missing from the fetches.
pub(crate) async fn candidates(
    day: Date,
    scope: &ScopeId,
    deciding: &Deciding,
    ledger: &dyn TableStore,
) -> Result<Vec<EventId>, SinkError> {
    let mut found = HashSet::new();
    for file in ledger.files(Some(&day.to_string())).await? {
        let batch = ledger.read_columns(&file, &COLUMNS, None).await?;
        let ids = Ids::of(&batch, COLUMNS[0])?;
        let kinds = Texts::of(&batch, COLUMNS[1])?;
        let sources = Texts::of(&batch, COLUMNS[2])?;
        let keys = Texts::of(&batch, COLUMNS[3])?;
        for row in 0..batch.num_rows() {
            if keys.value(row)? != Some(scope.key.as_str()) || sources.required(row)? != scope.source.as_str()
            {
                continue;
            }
            let id = EventId(ids.required(row)?);
            if kinds.required(row)? == EntryKind::Withdrawal.as_str() || !deciding.lists(id) {
                found.insert(id);
            }
        }
    }
    let mut found: Vec<EventId> = found.into_iter().collect();
    // The same facts make the same commit.
    found.sort_unstable();
    Ok(found)
}
