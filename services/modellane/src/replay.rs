//! `modellane replay`: rebuilds the ledger in an empty lake and proves that it says the same (I10).

mod compare;
mod exports;
mod gated;
mod kafka;
mod timeline;

use crate::cli::Replay;
use crate::config::AppConfig;
use crate::out;
use crate::report::has_ledger;
use anyhow::{Context, Result, bail};
use compare::{Comparison, Fetches, Side, Totals, compare, compare_fetches};
use kafka::Taken;
use modellane_lake::{Lake, LakeConfig};
use modellane_runtime::Shutdown;

/// Rebuilds and compares; says whether both ledgers are equal.
pub(crate) async fn run(mut config: AppConfig, args: Replay) -> Result<bool> {
    config.use_data_dir(args.data_dir.clone());
    config.check()?;
    let (old, new) = (config.lake(), target(&config, &args.to));
    if !has_ledger(&config).await? {
        bail!("there is no ledger at {}; name the data directory of an instance with --data-dir", old.url);
    }
    let lake = Lake::open(&new)?;
    if lake.log_store(modellane_sink::LEDGER_TABLE)?.is_delta_table_location().await? {
        bail!("{} holds a ledger already; name an empty place to rebuild in", new.url);
    }
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    let taken = match &args.from_exports {
        Some(folder) if !args.from_kafka => {
            exports::rebuild(&config, &new, folder, shutdown).await?;
            None
        }
        _ => kafka::rebuild(config, lake, shutdown).await?,
    };
    prove(&old, &new, taken).await
}

/// The new lake, reached as the old one is.
fn target(config: &AppConfig, to: &str) -> LakeConfig {
    LakeConfig { url: to.to_owned(), options: config.lake.options.clone() }
}

/// `taken` says up to when the old lake was rebuilt; null if it was made anew from files, which state other
/// times of fetching.
async fn prove(old: &LakeConfig, new: &LakeConfig, taken: Option<Taken>) -> Result<bool> {
    let known_at = taken.as_ref().and_then(|taken| taken.recorded_through);
    let first = Side::open(old, known_at).await.context("the old lake cannot be read")?;
    let second = Side::open(new, None).await.context("the rebuilt lake cannot be read")?;
    let mut found = compare(&first, &second).await?;
    if let Some(taken) = taken {
        found.fetches = Some(compare_fetches(&first, &second, taken.fetches_applied).await?);
    }
    print(&found)?;
    Ok(found.is_equal())
}

fn print(found: &Comparison) -> Result<()> {
    if found.is_equal() {
        out::line(format_args!("equal: {} events, content, judgement and signs", found.events))?;
    } else {
        out::line(format_args!("different: {} of {} events", found.different, found.events))?;
    }
    for (id, difference) in &found.named {
        out::line(format_args!("  {id} {}", difference.as_str()))?;
    }
    let more = found.different.saturating_sub(found.named.len() as u64);
    if more > 0 {
        out::line(format_args!("  and {more} more"))?;
    }
    match &found.fetches {
        Some(Fetches { both, different: 0 }) => out::line(format_args!("equal: {both} complete fetches"))?,
        Some(Fetches { both, different }) => {
            out::line(format_args!("different: {different} complete fetches beside {both} equal ones"))?;
        }
        None => {}
    }
    for (first, second) in &found.totals {
        out::line(text(first))?;
        if first != second {
            out::line(format_args!("rebuilt: {}", text(second)))?;
        }
    }
    Ok(())
}

/// The sums of a currency; a sum over nothing is left out.
fn text(totals: &Totals) -> String {
    let sums = totals.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_deref()?)));
    sums.collect::<Vec<_>>().join(", ")
}
