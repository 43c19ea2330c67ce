//! Statements of one connection, on the simple and the extended protocol.

use super::cancel::CancelSlot;
use super::parser::{GuardedParser, Prepared};
use super::{reply, settings};
use crate::guard::{self, Kind};
use crate::limits::Patience;
use crate::query::parse;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::{Query, QueryError};
use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use datafusion_postgres::hooks::cursor::CursorStatementHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::hooks::{HookClient, QueryHook};
use datafusion_postgres::{DfSessionService, Parser};
use futures::Sink;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use pgwire::types::format::FormatOptions;
use std::sync::Arc;
use tokio::sync::watch;

/// A session and the snapshots that it may move to.
pub(super) struct Guarded {
    session: Session,
    current: watch::Receiver<Arc<Snapshot>>,
}

impl Guarded {
    pub(super) async fn plan(&self, statement: &Statement) -> Result<LogicalPlan, QueryError> {
        self.session.plan(statement).await
    }

    /// Checks the queries that a cursor would run.
    pub(super) async fn check_cursor(&self, statement: &Statement) -> Result<(), QueryError> {
        if let Statement::Declare { stmts } = statement {
            for query in stmts.iter().filter_map(|declare| declare.for_query.clone()) {
                self.plan(&Statement::Query(query)).await?;
            }
        }
        Ok(())
    }

    /// Outside a transaction each statement sees the newest snapshot; a transaction keeps its first.
    fn settle(&self, status: TransactionStatus) {
        if status == TransactionStatus::Idle {
            self.session.pin_latest(&self.current);
        }
    }
}

/// One connection.
pub(super) struct Connection {
    query: Query,
    guarded: Arc<Guarded>,
    parser: Arc<GuardedParser>,
    types: Arc<Parser>,
}

impl Connection {
    pub(super) fn new(query: Query) -> Result<Self, QueryError> {
        let guarded = Arc::new(Guarded { session: query.session()?, current: query.subscribe() });
        // Of the library's service only the knowledge of wire types is used; it never runs a statement.
        let service = DfSessionService::new_with_hooks(Arc::clone(guarded.session.context()), vec![]);
        let types = service.query_parser();
        let parser = Arc::new(GuardedParser::new(Arc::clone(&guarded), Arc::clone(&types)));
        Ok(Self { query, guarded, parser, types })
    }

    fn patience(&self, client: &(impl ClientInfo + ?Sized)) -> Patience {
        let timeout = settings::timeout(client.metadata(), self.query.config().statement_timeout());
        let canceled = client.session_extensions().get::<CancelSlot>().map(|slot| slot.listen());
        Patience::start(timeout, canceled)
    }

    /// Runs a plan that the guard admitted.
    async fn read(
        &self,
        plan: LogicalPlan,
        mut patience: Patience,
        format: &Format,
        options: FormatOptions,
    ) -> PgWireResult<Response> {
        let schema = Arc::clone(plan.schema().inner());
        let context = self.guarded.session.context();
        let started = async {
            let frame = context.execute_logical_plan(plan).await?;
            Ok::<_, QueryError>(frame.execute_stream().await?)
        };
        let batches = patience.during(started).await?;
        let limit = self.query.row_limit();
        Ok(Response::Query(reply::rows(&schema, batches, patience, limit, format, options)?))
    }

    /// Answers what is no read.
    async fn attend(
        &self,
        kind: Kind,
        statement: &Statement,
        client: &mut dyn HookClient,
    ) -> PgWireResult<Response> {
        let context = self.guarded.session.context();
        let answer = match kind {
            Kind::Set => {
                if let Statement::Set(assignment) = statement {
                    settings::set(assignment, client).await?;
                }
                return Ok(Response::Execution(Tag::new("SET")));
            }
            Kind::Show => {
                let Statement::ShowVariable { variable } = statement else {
                    return Err(QueryError::unsupported("this form of SHOW is not supported").into());
                };
                let (name, value) = settings::show(variable, client.metadata())?;
                return Ok(Response::Query(reply::show(&name, &value)?));
            }
            Kind::Forget => {
                settings::forget(statement, client);
                let tag = match statement {
                    Statement::Discard { .. } => "DISCARD ALL",
                    Statement::Deallocate { .. } => "DEALLOCATE",
                    _ => "RESET",
                };
                return Ok(Response::Execution(Tag::new(tag)));
            }
            Kind::Transaction => {
                TransactionStatementHook.handle_simple_query(statement, context, client).await
            }
            Kind::Cursor => {
                self.guarded.check_cursor(statement).await?;
                CursorStatementHook.handle_simple_query(statement, context, client).await
            }
            Kind::Read => None,
        };
        answer.unwrap_or_else(|| Err(QueryError::unsupported("this statement is not supported").into()))
    }
}

/// After an error a transaction takes nothing but its end.
fn check_aborted(kind: Kind, status: TransactionStatus) -> Result<(), QueryError> {
    if status == TransactionStatus::Error && kind != Kind::Transaction {
        return Err(QueryError::Refused {
            code: "25P02",
            message: "current transaction is aborted, commands ignored until end of transaction block"
                .to_owned(),
        });
    }
    Ok(())
}

#[async_trait]
impl SimpleQueryHandler for Connection {
    async fn do_query<C>(&self, client: &mut C, sql: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let answer = self.simple(client, sql).await;
        self.query.count("postgresql", answer.is_ok());
        answer
    }
}

#[async_trait]
impl ExtendedQueryHandler for Connection {
    type Statement = Prepared;
    type QueryParser = GuardedParser;

    fn query_parser(&self) -> Arc<GuardedParser> {
        Arc::clone(&self.parser)
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let answer = self.extended(client, portal).await;
        self.query.count("postgresql", answer.is_ok());
        answer
    }
}

impl Connection {
    /// Runs the statements of one text, one after the other.
    async fn simple(&self, client: &mut dyn HookClient, sql: &str) -> PgWireResult<Vec<Response>> {
        let statements = parse(sql)?;
        // Refused before the first of them runs, whatever stands in front.
        let kinds = statements.iter().map(guard::check).collect::<Result<Vec<_>, _>>()?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let mut status = client.transaction_status();
        let mut responses = Vec::with_capacity(statements.len());
        for (statement, kind) in statements.iter().zip(kinds) {
            check_aborted(kind, status)?;
            self.guarded.settle(status);
            let response = if kind == Kind::Read {
                let mut patience = self.patience(&*client);
                let plan = patience.during(self.guarded.plan(statement)).await?;
                let options = FormatOptions::from_client_metadata(client.metadata());
                self.read(plan, patience, &Format::UnifiedText, options).await?
            } else {
                self.attend(kind, statement, client).await?
            };
            match response {
                Response::TransactionStart(_) => status = TransactionStatus::Transaction,
                Response::TransactionEnd(_) => status = TransactionStatus::Idle,
                _ => {}
            }
            responses.push(response);
        }
        Ok(responses)
    }

    /// Runs a prepared statement with its parameters.
    async fn extended(
        &self,
        client: &mut dyn HookClient,
        portal: &Portal<Prepared>,
    ) -> PgWireResult<Response> {
        let prepared = &portal.statement.statement;
        let (_, Some((statement, plan))) = prepared else { return Ok(Response::EmptyQuery) };
        let kind = guard::check(statement)?;
        let status = client.transaction_status();
        check_aborted(kind, status)?;
        self.guarded.settle(status);
        if kind != Kind::Read {
            return self.attend(kind, statement, client).await;
        }
        let values = self.parameters(portal, plan)?;
        let mut patience = self.patience(&*client);
        // Planned anew: the tables may have moved since the statement was prepared.
        let plan = patience.during(self.guarded.plan(statement)).await?;
        let plan = plan.replace_params_with_values(&values).map_err(QueryError::from)?;
        let options = FormatOptions::from_client_metadata(client.metadata());
        self.read(plan, patience, &portal.result_column_format, options).await
    }

    /// Reads the bound parameters as the types that the plan gives them.
    fn parameters(
        &self,
        portal: &Portal<Prepared>,
        plan: &LogicalPlan,
    ) -> PgWireResult<datafusion::common::ParamValues> {
        let mut inferred: Vec<(u32, Option<DataType>)> = plan
            .get_parameter_types()
            .map_err(QueryError::from)?
            .into_iter()
            .map(|(name, data_type)| (name.trim_start_matches('$').parse().unwrap_or(u32::MAX), data_type))
            .collect();
        inferred.sort_by_key(|(number, _)| *number);
        let inferred: Vec<Option<&DataType>> =
            inferred.iter().map(|(_, data_type)| data_type.as_ref()).collect();
        let types = self.types.get_parameter_types(&portal.statement.statement)?;
        let types: Vec<Option<&Type>> = types.iter().map(Some).collect();
        deserialize_parameters_with_server_types(portal, &inferred, &types)
    }
}
