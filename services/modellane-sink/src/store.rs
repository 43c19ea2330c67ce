//! A table as the sink sees it.

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_event::UtcTime;
use modellane_lake::{CommitLog, DataFile, LakeError, StagedFile, Table};
use uuid::Uuid;

/// One table at one version: its files, the positions that were committed with them, and the way to commit
/// more. The lake's tables are the product's; a simulation brings its own, so that everything above runs
/// unchanged on a store that fails as a seed says.
pub trait TableStore: CommitLog {
    /// The files of this version, those of one partition if one is given.
    fn files<'a>(&'a self, partition: Option<&'a str>) -> BoxFuture<'a, Result<Vec<DataFile>, LakeError>>;

    /// The named columns of a file. `rows`, strictly increasing, picks rows; null reads all of them.
    fn read_columns<'a>(
        &'a self,
        file: &'a DataFile,
        columns: &'a [&'a str],
        rows: Option<&'a [u32]>,
    ) -> BoxFuture<'a, Result<RecordBatch, LakeError>>;

    /// The position that an application stored with its last commit; null if it never did.
    fn position<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<Option<i64>, LakeError>>;

    /// Writes the rows of one partition as a file that belongs to no version yet.
    fn stage<'a>(
        &'a self,
        partition: Option<&'a str>,
        batches: Vec<RecordBatch>,
        id: Uuid,
        now: UtcTime,
    ) -> BoxFuture<'a, Result<StagedFile, LakeError>>;

    /// The same version of the same table, for somebody who reads it beside.
    fn duplicate(&self) -> Box<dyn TableStore>;
}

impl TableStore for Table {
    fn files<'a>(&'a self, partition: Option<&'a str>) -> BoxFuture<'a, Result<Vec<DataFile>, LakeError>> {
        self.files(partition).boxed()
    }

    fn read_columns<'a>(
        &'a self,
        file: &'a DataFile,
        columns: &'a [&'a str],
        rows: Option<&'a [u32]>,
    ) -> BoxFuture<'a, Result<RecordBatch, LakeError>> {
        self.read_columns(file, columns, rows).boxed()
    }

    fn position<'a>(&'a self, application: &'a str) -> BoxFuture<'a, Result<Option<i64>, LakeError>> {
        self.position(application).boxed()
    }

    fn stage<'a>(
        &'a self,
        partition: Option<&'a str>,
        batches: Vec<RecordBatch>,
        id: Uuid,
        now: UtcTime,
    ) -> BoxFuture<'a, Result<StagedFile, LakeError>> {
        self.stage(partition, batches, id, now).boxed()
    }

    fn duplicate(&self) -> Box<dyn TableStore> {
        Box::new(self.clone())
    }
}
