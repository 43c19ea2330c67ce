//! Context objects for the processor, from the lake.

use modellane_lake::Lake;
use modellane_processor::ContextObjects;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Reads objects of a lake.
pub(crate) struct LakeObjects(pub(crate) Arc<Lake>);

impl ContextObjects for LakeObjects {
    fn get<'a>(
        &'a self,
        hash: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>> {
        Box::pin(async move {
            self.0.get_context(hash).await.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
        })
    }
}
