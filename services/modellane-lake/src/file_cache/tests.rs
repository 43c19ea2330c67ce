use super::*;
use crate::testing::{Bench, Row};
use crate::{DataFile, LakeError};
use arrow::array::{Array, Int64Array};

const ROWS: [Row; 3] = [(Some("a"), 1), (Some("b"), 2), (Some("c"), 3)];

async fn amounts(bench: &Bench, file: &DataFile, rows: Option<&[u32]>) -> Result<Vec<i64>, LakeError> {
    let batch = bench.table.read_columns(file, &["amount"], rows).await?;
    let amounts: &Int64Array = batch.column(0).as_any().downcast_ref().unwrap();
    Ok(amounts.values().to_vec())
}

/// Takes a file away, as nobody would: what is read from then on is from memory.
fn remove(bench: &Bench, file: &DataFile) {
    std::fs::remove_file(bench.root.path().join("entries").join(&file.path)).unwrap();
}

fn caching(bench: Bench, bytes: u64) -> Bench {
    Bench { table: bench.table.with_file_cache(bytes), root: bench.root }
}

#[tokio::test]
async fn what_was_written_is_read_from_memory_whole_and_by_rows() {
    let mut bench = caching(Bench::new().await, 1 << 20);
    let file = bench.put(&ROWS).await;
    remove(&bench, &file);
    assert_eq!(amounts(&bench, &file, Some(&[0, 2])).await.unwrap(), [1, 3]);
    assert_eq!(amounts(&bench, &file, None).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn a_file_is_kept_once_rows_of_it_were_looked_up_and_not_because_it_was_read_through() {
    let mut bench = Bench::new().await;
    let (looked_up, read_through) = (bench.put(&ROWS).await, bench.put(&ROWS).await);
    let bench = caching(bench, 1 << 20);
    assert_eq!(amounts(&bench, &looked_up, Some(&[1])).await.unwrap(), [2]);
    assert_eq!(amounts(&bench, &read_through, None).await.unwrap(), [1, 2, 3]);
    remove(&bench, &looked_up);
    remove(&bench, &read_through);
    assert_eq!(amounts(&bench, &looked_up, Some(&[0, 2])).await.unwrap(), [1, 3]);
    let error = amounts(&bench, &read_through, None).await.unwrap_err();
    assert!(matches!(error, LakeError::Missing { .. }), "{error}");
}

/// The log states another size than the file has: that is damage, from memory as from the store.
#[tokio::test]
async fn a_file_of_another_size_is_never_kept() {
    let mut bench = Bench::new().await;
    let file = bench.put(&ROWS).await;
    let bench = caching(bench, 1 << 20);
    let path = bench.root.path().join("entries").join(&file.path);
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    amounts(&bench, &file, Some(&[1])).await.unwrap_err();
    std::fs::write(&path, &sound).unwrap();
    assert_eq!(amounts(&bench, &file, Some(&[1])).await.unwrap(), [2]);
}

#[test]
fn large_files_are_left_out_and_old_ones_make_room() {
    let cache = FileCache::new(100);
    assert!(cache.takes(25) && !cache.takes(26));
    cache.keep("large", Bytes::from_static(&[0; 26]));
    assert!(cache.get("large").is_none());
    for name in 0..50 {
        cache.keep(&name.to_string(), Bytes::from_static(&[0; 20]));
    }
    let kept = (0..50).filter(|name| cache.get(&name.to_string()).is_some()).count();
    assert!((1..=5).contains(&kept), "{kept} files of 20 bytes are in 100");
}
