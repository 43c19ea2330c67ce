//! The tables that the sink owns.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use modellane_lake::TableSpec;
use modellane_schema::{fetches_schema, intents_schema, ledger_schema, rejects_schema};
use std::sync::Arc;

/// Signed entries.
pub const LEDGER_TABLE: &str = "usage_ledger";
/// Versions of intents.
pub const INTENTS_TABLE: &str = "intents";
/// Coordinates of what was not taken.
pub const REJECTS_TABLE: &str = "rejects";
/// What a vendor had of a scope whenever all of it was fetched.
pub const FETCHES_TABLE: &str = "fetches";
/// What was seen again without change; internal to the sink.
pub const OBSERVATIONS_TABLE: &str = "observations";

/// All of them, for whoever keeps them up.
pub fn tables() -> Vec<TableSpec> {
    vec![ledger_table(), observations(), intents(), rejects(), fetches()]
}

/// The ledger as a table: columns, partition and order of rows.
pub fn ledger_table() -> TableSpec {
    TableSpec {
        name: LEDGER_TABLE.to_owned(),
        schema: ledger_schema(),
        partition: Some("event_date"),
        sort: &["team", "period_start"],
        unique: &["event_id", "content_hash", "source_key", "request_key"],
    }
}

pub(crate) fn intents() -> TableSpec {
    TableSpec {
        name: INTENTS_TABLE.to_owned(),
        schema: intents_schema(),
        partition: Some("started_date"),
        sort: &["started_at"],
        unique: &["intent_id"],
    }
}

pub(crate) fn rejects() -> TableSpec {
    TableSpec {
        name: REJECTS_TABLE.to_owned(),
        schema: rejects_schema(),
        partition: Some("recorded_date"),
        sort: &["source", "recorded_at"],
        unique: &["reject_id"],
    }
}

/// By day of the fetch, so that a fetch of many scopes is one file.
pub(crate) fn fetches() -> TableSpec {
    TableSpec {
        name: FETCHES_TABLE.to_owned(),
        schema: fetches_schema(),
        partition: Some("observed_date"),
        sort: &["source", "scope_key", "fetch_id", "chunk"],
        unique: &["event_ids"],
    }
}

/// `entry_settle_run` and `entry_context_version` name the judgement that an observation was compared with,
/// so that it stays true when the event gets another entry.
pub(crate) fn observations() -> TableSpec {
    TableSpec {
        name: OBSERVATIONS_TABLE.to_owned(),
        schema: observations_schema(),
        partition: Some("event_date"),
        sort: &["event_id"],
        unique: &["event_id", "content_hash"],
    }
}

fn observations_schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("event_id", DataType::Binary, false),
        Field::new("content_hash", DataType::Binary, false),
        Field::new("observed_at", time, false),
        Field::new("entry_settle_run", DataType::Int32, false),
        Field::new("entry_context_version", DataType::Int64, false),
        Field::new("settle_run", DataType::Int32, false),
        Field::new("context_version", DataType::Int64, false),
        Field::new("event_date", DataType::Date32, false),
    ]))
}
