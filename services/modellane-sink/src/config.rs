//! How the sink works.

use crate::SinkError;
use modellane_event::Label;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Settings of the sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkConfig {
    /// Longest time in milliseconds that a record waits for its commit, if the table keeps up. 2,000 is the
    /// least that suits a store with many readers; a demo on a local disk may go lower.
    pub commit_interval_ms: u64,
    /// Least time in milliseconds between commits for each day that a commit touches, as each day makes a
    /// file. A full batch does not wait.
    pub spacing_per_day_ms: u64,
    /// Most entries that wait for a commit; more are not read from the log.
    pub max_rows: usize,
    /// Most MiB of messages, as the topic carries them, that wait for a commit; more are not read from the
    /// log. Decoded into columns, sorted and written they take several times as much.
    pub max_mib: usize,
    /// Memory in MiB for the index of current versions; days that were not touched for longest are dropped
    /// first and read from the lake again when they are needed.
    pub index_mib: usize,
    /// Memory in MiB for files of the ledger in which current versions are looked up; those that were not looked
    /// into for longest make room. Files larger than a quarter of it are read from the store each time.
    pub file_cache_mib: usize,
    /// Name of this sink, the same after a restart and no other's. Null: its tables are whoever's comes next.
    pub instance: Option<Label>,
    /// How many seconds the owner of the ledger has to leave records uncommitted before a sink of another name
    /// takes over from it; longer than the longest time between two of its commits. 0: takes over at once.
    pub standby_s: u64,
    /// Where a process that is a sink alone serves health and metrics.
    pub health_listen: SocketAddr,
}

impl Default for SinkConfig {
    fn default() -> Self {
        Self {
            commit_interval_ms: 15_000,
            spacing_per_day_ms: 1_000,
            max_rows: 200_000,
            max_mib: 32,
            index_mib: 512,
            file_cache_mib: 128,
            instance: None,
            standby_s: 90,
            health_listen: SocketAddr::from(([127, 0, 0, 1], 8602)),
        }
    }
}

impl SinkConfig {
    /// Most time between commits that many days may ask for.
    pub(crate) const MAX_SPACING_MS: u64 = 60_000;

    /// Refuses limits under which nothing could be committed, naming the key.
    pub fn check(&self) -> Result<(), SinkError> {
        let refuse = |text: &str| Err(SinkError::Config(text.to_owned()));
        if self.max_rows == 0 {
            return refuse("sink.max_rows is 0; give the number of rows that a commit may hold");
        }
        if self.max_mib == 0 {
            return refuse("sink.max_mib is 0; give the memory for messages that wait for a commit");
        }
        if self.standby_s > 0 && self.standby_s.saturating_mul(1_000) <= self.commit_interval_ms {
            return refuse("sink.standby_s must be longer than sink.commit_interval_ms, or 0");
        }
        if self.commit_interval_ms == 0 || self.commit_interval_ms > Self::MAX_SPACING_MS {
            return refuse("sink.commit_interval_ms must lie between 1 and 60000");
        }
        Ok(())
    }

    /// Most bytes of messages that wait for a commit.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_mib.saturating_mul(1 << 20)
    }

    /// Least time in milliseconds between two commits, the later one touching so many days.
    pub(crate) fn spacing_ms(&self, days: usize) -> u64 {
        let by_days = self.spacing_per_day_ms.saturating_mul(days as u64);
        by_days.max(self.commit_interval_ms).min(Self::MAX_SPACING_MS)
    }
}
