//! The service: a round now and then.

use crate::audit::Memory;
use crate::commits::Commits;
use crate::round::Round;
use crate::{MaintenanceConfig, MaintenanceError, Report, StageHook};
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_event::UtcTime;
use modellane_lake::{Lake, Table, TableSpec};
use modellane_runtime::{Clock, Metrics, Shutdown};
use std::sync::Arc;
use std::time::Duration;

const HOUR_MICROS: i64 = 3_600_000_000;
/// Of clocks that differ a little, one may see a lease end that another still holds.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// When the first round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At once.
    Now,
    /// After the first interval: beside other services, which have more urgent work at their start.
    Later,
}

/// Maintains the tables of one lake.
pub struct Maintenance {
    lake: Lake,
    tables: Vec<TableSpec>,
    config: MaintenanceConfig,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    hook: StageHook,
    memory: Memory,
    audited_at: Option<UtcTime>,
}

impl Maintenance {
    /// For the tables of `lake` that `tables` names; those that are missing are left out until they are there.
    pub fn new(
        lake: Lake,
        tables: Vec<TableSpec>,
        config: MaintenanceConfig,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, MaintenanceError> {
        config.check()?;
        let (hook, memory) = (StageHook::default(), Memory::default());
        Ok(Self { lake, tables, config, clock, metrics, hook, memory, audited_at: None })
    }

    /// Calls `hook` at the stages of each round, so that tests can stop it there.
    #[must_use]
    pub fn with_stage_hook(mut self, hook: StageHook) -> Self {
        self.hook = hook;
        self
    }

    /// One round, with an audit if one is due; the first round always has one. Broken off by shutdown.
    pub fn round<'a>(
        &'a mut self,
        shutdown: &'a Shutdown,
    ) -> BoxFuture<'a, Result<Report, MaintenanceError>> {
        self.try_round(shutdown).boxed()
    }

    async fn try_round(&mut self, shutdown: &Shutdown) -> Result<Report, MaintenanceError> {
        let now = self.clock.now();
        let hours = i64::from(self.config.audit_hours);
        let is_due = |at: UtcTime| now.micros() - at.micros() >= hours * HOUR_MICROS || now < at;
        let audit_is_due = self.audited_at.is_none_or(is_due);
        let tables = self.open().await?;
        let mut round = Round {
            lake: &self.lake,
            config: &self.config,
            clock: self.clock.as_ref(),
            metrics: &self.metrics,
            hook: &self.hook,
            commits: Commits::acquire(&self.lake, Arc::clone(&self.clock), self.config.lease_s).await?,
            tables,
            report: Report::default(),
        };
        let ran = tokio::select! {
            ran = async {
                round.run().await?;
                if audit_is_due {
                    round.audit(&mut self.memory).await;
                }
                Ok::<(), MaintenanceError>(())
            } => ran,
            () = shutdown.triggered() => Ok(()),
        };
        if round.report.audit.is_some() {
            self.audited_at = Some(now);
        }
        if let Err(error) = round.commits.release().await {
            tracing::warn!(%error, "the lease runs out by itself");
        }
        ran.map(|()| round.report)
    }

    async fn open(&self) -> Result<Vec<Table>, MaintenanceError> {
        let mut tables = Vec::with_capacity(self.tables.len());
        for spec in &self.tables {
            tables.extend(self.lake.existing_table(spec.clone()).await?);
        }
        Ok(tables)
    }

    /// Rounds until shutdown. A round that is under way then is broken off: whatever it was at, the next one
    /// finds the lake whole and goes on.
    pub fn run(
        mut self,
        start: Start,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), MaintenanceError>> {
        async move {
            // Rows are packed and hashed for seconds on end, which must not hold up the other services.
            let handle = tokio::runtime::Handle::current();
            let rounds = move || handle.block_on(self.rounds(start, shutdown));
            match tokio::task::spawn_blocking(rounds).await {
                Ok(ended) => ended,
                Err(broken) => Err(MaintenanceError::Damaged(format!("maintenance broke off: {broken}"))),
            }
        }
        .boxed()
    }

    async fn rounds(&mut self, start: Start, shutdown: Shutdown) -> Result<(), MaintenanceError> {
        let interval = Duration::from_secs(self.config.interval_s);
        let mut wait = if start == Start::Now { Duration::ZERO } else { interval };
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.triggered() => return Ok(()),
            }
            let ended = self.round(&shutdown).await;
            wait = pause(&ended, self.clock.now(), interval);
            match ended {
                Ok(report) => tracing::info!(clean = report.is_clean(), "a round of maintenance ended"),
                Err(error) if error.is_retryable() => tracing::info!(%error, "no maintenance this time"),
                Err(error) => tracing::error!(%error, "no maintenance this time"),
            }
        }
    }
}

/// How long until the next round. One that found another at work follows it: a lease that is not renewed was that
/// of one that crashed, maybe this one before it was started again.
fn pause(ended: &Result<Report, MaintenanceError>, now: UtcTime, interval: Duration) -> Duration {
    let Err(MaintenanceError::Busy { until }) = ended else { return interval };
    let left = u64::try_from(until.micros() - now.micros()).unwrap_or(0);
    Duration::from_micros(left).max(SHORTEST_PAUSE).min(interval)
}

impl std::fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maintenance").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_another_at_work_follows_when_its_lease_ends() {
        let (now, interval) = (UtcTime(1_000_000_000), Duration::from_secs(900));
        let busy = |seconds: i64| Err(MaintenanceError::Busy { until: UtcTime(now.0 + seconds * 1_000_000) });
        assert_eq!(pause(&busy(10), now, interval), Duration::from_secs(10));
        assert_eq!(pause(&busy(3_600), now, interval), interval);
        assert_eq!(pause(&busy(-5), now, interval), SHORTEST_PAUSE);
        assert_eq!(pause(&Ok(Report::default()), now, interval), interval);
        assert_eq!(pause(&Err(MaintenanceError::Damaged("a table".to_owned())), now, interval), interval);
    }
}
