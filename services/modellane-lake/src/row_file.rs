//! Writing one Parquet file batch by batch, without holding it.

use crate::LakeError;
use crate::stage::properties;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::{ParquetError, Result as ParquetResult};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

const ACTION: &str = "write a file";

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub hash: String,
}

/// A Parquet file that becomes visible, whole, when it is finished. Rows stay in the order in which they are
/// written. One row group is held at a time.
pub struct RowFile {
    writer: AsyncArrowWriter<Upload>,
    rows: u64,
}

impl RowFile {
    pub(crate) fn create(
        store: Arc<dyn ObjectStore>,
        path: &Path,
        schema: SchemaRef,
        unique: &[&str],
    ) -> Result<Self, LakeError> {
        let parquet = |error| LakeError::parquet(ACTION, error);
        let writer = BufWriter::new(store, path.clone()).with_max_concurrency(2);
        let upload = Upload { writer, bytes: 0, hash: blake3::Hasher::new() };
        let properties = properties(unique).map_err(parquet)?;
        let writer = AsyncArrowWriter::try_new(upload, schema, Some(properties)).map_err(parquet)?;
        Ok(Self { writer, rows: 0 })
    }

    /// Writes rows.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).await.map_err(|error| LakeError::parquet(ACTION, error))
    }

    /// Makes the file visible.
    pub async fn finish(mut self) -> Result<Written, LakeError> {
        self.writer.finish().await.map_err(|error| LakeError::parquet(ACTION, error))?;
        let upload = self.writer.into_inner();
        Ok(Written {
            bytes: upload.bytes,
            rows: self.rows,
            hash: upload.hash.finalize().to_hex().to_string(),
        })
    }

    /// Gives the file up; nothing becomes visible.
    pub async fn abandon(self) {
        // What is left of an upload is the store's to clear away; there is nobody to tell.
        let _ = self.writer.into_inner().writer.abort().await;
    }
}

/// Counts and hashes what goes by.
struct Upload {
    writer: BufWriter,
    bytes: u64,
    hash: blake3::Hasher,
}

impl AsyncFileWriter for Upload {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, ParquetResult<()>> {
        self.bytes += bytes.len() as u64;
        self.hash.update(&bytes);
        async { self.writer.put(bytes).await.map_err(|error| ParquetError::External(Box::new(error))) }
            .boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, ParquetResult<()>> {
        async { self.writer.shutdown().await.map_err(|error| ParquetError::External(Box::new(error))) }
            .boxed()
    }
}
