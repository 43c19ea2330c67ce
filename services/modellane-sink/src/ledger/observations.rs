//! Writing observations.

use crate::index::Observed;
use crate::{SinkError, TableStore, table};
use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use modellane_event::{Date, UtcTime};
use modellane_lake::{CommitOutcome, TableCommit, commit_to};
use modellane_ledger::Observation;
use modellane_runtime::random_id;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Another writer may commit between our reading and our commit so many times.
const ATTEMPTS: u32 = 5;

/// Commits observations. They are facts, so they may be committed again, by anybody and after anything; a
/// conflict only means to try again on the newer version.
pub(crate) async fn commit(
    table: &mut dyn TableStore,
    days: &BTreeMap<Date, Observed>,
    now: UtcTime,
) -> Result<(), SinkError> {
    let mut files = Vec::new();
    for (day, observed) in days.iter().filter(|(_, observed)| !observed.is_empty()) {
        let id = Uuid::from_bytes(random_id());
        files.push(table.stage(Some(&day.to_string()), vec![rows(*day, observed)?], id, now).await?);
    }
    if files.is_empty() {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let id = Uuid::from_bytes(random_id());
        let commit =
            TableCommit { id, files: files.clone(), positions: Vec::new(), info: BTreeMap::new(), now };
        match commit_to(table, &commit).await? {
            // What others observed since is true as well, and follows from messages that are still to come.
            CommitOutcome::Committed { .. } | CommitOutcome::Overtaken { .. } => return Ok(()),
            CommitOutcome::Conflict => {}
        }
    }
    Err(SinkError::Conflict { table: table.name().to_owned() })
}

fn rows(day: Date, observed: &Observed) -> Result<RecordBatch, SinkError> {
    let rows: Vec<&Observation> = observed.iter().collect();
    let each = || rows.iter();
    let times = each().map(|o| o.content.observed_at.micros());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from_iter_values(each().map(|o| o.event_id.as_bytes()))),
        Arc::new(BinaryArray::from_iter_values(each().map(|o| o.content.hash.as_bytes()))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(Int32Array::from_iter_values(each().map(|o| o.entry_judged.settle_run))),
        Arc::new(Int64Array::from_iter_values(each().map(|o| o.entry_judged.context_version))),
        Arc::new(Int32Array::from_iter_values(each().map(|o| o.judged.settle_run))),
        Arc::new(Int64Array::from_iter_values(each().map(|o| o.judged.context_version))),
        Arc::new(Date32Array::from_value(day.0, rows.len())),
    ];
    Ok(RecordBatch::try_new(table::observations().schema, columns)?)
}
