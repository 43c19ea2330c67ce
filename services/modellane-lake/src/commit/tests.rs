use super::log::STAGED_FOR_AT_MOST;
use super::*;
use crate::testing::{NOW, spec};
use crate::{Lake, LakeConfig};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use url::Url;

/// What a store does to the next log entry.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trick {
    None,
    /// Writes it and loses the answer.
    LoseAnswer,
    /// Writes it, loses the answer, and finds it there when the client tries again.
    AnswerTwice,
    /// Writes nothing.
    Refuse,
    /// Has no space.
    Full,
}

#[derive(Debug)]
struct Tricky {
    inner: InMemory,
    trick: std::sync::Mutex<Trick>,
    log_lists: AtomicUsize,
}

impl std::fmt::Display for Tricky {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tricky")
    }
}

fn generic(text: &'static str) -> object_store::Error {
    object_store::Error::Generic { store: "tricky", source: text.into() }
}

#[async_trait]
impl ObjectStore for Tricky {
    async fn put_opts(&self, path: &Path, data: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        let is_entry = path.as_ref().contains("_delta_log");
        let trick = if is_entry { *self.trick.lock().unwrap() } else { Trick::None };
        match trick {
            Trick::None => self.inner.put_opts(path, data, options).await,
            Trick::Refuse => Err(generic("503")),
            Trick::Full => {
                let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(object_store::Error::Generic { store: "tricky", source: source.into() })
            }
            Trick::LoseAnswer => {
                self.inner.put_opts(path, data, options).await?;
                Err(generic("connection reset"))
            }
            Trick::AnswerTwice => {
                self.inner.put_opts(path, data.clone(), options.clone()).await?;
                self.inner.put_opts(path, data, options).await
            }
        }
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }
    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }
    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.log_lists.fetch_add(1, Ordering::SeqCst);
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn batch(rows: &[(Option<&str>, i64)]) -> RecordBatch {
    let days = StringArray::from_iter_values(rows.iter().map(|_| "2026-11-01"));
    let teams: StringArray = rows.iter().map(|(team, _)| *team).collect();
    let amounts = Int64Array::from_iter_values(rows.iter().map(|(_, amount)| *amount));
    RecordBatch::try_new(spec().schema, vec![Arc::new(days), Arc::new(teams), Arc::new(amounts)]).unwrap()
}

fn lake() -> (Lake, Arc<Tricky>) {
    let store = Arc::new(Tricky {
        inner: InMemory::new(),
        trick: std::sync::Mutex::new(Trick::None),
        log_lists: AtomicUsize::new(0),
    });
    let config = LakeConfig { url: "memory:///lake/".into(), options: BTreeMap::new() };
    let root = Url::parse(&config.url).unwrap();
    (Lake::on(Arc::clone(&store) as _, root, Path::from("lake"), &config), store)
}

async fn commit_of(table: &Table, rows: &[(Option<&str>, i64)], next: i64) -> TableCommit {
    let staged = table.stage(Some("2026-11-01"), vec![batch(rows)], Uuid::new_v4(), NOW).await.unwrap();
    TableCommit {
        id: Uuid::new_v4(),
        files: vec![staged],
        positions: vec![("judged-1/0".into(), next), ("owner".into(), 1)],
        info: BTreeMap::from([("recordedAt".into(), Value::from(NOW.micros()))]),
        now: NOW,
    }
}

async fn total(table: &Table) -> i64 {
    let mut total = 0;
    for file in table.files(None).await.unwrap() {
        let rows = table.read_columns(&file, &["amount"], None).await.unwrap();
        let amounts = rows.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        total += amounts.iter().flatten().sum::<i64>();
    }
    total
}

#[tokio::test]
async fn files_positions_and_information_appear_together() {
    let (lake, _) = lake();
    let mut table = lake.table(spec()).await.unwrap();
    assert_eq!((table.version(), table.position("owner").await.unwrap()), (0, None));
    let commit = commit_of(&table, &[(Some("b"), 2), (None, 4), (Some("a"), 1)], 3).await;
    assert_eq!(commit.files[0].order, [1, 2, 0], "sorted by team, null first");
    assert_eq!(table.commit(commit).await.unwrap(), CommitOutcome::Committed { version: 1 });

    let reopened = lake.table(spec()).await.unwrap();
    for table in [&table, &reopened] {
        assert_eq!(table.version(), 1);
        assert_eq!(table.position("judged-1/0").await.unwrap(), Some(3));
        assert_eq!(table.position("judged-1/1").await.unwrap(), None);
        let info = table.commit_info(1).await.unwrap().unwrap();
        assert_eq!(info["recordedAt"], NOW.micros());
        let files = table.files(Some("2026-11-01")).await.unwrap();
        assert_eq!((files.len(), files[0].rows), (1, Some(3)));
        assert!(files[0].path.starts_with("day=2026-11-01/part-"), "{}", files[0].path);
        assert!(files[0].path.ends_with(".zstd.parquet"));
        assert_eq!(table.files(Some("2026-11-02")).await.unwrap(), []);
        assert_eq!(total(table).await, 7);
    }
}

#[tokio::test]
async fn rows_are_picked_and_the_partition_column_comes_back() {
    let (lake, _) = lake();
    let mut table = lake.table(spec()).await.unwrap();
    let commit = commit_of(&table, &[(Some("a"), 1), (Some("b"), 2), (Some("c"), 3)], 3).await;
    let file = commit.files[0].file.clone();
    table.commit(commit).await.unwrap();
    let rows = table.read_rows(&file, &[0, 2]).await.unwrap();
    assert_eq!(rows, batch(&[(Some("a"), 1), (Some("c"), 3)]));
}

#[tokio::test]
async fn of_two_writers_on_one_version_the_second_adds_nothing() {
    let (lake, _) = lake();
    let mut first = lake.table(spec()).await.unwrap();
    let mut second = first.clone();
    let one = commit_of(&first, &[(Some("a"), 1)], 1).await;
    let other = commit_of(&second, &[(Some("a"), 1)], 1).await;
    assert_eq!(first.commit(one).await.unwrap(), CommitOutcome::Committed { version: 1 });
    assert_eq!(second.commit(other).await.unwrap(), CommitOutcome::Conflict);
    assert_eq!((second.version(), total(&second).await), (1, 1));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_in_the_log() {
    for trick in [Trick::LoseAnswer, Trick::AnswerTwice] {
        let (lake, store) = lake();
        let mut table = lake.table(spec()).await.unwrap();
        let commit = commit_of(&table, &[(Some("a"), 1)], 1).await;
        *store.trick.lock().unwrap() = trick;
        let outcome = table.commit(commit).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed { version: 1 }, "{trick:?}");
        assert_eq!(total(&table).await, 1);
    }
}

#[tokio::test]
async fn a_refused_commit_is_an_error_and_can_be_done_again() {
    let (lake, store) = lake();
    let mut table = lake.table(spec()).await.unwrap();
    let commit = commit_of(&table, &[(Some("a"), 1)], 1).await;
    *store.trick.lock().unwrap() = Trick::Refuse;
    let error = table.commit(commit.clone()).await.unwrap_err();
    assert!(matches!(error, LakeError::Unreachable { .. }) && error.is_retryable(), "{error}");
    *store.trick.lock().unwrap() = Trick::Full;
    assert!(matches!(table.commit(commit.clone()).await, Err(LakeError::Full { .. })));
    *store.trick.lock().unwrap() = Trick::None;
    assert_eq!(table.commit(commit).await.unwrap(), CommitOutcome::Committed { version: 1 });
}

#[tokio::test]
async fn files_that_were_staged_long_ago_are_not_committed() {
    let (lake, _) = lake();
    let mut table = lake.table(spec()).await.unwrap();
    let mut commit = commit_of(&table, &[(Some("a"), 1)], 1).await;
    commit.now = UtcTime(NOW.micros() + STAGED_FOR_AT_MOST + 1);
    assert!(table.commit(commit).await.is_err());
    assert_eq!((table.version(), total(&table).await), (0, 0));
}

#[tokio::test]
async fn a_hundred_commits_write_no_checkpoint_and_one_on_request_holds_everything() {
    let (lake, store) = lake();
    let mut table = lake.table(spec()).await.unwrap();
    for next in 1..=105 {
        let commit = commit_of(&table, &[(Some("a"), 1)], next).await;
        table.commit(commit).await.unwrap();
    }
    let log = Path::from("lake/entries/_delta_log");
    let names = |listed: ListResult| -> Vec<String> {
        listed.objects.iter().map(|object| object.location.to_string()).collect()
    };
    let listed = names(store.list_with_delimiter(Some(&log)).await.unwrap());
    assert_eq!(listed.len(), 106, "{listed:?}");

    table.checkpoint().await.unwrap();
    let reopened = lake.table(spec()).await.unwrap();
    assert_eq!(reopened.position("judged-1/0").await.unwrap(), Some(105));
    assert_eq!(total(&reopened).await, 105);
}

/// A span for some columns only would have one reader leave out every row (see `statistics`).
#[test]
fn the_log_states_rows_and_no_spans() {
    let stated: Value = serde_json::from_str(&statistics(3)).unwrap();
    assert_eq!(stated, json!({ "numRecords": 3 }));
}

#[tokio::test]
async fn a_commit_that_others_followed_before_it_was_found_says_so() {
    let (lake, store) = lake();
    let mut table = lake.table(spec()).await.unwrap();
    let commit = commit_of(&table, &[(Some("a"), 1)], 1).await;
    // Written, unanswered, and followed by another writer's commit before the log is read.
    *store.trick.lock().unwrap() = Trick::LoseAnswer;
    table.attempt(&commit).await.unwrap_err();
    *store.trick.lock().unwrap() = Trick::None;
    let mut other = lake.table(spec()).await.unwrap();
    let theirs = commit_of(&other, &[(Some("b"), 2)], 2).await;
    assert_eq!(other.commit(theirs).await.unwrap(), CommitOutcome::Committed { version: 2 });

    assert_eq!(table.commit(commit).await.unwrap(), CommitOutcome::Overtaken { version: 1 });
    assert_eq!((table.version(), total(&table).await), (2, 3));
}
