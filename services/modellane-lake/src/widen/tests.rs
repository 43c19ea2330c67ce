use crate::testing::{Bench, NOW, spec};
use crate::{CommitOutcome, Lake, LakeConfig, LakeError, Table, TableCommit, TableSpec};
use arrow::array::Array;
use arrow::datatypes::{DataType, Field, Schema};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The small table with one column more, or one of another type.
fn later(column: Field) -> TableSpec {
    let spec = spec();
    let kept = spec.schema.fields().iter().filter(|field| field.name() != column.name()).cloned();
    let fields: Vec<_> = kept.chain([Arc::new(column.clone())]).collect();
    TableSpec { schema: Arc::new(Schema::new(fields)), ..spec }
}

fn with_model() -> TableSpec {
    later(Field::new("model", DataType::Utf8, true))
}

async fn open(bench: &Bench, spec: TableSpec) -> Result<Table, LakeError> {
    Lake::open(&LakeConfig::directory(bench.root.path())).unwrap().table(spec).await
}

async fn models(table: &Table) -> Vec<bool> {
    let mut named = Vec::new();
    for file in table.files(None).await.unwrap() {
        let batch = table.read_columns(&file, &["model"], None).await.unwrap();
        named.extend((0..batch.num_rows()).map(|row| batch.column(0).is_valid(row)));
    }
    named
}

#[tokio::test]
async fn a_table_of_an_earlier_version_gets_the_columns_that_it_lacks_and_keeps_its_rows() {
    let mut bench = Bench::new().await;
    bench.put(&[(Some("a"), 1), (None, 2)]).await;
    let wide = open(&bench, with_model()).await.unwrap();
    assert_eq!(wide.version(), bench.table.version() + 1);
    assert_eq!(models(&wide).await, [false, false]);
    let again = open(&bench, with_model()).await.unwrap();
    assert_eq!(again.version(), wide.version(), "nothing is left to add");
    // Whoever reads the log without this code finds the column too.
    let state = again.delta.snapshot().unwrap();
    assert!(state.schema().field("model").is_some_and(|field| field.is_nullable()));
}

#[tokio::test]
async fn a_writer_of_the_earlier_version_goes_on_beside_it() {
    let mut bench = Bench::new().await;
    let wide = open(&bench, with_model()).await.unwrap();
    let files = vec![bench.stage(&[(Some("a"), 1)]).await];
    let commit =
        TableCommit { id: Uuid::new_v4(), files, positions: Vec::new(), info: BTreeMap::new(), now: NOW };
    // It has not seen the change, so it reads and decides again, as after any other commit.
    assert_eq!(bench.table.commit(commit.clone()).await.unwrap(), CommitOutcome::Conflict);
    let version = wide.version() + 1;
    assert_eq!(bench.table.commit(commit).await.unwrap(), CommitOutcome::Committed { version });
    let narrow = open(&bench, spec()).await.unwrap();
    assert_eq!(
        (narrow.version(), models(&open(&bench, with_model()).await.unwrap()).await),
        (version, vec![false])
    );
}

#[tokio::test]
async fn the_earlier_version_merges_no_rows_whose_further_columns_it_would_drop() {
    let mut bench = Bench::new().await;
    let files = [bench.put(&[(Some("a"), 1)]).await, bench.put(&[(Some("b"), 2)]).await];
    open(&bench, with_model()).await.unwrap();
    bench.table.refresh().await.unwrap();
    let refused = bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap_err().to_string();
    assert!(refused.contains("columns of a later version (model)"), "{refused}");
    let wide = open(&bench, with_model()).await.unwrap();
    assert!(wide.merge(&files, Uuid::new_v4(), NOW).await.is_ok());
}

#[tokio::test]
async fn columns_that_cannot_be_told_apart_or_filled_are_refused_with_their_names() {
    let bench = Bench::new().await;
    let typed =
        open(&bench, later(Field::new("amount", DataType::Utf8, false))).await.unwrap_err().to_string();
    assert!(typed.contains("column amount is long, where this version writes string"), "{typed}");
    let strict =
        open(&bench, later(Field::new("model", DataType::Utf8, false))).await.unwrap_err().to_string();
    assert!(strict.contains("lacks the column model, which must not be null"), "{strict}");
    assert_eq!(open(&bench, spec()).await.unwrap().version(), 0, "nothing was changed");
}
