use super::*;
use crate::testing::{Bench, DAY, NOW};
use crate::{CommitOutcome, Replacement};
use std::collections::BTreeMap;
use uuid::Uuid;

const HOUR: i64 = 3_600_000_000;

/// Far enough ahead that every file on the disk is older.
fn later(hours: i64) -> UtcTime {
    UtcTime(NOW.micros() + 400 * 24 * HOUR + hours * HOUR)
}

fn rule(removed_before: UtcTime, unknown_before: UtcTime) -> VacuumRule {
    VacuumRule { removed_before, unknown_before }
}

async fn compacted() -> Bench {
    let mut bench = Bench::new().await;
    let files = [bench.put(&[(Some("a"), 1)]).await, bench.put(&[(Some("b"), 2)]).await];
    let merged = vec![bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap()];
    let (positions, info) = (Vec::new(), BTreeMap::new());
    let replacement = Replacement { id: Uuid::new_v4(), merged, positions, info, now: NOW };
    assert!(matches!(bench.table.replace(replacement).await, Ok(CommitOutcome::Committed { .. })));
    bench
}

#[tokio::test]
async fn files_that_left_the_table_stay_for_its_readers_and_go_after_that() {
    let mut bench = compacted().await;
    let mut reader = Bench { table: bench.table.clone(), root: tempfile::tempdir().unwrap() };
    assert_eq!(bench.on_disk(), 3);
    let before = rule(NOW, later(0));
    assert_eq!(bench.table.vacuum(before).await.unwrap().files, 0, "they left at that time, not before");
    let after = rule(UtcTime(NOW.micros() + 1_000), later(0));
    assert_eq!(bench.table.vacuum(after).await.unwrap().files, 2);
    assert_eq!((bench.on_disk(), bench.rows().await.len()), (1, 2));
    reader.table.refresh().await.unwrap();
    assert_eq!(reader.rows().await.len(), 2);
}

#[tokio::test]
async fn files_that_nobody_committed_go_once_nobody_can() {
    let mut bench = compacted().await;
    let orphan = bench.stage(&[(Some("a"), 5)]).await;
    let young = rule(NOW, NOW);
    assert_eq!(bench.table.vacuum(young).await.unwrap().files, 0);
    let old = rule(NOW, later(0));
    let vacuumed = bench.table.vacuum(old).await.unwrap();
    assert_eq!((vacuumed.files, vacuumed.bytes), (1, orphan.file.size));
    assert_eq!(bench.on_disk(), 3);
}

#[tokio::test]
async fn a_file_that_is_committed_while_files_are_listed_stays() {
    let mut bench = compacted().await;
    let mut stale = bench.table.clone();
    bench.put(&[(Some("c"), 7)]).await;
    // The table that vacuums stands before the commit, as if it came in between.
    assert_eq!(stale.vacuum(rule(later(0), later(0))).await.unwrap().files, 2);
    assert_eq!(bench.rows().await.len(), 3);
}

#[tokio::test]
async fn what_is_no_data_file_is_not_looked_at() {
    let mut bench = compacted().await;
    let table = bench.root.path().join("entries");
    for name in ["notes.txt", "_delta_log/notes.parquet", "_staging.parquet", ".part.parquet"] {
        std::fs::write(table.join(name), b"kept").unwrap();
    }
    std::fs::write(table.join(format!("day={DAY}/lost.parquet")), b"goes").unwrap();
    assert_eq!(bench.table.vacuum(rule(NOW, later(0))).await.unwrap().files, 1);
    for name in ["notes.txt", "_delta_log/notes.parquet", "_staging.parquet", ".part.parquet"] {
        assert!(table.join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn entries_go_only_if_a_checkpoint_holds_them_and_no_further_than_asked() {
    let mut bench = Bench::new().await;
    for amount in 1..=9 {
        bench.put(&[(Some("a"), amount)]).await;
    }
    assert_eq!(bench.table.log_extent().await.unwrap(), LogExtent { oldest: Some(0), checkpoint: None });
    assert_eq!(bench.table.clean_log(9, later(0)).await.unwrap(), 0, "no checkpoint");

    bench.table.checkpoint().await.unwrap();
    bench.put(&[(Some("a"), 10)]).await;
    assert_eq!(bench.table.clean_log(5, later(0)).await.unwrap(), 0, "the checkpoint is beyond what may go");
    assert_eq!(bench.table.clean_log(10, NOW).await.unwrap(), 0, "they are too young");
    assert_eq!(bench.table.clean_log(10, later(0)).await.unwrap(), 9);
    let extent = bench.table.log_extent().await.unwrap();
    assert_eq!(extent, LogExtent { oldest: Some(9), checkpoint: Some(9) });
    assert_eq!(bench.table.log_entry(8).await.unwrap(), None);
    assert_eq!(
        bench.table.log_entry(9).await.unwrap().map(|entry| entry.operation),
        Some("WRITE".to_owned())
    );

    let lake = crate::Lake::open(&crate::LakeConfig::directory(bench.root.path())).unwrap();
    let reopened = lake.existing_table(crate::testing::spec()).await.unwrap().unwrap();
    assert_eq!(reopened.files(None).await.unwrap().len(), 10);
}

#[tokio::test]
async fn what_cut_off_uploads_left_on_a_disk_goes() {
    let bench = compacted().await;
    let lake = crate::Lake::open(&crate::LakeConfig::directory(bench.root.path())).unwrap();
    let day = bench.root.path().join("entries").join(format!("day={DAY}"));
    for name in ["part-1.zstd.parquet#1", "part-2.zstd.parquet#x"] {
        std::fs::write(day.join(name), b"half").unwrap();
    }
    assert_eq!(lake.remove_remains("entries", NOW).await.unwrap(), 0, "it may be under way");
    assert_eq!(lake.remove_remains("entries", later(0)).await.unwrap(), 1);
    assert!(!day.join("part-1.zstd.parquet#1").exists() && day.join("part-2.zstd.parquet#x").exists());
    assert_eq!(bench.rows().await.len(), 2);
    assert_eq!(lake.remove_remains("not/there", later(0)).await.unwrap(), 0);
}
