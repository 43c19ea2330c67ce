//! Reading back the versions of intents that the lake keeps.

use crate::row::Row;
use crate::{SinkError, table};
use arrow::array::RecordBatch;
use futures::TryStreamExt;
use modellane_event::{AccountHash, AccountRef, BranchKey, IntentEvent, SessionKey, TicketKey, WorkspaceKey};
use modellane_lake::{Lake, Table};

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 4_096;

/// The table of intents at its newest version. Its topic forgets; the table does not.
#[derive(Debug)]
pub struct StoredIntents(Option<Table>);

impl StoredIntents {
    /// Opens the table, which a lake without intents may lack.
    pub async fn open(lake: &Lake) -> Result<Self, SinkError> {
        Ok(Self(lake.existing_table(table::intents()).await?))
    }

    /// Hands every version of every intent on, day by day of their starts. Those of a day come in an order that
    /// does not depend on its files.
    pub async fn each(&self, mut take: impl FnMut(&IntentEvent)) -> Result<(), SinkError> {
        let Some(table) = &self.0 else { return Ok(()) };
        let mut days: Vec<String> =
            table.files(None).await?.into_iter().filter_map(|f| f.partition).collect();
        days.sort_unstable();
        days.dedup();
        for day in &days {
            let mut versions = Vec::new();
            for file in table.files(Some(day)).await? {
                let mut batches = table.scan(&file, &table.column_names(), ROWS_AT_ONCE).await?;
                while let Some(batch) = batches.try_next().await? {
                    for row in 0..batch.num_rows() {
                        versions.push(intent(&batch, row)?);
                    }
                }
            }
            versions
                .sort_by_key(|intent: &IntentEvent| (intent.recorded_at, intent.started_at, intent.ended_at));
            versions.iter().for_each(&mut take);
        }
        Ok(())
    }
}

fn intent(batch: &RecordBatch, row: usize) -> Result<IntentEvent, SinkError> {
    let row = Row { batch, row };
    Ok(IntentEvent {
        intent_id: row.required(Row::label, "intent_id")?,
        account: AccountRef {
            kind: row.variant("account_kind")?,
            hash: AccountHash(row.required(Row::id, "account_id")?),
        },
        workspace_key: row.id("workspace_key")?.map(WorkspaceKey),
        branch_key: row.id("branch_key")?.map(BranchKey),
        ticket_key: row.id("ticket_key")?.map(TicketKey),
        session_key: row.id("session_key")?.map(SessionKey),
        task: row.label("task")?,
        tool: row.label("tool")?,
        started_at: row.required(Row::time, "started_at")?,
        ended_at: row.time("ended_at")?,
        recorded_at: row.required(Row::time, "recorded_at")?,
        origin: row.variant("origin")?,
    })
}

#[cfg(test)]
mod tests;
