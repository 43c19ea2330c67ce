//! The table `teams`: the hierarchy of each version of the directory, for those who ask about a team and know
//! the lake alone.

use crate::pointers::Announced;
use anyhow::{Context, Result};
use modellane_event::{ContextKind, UtcTime};
use modellane_judge::{ContextObject, DirectoryObject};
use modellane_lake::{CommitOutcome, Lake, RECORDED_AT, StagedFile, Table, TableCommit, TableSpec};
use modellane_runtime::{Clock, random_id};
use modellane_schema::{TeamBatchBuilder, TeamRow, teams_schema};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const TABLE: &str = "teams";

/// What the table is.
pub(crate) fn table() -> TableSpec {
    TableSpec {
        name: TABLE.to_owned(),
        schema: teams_schema(),
        partition: None,
        sort: &["team"],
        unique: &[],
    }
}

/// Keeps the table in step with the pointer topic. Several collectors may do so at the same time: of two
/// commits on one version of the table one is refused, and whoever lost looks again.
pub(crate) struct Teams {
    lake: Arc<Lake>,
    table: Table,
    clock: Arc<dyn Clock>,
}

impl Teams {
    /// Opens the table, and makes it if it is missing.
    pub(crate) async fn open(lake: Arc<Lake>, clock: Arc<dyn Clock>) -> Result<Self> {
        let table = lake.table(table()).await.context("cannot open the table of teams")?;
        Ok(Self { lake, table, clock })
    }

    /// Writes down the teams of the directory that holds, unless it or a later one is there already. `stream`
    /// is the pointer topic, whose offsets order the directories.
    pub(crate) async fn follow(&mut self, stream: &str, newest: &Announced) -> Result<()> {
        while self.table.position(stream).await?.is_none_or(|offset| offset < newest.offset) {
            let directory = self.directory(newest).await?;
            let last = self.table.position(RECORDED_AT).await?.unwrap_or(i64::MIN);
            let recorded_at = UtcTime(newest.recorded_at.micros().max(last.saturating_add(1)));
            let file = self.stage(newest, &directory, recorded_at).await?;
            let commit = TableCommit {
                id: Uuid::from_bytes(random_id()),
                files: vec![file],
                positions: vec![
                    (stream.to_owned(), newest.offset),
                    (RECORDED_AT.to_owned(), recorded_at.micros()),
                ],
                info: BTreeMap::new(),
                now: self.clock.now(),
            };
            if let CommitOutcome::Committed { version } = self.table.commit(commit).await? {
                tracing::info!(version, teams = directory.teams.len(), "wrote down the teams");
            }
        }
        Ok(())
    }

    async fn directory(&self, newest: &Announced) -> Result<DirectoryObject> {
        let bytes = self.lake.get_context(newest.hash.as_str()).await?;
        match ContextObject::decode(ContextKind::Directory, &bytes)? {
            Some(ContextObject::Directory(directory)) => Ok(directory),
            _ => Err(anyhow::anyhow!("the object of the newest directory is none")),
        }
    }

    async fn stage(
        &self,
        newest: &Announced,
        directory: &DirectoryObject,
        recorded_at: UtcTime,
    ) -> Result<StagedFile> {
        let row = |team, parent| TeamRow { directory: &newest.hash, team, parent, recorded_at };
        let mut rows = TeamBatchBuilder::with_capacity(directory.teams.len().max(1));
        for team in &directory.teams {
            rows.append(row(Some(&team.id), team.parent.as_ref()));
        }
        if rows.is_empty() {
            rows.append(row(None, None));
        }
        let id = Uuid::from_bytes(random_id());
        Ok(self.table.stage(None, vec![rows.finish()?], id, self.clock.now()).await?)
    }
}
