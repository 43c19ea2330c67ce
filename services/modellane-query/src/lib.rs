//! Read-only SQL and reports over the lake: PostgreSQL wire and HTTP.
//!
//! A refresher follows the Delta tables and publishes one standing snapshot at a time; every statement sees
//! exactly one. The views come from `schemas/views/`. Statements pass a guard that admits reads alone, by
//! syntax and by plan, on every path.
//!
//! The crate refuses to write anything, to read files that a statement names, to cut a result silently and
//! to serve other machines while nobody logs in. DataFusion's types do not leave it, record batches of Arrow
//! aside.

mod config;
mod cooperate;
mod error;
mod guard;
mod http;
mod lake_reader;
mod limits;
mod pg;
mod query;
mod report;
mod serve;
mod session;
mod snapshot;
mod standing;
mod uuid_text;
mod views;

pub use config::QueryConfig;
pub use error::QueryError;
pub use query::{Query, SqlResult};
pub use report::{REPORTS, Report, ReportParams, ReportResult};
pub use serve::{Running, serve};
pub use standing::{Gap, GapCost, Standing};

#[cfg(test)]
mod testing;
