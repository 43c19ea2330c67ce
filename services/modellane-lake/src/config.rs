//! Where the lake is.

use crate::{LakeError, options};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use url::Url;

/// Where the lake is and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeConfig {
    /// A directory, or a URL such as `s3://bucket/lake`, `gs://…`, `az://…`, `file:///…`.
    pub url: String,
    /// Options of the store in the spelling of the `object_store` crate, such as `aws_region`. Credentials
    /// are better left to the environment.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl LakeConfig {
    /// A lake in a directory.
    pub fn directory(path: &Path) -> Self {
        Self { url: path.to_string_lossy().into_owned(), options: BTreeMap::new() }
    }

    /// Refuses options that the store does not know, and those that would give up atomic commits. Reads and
    /// creates nothing.
    pub fn check(&self) -> Result<(), LakeError> {
        self.refuse_unsafe_options()?;
        match self.parsed() {
            Some(url) => options::check(&url, &self.options),
            None => options::none(&self.options),
        }
    }

    /// The URL; null for a path. A one-letter scheme is a drive of Windows.
    fn parsed(&self) -> Option<Url> {
        Url::parse(&self.url).ok().filter(|url| url.scheme().len() > 1)
    }

    /// The root as a URL that ends with a slash. A directory is created if it is missing.
    pub(crate) fn root(&self) -> Result<Url, LakeError> {
        self.check()?;
        let mut url = match self.parsed() {
            Some(url) if url.scheme() == "file" => {
                let path = url.to_file_path().map_err(|()| LakeError::config("the path must be absolute"))?;
                directory_url(&path)?
            }
            Some(url) => url,
            None => directory_url(Path::new(&self.url))?,
        };
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }

    /// Stores whose "create only if absent" is not atomic would let two writers commit the same version.
    fn refuse_unsafe_options(&self) -> Result<(), LakeError> {
        for (key, value) in &self.options {
            let key = key.to_ascii_lowercase();
            if key.contains("unsafe_rename") {
                return Err(LakeError::config(
                    "aws_s3_allow_unsafe_rename is refused: commits would no longer be atomic; leave it out, \
                     conditional writes of the store are used instead",
                ));
            }
            if key.contains("conditional_put") && value.eq_ignore_ascii_case("disabled") {
                return Err(LakeError::config(
                    "conditional_put = disabled is refused: commits would no longer be atomic; use a store \
                     that supports conditional writes",
                ));
            }
        }
        Ok(())
    }
}

fn directory_url(path: &Path) -> Result<Url, LakeError> {
    std::fs::create_dir_all(path).map_err(|source| LakeError::io("create the lake directory", source))?;
    let path = path.canonicalize().map_err(|source| LakeError::io("open the lake directory", source))?;
    Url::from_directory_path(path).map_err(|()| LakeError::config("the path cannot be written as a URL"))
}

#[cfg(test)]
mod tests;
