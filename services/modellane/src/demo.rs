//! `modellane demo`: everything in one process, a folder loaded, the reports printed.

use crate::cli::{Demo, TableFormat};
use crate::config::{AppConfig, demo_dir};
use crate::org::{self, Loaded};
use crate::print::Rows;
use crate::stack::{Base, Roles, Stack};
use crate::{sample, sources};
use anyhow::{Context, Result, bail};
use modellane_query::Query;
use modellane_runtime::{DataDir, Shutdown};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Most rows of a printed table.
const ROWS: usize = 20;

/// What the demo prints: title and statement.
const REPORTS: [(&str, &str, &str); 3] = [
    (
        "spend",
        "Spend by month, vendor and tool (billed: what vendors charge; effective: billed, else estimated)",
        "SELECT month, vendor, tool, currency, line, SUM(rows) AS rows, SUM(billed_cost) AS billed_cost, \
         SUM(effective_cost) AS effective_cost, SUM(list_cost) AS list_cost FROM spend \
         GROUP BY month, vendor, tool, currency, line ORDER BY month, vendor, tool, currency, line",
    ),
    (
        "adherence",
        "Adherence by week and team, most drift first (rows; the truth lies between lower and upper)",
        "SELECT week, team, tool, model_class, in_scope, drifted, rate, lower, expected, upper FROM adherence \
         WHERE weight = 'rows' AND in_scope > 0 \
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
    let cleared = args.data_dir.is_none();
    config.data.dir = args.data_dir.clone().unwrap_or_else(demo_dir);
    if cleared {
        clear(&config.data.dir)?;
    }
    // On a local disk with one reader, a commit may follow the one before at once.
    config.sink.commit_interval_ms = config.sink.commit_interval_ms.min(2_000);
    config.sink.spacing_per_day_ms = 0;
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
        println!("Loading {}", folder.display());
    }
    let loaded = org::load(stack, &folder).await?;
    stack.flow()?.settle().await?;
    let running = stack.query.as_ref().context("the query service runs")?;
    running.query.refresh_now().await?;
    match args.format {
        TableFormat::Table => print_tables(&running.query, &loaded).await,
        TableFormat::Json => print_json(&running.query, &loaded).await,
    }
}

async fn print_tables(query: &Query, loaded: &Loaded) -> Result<()> {
    println!("{} records accepted, {} rejected", loaded.accepted, loaded.rejected);
    for remark in &loaded.remarks {
        println!("  {remark}");
    }
    for (_, title, sql) in REPORTS {
        println!("\n{title}\n{}", ask(query, sql).await?.table(ROWS));
    }
    let sources = sources::table(query).await?;
    let shown =
        sources.pick(&["source", "state", "rows", "data_through", "rejects", "grain", "restated_within"]);
    println!("\nSources\n{}", shown.table(usize::MAX));
    Ok(())
}

async fn print_json(query: &Query, loaded: &Loaded) -> Result<()> {
    let mut document = Map::new();
    document.insert("accepted".into(), json!(loaded.accepted));
    document.insert("rejected".into(), json!(loaded.rejected));
    document.insert("remarks".into(), json!(loaded.remarks));
    for (name, _, sql) in REPORTS {
        document.insert(name.into(), ask(query, sql).await?.json());
    }
    document.insert("sources".into(), sources::table(query).await?.json());
    println!("{:#}", Value::Object(document));
    Ok(())
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
    if args.format == TableFormat::Table {
        print_addresses(&stack);
    }
    let served = stack.serve().await;
    served.and(stack.stop().await)
}

fn print_addresses(stack: &Stack) {
    let Some(at) = stack.addresses() else { return };
    let (host, port) = at.postgres.split_once(':').unwrap_or((&at.postgres, "5488"));
    println!(
        "\nSQL      psql -h {host} -p {port} -c 'select team, verdict, count(*) from usage group by 1, 2'"
    );
    println!("Reports  curl http://{}/v1/reports/spend.csv", at.http);
    println!("Import   modellane import litellm.spend_logs FILE");
    println!(
        "Records  curl --data-binary @FILE http://{}/v1/sources/cursor.usage_events/records",
        at.collector
    );
    println!("OTLP     export OTEL_EXPORTER_OTLP_ENDPOINT=http://{}", at.otlp_http);
    println!("Files    {}/usage_ledger (Delta)", stack.base.lake_config.url);
    println!("\nServing until Ctrl-C.");
}

/// Empties the demo's own directory, so that every demo begins alike. Only a directory that a demo made.
fn clear(dir: &PathBuf) -> Result<()> {
    if DataDir::running(dir).is_some() {
        bail!("a demo is running already; stop it, or give this one --data-dir DIR and other ports");
    }
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot clear {}", dir.display()))
        }
        _ => Ok(()),
    }
}
