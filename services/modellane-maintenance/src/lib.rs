//! Upkeep of the lake, beside the one sink that writes it and all who read it.
//!
//! A round keeps what commits said of themselves in the table `commits`, writes checkpoints, exports days that
//! are over, merges small files of closed dates, drops old dates if the configuration says so, removes files
//! and log entries that nobody needs, and audits the invariants. Sums over the ledger are the same before,
//! during and after: a merged file is read back and compared with its inputs before it takes their place, and
//! it does so in one commit on the very version that was looked at.
//!
//! One maintenance works on a lake at a time, by a lease in `commits`. The lease spares work; what is right
//! does not depend on it: every commit to a table is on the version that was read, and exported days and
//! manifests are written only where none are.
//!
//! # What it refuses
//! - to remove an entry of a log before the commit is kept and a checkpoint holds it
//! - to remove a file that the newest version needs, or that a query or a commit may still need
//! - to write an exported day again
//! - to commit between two attempts of a sink that has not had its turn

mod audit;
mod columns;
mod commits;
mod compact;
mod config;
mod error;
mod export;
mod report;
mod retention;
mod round;
mod service;
mod stage;
mod sums;

pub use audit::Violations;
pub use commits::{COMMITS_TABLE, KeptCommit, kept_history};
pub use config::MaintenanceConfig;
pub use error::MaintenanceError;
pub use export::manifest::{ExportedFile, Manifest};
pub use report::{Job, Report};
pub use service::{Maintenance, Start};
pub use stage::{Stage, StageHook};
pub use sums::{Sum, Sums};

/// The table that is exported and audited entry by entry.
pub(crate) const LEDGER_TABLE: &str = "usage_ledger";
