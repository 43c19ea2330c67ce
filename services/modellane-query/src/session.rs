//! Sessions: what one connection or request may see and call.

use crate::cooperate::Cooperate;
use crate::guard;
use crate::snapshot::{CATALOG, Scope, Snapshot};
use crate::uuid_text::uuid_text;
use crate::views::{VIEWS, view};
use crate::{QueryConfig, QueryError};
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableFunctionArgs, TableFunctionImpl, TableProvider,
};
use datafusion::common::plan_err;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables, setup_pg_catalog,
};
use modellane_event::UtcTime;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Table functions that sessions keep: they compute, and read no file.
const TABLE_FUNCTIONS: [&str; 3] = ["generate_series", "range", "pg_get_keywords"];

/// The PostgreSQL release whose behaviour clients may expect, and ours.
pub(crate) const SERVER_VERSION: &str = concat!("16.6 (ModelLane ", env!("CARGO_PKG_VERSION"), ")");

/// Functions, memory and limits that all sessions share.
pub(crate) struct Engine {
    template: SessionState,
    pg_tables: Arc<PgCatalogStaticTables>,
}

impl Engine {
    pub(crate) fn new(config: &QueryConfig) -> Result<Self, QueryError> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(config.memory_mib * 1024 * 1024)))
            .build_arc()?;
        let settings = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, "public")
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true)
            .set_str("datafusion.sql_parser.dialect", "postgres")
            .set_str("datafusion.execution.time_zone", "+00:00");
        // Neither table factories nor file formats: nothing here can open a file by a statement.
        let state = SessionStateBuilder::new()
            .with_config(settings)
            .with_runtime_env(runtime)
            .with_catalog_list(catalog_list(Arc::new(MemoryCatalogProvider::new())))
            .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
            .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
            .with_table_function_list(SessionStateDefaults::default_table_functions())
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_physical_optimizer_rule(Arc::new(Cooperate))
            .build();
        let context = SessionContext::new_with_state(state);
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
        context.register_udf(uuid_text());
        context.register_udf(version());
        let mut template = context.state();
        let unknown: Vec<String> = template
            .table_functions()
            .keys()
            .filter(|name| !TABLE_FUNCTIONS.contains(&name.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            template.deregister_udtf(&name)?;
        }
        Ok(Self { template, pg_tables: Arc::new(PgCatalogStaticTables::try_new()?) })
    }

    /// Functions and settings without any table.
    pub(crate) fn template(&self) -> &SessionState {
        &self.template
    }

    /// A session that sees one snapshot until it is pinned to another.
    pub(crate) fn session(&self, snapshot: Arc<Snapshot>) -> Result<Session, QueryError> {
        let pin = Arc::new(Pin(RwLock::new(snapshot)));
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog.register_schema("public", Arc::new(PinnedSchema(Arc::clone(&pin))))?;
        let pg_catalog = PgCatalogSchemaProvider::try_new(
            PinnedCatalog(Arc::clone(&pin)),
            Arc::clone(&self.pg_tables),
            EmptyContextProvider,
        )?;
        catalog.register_schema("pg_catalog", Arc::new(pg_catalog))?;
        let mut state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_catalog_list(catalog_list(catalog))
            .build();
        for view in VIEWS {
            let function = AsOf { view: view.name, pin: Arc::clone(&pin) };
            state.register_udtf(&format!("{}_as_of", view.name), Arc::new(function));
        }
        Ok(Session { context: Arc::new(SessionContext::new_with_state(state)), pin })
    }
}

fn catalog_list(catalog: Arc<dyn CatalogProvider>) -> Arc<dyn CatalogProviderList> {
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), catalog);
    Arc::new(catalogs)
}

/// What one connection or request sees and calls. Each has its own, so that no setting leaks.
pub(crate) struct Session {
    context: Arc<SessionContext>,
    pin: Arc<Pin>,
}

impl Session {
    /// The session as DataFusion knows it.
    pub(crate) fn context(&self) -> &Arc<SessionContext> {
        &self.context
    }

    /// What the session sees.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.pin.get()
    }

    /// Lets the session see the newest snapshot from now on.
    pub(crate) fn pin_latest(&self, current: &watch::Receiver<Arc<Snapshot>>) {
        self.pin.set(Arc::clone(&current.borrow()));
    }

    /// Plans one statement. Whatever it is, only a plan that reads comes out. Every table of the statement
    /// is of the pinned snapshot, so a table joined with itself agrees.
    pub(crate) async fn plan(&self, statement: &Statement) -> Result<LogicalPlan, QueryError> {
        let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement.clone()));
        let plan = self.context.state().statement_to_plan(statement).await?;
        guard::check_plan(&plan)?;
        Ok(plan)
    }
}

/// The snapshot that a session sees.
struct Pin(RwLock<Arc<Snapshot>>);

impl Pin {
    fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, snapshot: Arc<Snapshot>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin")
    }
}

/// Schema `public`: the views of the pinned snapshot.
#[derive(Debug)]
struct PinnedSchema(Arc<Pin>);

#[async_trait]
impl SchemaProvider for PinnedSchema {
    fn table_names(&self) -> Vec<String> {
        VIEWS.iter().map(|view| view.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        Ok(self.0.get().table(name))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(table_type(name))
    }

    fn table_exist(&self, name: &str) -> bool {
        view(name).is_some()
    }
}

fn table_type(name: &str) -> Option<TableType> {
    view(name).map(|view| if view.stored { TableType::Base } else { TableType::View })
}

/// What `pg_catalog` tells of. It holds the pin and not the catalog, which would hold it in turn.
#[derive(Debug, Clone)]
struct PinnedCatalog(Arc<Pin>);

#[async_trait]
impl CatalogInfo for PinnedCatalog {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        Ok(vec![CATALOG.to_owned()])
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>> {
        let names = ["public", "pg_catalog", "information_schema"];
        Ok((catalog == CATALOG).then(|| names.map(str::to_owned).to_vec()))
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>> {
        let names =
            || if schema == "public" { PinnedSchema(Arc::clone(&self.0)).table_names() } else { vec![] };
        Ok((catalog == CATALOG).then(names))
    }

    async fn table_schema(&self, _: &str, schema: &str, table: &str) -> Result<Option<SchemaRef>> {
        Ok(if schema == "public" { self.0.get().schema(table) } else { None })
    }

    async fn table_type(&self, _: &str, schema: &str, table: &str) -> Result<Option<TableType>> {
        Ok(if schema == "public" { table_type(table) } else { None })
    }
}

/// `VIEW_as_of('2026-11-10T00:00:00Z')`: the view as it was known then.
#[derive(Debug)]
struct AsOf {
    view: &'static str,
    pin: Arc<Pin>,
}

impl TableFunctionImpl for AsOf {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let time = match args.exprs() {
            [Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _)] => {
                UtcTime::parse(text).ok()
            }
            [
                Expr::Literal(
                    value @ (ScalarValue::TimestampMicrosecond(..) | ScalarValue::TimestampNanosecond(..)),
                    _,
                ),
            ] => timestamp(value),
            _ => None,
        };
        let Some(time) = time else {
            return plan_err!("{}_as_of takes one literal time, such as '2026-11-10T00:00:00Z'", self.view);
        };
        match self.pin.get().view_within(self.view, &Scope::as_of(time))? {
            Some(view) => Ok(view),
            None => plan_err!("view {} not found", self.view),
        }
    }
}

fn timestamp(value: &ScalarValue) -> Option<UtcTime> {
    match value {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => UtcTime::from_micros(*micros).ok(),
        ScalarValue::TimestampNanosecond(Some(nanos), _) => {
            UtcTime::from_micros(nanos.div_euclid(1_000)).ok()
        }
        _ => None,
    }
}

/// `version()` in the form that client libraries parse.
fn version() -> ScalarUDF {
    let text = format!("PostgreSQL {SERVER_VERSION}");
    create_udf(
        "version",
        vec![],
        DataType::Utf8,
        Volatility::Stable,
        Arc::new(move |_| Ok(ColumnarValue::Scalar(ScalarValue::from(text.as_str())))),
    )
}
