//! Writing data files, before the commit that makes them part of the table.

use crate::{DataFile, LakeError, Table, TableSpec};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use modellane_event::UtcTime;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Rows of a row group: enough to compress well, few enough for readers to skip.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// A file that is written and belongs to no version yet. If it is never committed, it is an orphan that
/// maintenance removes.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// The file.
    pub file: DataFile,
    /// For each row of the file the row of the batch that was given.
    pub order: Vec<u32>,
    pub(crate) stats: String,
    pub(crate) staged_at: UtcTime,
}

impl Table {
    /// Sorts and writes the rows of one partition as one file. `partition` is null exactly if the table has
    /// no partition column; the column itself may be in the batch and is left out. `id` makes the name unique.
    pub async fn stage(
        &self,
        partition: Option<&str>,
        batch: RecordBatch,
        id: Uuid,
        now: UtcTime,
    ) -> Result<StagedFile, LakeError> {
        let schema = self.spec.file_schema();
        let spec = Arc::clone(&self.spec);
        let written = tokio::task::spawn_blocking(move || encode(&batch, &schema, &spec)).await;
        let (bytes, order, stats) = written.map_err(|error| LakeError::Damaged {
            action: "write a file",
            detail: format!("the writer stopped: {error}"),
        })??;

        let name = format!("part-{id}.zstd.parquet");
        let path = match (self.spec.partition, partition) {
            (Some(column), Some(value)) => format!("{column}={value}/{name}"),
            _ => name,
        };
        let file = DataFile {
            path,
            size: bytes.len() as u64,
            partition: partition.map(str::to_owned),
            rows: Some(order.len()),
        };
        let store = self.delta.object_store();
        store
            .put(&Path::from(file.path.as_str()), bytes.into())
            .await
            .map_err(|error| LakeError::store("write a file", error))?;
        Ok(StagedFile { file, order, stats, staged_at: now })
    }
}

fn encode(
    batch: &RecordBatch,
    schema: &SchemaRef,
    spec: &TableSpec,
) -> Result<(Bytes, Vec<u32>, String), LakeError> {
    const ACTION: &str = "write a file";
    let arrow = |error| LakeError::arrow(ACTION, error);
    let columns: Vec<usize> = schema
        .fields()
        .iter()
        .map(|f| batch.schema().index_of(f.name()))
        .collect::<Result<_, _>>()
        .map_err(arrow)?;
    let batch = batch.project(&columns).map_err(arrow)?;
    let order = sorted(&batch, spec.sort).map_err(arrow)?;
    let batch = take_record_batch(&batch, &order).map_err(arrow)?;
    let stats = statistics(&batch);

    let mut bytes = Vec::new();
    let mut write = || {
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties(spec)?))?;
        writer.write(&batch)?;
        writer.close()
    };
    write().map_err(|error| LakeError::parquet(ACTION, error))?;
    Ok((bytes.into(), order.values().to_vec(), stats))
}

fn sorted(batch: &RecordBatch, sort: &[&str]) -> Result<UInt32Array, arrow::error::ArrowError> {
    let column = |name: &&str| {
        batch.column_by_name(name).map(|values| SortColumn { values: values.clone(), options: None })
    };
    let columns: Vec<_> = sort.iter().filter_map(column).collect();
    if columns.is_empty() {
        return Ok(UInt32Array::from_iter_values(0..batch.num_rows() as u32));
    }
    lexsort_to_indices(&columns, None)
}

fn properties(spec: &TableSpec) -> parquet::errors::Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for column in spec.unique {
        let column = ColumnPath::from(*column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::Chunk);
    }
    Ok(properties.build())
}

/// What the log says of a file: its rows, and no spans of values. A reader of the `deltalake` package takes
/// a column without a span, where others have one, for a column without values and leaves every row out; the
/// spans stand in the files' own footers, which all readers use.
fn statistics(batch: &RecordBatch) -> String {
    json!({ "numRecords": batch.num_rows() }).to_string()
}

#[cfg(test)]
mod tests;
