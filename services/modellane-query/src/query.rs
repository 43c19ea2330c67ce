//! The library: open a lake, ask it.

use crate::guard::{self, Kind};
use crate::lake_reader::LakeReader;
use crate::limits::{Patience, RowLimit, limited};
use crate::report::{self, Hierarchy, ReportParams, ReportResult};
use crate::session::{Engine, Session};
use crate::snapshot::{Scope, Snapshot};
use crate::standing::Standing;
use crate::{QueryConfig, QueryError};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt, TryStreamExt};
use modellane_event::UtcTime;
use modellane_lake::LakeConfig;
use modellane_runtime::{MetricName, Metrics};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// Rows of one statement with their columns, and what they rest on.
#[derive(Debug)]
pub struct SqlResult {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// The state of the whole ledger that the statement saw.
    pub standing: Standing,
}

/// Answers questions about one lake. Cheap to clone; all clones share memory limit and snapshot.
#[derive(Clone)]
pub struct Query(Arc<Inner>);

struct Inner {
    config: QueryConfig,
    engine: Engine,
    reader: Mutex<LakeReader>,
    publish: watch::Sender<Arc<Snapshot>>,
    metrics: Metrics,
}

impl Query {
    /// Opens the lake at its newest versions. Tables that do not exist yet are empty.
    pub fn open(config: QueryConfig, lake: &LakeConfig) -> BoxFuture<'_, Result<Self, QueryError>> {
        Self::open_counted(config, lake, Metrics::new()).boxed()
    }

    pub(crate) async fn open_counted(
        config: QueryConfig,
        lake: &LakeConfig,
        metrics: Metrics,
    ) -> Result<Self, QueryError> {
        config.check()?;
        let engine = Engine::new(&config)?;
        let mut reader = LakeReader::new(lake, config.known_sources.clone())?;
        reader.refresh().await?;
        let snapshot = Snapshot::plan(reader.base_tables().await?, engine.template()).await?;
        let (publish, _) = watch::channel(Arc::new(snapshot));
        let reader = Mutex::new(reader);
        Ok(Self(Arc::new(Inner { config, engine, reader, publish, metrics })))
    }

    /// Looks for newer versions now, and lets statements that start from now on see them.
    pub fn refresh_now(&self) -> BoxFuture<'_, Result<(), QueryError>> {
        self.refresh().boxed()
    }

    async fn refresh(&self) -> Result<(), QueryError> {
        let mut reader = self.0.reader.lock().await;
        reader.refresh().await?;
        // Compared with what is published, so that a version whose views failed is tried again.
        if reader.versions() != *self.current().versions() {
            let base = reader.base_tables().await?;
            let snapshot = Snapshot::plan(base, self.0.engine.template()).await?;
            self.0.publish.send_replace(Arc::new(snapshot));
        }
        Ok(())
    }

    /// Answers one statement that reads.
    pub fn sql<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Vec<RecordBatch>, QueryError>> {
        self.answer(sql, self.row_limit()).map_ok(|answer| answer.batches).boxed()
    }

    /// A report by name.
    pub fn report<'a>(
        &'a self,
        name: &'a str,
        params: &'a ReportParams,
    ) -> BoxFuture<'a, Result<ReportResult, QueryError>> {
        self.report_within(name, params, self.row_limit()).boxed()
    }

    pub(crate) async fn report_within(
        &self,
        name: &str,
        params: &ReportParams,
        limit: RowLimit,
    ) -> Result<ReportResult, QueryError> {
        let report = report::find(name)?;
        params.check()?;
        let current = self.current();
        let teams = match params.team {
            Some(_) => self.teams(&current, params.as_of).await?,
            None => Hierarchy::default(),
        };
        let scope = params.scope(&teams);
        let snapshot = if scope == Default::default() { current } else { Arc::new(current.within(&scope)?) };
        let session = self.0.engine.session(snapshot)?;
        let statement = parse_one(&report.sql())?;
        let answer = self.run(&session, &statement, limit).await?;
        // A team that was taken out of the directory keeps its entries, so only both together is a mistake.
        if let (Some(team), None) = (&params.team, answer.standing.recorded_through)
            && let Some(unknown) = teams.unknown(team)
        {
            return Err(unknown);
        }
        Ok(ReportResult {
            name: report.name,
            title: report.title,
            schema: answer.schema,
            batches: answer.batches,
            standing: answer.standing,
        })
    }

    /// The teams as the directory listed them then.
    async fn teams(&self, current: &Snapshot, as_of: Option<UtcTime>) -> Result<Hierarchy, QueryError> {
        let then = current.within(&Scope { as_of, ..Scope::default() })?;
        let session = self.0.engine.session(Arc::new(then))?;
        let plan = session.plan(&parse_one(Hierarchy::SQL)?).await?;
        Hierarchy::of(&session.context().execute_logical_plan(plan).await?.collect().await?)
    }

    pub(crate) async fn answer(&self, sql: &str, limit: RowLimit) -> Result<SqlResult, QueryError> {
        let statement = parse_one(sql)?;
        if guard::check(&statement)? != Kind::Read {
            return Err(QueryError::unsupported(
                "only queries are answered here; settings and cursors need a connection",
            ));
        }
        let session = self.0.engine.session(self.current())?;
        self.run(&session, &statement, limit).await
    }

    async fn run(
        &self,
        session: &Session,
        statement: &Statement,
        limit: RowLimit,
    ) -> Result<SqlResult, QueryError> {
        let mut patience = Patience::start(self.0.config.statement_timeout(), None);
        let started = async {
            let plan = session.plan(statement).await?;
            let schema = Arc::clone(plan.schema().inner());
            let frame = session.context().execute_logical_plan(plan).await?;
            Ok::<_, QueryError>((schema, frame.execute_stream().await?))
        };
        let (schema, rows) = patience.during(started).await?;
        let batches = limited(rows, patience, limit).try_collect().await?;
        let snapshot = session.snapshot();
        let version = snapshot.ledger_version();
        let standing =
            snapshot.standing.get_or_try_init(|| Standing::of(session.context(), version)).await?.clone();
        Ok(SqlResult { schema, batches, standing })
    }

    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.publish.borrow())
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.publish.subscribe()
    }

    pub(crate) fn session(&self) -> Result<Session, QueryError> {
        self.0.engine.session(self.current())
    }

    /// Counts an answer or a refusal of one interface.
    pub(crate) fn count(&self, interface: &str, answered: bool) {
        let outcome = if answered { "ok" } else { "error" };
        self.0.metrics.add(MetricName::QueryAnswered, &[("interface", interface), ("outcome", outcome)], 1);
    }

    pub(crate) fn config(&self) -> &QueryConfig {
        &self.0.config
    }

    pub(crate) fn row_limit(&self) -> RowLimit {
        RowLimit { rows: self.0.config.max_rows, key: "query.max_rows" }
    }

    pub(crate) fn http_row_limit(&self) -> RowLimit {
        RowLimit { rows: self.0.config.http_max_rows, key: "query.http_max_rows" }
    }
}

/// Reads exactly one statement.
fn parse_one(sql: &str) -> Result<Statement, QueryError> {
    let mut statements = parse(sql)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(QueryError::Sql { code: "42601", message: "no statement".to_owned() }),
        (Some(_), false) => {
            Err(QueryError::Sql { code: "42601", message: "one statement at a time, please".to_owned() })
        }
    }
}

/// Reads statements as PostgreSQL writes them.
pub(crate) fn parse(sql: &str) -> Result<Vec<Statement>, QueryError> {
    PostgresCompatibilityParser::new().parse(sql).map_err(|error| QueryError::syntax(&error))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod million;
