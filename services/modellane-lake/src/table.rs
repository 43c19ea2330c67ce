//! One Delta table.

use crate::file_cache::FileCache;
use crate::{DataFile, LakeError};
use arrow::datatypes::{Schema, SchemaRef};
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError, TableProperty};
use futures::TryStreamExt;
use std::sync::Arc;

/// The application under which a table with an owner keeps the time of its newest commit, in microseconds. The
/// next commit's time is greater.
pub const RECORDED_AT: &str = "recorded_at";

/// What a table is.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its name, a directory below the lake's root.
    pub name: String,
    /// Its columns, the partition column included.
    pub schema: SchemaRef,
    /// The column whose values have directories of their own; null for small tables.
    pub partition: Option<&'static str>,
    /// Columns by which rows are sorted inside a file.
    pub sort: &'static [&'static str],
    /// Columns whose values hardly repeat, for which a dictionary only costs.
    pub unique: &'static [&'static str],
}

impl TableSpec {
    /// The columns that files hold: all but the partition column, whose value the path states.
    pub(crate) fn file_schema(&self) -> SchemaRef {
        let kept = self.schema.fields().iter().filter(|f| Some(f.name().as_str()) != self.partition);
        Arc::new(Schema::new(kept.cloned().collect::<Vec<_>>()))
    }
}

/// A table at one version. Reads are of that version until [`Table::refresh`] or a commit moves it.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) delta: DeltaTable,
    pub(crate) spec: Arc<TableSpec>,
    pub(crate) file_cache: Option<Arc<FileCache>>,
    version: u64,
}

impl Table {
    pub(crate) fn new(delta: DeltaTable, spec: TableSpec) -> Result<Self, LakeError> {
        let mut table = Self { delta, spec: Arc::new(spec), file_cache: None, version: 0 };
        table.note_version()?;
        Ok(table)
    }

    /// Creates the table. If another process does so at the same moment, its table stands.
    pub(crate) async fn create(delta: &DeltaTable, spec: &TableSpec) -> Result<(), LakeError> {
        const ACTION: &str = "create a table";
        let schema: StructType =
            spec.schema.as_ref().try_into_kernel().map_err(|error| LakeError::arrow(ACTION, error))?;
        let created = CreateBuilder::new()
            .with_log_store(delta.log_store())
            .with_table_name(&spec.name)
            .with_columns(schema.fields().cloned())
            .with_partition_columns(spec.partition)
            .with_configuration_property(TableProperty::LogRetentionDuration, Some("interval 7 days"))
            .with_save_mode(SaveMode::Ignore)
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(_) if delta.verify_deltatable_existence().await.unwrap_or(false) => Ok(()),
            Err(error) => Err(LakeError::delta(ACTION, error)),
        }
    }

    /// Keeps files of the table in this much memory, for who looks into the same files again and again. Files that
    /// are larger than a quarter of it are read from the store each time, and only as far as they are needed.
    #[must_use]
    pub fn with_file_cache(mut self, bytes: u64) -> Self {
        self.file_cache = Some(Arc::new(FileCache::new(bytes)));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it is.
    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// Its columns, the partition column included.
    pub fn schema(&self) -> &SchemaRef {
        &self.spec.schema
    }

    /// The version that reads see.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Moves to the newest version.
    pub async fn refresh(&mut self) -> Result<(), LakeError> {
        self.delta.update_state().await.map_err(|error| LakeError::delta("read a table's log", error))?;
        self.note_version()
    }

    pub(crate) fn note_version(&mut self) -> Result<(), LakeError> {
        self.version = self.delta.version().ok_or_else(|| not_loaded("read a table's log"))?;
        Ok(())
    }

    /// The files of this version, those of one partition if one is given.
    pub async fn files(&self, partition: Option<&str>) -> Result<Vec<DataFile>, LakeError> {
        const ACTION: &str = "list a table's files";
        let state = self.delta.snapshot().map_err(|error| LakeError::delta(ACTION, error))?;
        let log_store = self.delta.log_store();
        let views = state.snapshot().file_views(log_store.as_ref(), None);
        let files = views.map_ok(|view| DataFile {
            path: view.object_store_path().to_string(),
            size: u64::try_from(view.size()).unwrap_or(0),
            partition: self
                .spec
                .partition
                .and_then(|column| view.partition_values_map().remove(column))
                .flatten(),
            rows: view.num_records(),
        });
        let wanted = files.try_filter(|file| {
            let keep = partition.is_none_or(|value| file.partition.as_deref() == Some(value));
            futures::future::ready(keep)
        });
        wanted.try_collect().await.map_err(|error| LakeError::delta(ACTION, error))
    }

    /// The position that an application stored with its last commit; null if it never did.
    pub async fn position(&self, application: &str) -> Result<Option<i64>, LakeError> {
        const ACTION: &str = "read a position";
        let state = self.delta.snapshot().map_err(|error| LakeError::delta(ACTION, error))?;
        let log_store = self.delta.log_store();
        state
            .transaction_version(log_store.as_ref(), application.to_owned())
            .await
            .map_err(|error| LakeError::delta(ACTION, error))
    }

    /// Writes a checkpoint of this version, from which the table opens without reading every commit before.
    pub async fn checkpoint(&self) -> Result<(), LakeError> {
        deltalake_core::checkpoints::create_checkpoint(&self.delta, None)
            .await
            .map_err(|error| LakeError::delta("write a checkpoint", error))
    }
}

pub(crate) fn not_loaded(action: &'static str) -> LakeError {
    LakeError::delta(action, DeltaTableError::NotInitialized)
}
