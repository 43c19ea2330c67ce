//! `modellane sources`: what each source is and how it stands.

use crate::cli::{Sources, TableFormat};
use crate::config::AppConfig;
use crate::out;
use crate::print::Rows;
use crate::report::open_query;
use anyhow::Result;
use modellane_collector::SourceSpec;
use modellane_collector::connectors::{self, otlp};
use modellane_query::{Query, ReportParams};
use std::collections::BTreeMap;

/// Every feed that rows can come from with the name under which its records are sent, in the order of the
/// list.
fn feeds() -> impl Iterator<Item = (&'static SourceSpec, &'static str)> {
    let own = connectors::specs().filter(|spec| spec.name != otlp::SPEC.name).map(|spec| (spec, spec.name));
    own.chain(otlp::FEEDS.iter().map(|feed| (feed, otlp::SPEC.name)))
}

/// Names of the feeds.
pub(crate) fn names() -> Vec<String> {
    feeds().map(|(spec, _)| spec.name.to_owned()).collect()
}

/// The name if records can be sent under it; otherwise what to do instead.
pub(crate) fn sendable(name: &str) -> Result<String, String> {
    if connectors::connector(name).is_some() {
        return Ok(name.to_owned());
    }
    if let Some(refused) = connectors::refused(name) {
        return Err(format!("never taken in: {}", refused.reason));
    }
    Err(connectors::unknown(name))
}

/// Prints the list.
pub(crate) async fn run(config: AppConfig, args: Sources) -> Result<()> {
    let query = open_query(config, args.data_dir).await?;
    let rows = table(&query).await?;
    match args.format {
        TableFormat::Table => out::line(rows.table(usize::MAX)),
        TableFormat::Json => out::line(format_args!("{:#}", rows.json())),
    }
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
    let described: BTreeMap<_, _> = feeds()
        .map(|(spec, sent_as)| {
            (spec.name, [sent_as, spec.grain, spec.cost, spec.identity, spec.natural_key, spec.restatement])
        })
        .collect();
    let columns = ["send_as", "grain", "cost", "identity", "natural_key", "restated_within"];
    Ok(state
        .extended(&columns, |source| described.get(source).map(|texts| texts.map(str::to_owned).to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_sent_is_answered_with_what_to_do() {
        assert_eq!(sendable("litellm.spend_logs"), Ok("litellm.spend_logs".to_owned()));
        assert_eq!(sendable("otlp"), Ok("otlp".to_owned()));
        for feed in &otlp::FEEDS {
            assert!(sendable(feed.name).unwrap_err().contains("send it as otlp"), "{}", feed.name);
        }
        for refused in connectors::all_refused() {
            assert!(sendable(refused.name).unwrap_err().contains("never"), "{}", refused.name);
        }
        assert!(sendable("nonsense").unwrap_err().contains("cursor.usage_events"));
    }
}
