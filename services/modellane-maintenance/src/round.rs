//! One round over all tables.

use crate::audit::{self, Memory, Violations};
use crate::commits::Commits;
use crate::export::manifest::EXPORTS;
use crate::report::{Job, Report};
use crate::stage::{Stage, StageHook};
use crate::{LEDGER_TABLE, MaintenanceConfig, MaintenanceError, compact, export, retention};
use modellane_event::UtcTime;
use modellane_lake::{Lake, Table, VacuumRule};
use modellane_runtime::{Clock, MetricName, Metrics};

const HOUR_MICROS: i64 = 3_600_000_000;
/// Longer than a part of an export takes to be written.
const EXPORT_HOURS: u32 = 1;

/// What the jobs of a round share.
pub(crate) struct Round<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) config: &'a MaintenanceConfig,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) metrics: &'a Metrics,
    pub(crate) hook: &'a StageHook,
    pub(crate) commits: Commits,
    /// Every table but `commits`.
    pub(crate) tables: Vec<Table>,
    pub(crate) report: Report,
}

impl Round<'_> {
    /// Every job, in an order in which each finds what it needs. A job that fails is said and does not keep
    /// the others from their work; none of them relies on another's success but looks for itself.
    pub(crate) async fn run(&mut self) -> Result<(), MaintenanceError> {
        for place in 0..self.tables.len() {
            self.commits.hold().await?;
            let kept = self.keep(place).await;
            self.report.commits_kept += self.done(Job::Commits, kept);
            let written = self.checkpoint(place).await;
            self.report.checkpoints += self.done(Job::Checkpoint, written);
        }
        let exported = self.export().await;
        self.report.days_exported += self.done(Job::Export, exported);
        let dropped = self.drop_old().await;
        self.report.files_dropped += self.done(Job::Retention, dropped);
        for place in 0..self.tables.len() {
            self.compact(place).await;
            let removed = self.vacuum(place).await;
            self.report.files_vacuumed += self.done(Job::Vacuum, removed);
            let cleaned = self.clean_log(place).await;
            self.report.log_entries_removed += self.done(Job::CleanLog, cleaned);
        }
        self.own_table().await;
        Ok(())
    }

    async fn keep(&mut self, place: usize) -> Result<u64, MaintenanceError> {
        self.tables[place].refresh().await?;
        self.commits.keep(&self.tables[place], self.hook).await
    }

    async fn checkpoint(&mut self, place: usize) -> Result<u64, MaintenanceError> {
        checkpoint(&self.tables[place], self.config.checkpoint_every, self.hook).await
    }

    async fn export(&mut self) -> Result<u64, MaintenanceError> {
        // Whoever globs the exports must not meet half a file.
        self.lake.remove_remains(EXPORTS, self.hours_ago(EXPORT_HOURS)).await?;
        let Self { lake, config, clock, hook, commits, tables, .. } = self;
        match tables.iter_mut().find(|table| table.name() == LEDGER_TABLE) {
            Some(ledger) => export::export(lake, ledger, commits, config, *clock, hook).await,
            None => Ok(0),
        }
    }

    async fn drop_old(&mut self) -> Result<u64, MaintenanceError> {
        let keeps_from = retention::keeps_from(self.clock.now(), self.config.keep_days);
        let ledger = self.tables.iter_mut().find(|table| table.name() == LEDGER_TABLE);
        match (keeps_from, ledger) {
            (Some(from), Some(ledger)) => retention::drop_old(self.lake, ledger, from, self.clock).await,
            _ => Ok(0),
        }
    }

    async fn compact(&mut self, place: usize) {
        let Self { config, clock, hook, commits, tables, .. } = self;
        let table = &mut tables[place];
        let compacted = match table.refresh().await {
            Ok(()) => compact::compact(table, commits, config, *clock, hook).await,
            Err(error) => Err(error.into()),
        };
        let compacted = self.done(Job::Compact, compacted);
        self.report.files_merged += compacted.inputs;
        self.report.files_written += compacted.outputs;
    }

    async fn vacuum(&mut self, place: usize) -> Result<u64, MaintenanceError> {
        let rule = self.vacuum_rule();
        let vacuumed = self.tables[place].vacuum(rule).await?;
        self.hook.reached(Stage::Vacuumed);
        let remains = self.lake.remove_remains(self.tables[place].name(), rule.unknown_before).await?;
        Ok(vacuumed.files + remains)
    }

    fn vacuum_rule(&self) -> VacuumRule {
        VacuumRule {
            removed_before: self.hours_ago(self.config.removed_file_hours),
            unknown_before: self.hours_ago(self.config.orphan_hours),
        }
    }

    async fn clean_log(&mut self, place: usize) -> Result<u64, MaintenanceError> {
        // What `commits` itself says is kept, not what this round believes to have kept.
        let kept = self.commits.kept_before(self.tables[place].name()).await?;
        let removed = self.tables[place].clean_log(kept, self.hours_ago(self.config.log_hours)).await?;
        self.hook.reached(Stage::LogCleaned);
        Ok(removed as u64)
    }

    /// The table of commits needs upkeep as well. Nobody but maintenance writes it.
    async fn own_table(&mut self) {
        let rule = self.vacuum_rule();
        let log_before = self.hours_ago(self.config.log_hours);
        let Self { config, clock, hook, commits, .. } = self;
        let mut table = commits.table.clone();
        let upkept = async {
            let written = checkpoint(&table, config.checkpoint_every, hook).await?;
            let compacted = compact::compact(&mut table, commits, config, *clock, hook).await?;
            let vacuumed = table.vacuum(rule).await?;
            let cleaned = table.clean_log(table.version(), log_before).await?;
            Ok::<_, MaintenanceError>((written, compacted, vacuumed.files, cleaned as u64))
        }
        .await;
        let refreshed = commits.table.refresh().await.map_err(MaintenanceError::from);
        let (written, compacted, vacuumed, cleaned) = self.done(Job::Commits, refreshed.and(upkept));
        self.report.checkpoints += written;
        self.report.files_merged += compacted.inputs;
        self.report.files_written += compacted.outputs;
        self.report.files_vacuumed += vacuumed;
        self.report.log_entries_removed += cleaned;
    }

    /// Audits what the tables hold now.
    pub(crate) async fn audit(&mut self, memory: &mut Memory) {
        let audited = self.try_audit(memory).await;
        let failed = audited.is_err();
        let violations = self.done(Job::Audit, audited);
        if failed {
            return;
        }
        for invariant in modellane_ledger::Invariant::ALL {
            let count = violations.counts.get(&invariant).copied().unwrap_or(0);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.metrics.set(MetricName::AuditViolations, &[("invariant", invariant.id())], count);
        }
        for violation in &violations.named {
            tracing::error!(invariant = violation.invariant.id(), place = violation.place, "violation");
        }
        self.report.audit = Some(violations);
    }

    async fn try_audit(&mut self, memory: &mut Memory) -> Result<Violations, MaintenanceError> {
        for place in 0..self.tables.len() {
            // Offsets are compared at the very version up to which commits are kept.
            self.report.commits_kept += self.keep(place).await?;
        }
        let ledger = self.tables.iter().find(|table| table.name() == LEDGER_TABLE);
        let keeps_from = retention::keeps_from(self.clock.now(), self.config.keep_days);
        audit::audit(self.lake, &self.tables, ledger, &mut self.commits, keeps_from, memory).await
    }

    /// Takes note of how a job ended.
    fn done<T: Default>(&mut self, job: Job, result: Result<T, MaintenanceError>) -> T {
        let outcome = match &result {
            Ok(_) => "done",
            Err(MaintenanceError::GaveWay { .. }) => "postponed",
            Err(_) => "failed",
        };
        self.metrics.add(MetricName::MaintenanceJobs, &[("job", job.name()), ("outcome", outcome)], 1);
        match result {
            Ok(value) => {
                let seconds = self.clock.now().micros().div_euclid(1_000_000);
                self.metrics.set(MetricName::MaintenanceLastSuccess, &[("job", job.name())], seconds);
                return value;
            }
            Err(error @ MaintenanceError::GaveWay { .. }) => {
                tracing::info!(job = job.name(), %error, "postponed");
                self.report.postponed.push(job);
            }
            Err(error) => {
                tracing::error!(job = job.name(), %error, "maintenance failed");
                self.report.failures.push((job, error.to_string()));
            }
        }
        T::default()
    }

    fn hours_ago(&self, hours: u32) -> UtcTime {
        UtcTime(self.clock.now().micros() - i64::from(hours) * HOUR_MICROS)
    }
}

async fn checkpoint(table: &Table, every: u64, hook: &StageHook) -> Result<u64, MaintenanceError> {
    let last = table.log_extent().await?.checkpoint.unwrap_or(0);
    if table.version() < last + every {
        return Ok(0);
    }
    table.checkpoint().await?;
    hook.reached(Stage::Checkpointed);
    Ok(1)
}
