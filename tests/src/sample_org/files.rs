//! The files of the folder, in memory until they are all known.

use anyhow::{Context, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// First line of the README, by which a folder of the generator's is known again.
pub(crate) const MARK: &str = "# Northwind Robotics: a sample organisation";

/// File contents by path, with `/` between folders.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Adds a text as it is.
    pub(crate) fn text(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.insert(path.into(), text.into().into_bytes());
    }

    /// Adds one compact JSON document.
    pub(crate) fn json(&mut self, path: impl Into<String>, document: &impl Serialize) {
        self.0.insert(path.into(), line(document));
    }

    /// Adds one JSON document a line; nothing at all for no documents, as no vendor sends an empty file.
    pub(crate) fn lines(&mut self, path: impl Into<String>, documents: &[impl Serialize]) {
        if !documents.is_empty() {
            self.0.insert(path.into(), documents.iter().flat_map(line).collect());
        }
    }

    /// Paths and contents in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Writes the folder and removes files of an earlier run. Refuses a folder that holds anything else.
    pub fn write_to(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.is_dir() && folder.read_dir()?.next().is_some() {
            let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
            ensure!(
                readme.starts_with(MARK),
                "{} holds other files; choose an empty folder",
                folder.display()
            );
            std::fs::remove_dir_all(folder)?;
        }
        for (path, bytes) in self.iter() {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Reads a folder back, to compare.
    pub fn read_from(folder: &Path) -> anyhow::Result<Self> {
        let mut files = Self::default();
        let mut open = vec![folder.to_path_buf()];
        while let Some(next) = open.pop() {
            for entry in next.read_dir().with_context(|| next.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let parts: Vec<_> = path
                    .strip_prefix(folder)?
                    .components()
                    .map(|c| c.as_os_str().to_string_lossy())
                    .collect();
                files.0.insert(parts.join("/"), std::fs::read(&path)?);
            }
        }
        Ok(files)
    }
}

fn line(document: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(document).expect("the generator's documents are JSON");
    bytes.push(b'\n');
    bytes
}
