//! `modellane maintenance`: the service alone, or one round of it.

use crate::cli::Maintenance as Args;
use crate::config::AppConfig;
use crate::out;
use crate::ready::ready;
use crate::stack::{Base, Roles, Stack};
use crate::teams;
use anyhow::{Context, Result};
use modellane_event::UtcTime;
use modellane_lake::TableSpec;
use modellane_maintenance::{Maintenance, MaintenanceError};
use modellane_runtime::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often one that waits for another looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Maintains the lake of a base.
pub(crate) fn open(base: &Base) -> Result<Maintenance> {
    let maintenance = Maintenance::new(
        base.lake.as_ref().clone(),
        tables(),
        base.config.maintenance.clone(),
        Arc::clone(&base.clock),
        base.metrics.clone(),
    );
    Ok(maintenance?)
}

/// Every table of the product but the one that maintenance itself writes.
fn tables() -> Vec<TableSpec> {
    let mut tables = modellane_sink::tables();
    tables.push(teams::table());
    tables
}

/// Runs the command.
pub(crate) async fn run(mut config: AppConfig, args: Args) -> Result<ExitCode> {
    if config.lake.url.is_none() {
        config.use_data_dir(args.data_dir);
        let dir = config.data.dir.join("lake");
        dir.is_dir().then_some(()).with_context(|| {
            format!(
                "there is no lake in {}: set lake.url or MODELLANE__LAKE__URL, or name the data directory \
                 with --data-dir",
                dir.display()
            )
        })?;
        config.lake.url = Some(dir.to_string_lossy().into_owned());
    }
    let roles = Roles { maintenance: true, ..Roles::NONE };
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    if args.once {
        config.check()?;
        return once(&Base::member(config, roles).await?, &shutdown).await;
    }
    ready(&config, roles)?;
    let mut stack = Stack::start(Base::member(config, roles).await?, roles, shutdown).await?;
    let served = stack.serve().await;
    served.and(stack.stop().await)?;
    Ok(ExitCode::SUCCESS)
}

async fn once(base: &Base, shutdown: &Shutdown) -> Result<ExitCode> {
    let mut maintenance = open(base)?;
    let report = loop {
        match maintenance.round(shutdown).await {
            // One that is at work soon gives its lease back; that of one that crashed runs out.
            Err(busy @ MaintenanceError::Busy { until }) if !shutdown.is_triggered() => {
                tracing::warn!("{busy}; waiting for its end");
                wait_until(base, until, shutdown).await;
            }
            report => break report?,
        }
    };
    out::line(&report)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn wait_until(base: &Base, time: UtcTime, shutdown: &Shutdown) {
    let micros = time.micros() - base.clock.now().micros();
    let wait = Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LOOK_AGAIN);
    tokio::select! {
        () = base.clock.sleep(wait) => {}
        () = shutdown.triggered() => {}
    }
}
