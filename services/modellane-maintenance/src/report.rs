//! What a round did.

use crate::audit::Violations;
use std::fmt;

/// What a round did, for people and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Commits that were kept.
    pub commits_kept: u64,
    /// Checkpoints that were written.
    pub checkpoints: u64,
    /// Days that were exported.
    pub days_exported: u64,
    /// Files that were merged.
    pub files_merged: u64,
    /// Files that took their place.
    pub files_written: u64,
    /// Files of old dates that left the ledger.
    pub files_dropped: u64,
    /// Files that were removed because no version needs them.
    pub files_vacuumed: u64,
    /// Objects that left the logs.
    pub log_entries_removed: u64,
    /// What the audit found; null if there was none in this round.
    pub audit: Option<Violations>,
    /// Jobs that gave way to a writer; the next round does them.
    pub postponed: Vec<Job>,
    /// Jobs that failed, with the reason.
    pub failures: Vec<(Job, String)>,
}

impl Report {
    /// Whether every job did its work and the audit found nothing.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.audit.as_ref().is_none_or(Violations::is_empty)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} commits kept, {} checkpoints", self.commits_kept, self.checkpoints)?;
        writeln!(f, "{} days exported", self.days_exported)?;
        writeln!(f, "{} files merged into {}", self.files_merged, self.files_written)?;
        if self.files_dropped > 0 {
            writeln!(f, "{} files of old dates dropped", self.files_dropped)?;
        }
        write!(
            f,
            "{} unused files and {} log entries removed",
            self.files_vacuumed, self.log_entries_removed
        )?;
        for job in &self.postponed {
            write!(f, "\n{} gave way to a writer and is left for the next round", job.name())?;
        }
        for (job, reason) in &self.failures {
            write!(f, "\n{} failed: {reason}", job.name())?;
        }
        match &self.audit {
            None => Ok(()),
            Some(violations) if violations.is_empty() => write!(f, "\naudit: no violation"),
            Some(violations) => {
                for (invariant, count) in &violations.counts {
                    write!(f, "\naudit: {count} violations of {invariant}")?;
                }
                violations.named.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
            }
        }
    }
}

/// A part of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Keeping commits.
    Commits,
    /// Checkpoints.
    Checkpoint,
    /// Exports.
    Export,
    /// Compaction.
    Compact,
    /// Retention.
    Retention,
    /// Removal of files that no version needs.
    Vacuum,
    /// Removal of old log entries.
    CleanLog,
    /// The audit.
    Audit,
}

impl Job {
    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Checkpoint => "checkpoint",
            Self::Export => "export",
            Self::Compact => "compact",
            Self::Retention => "retention",
            Self::Vacuum => "vacuum",
            Self::CleanLog => "clean_log",
            Self::Audit => "audit",
        }
    }
}
