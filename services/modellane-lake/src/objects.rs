//! Objects beside the tables: exported Parquet files and small documents. Each is written once.

use crate::row_file::RowFile;
use crate::scan::RowStream;
use crate::{Lake, LakeError};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use std::sync::Arc;

use crate::reader::ObjectReader;

const BATCH_ROWS: usize = 8_192;

/// An object below the lake's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeObject {
    /// Path below the root.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

impl Lake {
    /// Stores an object unless there is one; says whether it did.
    pub async fn put_new(&self, path: &str, content: Bytes) -> Result<bool, LakeError> {
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects().put_opts(&Path::from(path), content.into(), create).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(LakeError::store("store an object", error)),
        }
    }

    /// Reads an object; null if there is none.
    pub async fn get_object(&self, path: &str) -> Result<Option<Bytes>, LakeError> {
        let path = Path::from(path);
        let read = async { self.objects().get(&path).await?.bytes().await };
        match read.await {
            Ok(content) => Ok(Some(content)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(LakeError::store("read an object", error)),
        }
    }

    /// All objects below a directory, in the order of their paths.
    pub async fn list_objects(&self, directory: &str) -> Result<Vec<LakeObject>, LakeError> {
        let directory = Path::from(directory);
        let listed = self
            .objects()
            .list(Some(&directory))
            .map_ok(|object| LakeObject { path: object.location.to_string(), size: object.size });
        let mut objects: Vec<LakeObject> =
            listed.try_collect().await.map_err(|error| LakeError::store("list objects", error))?;
        objects.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(objects)
    }

    /// BLAKE3 of an object's bytes, in hexadecimal, without holding them.
    pub async fn object_hash(&self, path: &str) -> Result<String, LakeError> {
        const ACTION: &str = "read an object";
        let store = |error| LakeError::store(ACTION, error);
        let mut chunks = self.objects().get(&Path::from(path)).await.map_err(store)?.into_stream();
        let mut hash = blake3::Hasher::new();
        while let Some(chunk) = chunks.try_next().await.map_err(store)? {
            hash.update(&chunk);
        }
        Ok(hash.finalize().to_hex().to_string())
    }

    /// Begins a Parquet file of these columns. `unique` names columns whose values hardly repeat. The caller
    /// makes sure that nothing is there.
    pub fn row_file(&self, path: &str, schema: SchemaRef, unique: &[&str]) -> Result<RowFile, LakeError> {
        RowFile::create(self.shared_objects(), &Path::from(path), schema, unique)
    }

    /// Streams the rows of a Parquet file that [`Lake::row_file`] wrote with these columns.
    pub async fn read_row_file(
        &self,
        object: &LakeObject,
        schema: &SchemaRef,
    ) -> Result<RowStream<'static>, LakeError> {
        const ACTION: &str = "read a file";
        let parquet = |error| LakeError::parquet(ACTION, error);
        let mut reader = ObjectReader {
            store: self.shared_objects(),
            path: Path::from(object.path.as_str()),
            size: object.size,
            page_offsets: false,
            cached: None,
        };
        let options = ArrowReaderOptions::new().with_schema(Arc::clone(schema));
        let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await.map_err(parquet)?;
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(parquet)?;
        Ok(stream.map_err(parquet).boxed())
    }
}
