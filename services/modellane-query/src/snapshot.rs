//! One version of the lake as SQL sees it: base tables that stand still, and the views planned over them.

use crate::QueryError;
use crate::standing::Standing;
use crate::views::VIEWS;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::ViewTable;
use datafusion::error::Result;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};
use datafusion::prelude::SessionContext;
use modellane_event::{Date, UtcTime};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Catalog that the views live in; also the name of the database.
pub(crate) const CATALOG: &str = "modellane";
/// Schema of the base tables. Sessions do not have it, so raw ids never reach a client.
const RAW: &str = "raw";

/// Delta versions by table; null while a table does not exist.
pub(crate) type TableVersions = BTreeMap<&'static str, Option<u64>>;

/// Base tables by name, as of one look at the lake.
pub(crate) struct BaseTables {
    /// Their Delta versions.
    pub versions: TableVersions,
    /// `usage_ledger`, `intents`, `rejects`, `teams`, `fetches` and `known_sources`.
    pub tables: Vec<(&'static str, Arc<dyn TableProvider>)>,
}

/// Which part of the ledger a report speaks of. Nothing set means all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scope {
    /// Only what was recorded until then.
    pub as_of: Option<UtcTime>,
    /// First day.
    pub from: Option<Date>,
    /// Day after the last.
    pub to: Option<Date>,
    /// Teams, their descendants among them.
    pub teams: Option<Vec<String>>,
}

impl Scope {
    pub(crate) fn as_of(time: UtcTime) -> Self {
        Self { as_of: Some(time), ..Self::default() }
    }

    /// What a row of a base table must fulfil, by the columns that the table has.
    fn filter(&self, scan: &TableScan) -> Result<Option<Expr>> {
        let schema = scan.source.schema();
        let column = |name: &str| Expr::Column(Column::new(Some(scan.table_name.clone()), name));
        let value = |name: &str, value: ScalarValue| -> Result<Expr> {
            Ok(lit(value.cast_to(schema.field_with_name(name)?.data_type())?))
        };
        let has = |name: &str| schema.field_with_name(name).is_ok();
        let mut filter: Option<Expr> = None;
        let mut require = |condition: Expr| {
            filter = Some(match filter.take() {
                Some(earlier) => earlier.and(condition),
                None => condition,
            });
        };
        if let Some(time) = self.as_of
            && has("recorded_at")
        {
            let time = ScalarValue::TimestampMicrosecond(Some(time.micros()), Some("UTC".into()));
            require(column("recorded_at").lt_eq(value("recorded_at", time)?));
        }
        if scan.table_name.table() == "usage_ledger" {
            if let Some(from) = self.from {
                let from = value("event_date", ScalarValue::Date32(Some(from.0)))?;
                require(column("event_date").gt_eq(from));
            }
            if let Some(to) = self.to {
                require(column("event_date").lt(value("event_date", ScalarValue::Date32(Some(to.0)))?));
            }
            if let Some(teams) = &self.teams {
                let teams = teams.iter().map(|team| lit(team.as_str())).collect();
                require(column("team").in_list(teams, false));
            }
        }
        Ok(filter)
    }
}

/// One version of the lake with its views.
pub(crate) struct Snapshot {
    versions: TableVersions,
    views: BTreeMap<&'static str, Arc<ViewTable>>,
    /// What every answer says beside its rows; worked out when first asked for.
    pub(crate) standing: OnceCell<Standing>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("versions", &self.versions).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Plans every view over the base tables.
    pub(crate) async fn plan(base: BaseTables, template: &SessionState) -> Result<Self, QueryError> {
        let public = Arc::new(MemorySchemaProvider::new());
        let raw = Arc::new(MemorySchemaProvider::new());
        for (name, table) in base.tables {
            raw.register_table(name.to_owned(), table)?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(RAW, raw)?;
        catalog.register_schema("public", Arc::clone(&public) as Arc<dyn SchemaProvider>)?;
        let catalogs = MemoryCatalogProviderList::new();
        datafusion::catalog::CatalogProviderList::register_catalog(
            &catalogs,
            CATALOG.to_owned(),
            Arc::new(catalog),
        );
        let state = SessionStateBuilder::new_from_existing(template.clone())
            .with_catalog_list(Arc::new(catalogs))
            .build();
        let context = SessionContext::new_with_state(state);

        let mut views = BTreeMap::new();
        for view in VIEWS {
            let plan = context.state().create_logical_plan(view.sql).await?;
            let table = Arc::new(ViewTable::new(plan, Some(view.sql.to_owned())));
            public.register_table(view.name.to_owned(), Arc::clone(&table) as Arc<dyn TableProvider>)?;
            views.insert(view.name, table);
        }
        Ok(Self { versions: base.versions, views, standing: OnceCell::new() })
    }

    /// Delta version of the ledger; null while there is none.
    pub(crate) fn ledger_version(&self) -> Option<u64> {
        self.versions.get("usage_ledger").copied().flatten()
    }

    /// Delta versions of all tables.
    pub(crate) fn versions(&self) -> &TableVersions {
        &self.versions
    }

    /// A view by name.
    pub(crate) fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.views.get(name).map(|view| Arc::clone(view) as Arc<dyn TableProvider>)
    }

    /// Columns of a view.
    pub(crate) fn schema(&self, name: &str) -> Option<SchemaRef> {
        self.views.get(name).map(|view| view.schema())
    }

    /// One view over a part of the ledger.
    pub(crate) fn view_within(&self, name: &str, scope: &Scope) -> Result<Option<Arc<ViewTable>>> {
        let Some(view) = self.views.get(name) else { return Ok(None) };
        let plan = narrow(view.logical_plan().clone(), scope)?;
        Ok(Some(Arc::new(ViewTable::new(plan, None))))
    }

    /// Every view over a part of the ledger.
    pub(crate) fn within(&self, scope: &Scope) -> Result<Self> {
        let mut views = BTreeMap::new();
        for name in self.views.keys() {
            if let Some(view) = self.view_within(name, scope)? {
                views.insert(*name, view);
            }
        }
        Ok(Self { versions: self.versions.clone(), views, standing: OnceCell::new() })
    }
}

/// Puts the scope's condition on every scan of a base table, subqueries included: a view then sees only
/// that part, whatever it computes.
fn narrow(plan: LogicalPlan, scope: &Scope) -> Result<LogicalPlan> {
    let narrowed = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) if scan.table_name.schema() == Some(RAW) => {
            let filtered = match scope.filter(&scan)? {
                Some(filter) => {
                    LogicalPlanBuilder::from(LogicalPlan::TableScan(scan)).filter(filter)?.build()?
                }
                None => LogicalPlan::TableScan(scan),
            };
            // The scan below the filter is not visited again.
            Ok(Transformed::new(filtered, true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(narrowed.data)
}
