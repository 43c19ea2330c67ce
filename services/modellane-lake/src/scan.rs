//! Reading a file from its beginning to its end, without holding it.

use crate::{DataFile, LakeError, Table};
use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::file::statistics::Statistics;
use std::ops::RangeInclusive;

const ACTION: &str = "read a file";

/// Batches of rows, one after another.
pub type RowStream<'a> = BoxStream<'a, Result<RecordBatch, LakeError>>;

impl Table {
    /// Streams the named columns of a file in the order of its rows, at most `batch_rows` at a time, in the
    /// table's types. A column that the file was written without is null. One row group of the file is held at
    /// a time.
    pub async fn scan<'a>(
        &'a self,
        file: &'a DataFile,
        columns: &[&str],
        batch_rows: usize,
    ) -> Result<RowStream<'a>, LakeError> {
        let schema = self.projected(columns)?;
        let stream = self.open_file(file, false).await?;
        let mask = ProjectionMask::columns(stream.parquet_schema(), columns.iter().copied());
        let parquet = |error| LakeError::parquet(ACTION, error);
        let stream = stream.with_projection(mask).with_batch_size(batch_rows).build().map_err(parquet)?;
        let conformed = stream
            .map_err(parquet)
            .and_then(move |batch| std::future::ready(self.conform(&batch, &schema, file)));
        Ok(conformed.boxed())
    }

    /// Least and greatest value of a column of whole numbers or times, as the file's footer states them; null
    /// if it does not, which says nothing about the rows.
    pub async fn span(
        &self,
        file: &DataFile,
        column: &str,
    ) -> Result<Option<RangeInclusive<i64>>, LakeError> {
        let opened = self.open_file(file, false).await?;
        let leaf = opened.parquet_schema().columns().iter().position(|leaf| leaf.path().string() == column);
        let Some(leaf) = leaf else { return Ok(None) };
        let mut span: Option<RangeInclusive<i64>> = None;
        for group in opened.metadata().row_groups() {
            let Some(Statistics::Int64(stated)) = group.column(leaf).statistics() else { return Ok(None) };
            let (Some(min), Some(max)) = (stated.min_opt(), stated.max_opt()) else { return Ok(None) };
            span = Some(match span {
                Some(span) => *span.start().min(min)..=*span.end().max(max),
                None => *min..=*max,
            });
        }
        Ok(span)
    }

    /// Names of all columns, in order.
    pub fn column_names(&self) -> Vec<&str> {
        self.spec.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }
}
