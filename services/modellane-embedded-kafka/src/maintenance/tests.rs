use std::sync::atomic::{AtomicBool, Ordering};

use kafka_protocol::ResponseError;

use super::*;
use crate::batch::tests::batch;
use crate::log::Log;
use crate::log::tests::{append, ends, large, new_topic, open, read_from};

/// A log with batches at 0, 100, 200, … in a segment each.
async fn one_a_segment(dir: &Path, count: i64, configs: &[(&str, &str)]) -> Log {
    let log = open(dir);
    let configs: Vec<_> = configs.iter().copied().chain([("segment.ms", "10")]).collect();
    new_topic(&log, &configs).await;
    for number in 0..count {
        append(&log, &batch(-1, -1, -1, 1, number * 100)).await;
    }
    log
}

#[tokio::test]
async fn old_records_go_and_readers_below_the_log_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = one_a_segment(dir.path(), 5, &[("retention.ms", "250")]).await;
    log.maintain(500);
    assert_eq!(ends(&log), (3, 5));
    assert_eq!(log.batches("t", 0, 2, 1 << 20, true), Err(ResponseError::OffsetOutOfRange));
    assert_eq!(read_from(&log, 3, 1 << 20), [3, 4]);
    let place = files::partition(dir.path(), 0, 0);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 3, "two segments and one index");
    log.finish();
    let log = open(dir.path());
    assert_eq!((ends(&log), read_from(&log, 3, 1)), ((3, 5), vec![3, 4]));
}

#[tokio::test]
async fn a_log_that_lost_all_its_records_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let log = one_a_segment(dir.path(), 3, &[("retention.ms", "250")]).await;
    log.maintain(1_000);
    let rolled = log.change(|_| ()).unwrap().1;
    log.synced(rolled).await.unwrap();
    log.maintain(1_000);
    assert_eq!(ends(&log), (3, 3));
    log.finish();
    let log = open(dir.path());
    assert_eq!(ends(&log), (3, 3));
    assert_eq!(log.batches("t", 0, 3, 1 << 20, true).unwrap(), bytes::Bytes::new());
    assert_eq!(log.batches("t", 0, 0, 1 << 20, true), Err(ResponseError::OffsetOutOfRange));
    assert_eq!(append(&log, &batch(-1, -1, -1, 1, 5)).await, 3);
}

#[tokio::test]
async fn large_logs_lose_their_oldest_segments() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[("segment.bytes", "1048576"), ("retention.bytes", "2097152")]).await;
    for _ in 0..100 {
        append(&log, &large(100_000)).await;
    }
    log.maintain(0);
    let place = files::partition(dir.path(), 0, 0);
    let logs = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap());
    let bytes: u64 = logs
        .filter(|e| e.path().extension().is_some_and(|e| e == "log"))
        .map(|e| e.metadata().unwrap().len())
        .sum();
    assert!((2 << 20..=3 << 20).contains(&bytes), "{bytes} bytes are left");
    let (start, end) = ends(&log);
    assert_eq!(end, 100);
    assert_eq!(read_from(&log, start, 1 << 20), (start..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_interrupted_removal_leaves_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let log = one_a_segment(dir.path(), 5, &[]).await;
    log.finish();
    let place = files::partition(dir.path(), 0, 0);
    for base in [0, 1] {
        std::fs::remove_file(files::log(&place, base)).unwrap();
    }
    let log = open(dir.path());
    assert_eq!((ends(&log), read_from(&log, 2, 1)), ((2, 5), vec![2, 3, 4]));
}

/// Readers go through a log from its start again and again while segments come, go and are compacted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_nothing_wrong_while_segments_go() {
    for policy in ["delete", "compact"] {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(open(dir.path()));
        let configs = [
            ("segment.bytes", "1048576"),
            ("retention.bytes", "3000000"),
            ("cleanup.policy", policy),
            ("min.cleanable.dirty.ratio", "0.01"),
        ];
        new_topic(&log, &configs).await;
        let done = Arc::new(AtomicBool::new(false));
        let (reading, stop) = (Arc::clone(&log), Arc::clone(&done));
        let reader = std::thread::spawn(move || {
            let mut rounds = 0;
            while !stop.load(Ordering::SeqCst) || rounds == 0 {
                let mut offset = ends(&reading).0;
                while offset < ends(&reading).1 {
                    match reading.batches("t", 0, offset, 200_000, true) {
                        Err(ResponseError::OffsetOutOfRange) => break,
                        Err(error) => panic!("{policy}: {error}"),
                        Ok(bytes) => {
                            for (base, _) in crate::log::tests::split(&bytes) {
                                assert!(base >= offset, "{base} comes after {offset}");
                                offset = base + 1;
                            }
                        }
                    }
                }
                rounds += 1;
            }
        });
        for number in 0..300 {
            append(&log, &large(50_000)).await;
            if number % 20 == 0 {
                log.maintain(0);
            }
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
        log.finish();
    }
}
