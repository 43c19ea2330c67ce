//! What a statement may do: read, and little else.
//!
//! The guard looks twice. By syntax it admits a short list of statements, so that a refusal names what was
//! tried. By plan it admits only plans without writes, whatever the syntax made of them.

use crate::QueryError;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    CopyTarget, DeclareType, Query, Select, Set, Statement, TransactionAccessMode, TransactionMode, Visit,
    Visitor,
};
use std::ops::ControlFlow;

/// What an admitted statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A query, or the explanation of one.
    Read,
    /// `DECLARE`, `FETCH`, `CLOSE`; the declared query is checked like any other.
    Cursor,
    /// `SET`; the variable is checked against a list.
    Set,
    /// `SHOW` of a variable.
    Show,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`.
    Transaction,
    /// `DISCARD`, `DEALLOCATE`, `RESET`: forgets something of the session.
    Forget,
}

/// Admits or refuses a statement by its syntax.
pub(crate) fn check(statement: &Statement) -> Result<Kind, QueryError> {
    match statement {
        Statement::Query(_) => check_reads(statement),
        Statement::Explain { statement, .. } => match statement.as_ref() {
            Statement::Query(_) => check_reads(statement),
            other => Err(refusal(other)),
        },
        Statement::ExplainTable { .. } | Statement::ShowTables { .. } | Statement::ShowColumns { .. } => {
            Ok(Kind::Read)
        }
        Statement::ShowVariable { .. } => Ok(Kind::Show),
        Statement::Set(Set::SetTransaction { modes, .. }) | Statement::StartTransaction { modes, .. }
            if modes.contains(&TransactionMode::AccessMode(TransactionAccessMode::ReadWrite)) =>
        {
            Err(QueryError::Refused {
                code: "25006",
                message: "only read-only transactions are served".to_owned(),
            })
        }
        Statement::Set(_) => Ok(Kind::Set),
        Statement::StartTransaction { statements, .. } if !statements.is_empty() => Err(refusal(statement)),
        Statement::Rollback { savepoint: Some(_), .. } => {
            Err(QueryError::unsupported("savepoints are not supported"))
        }
        Statement::StartTransaction { .. } | Statement::Commit { .. } | Statement::Rollback { .. } => {
            Ok(Kind::Transaction)
        }
        Statement::Declare { stmts } => {
            for declare in stmts {
                match (&declare.declare_type, &declare.for_query) {
                    (Some(DeclareType::Cursor), Some(query)) => {
                        check_reads(&Statement::Query(query.clone()))?;
                    }
                    _ => return Err(refusal(statement)),
                }
            }
            Ok(Kind::Cursor)
        }
        Statement::Fetch { into: None, .. } | Statement::Close { .. } => Ok(Kind::Cursor),
        Statement::Discard { .. } | Statement::Deallocate { .. } | Statement::Reset(_) => Ok(Kind::Forget),
        other => Err(refusal(other)),
    }
}

/// Admits or refuses a plan: no definition, no write, no statement anywhere in it.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), QueryError> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(|_| QueryError::Refused {
            code: "25006",
            message: "only statements that read are served".to_owned(),
        })
}

fn check_reads(statement: &Statement) -> Result<Kind, QueryError> {
    match statement.visit(&mut Writes) {
        ControlFlow::Continue(()) => Ok(Kind::Read),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Looks for writes that hide inside a query.
struct Writes;

impl Visitor for Writes {
    type Break = QueryError;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<QueryError> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            other => ControlFlow::Break(refusal(other)),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        if query.locks.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(QueryError::read_only("SELECT FOR UPDATE"))
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        match select.into {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(QueryError::read_only("SELECT INTO")),
        }
    }
}

/// Says what was refused in the words of PostgreSQL. Nothing of the statement but its command is repeated.
fn refusal(statement: &Statement) -> QueryError {
    match statement {
        Statement::Copy { to: false, .. } => QueryError::read_only("COPY FROM"),
        Statement::Copy { to: true, target: CopyTarget::Stdout, .. } => {
            QueryError::unsupported("COPY TO STDOUT is not supported; psql --csv writes what a SELECT gives")
        }
        Statement::Copy { .. } => QueryError::denied("COPY to a file or program is not allowed"),
        Statement::Prepare { .. } | Statement::Execute { .. } => QueryError::unsupported(
            "PREPARE and EXECUTE as statements are not supported; use the protocol's prepared statements",
        ),
        Statement::Savepoint { .. } | Statement::ReleaseSavepoint { .. } => {
            QueryError::unsupported("savepoints are not supported")
        }
        other => {
            let text = other.to_string();
            let mut words = text.split_whitespace();
            let command = words.next().unwrap_or("this statement").to_ascii_uppercase();
            match command.as_str() {
                "CREATE" | "ALTER" | "DROP" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE"
                | "GRANT" | "REVOKE" | "COMMENT" | "REPLACE" => QueryError::read_only(&command),
                _ => QueryError::denied(format!("{command} is not allowed here; only reads are served")),
            }
        }
    }
}

#[cfg(test)]
mod tests;
