//! The single owner of the ledger tables: reads the judged topic, decides signs, commits once.
//!
//! For each judged event the sink compares with the event's current version ([`modellane_ledger::decide`])
//! and writes the entries that follow, the next offset of each partition and its own epoch in one commit, on
//! the version of the table that it read. Offsets live in the tables alone. A sink that loses everything but
//! the tables goes on as if nothing had happened; two sinks cannot both commit.
//!
//! Intents and rejects go to tables of their own in the same way, without a decision. So do complete fetches;
//! the ledger holds its events against those that its table has ([`modellane_ledger::ScopeFetches`]) and
//! notes in the commit that does it how far in that table it has come.
//!
//! # What it refuses
//! - to read or commit offsets of a consumer group
//! - to go on where the log has lost what the table lacks, or has less than the table holds
//! - to commit after a sink with a higher epoch did
//! - to write a message that it cannot decode anywhere: coordinates, reason and length are all that is kept

mod append;
mod arrivals;
mod cadence;
mod columns;
mod config;
mod consumer;
mod error;
mod history;
mod index;
mod intents;
mod kafka;
mod ledger;
mod log;
mod owner;
mod progress;
mod reader;
mod reject;
mod row;
mod scopes;
mod sink;
mod stage;
mod standby;
mod store;
mod table;
mod writer;

pub use config::SinkConfig;
pub use error::SinkError;
pub use history::{History, HistoryCommit};
pub use index::{IndexFate, IndexHook};
pub use intents::StoredIntents;
pub use kafka::KafkaLog;
pub use ledger::JUDGEMENT_COLUMNS;
pub use log::{LogReader, LogRecord, PartitionBounds};
pub use owner::CommitReport;
pub use progress::{Progress, SinkHandle};
pub use reader::{Current, LedgerDay, LedgerReader};
pub use sink::{Sink, SinkLogs, SinkTables};
pub use stage::{Stage, StageHook};
pub use store::TableStore;
pub use table::{
    FETCHES_TABLE, INTENTS_TABLE, LEDGER_TABLE, OBSERVATIONS_TABLE, REJECTS_TABLE, ledger_table, tables,
};
