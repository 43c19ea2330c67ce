//! What can go wrong, by what the caller can do.

use crate::views::VIEWS;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use std::net::SocketAddr;

/// Errors of the query service.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A setting cannot be used: mend the configuration.
    #[error("configuration: {0}")]
    Config(String),
    /// An address that other machines reach, while nobody logs in.
    #[error("{key} = {address} is no loopback address; without keys only 127.0.0.1 or [::1] is served")]
    NotLoopback {
        /// Key of the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
    },
    /// A port cannot be taken: stop who holds it, or choose another.
    #[error("cannot listen on {address}: {source}; stop what uses port {}, or set {key} to another", address.port())]
    Listen {
        /// Key of the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The lake cannot be read: check the store.
    #[error("cannot read table {table} of the lake: {reason}; check the lake's url, network and credentials")]
    Lake {
        /// Which table.
        table: &'static str,
        /// Why, without credentials.
        reason: String,
    },
    /// The statement is not allowed here.
    #[error("{message}")]
    Refused {
        /// SQLSTATE.
        code: &'static str,
        /// What is refused, and what to do instead.
        message: String,
    },
    /// The statement is wrong: mend it.
    #[error("{message}")]
    Sql {
        /// SQLSTATE.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The result is over its limit: narrow the question. Nothing is cut silently.
    #[error("the result has more than {limit} rows; narrow it, or raise {key}")]
    TooManyRows {
        /// The limit.
        limit: usize,
        /// Key of the configuration that holds it.
        key: &'static str,
    },
    /// The statement took too long.
    #[error("canceling statement due to statement timeout")]
    Timeout,
    /// The client asked to stop.
    #[error("canceling statement due to user request")]
    Canceled,
    /// No such report.
    #[error("no report of that name; there are: {known}")]
    UnknownReport {
        /// Names of the reports.
        known: String,
    },
    /// A team that the directory does not list and that no entry of the report's part of the ledger names.
    #[error("no team of that name: the directory lists {listed}, and no use in this period names it")]
    UnknownTeam {
        /// Teams of the directory, or `no team`.
        listed: String,
    },
    /// A parameter of a report or table function cannot be read. Its value is not repeated.
    #[error("parameter `{name}` must be {expected}")]
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A defect of the product.
    #[error("internal error: {0}")]
    Internal(String),
}

impl QueryError {
    /// SQLSTATE of PostgreSQL, appendix A.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } | Self::Sql { code, .. } => code,
            Self::TooManyRows { .. } => "54000",
            Self::Timeout | Self::Canceled => "57014",
            Self::UnknownReport { .. } => "42P01",
            Self::Parameter { .. } | Self::UnknownTeam { .. } => "22023",
            Self::Lake { .. } => "58030",
            Self::Config(_) | Self::NotLoopback { .. } | Self::Listen { .. } => "F0000",
            Self::Internal(_) => "XX000",
        }
    }

    /// A statement that cannot be read.
    pub(crate) fn syntax(error: &ParserError) -> Self {
        let message = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
                format!("syntax error: {text}")
            }
            ParserError::RecursionLimitExceeded => "syntax error: nested too deeply".to_owned(),
        };
        Self::Sql { code: "42601", message }
    }

    /// A write, which a read-only transaction refuses.
    pub(crate) fn read_only(what: &str) -> Self {
        Self::Refused { code: "25006", message: format!("cannot execute {what} in a read-only transaction") }
    }

    /// Something that nobody may do here.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::Refused { code: "42501", message: message.into() }
    }

    /// Something that PostgreSQL has and this endpoint has not.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::Refused { code: "0A000", message: message.into() }
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        let message = root.strip_backtrace();
        let sql = |code, message: String| Self::Sql { code, message };
        match root {
            DataFusionError::SQL(parser, _) => Self::syntax(parser.as_ref()),
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    sql("42703", unknown_column(&field.name, valid_fields))
                }
                SchemaError::AmbiguousReference { .. } => sql("42702", schema.to_string()),
                _ => sql("42701", schema.to_string()),
            },
            DataFusionError::Plan(text) if text.contains("not found") => sql("42P01", unknown_table(text)),
            DataFusionError::Plan(text) if text.contains("Invalid function") => sql("42883", text.clone()),
            DataFusionError::Plan(text) => sql("42601", text.clone()),
            DataFusionError::NotImplemented(text) => sql("0A000", format!("not supported: {text}")),
            DataFusionError::ArrowError(arrow, _) => arrow_failure(arrow),
            DataFusionError::Execution(_) | DataFusionError::Configuration(_) => sql("22000", message),
            DataFusionError::ResourcesExhausted(_) => sql("53200", message),
            DataFusionError::External(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_) => Self::Lake { table: "of the statement", reason: message },
            _ => Self::Internal(message),
        }
    }
}

/// What is wrong, and what there is instead; with the table's name where the statement has several.
fn unknown_column(name: &str, known: &[Column]) -> String {
    let single = known.windows(2).all(|pair| pair[0].relation == pair[1].relation);
    let known: Vec<String> =
        known.iter().map(|column| if single { column.name.clone() } else { column.flat_name() }).collect();
    format!("there is no column {name}; there are: {}", known.join(", "))
}

/// The planner says `table 'modellane.public.NAME' not found`.
fn unknown_table(text: &str) -> String {
    let name = text.split('\'').nth(1).and_then(|name| name.rsplit('.').next());
    match name {
        Some(name) => {
            format!("there is no view {name}; there are: {}", VIEWS.map(|view| view.name).join(", "))
        }
        None => text.to_owned(),
    }
}

fn arrow_failure(error: &ArrowError) -> QueryError {
    let (code, message) = match error {
        ArrowError::DivideByZero => ("22012", "division by zero".to_owned()),
        ArrowError::ArithmeticOverflow(text) => ("22003", text.clone()),
        ArrowError::CastError(text) | ArrowError::ParseError(text) => ("22P02", text.clone()),
        other => ("22000", other.to_string()),
    };
    QueryError::Sql { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let column = |table: &str, name: &str| Column::new(Some(table), name);
        let one = unknown_column("tema", &[column("spend", "month"), column("spend", "team")]);
        assert_eq!(one, "there is no column tema; there are: month, team");
        let two = unknown_column("tema", &[column("spend", "team"), column("teams", "team")]);
        assert_eq!(two, "there is no column tema; there are: spend.team, teams.team");
        let table = unknown_table("table 'modellane.public.spent' not found");
        assert!(table.starts_with("there is no view spent; there are: ") && table.contains("spend_daily"));
        assert_eq!(unknown_table("something not found"), "something not found");
    }
}
