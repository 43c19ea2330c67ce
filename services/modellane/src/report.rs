//! `modellane report`: one report, read from the lake without a server.

use crate::cli::{Report, ReportFormat};
use crate::config::AppConfig;
use crate::out;
use crate::print::Rows;
use anyhow::{Result, bail};
use modellane_lake::Lake;
use modellane_query::{Query, ReportParams};
use modellane_sink::LEDGER_TABLE;
use std::path::PathBuf;

/// Opens the lake of the configuration, or of a data directory, for reading. One that is not there is not
/// made: its empty tables would look like an answer.
pub(crate) async fn open_query(mut config: AppConfig, data_dir: Option<PathBuf>) -> Result<Query> {
    config.use_data_dir(data_dir);
    let lake = config.lake();
    if !has_ledger(&config).await? {
        bail!(
            "there is no lake at {}; name the data directory of an instance with --data-dir, or the lake in \
             lake.url. `modellane demo` makes one from a sample",
            lake.url
        );
    }
    config.query.known_sources = crate::sources::names();
    Ok(Query::open(config.query, &lake).await?)
}

/// Whether the lake of the configuration is there; looking for it makes nothing.
pub(crate) async fn has_ledger(config: &AppConfig) -> Result<bool> {
    match config.lake_dir() {
        Some(dir) if !dir.is_dir() => Ok(false),
        _ => Ok(Lake::open(&config.lake())?.log_store(LEDGER_TABLE)?.is_delta_table_location().await?),
    }
}

/// Prints the report.
pub(crate) async fn run(config: AppConfig, args: Report) -> Result<()> {
    let params = ReportParams { from: args.from, to: args.to, team: args.team, as_of: args.as_of };
    let query = open_query(config, args.data_dir).await?;
    let report = query.report(&args.name, &params).await?;
    let rows = Rows::of(&report.schema, &report.batches)?;
    match args.format {
        ReportFormat::Table => out::line(format_args!("{}\n{}", report.title, rows.table(usize::MAX))),
        ReportFormat::Json => out::line(format_args!("{:#}", rows.json())),
        ReportFormat::Csv => out::bytes(&rows.csv()?),
    }
}
