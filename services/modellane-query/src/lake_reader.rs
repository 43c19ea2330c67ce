//! Reads the Delta tables of the lake, one standing version at a time.

use crate::QueryError;
use crate::snapshot::BaseTables;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use deltalake_core::delta_datafusion::TableProviderBuilder;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use modellane_lake::{Lake, LakeConfig};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

/// Follows the tables that SQL reads.
pub(crate) struct LakeReader {
    tables: Vec<Followed>,
    known_sources: Vec<String>,
}

struct Followed {
    name: &'static str,
    url: Url,
    options: HashMap<String, String>,
    /// Columns, for as long as the table does not exist.
    schema: SchemaRef,
    table: Option<DeltaTable>,
}

impl LakeReader {
    pub(crate) fn new(config: &LakeConfig, known_sources: Vec<String>) -> Result<Self, QueryError> {
        let lake = Lake::open(config).map_err(|error| QueryError::Config(error.to_string()))?;
        let tables = [
            ("usage_ledger", modellane_schema::ledger_schema()),
            ("intents", modellane_schema::intents_schema()),
            ("rejects", modellane_schema::rejects_schema()),
        ];
        let tables = tables
            .into_iter()
            .map(|(name, schema)| {
                let url = lake.table_url(name).map_err(|error| QueryError::Config(error.to_string()))?;
                let options = config.options.clone().into_iter().collect();
                Ok(Followed { name, url, options, schema, table: None })
            })
            .collect::<Result<_, QueryError>>()?;
        Ok(Self { tables, known_sources })
    }

    /// Looks for newer versions. True if any table moved.
    pub(crate) async fn refresh(&mut self) -> Result<bool, QueryError> {
        let mut moved = false;
        for table in &mut self.tables {
            moved |= table.refresh().await?;
        }
        Ok(moved)
    }

    /// The tables as they were at the last look.
    pub(crate) async fn base_tables(&self) -> Result<BaseTables, QueryError> {
        let mut tables = Vec::with_capacity(self.tables.len() + 1);
        for table in &self.tables {
            tables.push((table.name, table.provider().await?));
        }
        tables.push(("known_sources", names_table(&self.known_sources)?));
        let ledger_version = self.tables.first().and_then(|ledger| ledger.table.as_ref()?.version());
        Ok(BaseTables { ledger_version, tables })
    }
}

impl Followed {
    async fn refresh(&mut self) -> Result<bool, QueryError> {
        if let Some(table) = &mut self.table {
            let before = table.version();
            let looked = table.update_incremental(None).await;
            looked.map_err(|error| unreadable(self.name, &error))?;
            return Ok(table.version() != before);
        }
        if !may_exist(&self.url) {
            return Ok(false);
        }
        let opened = async {
            let builder = DeltaTableBuilder::from_url(self.url.clone())?;
            builder.with_storage_options(self.options.clone()).load().await
        };
        match opened.await {
            Ok(table) => {
                self.table = Some(table);
                Ok(true)
            }
            Err(DeltaTableError::NotATable(_)) => Ok(false),
            Err(error) => Err(unreadable(self.name, &error)),
        }
    }

    async fn provider(&self) -> Result<Arc<dyn TableProvider>, QueryError> {
        let Some(table) = &self.table else {
            return Ok(Arc::new(MemTable::try_new(Arc::clone(&self.schema), vec![vec![]])?));
        };
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

/// A local table that has no log yet is no table; looking for it would be an error of the file system.
fn may_exist(url: &Url) -> bool {
    match url.to_file_path() {
        Ok(path) if url.scheme() == "file" => path.join("_delta_log").is_dir(),
        _ => true,
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
