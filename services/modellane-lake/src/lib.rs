//! The lake: Delta tables, Parquet files and context objects on object storage or a local disk.
//!
//! The only crate that writes object storage. A commit takes files, the positions of applications and
//! information about itself, all in one log entry written on the very snapshot that was read: it is never
//! rebased, and an outcome that the store left open is settled by looking for the commit's own id in the log.
//! Tables keep to reader version 1 and writer version 2 of the Delta protocol, without deletion vectors and
//! column mapping, so that any engine reads them.
//!
//! The crate refuses to read a clock or draw ids, to follow a store option that gives up atomic commits, and
//! to write checkpoints or clean up the log inside a commit.

mod commit;
mod config;
mod context;
mod error;
mod file;
mod lake;
mod options;
mod read;
mod reader;
mod stage;
mod table;

pub use commit::{CommitInfo, CommitLog, CommitOutcome, TableCommit, Unconfirmed, commit_to};
pub use config::LakeConfig;
pub use error::LakeError;
pub use file::DataFile;
pub use lake::Lake;
pub use stage::{StagedFile, pick_rows};
pub use table::{Table, TableSpec};
