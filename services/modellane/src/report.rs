//! `modellane report`: one report, read from the lake without a server.

use crate::cli::{Report, ReportFormat};
use crate::config::AppConfig;
use crate::print::Rows;
use crate::stack::lake_of;
use anyhow::Result;
use modellane_query::{Query, ReportParams};
use std::path::PathBuf;

/// Opens the lake of the configuration, or of a data directory.
pub(crate) async fn open_query(mut config: AppConfig, data_dir: Option<PathBuf>) -> Result<Query> {
    config.use_data_dir(data_dir);
    let lake = lake_of(&config);
    config.query.known_sources = crate::sources::names();
    Ok(Query::open(config.query, &lake).await?)
}

/// Prints the report.
pub(crate) async fn run(config: AppConfig, args: Report) -> Result<()> {
    let params = ReportParams::parse(
        args.from.as_deref(),
        args.to.as_deref(),
        args.team.as_deref(),
        args.as_of.as_deref(),
    )?;
    let query = open_query(config, args.data_dir).await?;
    let report = query.report(&args.name, &params).await?;
    let rows = Rows::of(&report.schema, &report.batches)?;
    match args.format {
        ReportFormat::Table => println!("{}\n{}", report.title, rows.table(usize::MAX)),
        ReportFormat::Json => println!("{:#}", rows.json()),
        ReportFormat::Csv => rows.csv(&mut std::io::stdout().lock())?,
    }
    Ok(())
}
