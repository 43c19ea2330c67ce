//! `modellane demo`: everything in one process, a folder loaded, the reports printed.

use crate::cli::{Demo, TableFormat};
use crate::config::{AppConfig, demo_dir};
use crate::org::{self, Loaded};
use crate::print::Rows;
use crate::ready::ready;
use crate::stack::{Base, Roles, Stack};
use crate::{out, rejudge, sample, sources};
use anyhow::{Context, Result, bail};
use modellane_query::Query;
use modellane_runtime::{DataDir, Shutdown};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Most rows of a printed table.
const ROWS: usize = 20;

/// What the demo prints: name, title and statement.
const REPORTS: [(&str, &str, &str); 5] = [
    (
        "spend",
        "Spend by month and vendor (billed: what vendors charge; effective: billed, else estimated; \
         without a currency: no amount is known)",
        "SELECT month, vendor, currency, SUM(rows) AS rows, SUM(billed_cost) AS billed_cost, \
         SUM(effective_cost) AS effective_cost, SUM(list_cost) AS list_cost FROM spend \
         GROUP BY month, vendor, currency ORDER BY month, vendor, currency",
    ),
    (
        "spend_by_team",
        "Spend by month, cost centre and team",
        "SELECT month, cost_center, team, currency, SUM(rows) AS rows, SUM(billed_cost) AS billed_cost, \
         SUM(effective_cost) AS effective_cost, SUM(list_cost) AS list_cost FROM spend \
         WHERE currency IS NOT NULL GROUP BY month, cost_center, team, currency \
         ORDER BY month, cost_center, team, currency",
    ),
    (
        "totals",
        "Total of each currency, and the gap in it: what nobody can explain",
        "SELECT currency, SUM(rows) AS rows, SUM(billed_cost) AS billed_cost, \
         SUM(effective_cost) AS effective_cost, SUM(list_cost) AS list_cost, \
         SUM(rows) FILTER (WHERE line = 'gap') AS gap_rows, \
         SUM(billed_cost) FILTER (WHERE line = 'gap') AS gap_billed_cost, \
         SUM(effective_cost) FILTER (WHERE line = 'gap') AS gap_effective_cost, \
         SUM(list_cost) FILTER (WHERE line = 'gap') AS gap_list_cost FROM spend \
         GROUP BY currency ORDER BY currency",
    ),
    (
        "adherence",
        "Adherence by week and team, most drift first (rows; the truth lies between lower and upper)",
        "SELECT week, team, tool, model_class, in_scope, drifted, rate, lower, expected, upper \
         FROM adherence WHERE weight = 'rows' AND in_scope > 0 \
         ORDER BY COALESCE(drifted, 0) DESC, in_scope DESC, week, team, tool, model_class",
    ),
    (
        "unmatched",
        "Gaps by source and reason",
        "SELECT source, verdict, reason, currency, SUM(rows) AS rows, SUM(billed_cost) AS billed_cost, \
         SUM(list_cost) AS list_cost FROM unmatched GROUP BY source, verdict, reason, currency \
         ORDER BY rows DESC, source, reason",
    ),
];

/// Runs the demo.
pub(crate) async fn run(mut config: AppConfig, args: Demo) -> Result<()> {
    if let Some(dir) = &args.org {
        org::find(dir)?;
    }
    config.data.dir = args.data_dir.clone().unwrap_or_else(demo_dir);
    // On a local disk with one reader, a commit may follow the one before at once.
    config.sink.commit_interval_ms = config.sink.commit_interval_ms.min(2_000);
    config.sink.spacing_per_day_ms = 0;
    if args.data_dir.is_none() && DataDir::running(&config.data.dir).is_some() {
        bail!("a demo is running already; stop it, or give this one --data-dir DIR and other ports");
    }
    ready(&config, Roles::ALL)?;
    if args.data_dir.is_none() {
        clear(&config.data.dir)?;
    }
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    let stack = Stack::start(Base::own(config).await?, Roles::ALL, shutdown.clone()).await?;
    let shown = load_and_show(&stack, &args).await;
    if shown.is_ok() && !args.once && !shutdown.is_triggered() {
        return serve(stack, &args).await;
    }
    shown.and(stack.stop().await)
}

async fn load_and_show(stack: &Stack, args: &Demo) -> Result<()> {
    let folder = match &args.org {
        Some(dir) => dir.clone(),
        None => sample::unpack(&stack.base.config.data.dir)?,
    };
    if args.format == TableFormat::Table {
        out::line(format_args!("Loading {}", folder.display()))?;
    }
    let query = &stack.query.as_ref().context("the query service runs")?.query;
    let before = events(query).await?;
    let loaded = org::load(stack, &folder).await?;
    // What no event could know by itself is decided now: which of two feeds counts, and intents that came later.
    let mut flow = stack.flow()?;
    flow.settle().await?;
    rejudge::everything(&stack.base).await?;
    flow.settle().await?;
    query.refresh_now().await?;
    let new = events(query).await?.saturating_sub(before);
    match args.format {
        TableFormat::Table => print_tables(query, &loaded, new).await,
        TableFormat::Json => print_json(query, &loaded, new).await,
    }
}

/// Events that the ledger holds now.
async fn events(query: &Query) -> Result<u64> {
    let counted = ask(query, "SELECT COUNT(*) FROM usage").await?;
    let cell = counted.rows.first().and_then(|row| row.first().cloned().flatten());
    cell.and_then(|text| text.parse().ok()).context("a count is a number")
}

async fn print_tables(query: &Query, loaded: &Loaded, new: u64) -> Result<()> {
    out::line(summary(loaded, new))?;
    for remark in &loaded.remarks {
        out::line(format_args!("  {remark}"))?;
    }
    for (_, title, sql) in REPORTS {
        out::line(format_args!("\n{title}\n{}", ask(query, sql).await?.table(ROWS)))?;
    }
    let sources = sources::table(query).await?;
    let columns =
        ["source", "send_as", "state", "rows", "data_through", "rejects", "grain", "restated_within"];
    out::line(format_args!("\nSources\n{}", sources.pick(&columns).table(usize::MAX)))
}

/// A file that is exported again brings the same events again, so that records are more than events.
fn summary(loaded: &Loaded, new: u64) -> String {
    format!(
        "{} records read: {new} new events, {} that repeat or restate an event, {} that are no usage, \
         {} rejected",
        loaded.read(),
        loaded.accepted.saturating_sub(new),
        loaded.skipped,
        loaded.rejected
    )
}

async fn print_json(query: &Query, loaded: &Loaded, new: u64) -> Result<()> {
    let mut document = Map::new();
    document.insert("read".into(), json!(loaded.read()));
    document.insert("new_events".into(), json!(new));
    document.insert("repeated".into(), json!(loaded.accepted.saturating_sub(new)));
    document.insert("no_usage".into(), json!(loaded.skipped));
    document.insert("rejected".into(), json!(loaded.rejected));
    document.insert("remarks".into(), json!(loaded.remarks));
    for (name, _, sql) in REPORTS {
        document.insert(name.into(), ask(query, sql).await?.json());
    }
    document.insert("sources".into(), sources::table(query).await?.json());
    out::line(format_args!("{:#}", Value::Object(document)))
}

async fn ask(query: &Query, sql: &str) -> Result<Rows> {
    let batches = query.sql(sql).await?;
    let schema = batches
        .first()
        .map(|batch| batch.schema())
        .unwrap_or_else(|| arrow::datatypes::SchemaRef::new(arrow::datatypes::Schema::empty()));
    Rows::of(&schema, &batches)
}

async fn serve(mut stack: Stack, args: &Demo) -> Result<()> {
    let printed = match args.format {
        TableFormat::Table => print_addresses(&stack, args.data_dir.as_deref()),
        TableFormat::Json => Ok(()),
    };
    let served = match printed {
        Ok(()) => stack.serve().await,
        unprinted => unprinted,
    };
    served.and(stack.stop().await)
}

fn print_addresses(stack: &Stack, data_dir: Option<&Path>) -> Result<()> {
    let Some(at) = stack.addresses() else { return Ok(()) };
    let (host, port) = at.postgres.split_once(':').unwrap_or((&at.postgres, "5488"));
    let data_dir = data_dir.map(|dir| format!(" --data-dir {}", quoted(dir))).unwrap_or_default();
    out::line(format_args!(
        "\nSQL      psql -h {host} -p {port} -c 'select team, verdict, count(*) from usage group by 1, 2'\n\
         Reports  curl http://{}/v1/reports/spend.csv\n\
         Import   modellane import litellm.spend_logs FILE{data_dir}\n\
         Records  curl --data-binary @FILE http://{}/v1/sources/cursor.usage_events/records\n\
         OTLP     export OTEL_EXPORTER_OTLP_ENDPOINT=http://{}\n\
         Files    {}/usage_ledger (Delta)\n\n\
         Serving until Ctrl-C.",
        at.http, at.collector, at.otlp_http, stack.base.lake_config.url
    ))
}

/// A path that a shell takes as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Empties the demo's own directory, so that every demo begins alike. Only a directory that a demo made.
fn clear(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot clear {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_path_can_be_pasted() {
        assert_eq!(quoted(Path::new("/tmp/my-lane_1")), "/tmp/my-lane_1");
        assert_eq!(quoted(Path::new("/tmp/my lane's")), r"'/tmp/my lane'\''s'");
    }

    #[test]
    fn the_summary_adds_up() {
        let loaded = Loaded { accepted: 160, rejected: 3, skipped: 7, remarks: Vec::new() };
        let expected = "170 records read: 80 new events, 80 that repeat or restate an event, \
                        7 that are no usage, 3 rejected";
        assert_eq!(summary(&loaded, 80), expected);
    }
}
