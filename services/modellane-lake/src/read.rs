//! Reading rows of data files.

use crate::file_cache::CachedFile;
use crate::reader::ObjectReader;
use crate::{DataFile, LakeError, Table};
use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{Schema, SchemaRef};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use std::sync::Arc;

const ACTION: &str = "read a file";
const BATCH_ROWS: usize = 64 * 1024;

impl Table {
    /// Reads the named columns of a file as one batch in the table's types, the partition column included if
    /// it is named. `rows`, strictly increasing, picks rows; null reads all of them. A column that the file
    /// was written without is null.
    pub async fn read_columns(
        &self,
        file: &DataFile,
        columns: &[&str],
        rows: Option<&[u32]>,
    ) -> Result<RecordBatch, LakeError> {
        let schema = self.projected(columns)?;
        let parquet = |error| LakeError::parquet(ACTION, error);
        let mut stream = self.open_file(file, rows.is_some()).await?;
        let mask = ProjectionMask::columns(stream.parquet_schema(), columns.iter().copied());
        if let Some(rows) = rows {
            let total = usize::try_from(stream.metadata().file_metadata().num_rows()).unwrap_or(0);
            let ranges = rows.iter().map(|row| *row as usize..*row as usize + 1);
            stream = stream.with_row_selection(RowSelection::from_consecutive_ranges(ranges, total));
        }
        let batches: Vec<RecordBatch> = stream
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(parquet)?
            .map_err(parquet)
            .and_then(|batch| std::future::ready(self.conform(&batch, &schema, file)))
            .try_collect()
            .await?;
        concat_batches(&schema, &batches).map_err(|error| LakeError::arrow(ACTION, error))
    }

    /// Reads whole rows, all columns in the table's order.
    pub async fn read_rows(&self, file: &DataFile, rows: &[u32]) -> Result<RecordBatch, LakeError> {
        let names: Vec<&str> = self.spec.schema.fields().iter().map(|f| f.name().as_str()).collect();
        self.read_columns(file, &names, Some(rows)).await
    }

    pub(crate) async fn open_file(
        &self,
        file: &DataFile,
        page_offsets: bool,
    ) -> Result<ParquetRecordBatchStreamBuilder<ObjectReader>, LakeError> {
        let reader = ObjectReader {
            store: self.delta.object_store(),
            path: Path::from(file.path.as_str()),
            size: file.size,
            page_offsets,
            cached: self.cached(file, page_offsets).await?,
        };
        // The table's types stand, whatever types the writer of the file named in its metadata.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        ParquetRecordBatchStreamBuilder::new_with_options(reader, options)
            .await
            .map_err(|error| LakeError::parquet(ACTION, error))
    }

    /// The file as it is kept in memory, if it is. One that only some rows are wanted of is kept from now on: who
    /// looks up some will look up others.
    async fn cached(&self, file: &DataFile, some_rows: bool) -> Result<Option<Arc<CachedFile>>, LakeError> {
        let Some(cache) = &self.file_cache else { return Ok(None) };
        if let Some(kept) = cache.get(&file.path) {
            return Ok(Some(kept));
        }
        if !some_rows || !cache.takes(file.size) {
            return Ok(None);
        }
        let whole = self.delta.object_store().get(&Path::from(file.path.as_str())).await;
        let whole = whole.map_err(|error| LakeError::store(ACTION, error))?;
        let bytes = whole.bytes().await.map_err(|error| LakeError::store(ACTION, error))?;
        // Reading of a file that is not what the log says will say what is wrong with it.
        Ok((bytes.len() as u64 == file.size).then(|| cache.keep(&file.path, bytes)))
    }

    pub(crate) fn projected(&self, columns: &[&str]) -> Result<SchemaRef, LakeError> {
        let field = |name: &&str| self.spec.schema.field_with_name(name).cloned();
        let fields: Result<Vec<_>, _> = columns.iter().map(field).collect();
        Ok(Arc::new(Schema::new(fields.map_err(|error| LakeError::arrow(ACTION, error))?)))
    }

    pub(crate) fn conform(
        &self,
        batch: &RecordBatch,
        schema: &SchemaRef,
        file: &DataFile,
    ) -> Result<RecordBatch, LakeError> {
        let rows = batch.num_rows();
        let column = |field: &Arc<arrow::datatypes::Field>| -> Result<ArrayRef, arrow::error::ArrowError> {
            if Some(field.name().as_str()) == self.spec.partition {
                let value: ArrayRef = Arc::new(StringArray::from(vec![file.partition.as_deref(); rows]));
                return cast(&value, field.data_type());
            }
            match batch.column_by_name(field.name()) {
                Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
                Some(column) => cast(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), rows)),
            }
        };
        let columns: Result<Vec<_>, _> = schema.fields().iter().map(column).collect();
        let conformed = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(schema), columns));
        conformed.map_err(|error| LakeError::arrow(ACTION, error))
    }
}
