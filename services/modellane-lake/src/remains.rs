//! What cut-off uploads leave on a local disk. Other stores keep parts of an upload out of sight and clear them
//! away by a rule of the bucket.

use crate::{Lake, LakeError};
use modellane_event::UtcTime;
use std::fs::{DirEntry, read_dir, remove_file};
use std::io::{ErrorKind, Result};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

impl Lake {
    /// Removes Parquet files below a directory of a local lake whose upload was cut off before the given time;
    /// says how many. Does nothing on other stores.
    pub async fn remove_remains(
        &self,
        directory: &str,
        before: UtcTime,
    ) -> std::result::Result<u64, LakeError> {
        const ACTION: &str = "remove what a cut-off upload left";
        let root = (self.root().scheme() == "file").then(|| self.root().to_file_path());
        let Some(Ok(root)) = root else { return Ok(0) };
        let directory = root.join(directory);
        let removed = tokio::task::spawn_blocking(move || remove_below(&directory, before)).await;
        match removed {
            Ok(removed) => removed.map_err(|error| LakeError::io(ACTION, error)),
            Err(broken) => {
                Err(LakeError::Damaged { action: ACTION, detail: format!("it stopped: {broken}") })
            }
        }
    }
}

fn remove_below(directory: &Path, before: UtcTime) -> Result<u64> {
    let entries = match read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            removed += remove_below(&entry.path(), before)?;
        } else if is_remains(&entry) && is_older(entry.metadata()?.modified()?, before) {
            match remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => removed += 1,
            }
        }
    }
    Ok(removed)
}

/// The store writes to the file's name with a number behind it and gives it its own name at the end.
fn is_remains(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let number = name.to_str().and_then(|name| name.split_once(".parquet#")).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_older(modified: SystemTime, before: UtcTime) -> bool {
    let micros = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    i64::try_from(micros).is_ok_and(|micros| micros < before.micros())
}
