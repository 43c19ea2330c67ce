//! The reports: one view each, in a fixed order of rows.

use crate::QueryError;
use crate::snapshot::Scope;
use crate::standing::Standing;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::DataFusionError;
use modellane_event::{Date, UtcTime};
use std::collections::BTreeMap;

/// A report.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Name in paths and commands; also the name of its view.
    pub name: &'static str,
    /// One line about it.
    pub title: &'static str,
    /// Columns that order its rows.
    order: &'static str,
}

/// Every report.
pub const REPORTS: [Report; 10] = [
    Report {
        name: "spend",
        title: "Spend by month, cost centre, team, tool and model",
        order: "month, cost_center, team, vendor, tool, model, currency, line",
    },
    Report {
        name: "spend_daily",
        title: "Spend by day",
        order: "span_from, span, span_to, cost_center, team, vendor, tool, model, currency, line",
    },
    Report {
        name: "adherence",
        title: "Adherence to guidance, with bounds",
        order: "week, team, tool, model_class, grain, weight, currency",
    },
    Report {
        name: "adherence_by_rule",
        title: "What each rule of guidance decided",
        order: "month, rule_id, policy_version, currency",
    },
    Report {
        name: "unmatched",
        title: "Use that nobody can explain, by reason",
        order: "day, source, verdict, reason, currency",
    },
    Report {
        name: "unmatched_detail",
        title: "Use that nobody can explain, row by row",
        order: "period_start, event_id",
    },
    Report {
        name: "model_mix",
        title: "Model classes by team and week",
        order: "week, team, model_class, currency",
    },
    Report {
        name: "restatements",
        title: "Corrections",
        order: "month_affected, recorded_on, source, cause, currency",
    },
    Report { name: "freshness", title: "Sources, silent ones too", order: "source" },
    Report { name: "rejects", title: "Records that were not taken", order: "recorded_at, batch_id, index" },
];

impl Report {
    pub(crate) fn sql(&self) -> String {
        format!("SELECT * FROM {} ORDER BY {}", self.name, self.order)
    }
}

/// The report of that name.
pub(crate) fn find(name: &str) -> Result<&'static Report, QueryError> {
    REPORTS
        .iter()
        .find(|report| report.name == name)
        .ok_or_else(|| QueryError::UnknownReport { known: REPORTS.map(|report| report.name).join(", ") })
}

/// What a report is narrowed to. Nothing set means everything.
#[derive(Debug, Clone, Default)]
pub struct ReportParams {
    /// First day, by `event_date`.
    pub from: Option<Date>,
    /// Day after the last.
    pub to: Option<Date>,
    /// A team and its descendants.
    pub team: Option<String>,
    /// As it was known then: entries recorded until that moment.
    pub as_of: Option<UtcTime>,
}

impl ReportParams {
    /// Reads the parameters as they stand in paths and commands.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        team: Option<&str>,
        as_of: Option<&str>,
    ) -> Result<Self, QueryError> {
        let date = |name, text: Option<&str>| {
            let read = |text| {
                Date::parse(text)
                    .map_err(|_| QueryError::Parameter { name, expected: "a day, such as 2026-11-01" })
            };
            text.map(read).transpose()
        };
        let as_of = as_of
            .map(|text| {
                UtcTime::parse(text).map_err(|_| QueryError::Parameter {
                    name: "as_of",
                    expected: "a time, such as 2026-11-10T00:00:00Z",
                })
            })
            .transpose()?;
        Ok(Self { from: date("from", from)?, to: date("to", to)?, team: team.map(str::to_owned), as_of })
    }

    /// Refuses parameters that are right alone and wrong together.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => {
                Err(QueryError::Parameter { name: "to", expected: "a day after `from`; it is exclusive" })
            }
            _ => Ok(()),
        }
    }

    /// The part of the ledger, given who is part of which team.
    pub(crate) fn scope(&self, hierarchy: &Hierarchy) -> Scope {
        let teams = self.team.as_ref().map(|team| hierarchy.with_descendants(team));
        Scope { as_of: self.as_of, from: self.from, to: self.to, teams }
    }
}

/// The teams of a directory, each with the one above it.
#[derive(Debug, Default)]
pub(crate) struct Hierarchy(BTreeMap<String, Option<String>>);

impl Hierarchy {
    /// Of the rows of [`Hierarchy::SQL`].
    pub(crate) fn of(batches: &[RecordBatch]) -> Result<Self, QueryError> {
        let mut teams = BTreeMap::new();
        for batch in batches {
            let column =
                |index: usize| cast(batch.column(index), &DataType::Utf8).map_err(DataFusionError::from);
            let (team, parent) = (column(0)?, column(1)?);
            let rows = team.as_string::<i32>().iter().zip(parent.as_string::<i32>());
            let named = |(team, parent): (Option<&str>, Option<&str>)| {
                team.map(|team| (team.to_owned(), parent.map(str::to_owned)))
            };
            teams.extend(rows.filter_map(named));
        }
        Ok(Self(teams))
    }

    /// Asks for the teams of the directory that holds.
    pub(crate) const SQL: &str = "SELECT team, parent FROM teams";

    /// What to say of a team that no entry names, unless the directory lists it.
    pub(crate) fn unknown(&self, team: &str) -> Option<QueryError> {
        if self.0.contains_key(team) {
            return None;
        }
        let teams: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let listed = if teams.is_empty() { "no team".to_owned() } else { teams.join(", ") };
        Some(QueryError::UnknownTeam { listed })
    }

    /// A team and all below it. A circle ends the search instead of the process.
    fn with_descendants(&self, team: &str) -> Vec<String> {
        let mut found = vec![team.to_owned()];
        let mut next = 0;
        while next < found.len() {
            for (child, parent) in &self.0 {
                if parent.as_ref() == Some(&found[next]) && !found.contains(child) {
                    found.push(child.clone());
                }
            }
            next += 1;
        }
        found
    }
}

/// The rows of a report, and what they rest on.
#[derive(Debug)]
pub struct ReportResult {
    /// Name of the report.
    pub name: &'static str,
    /// One line about it.
    pub title: &'static str,
    /// Columns.
    pub schema: SchemaRef,
    /// Rows, in the report's order.
    pub batches: Vec<RecordBatch>,
    /// The state of the part of the ledger that the report speaks of.
    pub standing: Standing,
}

impl ReportResult {
    /// Rows of the report.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_brings_its_descendants() {
        let teams = [("payments", "product"), ("cards", "payments"), ("platform", "tech"), ("loop", "loop")];
        let teams = Hierarchy(teams.map(|(team, parent)| (team.to_owned(), Some(parent.to_owned()))).into());
        assert_eq!(teams.with_descendants("product"), ["product", "payments", "cards"]);
        assert_eq!(teams.with_descendants("loop"), ["loop"]);
    }

    #[test]
    fn a_bad_parameter_is_named_and_not_repeated() {
        let error = ReportParams::parse(None, Some("hunter2"), None, None).unwrap_err().to_string();
        assert!(error.contains("`to`") && !error.contains("hunter2"), "{error}");
        let params = ReportParams::parse(Some("2026-11-02"), Some("2026-11-02"), None, None).unwrap();
        assert!(params.check().is_err());
    }
}
