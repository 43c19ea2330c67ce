//! What is exported, day by day.

use crate::MaintenanceError;
use crate::sums::Sums;
use bytes::Bytes;
use modellane_event::Date;
use modellane_lake::{Lake, LakeObject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Directory of the exported files, below the lake's root.
pub(crate) const EXPORTS: &str = "exports/usage_ledger";
/// Directory of the manifests. Not among the files: whoever globs `exports/` gets Parquet alone.
const MANIFESTS: &str = "manifests/usage_ledger";

/// An exported file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedFile {
    /// Path below the lake's root.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// Entries.
    pub rows: u64,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub blake3: String,
}

/// What was exported of one day. Written once, after the day's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The table.
    pub table: String,
    /// The day, `YYYY-MM-DD`, by `recorded_at`.
    pub recorded_date: String,
    /// A version of the table that holds all entries of the day.
    pub table_version: u64,
    /// The day's file; none if nothing was recorded.
    pub files: Vec<ExportedFile>,
    /// All entries of the day.
    pub total: Sums,
    /// The same by `event_date`.
    pub event_dates: BTreeMap<String, Sums>,
    /// A hash of the entries that depends neither on their order nor on the file: each row hashed, all hashes
    /// added up. In hexadecimal.
    pub entries_hash: String,
}

/// Where a day's file is.
pub(crate) fn file_path(day: Date) -> String {
    format!("{EXPORTS}/recorded_date={day}/usage_ledger-{day}.parquet")
}

fn manifest_path(day: Date) -> String {
    format!("{MANIFESTS}/recorded_date={day}.json")
}

impl Manifest {
    /// Its day.
    pub(crate) fn day(&self) -> Result<Date, MaintenanceError> {
        Date::parse(&self.recorded_date)
            .map_err(|_| MaintenanceError::Unreadable { path: MANIFESTS.to_owned() })
    }

    /// Whether its total is that of its dates, and its rows are those of its files.
    pub(crate) fn adds_up(&self) -> bool {
        let rows: u64 = self.files.iter().map(|file| file.rows).sum();
        self.total == Sums::of_all(self.event_dates.values()) && self.total.rows == rows
    }

    /// Writes it, unless the day has one.
    pub(crate) async fn store(&self, lake: &Lake) -> Result<(), MaintenanceError> {
        let path = manifest_path(self.day()?);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|_| MaintenanceError::Damaged("a manifest cannot be written as JSON".to_owned()))?;
        lake.put_new(&path, Bytes::from(text)).await?;
        Ok(())
    }

    async fn load(lake: &Lake, object: &LakeObject) -> Result<Self, MaintenanceError> {
        let unreadable = || MaintenanceError::Unreadable { path: object.path.clone() };
        let content = lake.get_object(&object.path).await?.ok_or_else(unreadable)?;
        serde_json::from_slice(&content).map_err(|_| unreadable())
    }
}

/// The last day that has a manifest; null if none has.
pub(crate) async fn last_day(lake: &Lake) -> Result<Option<Date>, MaintenanceError> {
    let objects = lake.list_objects(MANIFESTS).await?;
    Ok(objects.iter().filter_map(|object| day_of(&object.path)).max())
}

/// Every manifest, by day.
pub(crate) async fn manifests(lake: &Lake) -> Result<BTreeMap<Date, Manifest>, MaintenanceError> {
    let mut manifests = BTreeMap::new();
    for object in lake.list_objects(MANIFESTS).await? {
        if let Some(day) = day_of(&object.path) {
            manifests.insert(day, Manifest::load(lake, &object).await?);
        }
    }
    Ok(manifests)
}

fn day_of(path: &str) -> Option<Date> {
    let name = path.rsplit('/').next()?;
    Date::parse(name.strip_prefix("recorded_date=")?.strip_suffix(".json")?).ok()
}
