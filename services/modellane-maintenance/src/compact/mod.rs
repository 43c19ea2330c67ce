//! Compaction: small files of closed dates become large ones.
//!
//! The sink decides on the version that it read, and every commit beside its own makes it read again. So
//! compaction gives way: it merges first, which takes long and touches nothing, then commits all merges of a
//! table at once on the newest version; it waits between two such commits, and until the sink has committed
//! again. It leaves dates alone that the sink still writes to.

mod plan;
mod turn;

use crate::commits::Commits;
use crate::stage::{Stage, StageHook};
use crate::{MaintenanceConfig, MaintenanceError};
use modellane_lake::{CommitOutcome, DataFile, MergedFile, RECORDED_AT, Replacement, Table};
use modellane_runtime::{Clock, random_id};
use plan::{Rules, plan};
use std::collections::BTreeMap;
use std::time::Duration;
use turn::Turn;
use uuid::Uuid;

/// The application under which a table keeps the time of its newest compaction, in microseconds.
const COMPACTED_AT: &str = "compacted_at";
/// The application under which a table keeps where the sink's time stood at its newest compaction.
const COMPACTED_AFTER: &str = "compacted_after";
/// How often a commit is tried between commits of the sink.
const ATTEMPTS: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Files are committed well before they count as orphans.
const MERGE_MICROS: i64 = 1_500_000_000;

/// What compaction did to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// Files that were merged.
    pub(crate) inputs: u64,
    /// Files that took their place.
    pub(crate) outputs: u64,
}

/// Merges what is worth it and commits the merges.
pub(crate) async fn compact(
    table: &mut Table,
    commits: &mut Commits,
    config: &MaintenanceConfig,
    clock: &dyn Clock,
    hook: &StageHook,
) -> Result<Compacted, MaintenanceError> {
    if !turn(table).await?.has_come(clock.now(), config.compact_pause_s) {
        return Ok(Compacted::default());
    }
    let rules = Rules::of(config, clock.now());
    let groups = plan(table.files(None).await?, &rules);
    let merged = merge(table, groups, commits, clock).await?;
    if merged.is_empty() {
        return Ok(Compacted::default());
    }
    hook.reached(Stage::Merged);
    let compacted = commit(table, merged, clock).await?;
    hook.reached(Stage::Replaced);
    Ok(compacted)
}

async fn turn(table: &Table) -> Result<Turn, MaintenanceError> {
    Ok(Turn {
        compacted_at: table.position(COMPACTED_AT).await?,
        compacted_after: table.position(COMPACTED_AFTER).await?,
        recorded_at: table.position(RECORDED_AT).await?,
    })
}

async fn merge(
    table: &Table,
    groups: Vec<Vec<DataFile>>,
    commits: &mut Commits,
    clock: &dyn Clock,
) -> Result<Vec<MergedFile>, MaintenanceError> {
    let started = clock.now();
    let mut merged = Vec::with_capacity(groups.len());
    for group in groups {
        if clock.now().micros() - started.micros() > MERGE_MICROS {
            break;
        }
        commits.hold().await?;
        merged.push(table.merge(&group, Uuid::from_bytes(random_id()), clock.now()).await?);
    }
    Ok(merged)
}

/// Commits between two commits of the sink. Inputs that have left the table meanwhile leave their merges out.
async fn commit(
    table: &mut Table,
    mut merged: Vec<MergedFile>,
    clock: &dyn Clock,
) -> Result<Compacted, MaintenanceError> {
    let mut wait = FIRST_WAIT;
    for _ in 0..ATTEMPTS {
        table.refresh().await?;
        merged = still_there(table, merged).await?;
        if merged.is_empty() {
            return Ok(Compacted::default());
        }
        let compacted = Compacted {
            inputs: merged.iter().map(|merged| merged.inputs.len() as u64).sum(),
            outputs: merged.len() as u64,
        };
        let now = clock.now();
        let recorded_at = table.position(RECORDED_AT).await?.unwrap_or(0);
        let replacement = Replacement {
            id: Uuid::from_bytes(random_id()),
            merged: merged.clone(),
            positions: vec![
                (COMPACTED_AT.to_owned(), now.micros()),
                (COMPACTED_AFTER.to_owned(), recorded_at),
            ],
            info: BTreeMap::new(),
            now,
        };
        match table.replace(replacement).await? {
            CommitOutcome::Committed { .. } | CommitOutcome::Overtaken { .. } => return Ok(compacted),
            CommitOutcome::Conflict => {}
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    Err(MaintenanceError::GaveWay { table: table.name().to_owned() })
}

async fn still_there(table: &Table, merged: Vec<MergedFile>) -> Result<Vec<MergedFile>, MaintenanceError> {
    let mut kept = Vec::with_capacity(merged.len());
    for merged in merged {
        if table.holds(&merged.inputs.iter().collect::<Vec<_>>()).await? {
            kept.push(merged);
        }
    }
    Ok(kept)
}
