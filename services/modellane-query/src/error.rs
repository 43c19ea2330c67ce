//! What can go wrong, by what the caller can do.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
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
    #[error("cannot read table {table} of the lake: {reason}")]
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
            Self::Parameter { .. } => "22023",
            Self::Lake { .. } => "58030",
            Self::Config(_) | Self::NotLoopback { .. } | Self::Listen { .. } => "F0000",
            Self::Internal(_) => "XX000",
        }
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
        let sql = |code| Self::Sql { code, message: message.clone() };
        match root {
            DataFusionError::SQL(..) => sql("42601"),
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { .. } => sql("42703"),
                SchemaError::AmbiguousReference { .. } => sql("42702"),
                _ => sql("42701"),
            },
            DataFusionError::Plan(text) if text.contains("not found") => sql("42P01"),
            DataFusionError::Plan(text) if text.contains("Invalid function") => sql("42883"),
            DataFusionError::Plan(_) => sql("42601"),
            DataFusionError::NotImplemented(_) => sql("0A000"),
            DataFusionError::ArrowError(arrow, _) => sql(arrow_code(arrow)),
            DataFusionError::Execution(_) | DataFusionError::Configuration(_) => sql("22000"),
            DataFusionError::ResourcesExhausted(_) => sql("53200"),
            DataFusionError::External(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_) => Self::Lake { table: "of the statement", reason: message },
            _ => Self::Internal(message),
        }
    }
}

fn arrow_code(error: &datafusion::arrow::error::ArrowError) -> &'static str {
    use datafusion::arrow::error::ArrowError;
    match error {
        ArrowError::DivideByZero => "22012",
        ArrowError::ArithmeticOverflow(_) => "22003",
        ArrowError::CastError(_) | ArrowError::ParseError(_) => "22P02",
        _ => "22000",
    }
}
