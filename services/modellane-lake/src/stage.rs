//! Writing data files, before the commit that makes them part of the table.

use crate::{DataFile, LakeError, Table, TableSpec};
use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat, interleave_record_batch, lexsort_to_indices};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use modellane_event::UtcTime;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::sync::Arc;
use uuid::Uuid;

/// Rows of a row group: enough to compress well, few enough for readers to skip.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Rows that are put in order at a time. All at once would be a second copy of everything that is written.
const SORTED_ROWS: usize = 8 * 1024;

/// A file that is written and belongs to no version yet. If it is never committed, it is an orphan that
/// maintenance removes.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// The file.
    pub file: DataFile,
    /// For each row of the file the row that was given, counted through all batches.
    pub order: Vec<u32>,
    /// When it was written.
    pub staged_at: UtcTime,
}

impl Table {
    /// Sorts and writes the rows of one partition as one file. `partition` is null exactly if the table has
    /// no partition column; the column itself may be in the batches and is left out. `id` makes the name unique.
    pub async fn stage(
        &self,
        partition: Option<&str>,
        batches: Vec<RecordBatch>,
        id: Uuid,
        now: UtcTime,
    ) -> Result<StagedFile, LakeError> {
        let schema = self.spec.file_schema();
        let spec = Arc::clone(&self.spec);
        let written = tokio::task::spawn_blocking(move || encode(&batches, &schema, &spec)).await;
        let (bytes, order) = written.map_err(|error| LakeError::Damaged {
            action: "write a file",
            detail: format!("the writer stopped: {error}"),
        })??;

        let file = DataFile {
            path: self.new_path(partition, id),
            size: bytes.len() as u64,
            partition: partition.map(str::to_owned),
            rows: Some(order.len()),
        };
        let store = self.delta.object_store();
        store
            .put(&Path::from(file.path.as_str()), bytes.clone().into())
            .await
            .map_err(|error| LakeError::store("write a file", error))?;
        if let Some(cache) = &self.file_cache {
            cache.keep(&file.path, bytes);
        }
        Ok(StagedFile { file, order, staged_at: now })
    }

    /// Where a new file of a partition goes.
    pub(crate) fn new_path(&self, partition: Option<&str>, id: Uuid) -> String {
        let name = format!("part-{id}.zstd.parquet");
        match (self.spec.partition, partition) {
            (Some(column), Some(value)) => format!("{column}={value}/{name}"),
            _ => name,
        }
    }
}

fn encode(
    batches: &[RecordBatch],
    schema: &SchemaRef,
    spec: &TableSpec,
) -> Result<(Bytes, Vec<u32>), LakeError> {
    const ACTION: &str = "write a file";
    let arrow = |error| LakeError::arrow(ACTION, error);
    let batches: Vec<RecordBatch> =
        batches.iter().map(|batch| projected(batch, schema)).collect::<Result<_, _>>().map_err(arrow)?;
    let order = sorted(&batches, spec.sort).map_err(arrow)?;
    let schema = batches.first().map_or_else(|| SchemaRef::clone(schema), RecordBatch::schema);

    let mut bytes = Vec::new();
    let write = || {
        let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties(spec.unique)?))?;
        for rows in order.values().chunks(SORTED_ROWS) {
            writer.write(&pick_rows(&batches, rows)?)?;
        }
        writer.close()
    };
    write().map_err(|error| LakeError::parquet(ACTION, error))?;
    Ok((bytes.into(), order.values().to_vec()))
}

/// The columns that a file holds.
fn projected(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let index = |name: &String| batch.schema().index_of(name);
    let columns = schema.fields().iter().map(|field| index(field.name())).collect::<Result<Vec<_>, _>>()?;
    batch.project(&columns)
}

/// The rows of all batches, counted through, in the order of the sort columns.
fn sorted(batches: &[RecordBatch], sort: &[&str]) -> Result<UInt32Array, ArrowError> {
    let mut columns = Vec::with_capacity(sort.len());
    for name in sort {
        let parts: Vec<&dyn Array> =
            batches.iter().filter_map(|batch| Some(batch.column_by_name(name)?.as_ref())).collect();
        if !parts.is_empty() {
            columns.push(SortColumn { values: concat(&parts)?, options: None });
        }
    }
    if columns.is_empty() {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        return Ok(UInt32Array::from_iter_values(0..rows as u32));
    }
    lexsort_to_indices(&columns, None)
}

/// Some of the rows of all batches, which are counted through.
pub fn pick_rows(batches: &[RecordBatch], rows: &[u32]) -> Result<RecordBatch, ArrowError> {
    let mut rows_before = Vec::with_capacity(batches.len());
    let mut rows_so_far = 0;
    for batch in batches {
        rows_before.push(rows_so_far);
        rows_so_far += batch.num_rows();
    }
    let place = |row: &u32| {
        let row = *row as usize;
        let batch = rows_before.partition_point(|before| *before <= row) - 1;
        (batch, row - rows_before[batch])
    };
    let places: Vec<_> = rows.iter().map(place).collect();
    interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &places)
}

pub(crate) fn properties(unique: &[&str]) -> parquet::errors::Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for column in unique {
        let column = ColumnPath::from(*column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::Chunk);
    }
    Ok(properties.build())
}

#[cfg(test)]
mod tests;
