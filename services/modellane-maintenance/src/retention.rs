//! Retention: dates that are old enough leave the ledger, if the configuration says so, once all their entries
//! are exported.

use crate::export::manifest::last_day;
use crate::{LEDGER_TABLE, MaintenanceError};
use modellane_event::{Date, UtcTime};
use modellane_lake::{CommitOutcome, DataFile, Lake, Removal, Table};
use modellane_runtime::{Clock, random_id};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The first date that the ledger keeps; null keeps all.
pub(crate) fn keeps_from(now: UtcTime, keep_days: Option<u32>) -> Option<Date> {
    keep_days.map(|days| Date(now.date().0.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX))))
}

/// Drops dates before `keeps_from`; says how many files went.
pub(crate) async fn drop_old(
    lake: &Lake,
    ledger: &mut Table,
    keeps_from: Date,
    clock: &dyn Clock,
) -> Result<u64, MaintenanceError> {
    let Some(exported) = last_day(lake).await? else { return Ok(0) };
    ledger.refresh().await?;
    let is_old = |file: &DataFile| {
        file.partition.as_deref().is_some_and(|date| Date::parse(date).is_ok_and(|date| date < keeps_from))
    };
    let old: Vec<DataFile> = ledger.files(None).await?.into_iter().filter(is_old).collect();
    let mut open: BTreeSet<Option<String>> = BTreeSet::new();
    for file in &old {
        let span = ledger.span(file, "recorded_at").await?;
        if span.is_none_or(|span| *span.end() >= exported.next().start().micros()) {
            open.insert(file.partition.clone());
        }
    }
    // A date goes as a whole: what would stay of it could be reversals of what went.
    let files: Vec<DataFile> = old.into_iter().filter(|file| !open.contains(&file.partition)).collect();
    if files.is_empty() {
        return Ok(0);
    }
    let dropped = files.len() as u64;
    let id = Uuid::from_bytes(random_id());
    let removal = Removal { id, files, info: BTreeMap::new(), now: clock.now() };
    match ledger.remove_files(removal).await? {
        CommitOutcome::Committed { .. } | CommitOutcome::Overtaken { .. } => Ok(dropped),
        CommitOutcome::Conflict => Err(MaintenanceError::GaveWay { table: LEDGER_TABLE.to_owned() }),
    }
}
