//! The lake: Delta tables, Parquet files and context objects on object storage or a local disk.
//!
//! The only crate that writes object storage. A commit takes files, the positions of applications and
//! information about itself, all in one log entry written on the very snapshot that was read: it is never
//! rebased, and an outcome that the store left open is settled by looking for the commit's own id in the log.
//! Tables keep to reader version 1 and writer version 2 of the Delta protocol, without deletion vectors and
//! column mapping, so that any engine reads them.
//!
//! Files may be merged and take the place of their inputs in such a commit; files that no version needs and
//! entries of the log that a checkpoint holds are removed when the caller says from when on nobody needs them.
//!
//! The crate refuses to read a clock or draw ids, to follow a store option that gives up atomic commits, and
//! to write checkpoints or clean up the log inside a commit.

mod commit;
mod config;
mod context;
mod error;
mod file;
mod file_cache;
mod lake;
mod merge;
mod objects;
mod options;
mod read;
mod reader;
mod remains;
mod replace;
mod row_file;
mod scan;
mod stage;
mod table;
mod tally;
#[cfg(test)]
mod testing;
mod upkeep;
mod widen;

pub use commit::{CommitInfo, CommitLog, CommitOutcome, LogEntry, TableCommit, Unconfirmed, commit_to};
pub use config::LakeConfig;
pub use error::LakeError;
pub use file::DataFile;
pub use lake::Lake;
pub use merge::MergedFile;
pub use objects::LakeObject;
pub use replace::{Removal, Replacement};
pub use row_file::{RowFile, Written};
pub use scan::RowStream;
pub use stage::{StagedFile, pick_rows};
pub use table::{RECORDED_AT, Table, TableSpec};
pub use tally::{RowTally, Tallier};
pub use upkeep::{LogExtent, VacuumRule, Vacuumed};
