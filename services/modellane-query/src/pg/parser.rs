//! Prepared statements: parsed and planned by the same guard as everything else.

use super::connection::Guarded;
use crate::QueryError;
use crate::guard::{self, Kind};
use crate::query::parse;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ToDFSchema};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::Parser;
use pgwire::api::portal::Format;
use pgwire::api::results::FieldInfo;
use pgwire::api::stmt::QueryParser;
use pgwire::api::{ClientInfo, Type};
use pgwire::error::PgWireResult;
use std::sync::Arc;

/// A statement as the portal store keeps it: text, and what it was read as.
pub(super) type Prepared = (String, Option<(Statement, LogicalPlan)>);

/// Prepares statements of one connection.
pub(super) struct GuardedParser {
    session: Arc<Guarded>,
    /// Tells the wire types of parameters and columns.
    types: Arc<Parser>,
}

impl GuardedParser {
    pub(super) fn new(session: Arc<Guarded>, types: Arc<Parser>) -> Self {
        Self { session, types }
    }
}

#[async_trait]
impl QueryParser for GuardedParser {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _: &C, sql: &str, _: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = parse(sql)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement".to_owned();
            return Err(QueryError::Sql { code: "42601", message }.into());
        }
        let Some(statement) = statements.pop() else { return Ok(None) };
        let plan = match guard::check(&statement)? {
            Kind::Read => self.session.plan(&statement).await?,
            Kind::Show => no_rows(vec![Field::new("setting", DataType::Utf8, false)])?,
            Kind::Cursor => {
                self.session.check_cursor(&statement).await?;
                no_rows(vec![])?
            }
            Kind::Set | Kind::Transaction | Kind::Forget => no_rows(vec![])?,
        };
        Ok(Some((sql.to_owned(), Some((statement, plan)))))
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        self.types.get_parameter_types(statement)
    }

    fn get_result_schema(
        &self,
        statement: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        self.types.get_result_schema(statement, format)
    }
}

/// Stands for a statement that is not planned.
fn no_rows(columns: Vec<Field>) -> Result<LogicalPlan, QueryError> {
    let schema: DFSchema = Schema::new(columns).to_dfschema()?;
    Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(schema) }))
}
