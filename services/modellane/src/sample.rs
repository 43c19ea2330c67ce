//! The bundled sample organisation.

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use std::path::{Path, PathBuf};

static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../deploy/demo");

/// Unpacks the sample into the data directory, once.
pub(crate) fn unpack(data_dir: &Path) -> Result<PathBuf> {
    let target = data_dir.join("sample-organisation");
    if !target.exists() {
        let staged = data_dir.join("sample-organisation.new");
        std::fs::create_dir_all(&staged)
            .and_then(|()| SAMPLE.extract(&staged))
            .and_then(|()| std::fs::rename(&staged, &target))
            .with_context(|| format!("cannot unpack the sample organisation into {}", target.display()))?;
    }
    Ok(target)
}
