//! The table `teams`: which team is part of which, by version of the directory.

use crate::columns::{columns, table};
use modellane_event::{Label, UtcTime};

/// One team in one version of the directory.
#[derive(Clone, Copy, Debug)]
pub struct TeamRow<'a> {
    /// Content hash of the directory.
    pub directory: &'a Label,
    /// Id of the team. Null in the one row of a directory that lists no team, which tells it from no directory.
    pub team: Option<&'a Label>,
    /// Team above it; null at the top.
    pub parent: Option<&'a Label>,
    /// From when the directory holds; one value a version, strictly increasing.
    pub recorded_at: UtcTime,
}

columns! {
    /// The fields of a team.
    TeamColumns for row: TeamRow {
        directory: Text required = row.directory.as_str();
        team: Text nullable = row.team.map(Label::as_str);
        parent: Text nullable = row.parent.map(Label::as_str);
        recorded_at: Time required = row.recorded_at;
    }
}

table! {
    /// Columns of `teams`, which has no partitions.
    teams_schema,
    /// Turns teams into rows, one each.
    TeamBatchBuilder: TeamColumns
}

impl TeamBatchBuilder {
    /// Appends one team.
    pub fn append(&mut self, team: TeamRow<'_>) {
        self.0.append(team);
    }
}
