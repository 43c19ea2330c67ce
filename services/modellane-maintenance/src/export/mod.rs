//! Exports: each entry of the ledger in exactly one Parquet file, by the day on which it was recorded.
//!
//! A day is exported once no entry can be recorded on it any more. Times of commits increase strictly, so that
//! is when the table's own time has reached the next day; where the sink has had nothing to commit since,
//! maintenance moves the table's time on, by a commit without rows. A sink that was about to commit an entry
//! of the day then meets a conflict and gives the entry a later time.
//!
//! A day is one file, which becomes visible whole; its manifest comes after it. A crash in between leaves a
//! file without a manifest, which the next round takes as it is if it holds the day's entries.

mod day;
pub(crate) mod manifest;

use crate::commits::Commits;
use crate::stage::StageHook;
use crate::{LEDGER_TABLE, MaintenanceConfig, MaintenanceError};
use futures::{StreamExt, TryStreamExt, stream};
use modellane_event::{Date, UtcTime};
use modellane_lake::{CommitOutcome, DataFile, Lake, RECORDED_AT, Table, TableCommit};
use modellane_runtime::{Clock, random_id};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use uuid::Uuid;

const FOOTERS_AT_ONCE: usize = 8;
const ATTEMPTS: u32 = 8;

/// A file of the ledger and the times at which its entries were recorded; null if its footer does not say.
pub(crate) type Spanned = (DataFile, Option<RangeInclusive<i64>>);

/// Exports every day that is over and has not been exported; says how many.
pub(crate) async fn export(
    lake: &Lake,
    ledger: &mut Table,
    commits: &mut Commits,
    config: &MaintenanceConfig,
    clock: &dyn Clock,
    hook: &StageHook,
) -> Result<u64, MaintenanceError> {
    let last = manifest::last_day(lake).await?;
    let over = over_before(clock.now(), config.export_after_minutes);
    if last.is_some_and(|last| last.next() >= over) {
        return Ok(0);
    }
    close(ledger, over, clock).await?;
    let spans = spans(ledger).await?;
    let first = spans.iter().map(|(_, span)| span.as_ref().map_or(i64::MAX, |span| *span.start())).min();
    let Some(mut day) = last.map(Date::next).or(first.map(|micros| UtcTime(micros).date())) else {
        return Ok(0);
    };
    let mut exported = 0;
    while day < over {
        commits.hold().await?;
        day::export(lake, ledger, &spans, day, hook).await?;
        exported += 1;
        day = day.next();
    }
    Ok(exported)
}

/// The first day that is not over.
fn over_before(now: UtcTime, minutes: u32) -> Date {
    UtcTime(now.micros().saturating_sub(i64::from(minutes) * 60_000_000)).date()
}

/// Makes sure that the next entry is recorded on `day` or later; afterwards the table stands at a version that
/// holds all entries before.
async fn close(ledger: &mut Table, day: Date, clock: &dyn Clock) -> Result<(), MaintenanceError> {
    let last_before = day.start().micros() - 1;
    for _ in 0..ATTEMPTS {
        ledger.refresh().await?;
        match ledger.position(RECORDED_AT).await? {
            // Nothing was ever recorded, so nothing of those days ever will be with an earlier time: a sink
            // that commits its first entry now has a clock of its own and is waited for.
            None => return Ok(()),
            Some(recorded_at) if recorded_at >= last_before => return Ok(()),
            Some(_) => {}
        }
        let commit = TableCommit {
            id: Uuid::from_bytes(random_id()),
            files: Vec::new(),
            positions: vec![(RECORDED_AT.to_owned(), last_before)],
            info: BTreeMap::new(),
            now: clock.now(),
        };
        if let CommitOutcome::Committed { .. } = ledger.commit(commit).await? {
            return Ok(());
        }
    }
    Err(MaintenanceError::GaveWay { table: LEDGER_TABLE.to_owned() })
}

/// Every file of the ledger with the times in it.
async fn spans(ledger: &Table) -> Result<Vec<Spanned>, MaintenanceError> {
    let mut files = ledger.files(None).await?;
    files.sort_by(|one, other| (&one.partition, &one.path).cmp(&(&other.partition, &other.path)));
    let span = |file: DataFile| async move {
        let span = ledger.span(&file, "recorded_at").await?;
        Ok::<_, MaintenanceError>((file, span))
    };
    stream::iter(files).map(span).buffered(FOOTERS_AT_ONCE).try_collect().await
}
