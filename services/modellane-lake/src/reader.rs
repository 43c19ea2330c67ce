//! Byte ranges of one object, for the Parquet reader.

use crate::file_cache::CachedFile;
use bytes::Bytes;
use futures::FutureExt;
use futures::TryFutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use std::future::ready;
use std::ops::Range;
use std::sync::Arc;

/// Most footers fit into this much of a file's end, which saves a request.
const FOOTER_BYTES: usize = 64 * 1024;

/// An object of known size.
pub(crate) struct ObjectReader {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) size: u64,
    /// Whether to read where pages are, which pays if few rows are wanted.
    pub(crate) page_offsets: bool,
    /// The object itself, if it is in memory.
    pub(crate) cached: Option<Arc<CachedFile>>,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Bytes of an object that is in memory.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Result<Bytes> {
    let place = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (place(range.start), place(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => Err(ParquetError::EOF(format!("the file ends before byte {}", range.end))),
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        match &self.cached {
            Some(file) => ready(slice(&file.bytes, &range)).boxed(),
            None => self.store.get_range(&self.path, range).map_err(external).boxed(),
        }
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        match &self.cached {
            Some(file) => ready(ranges.iter().map(|range| slice(&file.bytes, range)).collect()).boxed(),
            None => async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed(),
        }
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let cached = self.cached.clone();
        if let Some(metadata) = cached.as_ref().and_then(|file| file.metadata.get()) {
            return ready(Ok(Arc::clone(metadata))).boxed();
        }
        let options = options.map(|options| options.metadata_options().clone());
        let reader = ParquetMetaDataReader::new()
            .with_metadata_options(options)
            // What is kept serves every reader.
            .with_offset_index_policy(PageIndexPolicy::from(self.page_offsets || cached.is_some()))
            .with_prefetch_hint(Some(FOOTER_BYTES));
        let size = self.size;
        let load = async move {
            let metadata = reader.load_and_finish(self, size).await.map(Arc::new)?;
            Ok(match &cached {
                Some(file) => Arc::clone(file.metadata.get_or_init(|| metadata)),
                None => metadata,
            })
        };
        load.boxed()
    }
}
