//! How the lake is kept up.

use crate::MaintenanceError;
use serde::Deserialize;
use std::net::SocketAddr;

/// Section `maintenance` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaintenanceConfig {
    /// Where a process that is maintenance alone serves health and metrics.
    pub health_listen: SocketAddr,
    /// Seconds between two rounds, at least 10.
    pub interval_s: u64,
    /// Seconds after which another maintenance may go to work if this one has not said again that it is at it, 10
    /// to 3600: so long nobody follows one that crashed. Longer than one merge of files and one date of an audit.
    pub lease_s: u64,
    /// A table gets a checkpoint once so many versions have passed since the last one.
    pub checkpoint_every: u64,
    /// Hours that entries of a table's log stay after they are kept in `commits`; as far back an older version
    /// of a table can be read. 2 to 168: after that the log forgets which files left the table.
    pub log_hours: u32,
    /// Hours that a file stays after compaction took it out of a table, 2 to 168. Longer than any query, and
    /// no shorter than readers of older versions need; a query pod that was cut off for longer has to refresh.
    pub removed_file_hours: u32,
    /// Hours after which a file that was written and never committed is removed, at least 2: the sink commits
    /// files up to an hour after it wrote them.
    pub orphan_hours: u32,
    /// Days after which a date's files are merged, at least 1: 2 means that yesterday and today are left to
    /// the sink.
    pub compact_after_days: u32,
    /// Size in MiB that merged files grow to; a file of half of it is left alone.
    pub compact_target_mib: u64,
    /// Fewest files that are worth a merge.
    pub compact_min_files: usize,
    /// Most MiB that one round merges in one table.
    pub compact_round_mib: u64,
    /// Least seconds between two compaction commits to one table. Each makes the sink read its table again.
    pub compact_pause_s: u64,
    /// Minutes after midnight (UTC) before a day is exported.
    pub export_after_minutes: u32,
    /// Hours between two audits.
    pub audit_hours: u32,
    /// Days after which rows leave `usage_ledger` by `event_date`, once they are exported; null keeps them
    /// for ever. Totals of older dates go with them, from every view and report; `exports/` keeps the rows. An
    /// export of such a date that is imported again counts as new until the next round.
    pub keep_days: Option<u32>,
}

impl Default for MaintenanceConfig {
    fn default() -> Self {
        Self {
            health_listen: SocketAddr::from(([127, 0, 0, 1], 8603)),
            interval_s: 900,
            lease_s: 600,
            checkpoint_every: 50,
            log_hours: 168,
            removed_file_hours: 168,
            orphan_hours: 24,
            compact_after_days: 2,
            compact_target_mib: 256,
            compact_min_files: 4,
            compact_round_mib: 2_048,
            compact_pause_s: 600,
            export_after_minutes: 15,
            audit_hours: 24,
            keep_days: None,
        }
    }
}

impl MaintenanceConfig {
    /// Refuses what cannot work or would be unsafe, naming the key.
    pub fn check(&self) -> Result<(), MaintenanceError> {
        let rules = [
            (self.interval_s >= 10, "maintenance.interval_s must be at least 10"),
            ((10..=3_600).contains(&self.lease_s), "maintenance.lease_s lies between 10 and 3600"),
            (self.checkpoint_every > 0, "maintenance.checkpoint_every must be greater than 0"),
            ((2..=168).contains(&self.log_hours), "maintenance.log_hours lies between 2 and 168"),
            (
                (2..=168).contains(&self.removed_file_hours),
                "maintenance.removed_file_hours lies between 2 and 168",
            ),
            (self.orphan_hours >= 2, "maintenance.orphan_hours must be at least 2"),
            (self.compact_after_days >= 1, "maintenance.compact_after_days must be at least 1"),
            (self.compact_target_mib > 0, "maintenance.compact_target_mib must be greater than 0"),
            (self.compact_min_files >= 2, "maintenance.compact_min_files must be at least 2"),
            (self.audit_hours > 0, "maintenance.audit_hours must be greater than 0"),
            (self.keep_days.is_none_or(|days| days >= 31), "maintenance.keep_days must be at least 31"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, problem)) => Err(MaintenanceError::Config((*problem).to_owned())),
            None => Ok(()),
        }
    }

    /// Whether a query that runs for so many seconds can lose a file that it reads.
    pub fn is_shorter_than(&self, query_s: u64) -> bool {
        u64::from(self.removed_file_hours) * 3_600 <= query_s
    }
}
