//! Reads the Delta tables of the lake, one standing version at a time.

use crate::QueryError;
use crate::snapshot::{BaseTables, TableVersions};
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use deltalake_core::delta_datafusion::TableProviderBuilder;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::future::try_join_all;
use modellane_lake::{Lake, LakeConfig};
use std::sync::Arc;

/// Follows the tables that SQL reads.
pub(crate) struct LakeReader {
    tables: Vec<Followed>,
    known_sources: Vec<String>,
}

struct Followed {
    name: &'static str,
    /// Columns, for as long as the table does not exist.
    schema: SchemaRef,
    table: DeltaTable,
}

impl LakeReader {
    pub(crate) fn new(config: &LakeConfig, known_sources: Vec<String>) -> Result<Self, QueryError> {
        let lake = Lake::open(config).map_err(|error| QueryError::Config(error.to_string()))?;
        let tables = [
            ("usage_ledger", modellane_schema::ledger_schema()),
            ("intents", modellane_schema::intents_schema()),
            ("rejects", modellane_schema::rejects_schema()),
            ("teams", modellane_schema::teams_schema()),
            ("fetches", modellane_schema::fetches_schema()),
        ];
        let tables = tables
            .into_iter()
            .map(|(name, schema)| {
                let log = lake.log_store(name).map_err(|error| QueryError::Config(error.to_string()))?;
                Ok(Followed { name, schema, table: DeltaTable::new(log) })
            })
            .collect::<Result<_, QueryError>>()?;
        Ok(Self { tables, known_sources })
    }

    /// Looks for newer versions.
    pub(crate) async fn refresh(&mut self) -> Result<(), QueryError> {
        try_join_all(self.tables.iter_mut().map(Followed::refresh)).await.map(drop)
    }

    /// Versions at the last look, null for tables that do not exist.
    pub(crate) fn versions(&self) -> TableVersions {
        self.tables.iter().map(|followed| (followed.name, followed.table.version())).collect()
    }

    /// The tables as they were at the last look.
    pub(crate) async fn base_tables(&self) -> Result<BaseTables, QueryError> {
        let mut tables = Vec::with_capacity(self.tables.len() + 1);
        for table in &self.tables {
            tables.push((table.name, table.provider().await?));
        }
        tables.push(("known_sources", names_table(&self.known_sources)?));
        Ok(BaseTables { versions: self.versions(), tables })
    }
}

impl Followed {
    async fn refresh(&mut self) -> Result<(), QueryError> {
        let unreadable = |error: DeltaTableError| unreadable(self.name, &error);
        if self.table.version().is_none()
            && !self.table.verify_deltatable_existence().await.map_err(unreadable)?
        {
            return Ok(());
        }
        self.table.update_incremental(None).await.map_err(unreadable)
    }

    async fn provider(&self) -> Result<Arc<dyn TableProvider>, QueryError> {
        let table = &self.table;
        if table.version().is_none() {
            return Ok(Arc::new(MemTable::try_new(Arc::clone(&self.schema), vec![vec![]])?));
        }
        let state = table.snapshot().map_err(|error| unreadable(self.name, &error))?;
        // The eager snapshot holds the list of files, so that a query does not read the log again.
        let provider = TableProviderBuilder::default()
            .with_log_store(table.log_store())
            .with_eager_snapshot(state.snapshot().clone())
            .build()
            .await?;
        Ok(Arc::new(provider))
    }
}

fn unreadable(table: &'static str, error: &DeltaTableError) -> QueryError {
    QueryError::Lake { table, reason: error.to_string() }
}

fn names_table(names: &[String]) -> Result<Arc<dyn TableProvider>, QueryError> {
    let schema = Arc::new(Schema::new(vec![Field::new("source", DataType::Utf8, false)]));
    let column = StringArray::from_iter_values(names);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)])
        .map_err(|error| QueryError::Internal(error.to_string()))?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}
