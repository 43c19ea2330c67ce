//! The two shapes in which records leave the process: Avro messages for topics, Arrow batches for files.
//!
//! [`AvroCodec`] turns the vocabulary into single-object Avro and back, by the files in `schemas/avro/`,
//! which are embedded, so that code and files cannot drift apart. The batch builders turn it into the
//! columns of the lake's tables, which stand in one list each.
//!
//! The crate refuses to do input or output, to read bytes whose schema it does not embed, and to repeat a
//! value in an error.

mod avro;
mod columns;
mod error;
mod fetches;
mod intents;
mod ledger;
mod rejects;
mod teams;

pub use avro::{
    AvroCodec, CodecError, JudgedEncoder, SCHEMA_FILES, SchemaFile, UsageMessage, context_codec, fetch_codec,
    intent_codec, judged_codec, reject_codec, usage_codec, wire,
};
pub use error::BatchError;
pub use fetches::{FetchBatchBuilder, fetches_schema};
pub use intents::{IntentBatchBuilder, intents_schema};
pub use ledger::{EVIDENCE_COLUMNS, LedgerBatchBuilder, ledger_schema, reinstated_rows, reversal_rows};
pub use rejects::{RejectBatchBuilder, rejects_schema};
pub use teams::{TeamBatchBuilder, TeamRow, teams_schema};
