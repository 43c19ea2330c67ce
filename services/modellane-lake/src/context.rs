//! Context objects: immutable, named by their content.

use crate::{Lake, LakeError};
use bytes::Bytes;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

impl Lake {
    /// Stores an object and returns its name, the BLAKE3 hash of its content in hexadecimal. Storing the same
    /// content again does nothing.
    pub async fn put_context(&self, content: Bytes) -> Result<String, LakeError> {
        let hash = blake3::hash(&content).to_hex().to_string();
        let path = Self::path(&["context", &hash]);
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects().put_opts(&path, content.into(), create).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(hash),
            Err(error) => Err(LakeError::store("store a context object", error)),
        }
    }

    /// Reads an object back and checks that it is the one that was stored.
    pub async fn get_context(&self, hash: &str) -> Result<Bytes, LakeError> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let missing = || LakeError::Missing { what: "a context object".to_owned() };
        if !is_hash {
            return Err(missing());
        }
        let path = Self::path(&["context", hash]);
        let read = async { self.objects().get(&path).await?.bytes().await };
        let content = match read.await {
            Ok(content) => content,
            Err(object_store::Error::NotFound { .. }) => return Err(missing()),
            Err(error) => return Err(LakeError::store("read a context object", error)),
        };
        if blake3::hash(&content).to_hex().as_str() != hash {
            return Err(LakeError::Damaged {
                action: "read a context object",
                detail: format!("the content of {hash} has changed; restore it from a backup"),
            });
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests;
