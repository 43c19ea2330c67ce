//! A table that another version of the product made.

use crate::{LakeError, Table};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{StructField, StructType};

const ACTION: &str = "open a table";

/// How a table's columns differ from those that this version writes.
struct Difference {
    /// What the table lacks.
    missing: Vec<StructField>,
    /// What only the table has.
    unknown: Vec<String>,
}

impl Table {
    /// Adds what the table lacks of its columns: a version that has more writes to the table of one that had
    /// fewer, whose rows have null there. Writers of either version go on; a reader of both sees every row.
    ///
    /// # Errors
    /// [`LakeError::Damaged`] if a column has another type, or if one that must not be null is missing.
    pub(crate) async fn widen(&mut self) -> Result<(), LakeError> {
        let missing = self.difference()?.missing;
        if let Some(strict) = missing.iter().find(|field| !field.is_nullable()) {
            return Err(self.damaged(format!(
                "it lacks the column {}, which must not be null; restore the table, or begin a new lake and replay",
                strict.name()
            )));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(|field| field.name().clone()).collect();
        let added = self.delta.clone().add_columns().with_fields(missing).await;
        self.refresh().await?;
        match added {
            Ok(_) => tracing::info!(table = self.name(), columns = names.join(", "), "added columns"),
            // Another process of this version was quicker.
            Err(_) if self.difference()?.missing.is_empty() => {}
            Err(error) => return Err(LakeError::delta("add columns to a table", error)),
        }
        Ok(())
    }

    /// Refuses what would lose the values of columns that this version does not know: writing rows anew.
    pub(crate) fn refuse_unknown_columns(&self) -> Result<(), LakeError> {
        let unknown = self.difference()?.unknown;
        if unknown.is_empty() {
            return Ok(());
        }
        Err(self.damaged(format!(
            "it holds columns of a later version ({}), which this one would drop from the rows that it writes anew; \
             run maintenance of that version",
            unknown.join(", ")
        )))
    }

    fn difference(&self) -> Result<Difference, LakeError> {
        let state = self.delta.snapshot().map_err(|error| LakeError::delta(ACTION, error))?;
        let (held, wanted) = (state.schema(), self.spec.schema.as_ref());
        let wanted: StructType = wanted.try_into_kernel().map_err(|error| LakeError::arrow(ACTION, error))?;
        let mut missing = Vec::new();
        for field in wanted.fields() {
            match held.field(field.name()) {
                None => missing.push(field.clone()),
                Some(other) if other.data_type() == field.data_type() => {}
                Some(other) => {
                    return Err(self.damaged(format!(
                        "its column {} is {}, where this version writes {}; use the version that made the table, or \
                         begin a new lake and replay",
                        field.name(),
                        other.data_type(),
                        field.data_type()
                    )));
                }
            }
        }
        let unknown = held.fields().filter(|field| wanted.field(field.name()).is_none());
        Ok(Difference { missing, unknown: unknown.map(|field| field.name().clone()).collect() })
    }

    fn damaged(&self, detail: String) -> LakeError {
        LakeError::Damaged { action: ACTION, detail: format!("{}: {detail}", self.name()) }
    }
}

#[cfg(test)]
mod tests;
