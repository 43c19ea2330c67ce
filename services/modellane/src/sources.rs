//! `modellane sources`: what each source is and how it stands.

use crate::cli::{Sources, TableFormat};
use crate::config::AppConfig;
use crate::print::Rows;
use crate::report::open_query;
use anyhow::Result;
use modellane_collector::SourceSpec;
use modellane_collector::connectors::{self, otlp};
use modellane_query::{Query, ReportParams};

/// Every feed that rows can come from, in the order of the list.
pub(crate) fn specs() -> impl Iterator<Item = &'static SourceSpec> {
    connectors::specs().filter(|spec| spec.name != otlp::SPEC.name).chain(otlp::FEEDS.iter())
}

/// Their names.
pub(crate) fn names() -> Vec<String> {
    specs().map(|spec| spec.name.to_owned()).collect()
}

/// Prints the list.
pub(crate) async fn run(config: AppConfig, args: Sources) -> Result<()> {
    let query = open_query(config, args.data_dir).await?;
    let rows = table(&query).await?;
    match args.format {
        TableFormat::Table => println!("{}", rows.table(usize::MAX)),
        TableFormat::Json => println!("{:#}", rows.json()),
    }
    Ok(())
}

/// What each source is, beside what `freshness` says of it.
pub(crate) async fn table(query: &Query) -> Result<Rows> {
    let freshness = query.report("freshness", &ReportParams::default()).await?;
    let state = Rows::of(&freshness.schema, &freshness.batches)?.pick(&[
        "source",
        "state",
        "rows",
        "data_through",
        "fetch_lag_p50_s",
        "rejects",
    ]);
    let described = specs()
        .map(|spec| (spec.name, [spec.grain, spec.cost, spec.identity, spec.natural_key, spec.restatement]));
    let described: std::collections::BTreeMap<_, _> = described.collect();
    Ok(state.extended(&["grain", "cost", "identity", "natural_key", "restated_within"], |source| {
        described.get(source).map(|texts| texts.map(str::to_owned).to_vec())
    }))
}
