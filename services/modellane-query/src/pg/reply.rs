//! Answers in the form of the wire.

use crate::QueryError;
use crate::limits::{Patience, RowLimit, limited};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion_postgres::arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use futures::{StreamExt, stream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::types::format::FormatOptions;
use std::sync::Arc;

impl From<QueryError> for PgWireError {
    fn from(error: QueryError) -> Self {
        let info = ErrorInfo::new("ERROR".to_owned(), error.sqlstate().to_owned(), error.to_string());
        Self::UserError(Box::new(info))
    }
}

/// Rows as they come, within the limits. Decimals are written digit by digit, never through a float.
pub(super) fn rows(
    schema: &SchemaRef,
    batches: SendableRecordBatchStream,
    patience: Patience,
    limit: RowLimit,
    format: &Format,
    options: FormatOptions,
) -> PgWireResult<QueryResponse> {
    let fields = Arc::new(arrow_schema_to_pg_fields(schema, format, Some(Arc::new(options)))?);
    let row_fields = Arc::clone(&fields);
    let rows = limited(batches, patience, limit).flat_map(move |batch| match batch {
        Ok(batch) => stream::iter(encode_recordbatch(Arc::clone(&row_fields), batch).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error.into())]),
    });
    Ok(QueryResponse::new(fields, rows))
}

/// The one row of a `SHOW`.
pub(super) fn show(name: &str, value: &str) -> PgWireResult<QueryResponse> {
    let field = FieldInfo::new(name.to_owned(), None, None, Type::TEXT, FieldFormat::Text);
    let fields = Arc::new(vec![field]);
    let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
    encoder.encode_field(&Some(value))?;
    let row = Ok(encoder.take_row());
    let mut response = QueryResponse::new(fields, stream::iter([row]));
    response.set_command_tag("SHOW");
    Ok(response)
}
