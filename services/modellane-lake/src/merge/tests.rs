use crate::testing::{Bench, NOW, Row};
use crate::{CommitOutcome, DataFile, LakeError, MergedFile, Replacement, TableCommit};
use modellane_event::UtcTime;
use std::collections::BTreeMap;
use uuid::Uuid;

const TEAMS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

/// More rows than are read or written at a time, in several files, each with all teams.
async fn filled(files: usize, rows: usize) -> (Bench, Vec<DataFile>) {
    let mut bench = Bench::new().await;
    let mut put = Vec::new();
    for file in 0..files {
        let row = |row: usize| (TEAMS[(row + file) % TEAMS.len()], (file * rows + row) as i64);
        let rows: Vec<Row> = (0..rows).map(row).collect();
        put.push(bench.put(&rows).await);
    }
    (bench, put)
}

fn replacement(merged: Vec<MergedFile>, now: UtcTime) -> Replacement {
    Replacement { id: Uuid::new_v4(), merged, positions: Vec::new(), info: BTreeMap::new(), now }
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

#[tokio::test]
async fn a_merge_holds_every_row_once_in_the_order_of_the_table() {
    let (mut bench, files) = filled(3, 5_000).await;
    let before = sorted(bench.rows().await);
    let merged = bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap();
    assert_eq!(merged.file.rows, Some(15_000));
    assert_eq!(sorted(bench.rows().await), before, "a merge alone changes nothing");

    let outcome = bench.table.replace(replacement(vec![merged.clone()], NOW)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { version: 4 });
    assert_eq!(bench.table.files(None).await.unwrap(), [merged.file]);
    let after = bench.rows().await;
    assert!(after.is_sorted_by_key(|(team, _)| team.clone()), "null first, then by name");
    assert_eq!(sorted(after), before);
}

#[tokio::test]
async fn files_of_one_team_each_and_an_empty_one_are_merged() {
    let mut bench = Bench::new().await;
    let mut files = Vec::new();
    for rows in [&[(Some("c"), 1), (Some("c"), 2)][..], &[], &[(Some("a"), 3)], &[(None, 4)]] {
        files.push(bench.put(rows).await);
    }
    let merged = bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap();
    let amounts: Vec<i64> = bench.rows_of(&merged.file).await.into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(amounts, [4, 3, 1, 2]);
}

#[tokio::test]
async fn an_input_that_states_more_rows_than_it_holds_stops_the_merge() {
    let (bench, mut files) = filled(2, 10).await;
    files[1].rows = Some(11);
    let refused = bench.table.merge(&files, Uuid::new_v4(), NOW).await;
    assert!(matches!(refused, Err(LakeError::Damaged { .. })), "{refused:?}");
    assert_eq!(bench.on_disk(), 2, "what was written is removed");
}

#[tokio::test]
async fn a_replacement_gives_way_to_every_other_commit() {
    let (mut bench, files) = filled(2, 10).await;
    let merged = bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap();
    let mut stale = bench.table.clone();
    bench.put(&[(Some("a"), 1_000)]).await;
    let outcome = stale.replace(replacement(vec![merged.clone()], NOW)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Conflict);
    // It stands at the newest version now and may try again.
    let outcome = stale.replace(replacement(vec![merged.clone()], NOW)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { version: 4 });
    // Inputs leave a table once.
    let again = stale.replace(replacement(vec![merged], NOW)).await.unwrap();
    assert_eq!(again, CommitOutcome::Conflict);
    bench.table.refresh().await.unwrap();
    assert_eq!(bench.rows().await.len(), 21);
}

#[tokio::test]
async fn a_writer_on_the_version_before_a_replacement_meets_a_conflict() {
    let (mut bench, files) = filled(2, 10).await;
    let mut writer = bench.table.clone();
    let merged = bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap();
    bench.table.replace(replacement(vec![merged], NOW)).await.unwrap();
    let staged = bench.stage(&[(Some("a"), 1)]).await;
    let commit = TableCommit {
        id: Uuid::new_v4(),
        files: vec![staged],
        positions: Vec::new(),
        info: BTreeMap::new(),
        now: NOW,
    };
    assert_eq!(writer.commit(commit).await.unwrap(), CommitOutcome::Conflict);
}

#[tokio::test]
async fn a_merge_that_waited_for_more_than_an_hour_is_not_committed() {
    let (mut bench, files) = filled(2, 10).await;
    let merged = bench.table.merge(&files, Uuid::new_v4(), NOW).await.unwrap();
    let late = UtcTime(NOW.micros() + 3_600_000_001);
    assert!(bench.table.replace(replacement(vec![merged], late)).await.is_err());
    assert_eq!(bench.table.version(), 2);
}
